"""docs/FILTERS.md is true: its code runs, and its table is that of the filters."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from metaclip_spark.candidates.ledger import TEXT_REASONS
from metaclip_spark.filters import load_filter
from metaclip_spark.filters.hook import HOOK_SCHEMA

DOCS = Path(__file__).resolve().parents[3] / "docs" / "FILTERS.md"


@pytest.fixture
def docs() -> str:
    """Read the page."""
    return DOCS.read_text(encoding="utf-8")


def test_the_code_of_the_page_runs(docs, module, tmp_path, monkeypatch):
    """The first block is my_filters.py; the others run after it in order, asserts included."""
    monkeypatch.chdir(tmp_path)
    source, *scripts = re.findall(r"^```python\n(.*?)^```$", docs, re.DOTALL | re.MULTILINE)
    module("my_filters", source)
    names: dict = {}
    for script in scripts:
        exec(compile(script, str(DOCS), "exec"), names)
    assert len(scripts) == 2
    assert "my_filters" in sys.modules


def test_the_filters_that_the_page_names_can_be_loaded(docs, module, tmp_path, monkeypatch):
    """Every --filter of the page is loaded."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "words.txt").write_text("kite\n")
    module("my_filters", re.search(r"^```python\n(.*?)^```$", docs, re.DOTALL | re.MULTILINE).group(1))
    specs = re.findall(r"--filter '?((?!package:)[\w.]+:[^\s'`]+)", docs)
    ids = [load_filter(spec).id.partition("@")[0] for spec in specs]
    assert ids == ["my_filters:no_addresses", "my_filters:no_icons", "metaclip_spark.filters.words:word_list"]


def test_the_page_s_example_drops_small_images(docs, module, batch):
    """Widths are strings from pages: a number below the limit drops the row, and any other value keeps it."""
    module("my_filters", re.search(r"^```python\n(.*?)^```$", docs, re.DOTALL | re.MULTILINE).group(1))
    extra = [[("width", "16")], [("width", "640")], [("width", "50%")], [("height", "9")], None]
    found = load_filter("my_filters:no_icons").reasons(batch(["a"] * 5, extra=extra))
    assert found.to_pylist() == ["filter:icon", None, None, None, None]


def test_the_page_names_every_reason_and_column(docs):
    """The tables are complete, and in the order of the code."""
    reasons = re.findall(r"^\| `([a-z_]+)` \| `--", docs, re.MULTILINE)
    assert reasons == ["blocklist", "image_extension", "too_short", "too_long", "digits", "file_name"]
    assert set(reasons) <= set(TEXT_REASONS)
    columns = re.findall(r"^\| `([a-z_]+)` \| (string|map)", docs, re.MULTILINE)
    assert [name for name, _ in columns] == HOOK_SCHEMA.names
