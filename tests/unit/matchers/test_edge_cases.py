"""The table of cases of worldwide mode, through the definition, the naive scan, and every engine."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from metaclip_spark.core.worldwide.switches import Switches
from metaclip_spark.matchers.worldwide.compiled import CompiledList
from metaclip_spark.matchers.worldwide.oracles import AhocorasickList, NaiveList
from metaclip_spark.metadata import Metadata

TABLE = json.loads((Path(__file__).parents[2] / "data" / "edge_cases.json").read_text(encoding="utf-8"))
ENGINES = {"phrases": CompiledList.of, "ahocorasick": AhocorasickList, "naive": NaiveList}
LANGUAGES = ["en", "de", "zh", "ja", "ko", "th", "ar", "hi", "fa", "tr", "el", "he", "emoji", "mixed"]
FIELDS = ["name", "entries", "text", "expected", "switches"]


def written_out(text: str | dict | None) -> str | None:
    """Return the text of a case: verbatim, or a repeated piece."""
    if isinstance(text, dict):
        piece, times = text["repeat"]
        return piece * times
    return text


def test_the_table_is_well_formed_and_has_every_language():
    """Every case has a name of its own and ids of its own entries; each switch has cases."""
    assert len({case["name"] for case in TABLE}) == len(TABLE) >= 70
    for case in TABLE:
        assert list(case) in [
            ["name", "entries", "text", "expected"],
            ["name", "entries", "text", "expected", "switches"],
        ]
        assert case["expected"] == sorted(set(case["expected"]))
        assert all(0 <= number < len(case["entries"]) for number in case["expected"])
        Metadata.from_entries(case["entries"])
        Switches(**case.get("switches", {}))
    named = {language for case in TABLE for language in case["name"].partition(":")[0].split()}
    assert set(LANGUAGES) <= named
    for switch in Switches.__dataclass_fields__:
        assert sum(case.get("switches") == {switch: True} for case in TABLE) >= 2, switch


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case["name"])
def test_the_definition_gives_the_expected_ids(case, edge_definition):
    """The table itself holds against a substring scan that shares no code with the engines."""
    assert edge_definition(case["entries"], written_out(case["text"]), **case.get("switches", {})) == case["expected"]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("case", TABLE, ids=lambda case: case["name"])
def test_engine_gives_the_expected_ids(case, engine):
    """One text on its own matches the entries that the table says."""
    matcher = ENGINES[engine](Metadata.from_entries(case["entries"]), Switches(**case.get("switches", {})))
    found = matcher.match(pa.array([written_out(case["text"])], pa.string()))
    assert found.to_arrow().to_pylist() == [case["expected"]]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()], ids=str)
@pytest.mark.parametrize("switch", [None, *Switches.__dataclass_fields__])
def test_all_texts_in_one_batch_against_all_entries(engine, kind, switch, edge_definition):
    """The whole table as one batch with one list: no text's ids depend on its neighbours."""
    entries = list(dict.fromkeys(entry for case in TABLE for entry in case["entries"]))
    texts = [case["text"] for case in TABLE if not isinstance(case["text"], dict)]
    switches = {} if switch is None else {switch: True}
    matcher = ENGINES[engine](Metadata.from_entries(entries), Switches(**switches))
    found = matcher.match(pa.array(texts, kind)).to_arrow().to_pylist()
    assert found == [edge_definition(entries, text, **switches) for text in texts]
