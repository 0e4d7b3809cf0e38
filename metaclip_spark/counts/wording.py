"""Given counts in words and as a table, for the terminal and the data card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from metaclip_spark.core.wording import counted

HEADERS = ("", "pool", "given")
LARGEST_HEADERS = ("entry", "list", "pool", "given", "ratio")


def origin_sentence(logged: Mapping[str, Any]) -> str:
    """Return whose counts a run was balanced with, and which entries of its pool they lack.

    Args:
        logged: what the log of runs has about the counts.
    """
    if logged["layout"] == "card":
        merged = f", merged of {logged['merged']:,} cards" if logged["merged"] else ""
        snapshots = ", ".join(logged["snapshots"][:5]) + (", ..." if len(logged["snapshots"]) > 5 else "")
        whose = f"card {logged['card_id'][:16]} ({counted(logged['pairs'], 'pair')} of {snapshots}{merged})"
    else:
        whose = f"a file with {logged['layout']}"
        if logged["unknown"]:
            whose += f", of which the list lacks {counted(logged['unknown'], 'entry', 'entries')}"
    lacking = logged["lacking"]
    return (
        f"The entry counts are not those of this pool, but those of {whose}. The pool matches "
        f"{counted(lacking['entries'], 'entry', 'entries')} that these do not count ({lacking['counts']:,} of its "
        "counts). These are tail entries, whose entry probability is 1."
    )


def rows(logged: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return (name, the pool's, the given) of the numbers of both counts."""
    own, given = logged["own"], logged["given"]
    return [
        ("entries with a count", f"{own['entries']:,}", f"{given['entries']:,}"),
        ("only here", f"{logged['lacking']['entries']:,}", f"{logged['unmatched']:,}"),
        ("sum of the counts", f"{own['total']:,}", f"{given['total']:,}"),
        ("tail fraction at t", f"{own['tail_fraction']:.3f}", f"{given['tail_fraction']:.3f}"),
    ]


def rank_sentence(logged: Mapping[str, Any]) -> str:
    """Return how much the orders of the entries by their counts agree."""
    value = logged["rank_correlation"]
    shown = "undefined" if value is None else f"{value:.3f}"
    return f"Rank correlation (Spearman's) of both counts, over the entries that either has: {shown}."


def largest(logged: Mapping[str, Any]) -> list[tuple[str, str, str, str, str]]:
    """Return (entry, list, the pool's count, the given count, ratio) of the entries that differ most."""
    return [
        (row["entry"], row["lang"], f"{row['own']:,}", f"{row['given']:,}", f"{row['ratio']:.3g}")
        for row in logged["largest"]
    ]


RATIO = "Ratio: the pool's count over the one that the given counts lead to expect, each with 1 added."
