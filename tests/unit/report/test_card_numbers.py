"""The derived numbers of a card, and the format of numbers and untrusted texts."""

from __future__ import annotations

import math

import numpy as np
import pytest

from metaclip_spark.report.card import Card
from metaclip_spark.report.formatting import flat, number, percent, short, visible


def make_card(**changes) -> Card:
    """Make a small card: t = 10, two entries in the head, two in the tail, one unmatched."""
    values = {
        "run_id": "run",
        "attempt_id": "attempt",
        "created_at": "2025-01-01T00:00:00+00:00",
        "metaclip_spark_version": "0.1.0",
        "snapshots": ["default"],
        "metadata_id": "ab",
        "metadata_path": "list.json",
        "n_entries": 5,
        "seed": 0,
        "threshold": 10,
        "tail_fraction_target": None,
        "tail_fraction": 0.05,
        "sources": {"done": 1},
        "records_read": 300,
        "texts_read": 200,
        "texts_matched": 150,
        "unique_pairs": 100,
        "rejected": {},
        "entry_counts": np.array([0, 80, 3, 10, 7], dtype=np.int64),
        "curated_entry_counts": np.array([0, 20, 3, 10, 7], dtype=np.int64),
        "entries": ["a", "b", "c", "d", "e"],
        "matches_per_text": {1: 50, 3: 50},
        "curated_matches_per_text": {2: 40},
        "curated_size": 40,
        "expected_size": 38.0,
        "expected_sd": 4.0,
    }
    return Card(**(values | changes))


def test_every_entry_is_unmatched_tail_or_head():
    """A count equal to t belongs to the head."""
    card = make_card()
    assert (card.entries_unmatched, card.entries_tail, card.entries_head) == (1, 2, 2)


def test_shares_of_counts():
    """The head is that of the pool, before and after balancing."""
    card = make_card()
    assert card.total_counts == 100
    assert card.head_share_of_counts == 0.9
    assert card.curated_head_share_of_counts == 0.75
    assert card.kept_share == 0.4


def test_mean_matches_weighs_by_pairs():
    """The mean is over pairs, not over bins."""
    assert make_card().mean_matches == 2.0
    assert make_card(matches_per_text={}).mean_matches == 0.0


@pytest.mark.parametrize(
    ("size", "expected", "sd", "deviation"),
    [(40, 38.0, 4.0, 0.5), (40, 40.0000001, 0.0, 0.0), (39, 40.0, 0.0, -math.inf)],
)
def test_deviation_counts_in_standard_deviations(size, expected, sd, deviation):
    """Without variance, the size is as expected or the deviation is infinite."""
    card = make_card(curated_size=size, expected_size=expected, expected_sd=sd)
    assert card.deviation_sds == deviation


def test_top_entries_are_ordered_by_count_then_id_and_leave_zeros_out():
    """The smaller id breaks ties, so the page is always the same."""
    card = make_card(entry_counts=np.array([5, 0, 9, 5, 9], dtype=np.int64))
    assert card.top_entry_ids() == [2, 4, 0, 3]
    assert card.top_entry_ids(1) == [2]


def test_entries_may_be_a_function():
    """Twenty entries of a list of 500,000 do not need the list in memory."""
    assert make_card(entries=lambda i: f"entry {i}").entry(3) == "entry 3"
    assert make_card().entry(3) == "d"


def test_counts_of_another_list_are_refused():
    """An array of another length would shift the count of every entry."""
    with pytest.raises(ValueError, match=r"entry_counts must hold one count per entry \(4\), got 5"):
        make_card(n_entries=4)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0%"),
        (1, "100%"),
        (0.5, "50.0%"),
        (0.99999, "> 99.9%"),
        (1e-9, "< 0.001%"),
        (0.0005, "0.05%"),
        (1.4, "140.0%"),
    ],
)
def test_percent_is_round_only_when_exact(value, text):
    """0% and 100% stand for exact values."""
    assert percent(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1k"),
        (1500, "1.5k"),
        (999_949, "1000k"),
        (999_950, "1M"),
        (10_700_000_000, "10.7B"),
    ],
)
def test_short_numbers(value, text):
    """Axis labels have at most five characters."""
    assert short(value) == text
    assert len(short(value)) <= 5


def test_numbers_have_thousands_separators():
    """This holds with decimals, and infinity has a word."""
    assert number(12345678) == "12,345,678"
    assert number(1234.56, 1) == "1,234.6"
    assert number(math.inf) == "unbounded"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain <b>", "plain <b>"),
        ("a\u202eb", "a[U+202E]b"),
        ("a\nb\x00", "a[U+000A]b[U+0000]"),
        ("\ud800x\uffff", "[U+D800]x[U+FFFF]"),
        ("\u200fשלום", "[U+200F]שלום"),
        ("نمی\u200cخواهم", "نمی\u200cخواهم"),
        ("👩\u200d🚀", "👩\u200d🚀"),
        ("", ""),
    ],
)
def test_invisible_characters_are_shown_by_name(text, shown):
    """Letters of every script are unchanged, and marks that reorder or hide text are replaced."""
    assert visible(text) == shown


def test_long_texts_are_cut_by_columns():
    """A wide character has two columns, and a combining mark none, but the number of marks is limited."""
    assert visible("x" * 10_000, 10) == "x" * 9 + "…"
    assert visible("京" * 10, 10) == "京" * 4 + "…"
    assert visible("x" * 10, 10) == "x" * 10
    assert len(visible("e" + "\u0301" * 10_000, 10)) <= 21


def test_configuration_is_flat_and_sorted():
    """Equal configurations give equal rows for any order of their keys."""
    config = {"b": {"y": True, "x": None}, "a": ["p", "q"], "c": {}, "d": "", "e": [1, 2]}
    assert flat(config) == [
        ("a", "p, q"),
        ("b.x", "not set"),
        ("b.y", "true"),
        ("c", "{}"),
        ("d", '""'),
        ("e", "[1, 2]"),
    ]
