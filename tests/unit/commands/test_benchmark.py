"""`metaclip-spark benchmark` on one core: every engine finds the same ids, and the tables name what was timed."""

from __future__ import annotations

import json
import re
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from metaclip_spark.benchmark import one_core, texts
from metaclip_spark.cli import app
from metaclip_spark.errors import InputError


@pytest.fixture
def given(tmp_path):
    """Flags of a small list and a small table of texts."""
    (tmp_path / "list.txt").write_text("cat\na cat\nnew york\n", encoding="utf-8")
    rows = {"url": [f"http://e.org/{n}" for n in range(4)], "text": ["a cat", "new york", "dogs", None]}
    pq.write_table(pa.table(rows), tmp_path / "pool.parquet")
    return ["--metadata", str(tmp_path / "list.txt"), "--input", str(tmp_path / "pool.parquet"), "--no-spark"]


def test_every_engine_finds_the_same_ids_and_json_has_the_rates(given, capsys):
    """The JSON names libraries that are not installed."""
    assert app.main(["benchmark", *given, "--texts", "60", "--naive-texts", "60", "--rounds", "1", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["texts"], summary["entries"], summary["rounds"], summary["spark"]) == (60, 3, 1, [])
    engines = {one["engine"]: one for one in summary["one_core"]}
    assert {"naive scan", one_core.LOOP, one_core.OURS} <= set(engines)
    assert len({one["ids"] for one in engines.values()}) == 1
    assert all(one["texts_per_second"] > 0 for one in engines.values())
    assert set(summary["not_installed"]) == set(one_core._ENGINES) - set(engines)


def test_a_library_that_is_not_installed_is_skipped_with_what_to_install(given, capsys, monkeypatch):
    """A warning names the packages to install, and the other engines are timed."""
    monkeypatch.setitem(sys.modules, "daachorse", None)
    assert app.main(["benchmark", *given, "--texts", "30", "--naive-texts", "0", "--rounds", "1"]) == 0
    printed = capsys.readouterr()
    assert re.search(
        r"daachorse is skipped, because it is not installed: .*pip install .*'daachorse>=0\.5'", printed.err
    )
    assert "daachorse" not in printed.out


def test_table_compares_with_the_loop(given, capsys):
    """The loop is 1.0; the row of the naive scan names its number of texts."""
    assert app.main(["benchmark", *given, "--texts", "30", "--naive-texts", "5", "--rounds", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("30 different texts of ")
    assert lines[1].split() == ["one", "core", "texts/s", "times", "the", "loop", "ids", "per", "text"]
    assert any(line.startswith("naive scan (5 texts) ") for line in lines)
    assert next(line for line in lines if line.startswith(one_core.LOOP)).split()[-2] == "1.0"


def test_without_a_clone_an_input_must_be_given(capsys, monkeypatch, tmp_path):
    """An installed package has the lists, but not the sample; the error names the flag."""
    monkeypatch.setattr("metaclip_spark.commands.benchmark.SAMPLE", tmp_path / "pool.wat.gz")
    assert app.main(["benchmark", "--metadata", "wordnet"]) == 2
    message = "pool.wat.gz is not part of an installed package: give --input FILE..."
    assert message in capsys.readouterr().err


def test_texts_are_different_and_the_same_for_a_seed():
    """Resampled texts never repeat; another seed gives other texts."""
    base = ["a cat on a mat", "new york", "x"]
    made = texts.different_texts(base, 500)
    assert len(set(made)) == 500
    assert made == texts.different_texts(base, 500)
    assert made != texts.different_texts(base, 500, seed=1)


def test_input_without_texts_is_refused(tmp_path):
    """The error names the input."""
    pq.write_table(pa.table({"url": ["http://e.org/1"], "text": pa.nulls(1, pa.string())}), tmp_path / "p.parquet")
    with pytest.raises(InputError, match=r"p\.parquet: the input contains no text; give --input files with texts"):
        texts.texts_of([str(tmp_path / "p.parquet")])
