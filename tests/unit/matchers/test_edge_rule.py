"""The edge rule: which side of an entry keeps its space."""

from __future__ import annotations

import string

import pytest

from metaclip_spark.core.worldwide.edge_rule import EDGE_MARKS, EDGE_RANGES, KANA_HANGUL_RANGES, edge_table, kept_spaces
from metaclip_spark.core.worldwide.switches import OTHER_PUNCTUATION, Switches, edge_spaced_entry, spaced_text


@pytest.mark.parametrize(("first", "last", "name"), EDGE_RANGES, ids=lambda value: str(value))
def test_both_ends_of_a_range_are_edges(first, last, name):
    """The first and the last code point lose their spaces."""
    assert kept_spaces(chr(first)) == kept_spaces(chr(last)) == (False, False)


def test_every_range_has_exactly_its_code_points():
    """The table has as many code points as the ranges and marks have together, which do not overlap."""
    expected = sum(last - first + 1 for first, last, _ in EDGE_RANGES) + len(EDGE_MARKS)
    assert edge_table().sum() == expected
    assert edge_table(True).sum() == expected + sum(last - first + 1 for first, last, _ in KANA_HANGUL_RANGES)


def test_all_of_ascii_punctuation_and_nothing_else_of_ascii_is_an_edge():
    """Letters, digits, the space and control characters keep their spaces."""
    assert {chr(code) for code in range(128) if edge_table()[code]} == set(string.punctuation)


@pytest.mark.parametrize("char", ["\u3042", "\u30a2", "\uac00", "\u1100", "\uff71"])
def test_kana_and_hangul_are_edges_under_their_switch_alone(char):
    """As in the reference code, they keep their spaces by default."""
    assert kept_spaces(char) == (True, True)
    assert kept_spaces(char, kana_hangul=True) == (False, False)


def test_the_table_cannot_be_changed():
    """It is shared by all lists."""
    with pytest.raises(ValueError, match="read-only"):
        edge_table()[0] = True


def test_each_side_is_decided_by_its_own_character():
    """A mixed entry loses the space of one side."""
    assert edge_spaced_entry("T\u6064") == " T\u6064"
    assert edge_spaced_entry("\u5361OK") == "\u5361OK "
    assert edge_spaced_entry("new york") == " new york "


def test_an_entry_of_which_a_switch_leaves_nothing_has_no_needle():
    """It would match every text."""
    assert edge_spaced_entry("\u200c", Switches(zero_width=True)) is None
    assert edge_spaced_entry("\u200b\u200b", Switches(zero_width=True)) is None
    assert edge_spaced_entry("\u200c") == " \u200c "


def test_every_other_punctuation_is_padded_under_its_switch():
    """Each becomes a token by itself; without the switch, none."""
    for char in OTHER_PUNCTUATION:
        assert spaced_text(f"a{char}b", Switches(pad_punctuation=True)) == f" a {char} b "
        assert spaced_text(f"a{char}b") == f" a{char}b "


def test_the_name_of_a_rule_says_which_switches_are_on():
    """Compiled lists of other rules are other files."""
    rules = {Switches(a, b, c, d).rule for a in (0, 1) for b in (0, 1) for c in (0, 1) for d in (0, 1)}
    assert len(rules) == 16
    assert Switches().rule == "edge1"
