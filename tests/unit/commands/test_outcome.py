"""The outcome that a command writes for a scheduler."""

from __future__ import annotations

import re

import pytest

from metaclip_spark.commands.outcome import SHOWN, source_outcomes
from metaclip_spark.errors import WarehouseError
from metaclip_spark.storage.write import write_text


def test_sources_are_counted_and_incomplete_ones_named():
    """All sources are counted; the first incomplete ones, by path, are named with their reason."""
    found = {f"{number:03}.wat.gz": ("partial", "cut") for number in range(SHOWN + 5)}
    outcome = source_outcomes({**found, "b": ("done", ""), "c": ("failed", "not there")})
    assert outcome["sources"] == {"done": 1, "partial": SHOWN + 5, "failed": 1}
    assert len(outcome["incomplete"]) == SHOWN
    assert outcome["incomplete"][0] == {"source_path": "000.wat.gz", "status": "partial", "reason": "cut"}


def test_without_sources_none_is_incomplete():
    """A retried extraction may have no source left to read."""
    assert source_outcomes({}) == {"sources": {"done": 0, "partial": 0, "failed": 0}, "incomplete": []}


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
