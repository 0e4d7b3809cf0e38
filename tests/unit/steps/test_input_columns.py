"""The columns of the input are checked before the work, and a choice of columns is said."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.errors import InputError
from metaclip_spark.metadata import Metadata
from metaclip_spark.sources.files import find_sources
from metaclip_spark.steps.reading.plan import check_input_columns


def sentences(folder, **options) -> list[str]:
    return check_input_columns(find_sources([str(folder)]), ExtractOptions(**options))


def write(path, *names: str):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(pa.table([["x"]] * len(names), names=list(names)), path)
    elif path.suffix == ".jsonl":
        path.write_text("{" + ", ".join(f'"{name}": "x"' for name in names) + "}\n")
    else:
        path.write_text(",".join(names) + "\n" + ",".join("x" for _ in names) + "\n")


@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "a.jsonl"])
def test_a_choice_of_columns_is_said(tmp_path, name):
    """One sentence says which columns stand for the default ones."""
    write(tmp_path / name, "SAMPLE_ID", "URL", "TEXT")
    assert sentences(tmp_path) == ["columns: url is URL, text is TEXT"]


def test_default_names_are_not_said(tmp_path):
    """There is nothing to say about `url` and `text`."""
    write(tmp_path / "a.parquet", "url", "text")
    assert sentences(tmp_path) == []


def test_formats_that_agree_say_it_once(tmp_path):
    """Each format is looked at, and each sentence is said once."""
    write(tmp_path / "a.parquet", "URL", "text")
    write(tmp_path / "a.csv", "URL", "text")
    write(tmp_path / "a.jsonl", "url", "caption")
    assert sorted(sentences(tmp_path)) == ["columns: text is caption", "columns: url is URL"]


def test_a_language_in_the_path_is_said(tmp_path):
    """A folder may be a column."""
    write(tmp_path / "lang=en" / "a.parquet", "url", "text")
    assert sentences(tmp_path, lang_column="lang") == ["columns: lang is a folder of the path"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("url", "caption", "alt"), "2 columns could be meant: ['caption', 'alt']"),
        (("url", "text", "url"), "column 'url' is there 2 times in "),
        (("url", "body"), "column 'text' is missing in "),
    ],
)
def test_wrong_columns_are_refused_with_the_file(tmp_path, names, message):
    """The error names the file."""
    write(tmp_path / "a.parquet", *names)
    with pytest.raises(InputError) as raised:
        sentences(tmp_path)
    assert message in str(raised.value)
    assert str(tmp_path / "a.parquet") in str(raised.value)


def test_a_file_that_cannot_be_read_is_no_wrong_setting(tmp_path):
    """A damaged file is a source that failed; the run goes on."""
    (tmp_path / "a.parquet").write_bytes(b"PAR1 nothing")
    assert sentences(tmp_path) == []


def test_texts_of_known_names_measure_a_list(tmp_path):
    """`metadata inspect --texts` finds the column as `run` does."""
    from metaclip_spark.commands.metadata_coverage import measure_coverage, read_texts

    pq.write_table(pa.table({"URL": ["u0"], "caption": [" a red kite "]}), tmp_path / "a.parquet")
    texts = read_texts(tmp_path / "a.parquet")
    assert texts == ["a red kite"]
    assert measure_coverage(Metadata.from_entries(["kite"]), texts).matched == 1
