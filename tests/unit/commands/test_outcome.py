"""The outcome that a command writes for a scheduler."""

from __future__ import annotations

import re

import pytest

from metaclip_spark.commands.outcome import SHOWN, source_outcomes, warn_without_pairs
from metaclip_spark.errors import WarehouseError
from metaclip_spark.steps.account.outcome import Outcome
from metaclip_spark.storage.write import write_text
from metaclip_spark.terminal.progress import Reporter


def test_sources_are_counted_and_incomplete_ones_named():
    """All sources are counted; the first incomplete ones, by path, are named with their reason."""
    found = {f"{number:03}.wat.gz": Outcome("partial", "cut") for number in range(SHOWN + 5)}
    outcome = source_outcomes({**found, "b": Outcome("done", ""), "c": Outcome("failed", "not there")})
    assert outcome["sources"] == {"done": 1, "partial": SHOWN + 5, "failed": 1}
    assert len(outcome["incomplete"]) == SHOWN
    assert outcome["incomplete"][0] == {"source_path": "000.wat.gz", "status": "partial", "reason": "cut"}


def test_without_sources_none_is_incomplete():
    """A retried extraction may have no source left to read."""
    nothing = {"done": 0, "partial": 0, "failed": 0}
    assert source_outcomes({}) == {"sources": nothing, "incomplete": [], "sources_without_pairs": []}


def test_sources_without_a_pair_are_counted_by_their_most_common_reason():
    """They are done, so they are not among the incomplete ones; each reason has the path of one source."""
    found = {f"{at}.warc.gz": Outcome("done", "", "not_page", 3, 4, 0) for at in range(9)}
    found |= {"a.tsv": Outcome("done", "", "no_url", 5, 6, 6), "b.tsv": Outcome("done", "")}
    outcome = source_outcomes(found)
    assert (outcome["sources"]["done"], outcome["incomplete"]) == (11, [])
    assert outcome["sources_without_pairs"] == [
        {"reason": "not_page", "sources": 9, "number": 27, "records": 36, "texts": 0, "example": "0.warc.gz"},
        {"reason": "no_url", "sources": 1, "number": 5, "records": 6, "texts": 6, "example": "a.tsv"},
    ]


def test_few_lines_warn_of_many_sources_without_a_pair(capsys):
    """A line has all sources with one most common reason, and the reasons after the twentieth share a line."""
    found = {f"{at}.tsv": Outcome("done", "", f"filter:a:f{at % 25:02}", 2, 2, 2) for at in range(1_000)}
    warn_without_pairs(Reporter(), found)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 21
    assert lines[0] == (
        "warning: 40 sources are done without a pair; most common reason: filter:a:f00 (rejected by a filter of the "
        "user): 80 of 80 texts, e.g. 0.tsv"
    )
    assert lines[-1] == "warning: 200 more sources gave no pair, for other reasons; see the table `sources`."


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_text_is_written_over_the_old_one_and_its_folder_is_made(tmp_path, scheme):
    """A path and a URI work alike, and no other file is left in the folder."""
    place = tmp_path / "new" / "count.json"
    for text in ("first, and longer", "Ω"):
        write_text(f"{scheme}{place}", text, "outcome")
        assert place.read_text(encoding="utf-8") == text
    assert list(place.parent.iterdir()) == [place]


def test_place_that_cannot_be_written_is_named_with_its_flag(tmp_path):
    """A folder below a file cannot be made, and an unknown scheme cannot be opened."""
    (tmp_path / "file").touch()
    place = str(tmp_path / "file" / "x.json")
    with pytest.raises(WarehouseError, match=rf"^outcome {re.escape(place)} cannot be written: .*with --outcome\.$"):
        write_text(place, "{}", "outcome", "--outcome")
    with pytest.raises(WarehouseError, match=r"^report nosuch://x cannot be written: .*nosuch.*with --output\.$"):
        write_text("nosuch://x", "{}", "report")
