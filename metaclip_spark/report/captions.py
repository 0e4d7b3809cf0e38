"""The sentence under each plot: how to read it, and what it shows in this run."""

from __future__ import annotations

from metaclip_spark.report.card import Card, share
from metaclip_spark.report.formatting import number, percent

NOTHING = "Nothing to plot: no text of the pool matched an entry."


def ranks(card: Card) -> str:
    """Under the entry counts, sorted."""
    highest = int(card.entry_counts.max())
    lowered = int(card.curated_entry_counts.max())
    return (
        "Entries by count, highest first, each curve in its own order, both axes logarithmic: "
        f"{_entries(card.entries_head)} at or above t (dashed) {_hold(card.entries_head)} "
        f"{percent(card.head_share_of_counts)} of all counts, the highest count goes from "
        f"{number(highest)} to {number(lowered)}, "
        f"and {_entries(card.entries_unmatched)} with count 0 "
        f"{'is' if card.entries_unmatched == 1 else 'are'} not drawn."
    )


def cumulative(card: Card) -> str:
    """Under the cumulative counts."""
    curated_tail = 1 - card.curated_head_share_of_counts if card.curated_total_counts else 0.0
    return (
        "Entries from tail to head in the pool's order, rank on a log axis, with the share of all "
        "counts reached so far: the tail, left of t (dashed), holds "
        f"{percent(card.tail_fraction)} of the counts in the pool and {percent(curated_tail)} in "
        "the curated subset."
    )


def matches(card: Card) -> str:
    """Under the histogram of matches per text."""
    return (
        "Share of pairs by the number of entries that their text matches, pool and curated subset "
        f"each adding up to 100%: the mean is {card.mean_matches:.2f} in the pool and "
        f"{card.curated_mean_matches:.2f} in the curated subset."
    )


def top(card: Card) -> str:
    """Under the most frequent entries."""
    ids = card.top_entry_ids()
    before = share(int(card.entry_counts[ids].sum()), card.total_counts)
    after = share(int(card.curated_entry_counts[ids].sum()), card.curated_total_counts)
    which = "The entry with the highest count" if len(ids) == 1 else (f"The {len(ids)} entries with the highest counts")
    return (
        f"{which}, wide bar pool, narrow bar curated subset, with the share of its texts that "
        f"stays: together {percent(before)} of all counts in the pool and {percent(after)} in the "
        "curated subset."
    )


def _entries(n: int) -> str:
    return f"{number(n)} {'entry' if n == 1 else 'entries'}"


def _hold(n: int) -> str:
    return "holds" if n == 1 else "hold"
