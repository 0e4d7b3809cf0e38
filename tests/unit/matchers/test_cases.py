"""The table of matching cases, through every engine."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from metaclip_spark.matchers import ENGINES, compile_matcher
from metaclip_spark.metadata import Metadata

TABLE = json.loads((Path(__file__).parents[2] / "data" / "matching_cases.json").read_text(encoding="utf-8"))


def written_out(text: str | dict | None) -> str | None:
    """Return the text of a case: verbatim, or a repeated piece."""
    if isinstance(text, dict):
        piece, times = text["repeat"]
        return piece * times
    return text


def lists(matches) -> list[list[int]]:
    return matches.to_arrow().to_pylist()


def test_the_table_is_well_formed():
    """Every case has the same four fields, a name of its own, and ids of its own entries."""
    assert len(TABLE) >= 80
    assert len({case["name"] for case in TABLE}) == len(TABLE)
    for case in TABLE:
        assert list(case) == ["name", "entries", "text", "expected"]
        assert case["expected"] == sorted(set(case["expected"]))
        assert all(0 <= number < len(case["entries"]) for number in case["expected"])
        Metadata.from_entries(case["entries"])
        text = case["text"]
        assert text is None or isinstance(text, str) or list(text) == ["repeat"]
    long = [case for case in TABLE if isinstance(case["text"], dict)]
    assert all(len(written_out(case["text"]).encode()) >= 100 * 1024 for case in long)


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case["name"])
def test_the_definition_gives_the_expected_ids(case, definition):
    """The table itself holds against a substring scan that shares no code with the engines."""
    assert definition(case["entries"], written_out(case["text"])) == case["expected"]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("case", TABLE, ids=lambda case: case["name"])
def test_engine_gives_the_expected_ids(case, engine):
    """One text on its own matches the entries that the table says."""
    matcher = compile_matcher(Metadata.from_entries(case["entries"]), engine)
    assert lists(matcher.match(pa.array([written_out(case["text"])], pa.string()))) == [case["expected"]]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()], ids=str)
def test_all_texts_in_one_batch_against_all_entries(cases, engine, kind, definition):
    """The whole table as one batch with one list: no text's ids depend on its neighbours."""
    entries = list(dict.fromkeys(entry for case in cases for entry in case["entries"]))
    texts = [case["text"] for case in cases]
    matcher = compile_matcher(Metadata.from_entries(entries), engine)
    assert lists(matcher.match(pa.array(texts, kind))) == [definition(entries, text) for text in texts]
