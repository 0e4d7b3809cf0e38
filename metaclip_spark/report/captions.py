"""The caption of each plot: how to read the plot, and what it shows in this run."""

from __future__ import annotations

from metaclip_spark.report.card import Card, share
from metaclip_spark.report.formatting import number, percent, visible
from metaclip_spark.report.languages import pool_sizes, sizes_after

NOTHING = "Nothing to plot: no text of the pool matched an entry."


def ranks(card: Card) -> str:
    """Write the caption of the sorted entry counts."""
    highest = int(card.entry_counts.max())
    curated_highest = int(card.curated_entry_counts.max())
    return (
        "The curves show the entry counts, highest first. Each curve is sorted separately, and both axes are "
        f"logarithmic. {_entries(card.entries_head)} with a count of at least t{_dashed(card)} "
        f"{_have(card.entries_head)} {percent(card.head_share_of_counts)} of all counts. The highest count is "
        f"{number(highest)} in the pool and {number(curated_highest)} in the curated subset. "
        f"{_entries(card.entries_unmatched)} with count 0 {'is' if card.entries_unmatched == 1 else 'are'} not shown."
    )


def cumulative(card: Card) -> str:
    """Write the caption of the cumulative counts."""
    curated_tail = 1 - card.curated_head_share_of_counts if card.curated_total_counts else 0.0
    return (
        "The curves show the share of all counts in the entries up to a rank, from tail to head in the order of the "
        "pool. The axis of ranks is logarithmic. "
        f"The tail{', left of t (dashed),' if not card.languages else ''} has "
        f"{percent(card.tail_fraction)} of the counts in the pool and {percent(curated_tail)} in the curated subset."
    )


def matches(card: Card) -> str:
    """Write the caption of the histogram of matches per text."""
    return (
        "The bars show the share of pairs by the number of entries that their text matches. The bars of the pool and "
        f"those of the curated subset each add up to 100%. The mean is {card.mean_matches:.2f} in the pool and "
        f"{card.curated_mean_matches:.2f} in the curated subset."
    )


def top(card: Card) -> str:
    """Write the caption of the most frequent entries."""
    ids = card.top_entry_ids()
    pool = share(int(card.entry_counts[ids].sum()), card.total_counts)
    curated = share(int(card.curated_entry_counts[ids].sum()), card.curated_total_counts)
    which = "the entry with the highest count" if len(ids) == 1 else f"the {len(ids)} entries with the highest counts"
    return (
        f"The bars show {which}: the wide bar is the count in the pool, the narrow bar the count in the curated "
        "subset, and the label the share of pairs that is kept. "
        f"{'It has' if len(ids) == 1 else 'Together they have'} {percent(pool)} of all counts in the pool and "
        f"{percent(curated)} in the curated subset."
    )


def languages(card: Card) -> str:
    """Write the caption of the shares of languages."""
    rows = card.languages
    pool, curated = pool_sizes(rows), sizes_after(rows)
    first = max(range(len(rows)), key=lambda at: pool[at])
    before, after = share(pool[first], sum(pool)), share(curated[first], sum(curated))
    return (
        "The bars show the share of each language's list, in the pool and in the curated subset; each add up to 100% "
        f"over all {len(rows)} lists. {visible(rows[first].name, 40)} has {percent(before)} of the pool and "
        f"{percent(after)} of the subset."
    )


def _entries(n: int) -> str:
    return f"{number(n)} {'entry' if n == 1 else 'entries'}"


def _dashed(card: Card) -> str:
    return " of their language" if card.languages else " (dashed)"


def _have(n: int) -> str:
    return "has" if n == 1 else "have"
