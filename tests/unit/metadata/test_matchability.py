"""How many entries of a list can match is said before the work, on a line that costs little."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorder import Recorder

from metaclip_spark.commands.opening import need_metadata
from metaclip_spark.config.merge import make_settings
from metaclip_spark.core.text import PADDED, clean_text, spaced, spaced_entry
from metaclip_spark.errors import MetadataError
from metaclip_spark.metadata import Metadata, never_matching
from metaclip_spark.metadata.matchability import check_matchability, has_odd_spaces, matchability_of


def said(tmp_path, entries: list[str]) -> list[tuple[str, str]]:
    """Return what a command says about a list."""
    (tmp_path / "list.json").write_text(json.dumps(entries))
    reporter = Recorder()
    metadata = need_metadata(make_settings({"metadata": str(tmp_path / "list.json")}), reporter)
    assert metadata == Metadata.from_entries(entries)
    return reporter.lines


def test_a_list_whose_entries_all_match_is_not_worth_a_line(tmp_path):
    """Among them an entry with the spaces that spacing makes."""
    assert said(tmp_path, ["cat", "St .  John", "a-b", "what ?", "猫"]) == []


def test_entries_that_never_match_are_said_with_numbers(tmp_path):
    """One line, with the share, an example, the reason, and the command that names them."""
    entries = [f"entry {n}" for n in range(998)] + ["St. John", "U.S."]
    assert said(tmp_path, entries) == [
        (
            "say",
            "metadata: 2 of 1,000 entries (0.2%) can never match, e.g. 'St. John' (a text has spaces around ,.;:?!` "
            f"where it is matched); `metadata inspect {tmp_path}/list.json` names them.",
        )
    ]


def test_one_entry_of_many_is_said(tmp_path):
    """However few."""
    ((kind, line),) = said(tmp_path, [f"entry {n}" for n in range(9999)] + ["U.S."])
    assert kind == "say"
    assert line.startswith("metadata: 1 of 10,000 entries (under 0.1%) can never match, e.g. 'U.S.' (")


def test_many_entries_are_a_warning(tmp_path):
    """More than 5%: the list is not what its user thinks."""
    ((kind, line),) = said(tmp_path, [f"entry {n}" for n in range(9)] + ["a.b"])
    assert kind == "warn"
    assert "1 of 10 entries (10.0%) can never match, e.g. 'a.b'" in line


def test_spaces_at_the_ends_of_entries_are_said(tmp_path):
    """`cat ` matches only before a second space: a list written with a space after each entry curates nothing."""
    ((kind, line),) = said(tmp_path, ["cat ", "dog ", " bird", "red  kite", "fish"])
    assert kind == "warn"
    assert line == (
        "metadata: 4 of 5 entries (80.0%) match only where a text has odd spaces, e.g. 'cat '; "
        f"`metadata inspect {tmp_path}/list.json` names them."
    )
    ((kind, line),) = said(tmp_path, [f"entry {n}" for n in range(98)] + ["U.S.", "cat "])
    assert kind == "say"
    assert line.startswith("metadata: 1 of 100 entries (1.0%) can never match, e.g. 'U.S.' (")
    assert ", and 1 (1.0%) matches only where a text has odd spaces, e.g. 'cat '; " in line


def test_a_list_of_which_nothing_can_match_is_refused(tmp_path):
    """Nothing would be kept; of a table the column is to be given."""
    for entries, reason in (
        (
            ["cat\t12", "dog\t7"],
            "e.g. 'cat\\t12' (a TAB is no part of a text: of a table, give the column of entries alone)",
        ),
        (["a,b", "c."], "e.g. 'a,b' (a text has spaces around ,.;:?!` where it is matched)"),
        (["x." + "y" * 500], "yyy...' (a text has spaces"),
    ):
        with pytest.raises(MetadataError) as caught:
            said(tmp_path, entries)
        assert caught.value.exit_code == 2
        assert "can match a text, " in str(caught.value)
        assert reason in str(caught.value)
        assert len(str(caught.value)) < 400
    (tmp_path / "list.txt").write_text("cat\t12\r\ndog\t7\r\n")
    with pytest.raises(MetadataError, match="none of its 2 entries can match a text"):
        need_metadata(make_settings({"metadata": str(tmp_path / "list.txt")}), Recorder())


def test_a_command_that_matches_nothing_says_nothing(tmp_path):
    """A report of an old run opens, whatever its list."""
    (tmp_path / "list.json").write_text('["U.S."]')
    assert len(need_metadata(make_settings({"metadata": str(tmp_path / "list.json")})).entries) == 1


@pytest.mark.parametrize(
    ("entry", "odd"),
    [
        ("cat", False),
        (" cat", True),
        ("cat ", True),
        ("a  b", True),
        ("a   b", True),
        ("a .  b", False),
        ("a  . b", False),
    ]
    + [(".  .", False), ("a ,", False), ("a , ", True), ("猫  犬", True), ("a\u00a0 b", False)],
)
def test_odd_spaces(entry, odd):
    """Double spaces beside a padded character come from spacing; others only from the text."""
    assert has_odd_spaces(entry) is odd
    usual = clean_text(" ".join(entry.split()))
    assert not odd or spaced_entry(entry) not in spaced(usual)


@given(st.lists(st.text(PADDED + " \t\nab猫", min_size=1, max_size=6), min_size=1, max_size=20))
def test_the_numbers_are_those_of_all_entries(entries):
    """No entry is overlooked by the search for those that may not match."""
    found = matchability_of(entries)
    never = never_matching(entries)
    assert found.never == never.sum()
    assert found.odd == sum(has_odd_spaces(entry) and not no for entry, no in zip(entries, never, strict=True))


def test_the_count_is_cheap():
    """The largest lists have 500,000 entries; the start of a run is not slower."""
    entries = [f"entry {n}, of St. John {n}" if n % 100 == 0 else f"some entry {n}" for n in range(500_000)]
    start = time.perf_counter()
    found = matchability_of(entries)
    assert time.perf_counter() - start < 3  # a tenth of a second on an idle core
    assert found.never == 5000
    assert not found.is_notable
    assert check_matchability(entries, "x") == found
