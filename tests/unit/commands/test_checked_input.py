"""What a command says about its input before Spark starts."""

from __future__ import annotations

import pytest
from recorder import Recorder

from metaclip_spark.commands.opening import checked_input
from metaclip_spark.config.merge import make_settings
from metaclip_spark.errors import InputError


@pytest.fixture
def pool(tmp_path):
    """Write a pool with a file that is read and one that is not."""
    (tmp_path / "a.tsv").write_text("url\ttext\tlang\nhttp://ex.org/a.jpg\ta cat\ten\n")
    (tmp_path / "b.warc.zst").write_text("x")
    return tmp_path


def lines_of(**flags) -> list[tuple[str, str]]:
    reporter = Recorder()
    checked_input(make_settings({"no_lid": True, **flags}), reporter)
    return reporter.lines


def test_files_that_are_no_input_are_said(pool):
    """On one line."""
    line = f"input {pool}: 1 file is no input and is not read: 1 .warc.zst."
    assert [text for kind, text in lines_of(input=str(pool)) if kind == "say"] == [line]
    assert lines_of(input=str(pool / "a.tsv")) == []


def test_unusual_codes_of_a_column_are_warned_of(pool):
    """Only the column can give them."""
    (warning,) = lines_of(input=str(pool / "a.tsv"), lang_column="lang", languages="english")
    assert warning[0] == "warn"
    assert "'english' (did you mean en?) is no usual code; such texts are kept only if column lang" in warning[1]
    assert lines_of(input=str(pool / "a.tsv"), lang_column="lang", languages="en") == []


def test_a_table_is_refused_before_the_work(pool):
    """Exit status 2."""
    (pool / "t" / "_delta_log").mkdir(parents=True)
    (pool / "t" / "_delta_log" / "0.json").write_text("{}")
    with pytest.raises(InputError, match="reads files of the Delta table") as caught:
        lines_of(input=str(pool))
    assert caught.value.exit_code == 2
