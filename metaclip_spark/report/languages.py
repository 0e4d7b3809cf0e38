"""The rows of a data card by language, where each language has a list of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from metaclip_spark.core.sampling import tail_fraction
from metaclip_spark.core.worldwide.sections import Sections
from metaclip_spark.core.worldwide.thresholds import NO_PAIRS
from metaclip_spark.report.composition.model import Parts
from metaclip_spark.report.formatting import number, percent

NOT_COMPUTED = "–"


@dataclass(frozen=True)
class LanguageRow:
    """The numbers of the list of one language.

    Attributes:
        threshold: t of the list.
        tail_fraction: share of the language's counts in entries with count < t; 0 without counts.
        given: whether t was given, and not computed from the tail fraction.
        remark: what is unusual about t, in a word or two; "" if nothing is.
        entries, unmatched: entries of the list, and those with count 0.
        counts, curated_counts: sums of the entry counts in the pool and in the subset.
        texts, matched: texts that were matched against the list, and those with a match; of all sources of the pool.
        pool, curated: pairs of the pool and of the subset; None if the composition is not computed.
    """

    name: str
    threshold: int
    tail_fraction: float
    given: bool
    remark: str
    entries: int
    unmatched: int
    counts: int
    curated_counts: int
    texts: int = 0
    matched: int = 0
    pool: int | None = None
    curated: int | None = None


def language_rows(
    sections: Sections,
    thresholds: Mapping[str, int],
    counts: npt.NDArray[np.int64],
    curated_counts: npt.NDArray[np.int64],
    given: Sequence[str],
    remarks: Mapping[str, str],
    texts: Mapping[str, int],
    matched: Mapping[str, int],
) -> list[LanguageRow]:
    """Return a row per language, the one with the highest counts first.

    Args:
        thresholds: language -> t.
        counts, curated_counts: int64 by entry id, of the pool and of the subset.
        given: the languages whose t was given.
        remarks: language -> what is unusual about its t.
        texts, matched: language -> number of texts.
    """
    rows = []
    parts = zip(sections.names, sections.parts(counts), sections.parts(curated_counts), strict=True)
    for name, part, curated in parts:
        t = thresholds[name]
        rows.append(
            LanguageRow(
                name=name,
                threshold=t,
                tail_fraction=tail_fraction(part, t),
                given=name in given,
                remark=remarks.get(name, ""),
                entries=len(part),
                unmatched=int((part == 0).sum()),
                counts=int(part.sum()),
                curated_counts=int(curated.sum()),
                texts=texts.get(name, 0),
                matched=matched.get(name, 0),
            )
        )
    return sorted(rows, key=lambda row: (-row.counts, row.name))


def with_pairs(rows: Sequence[LanguageRow], lists: Parts) -> list[LanguageRow]:
    """Return the rows with the pairs of the pool and of the subset, the language with the most pairs first."""
    found = {part.value: part for part in lists.listed}
    filled = [
        replace(row, pool=part.pool, curated=part.curated)
        if (part := found.get(row.name)) is not None
        else replace(row, pool=0, curated=0)
        for row in rows
    ]
    return sorted(filled, key=lambda row: (-(row.pool or 0), row.name))


def pool_sizes(rows: Sequence[LanguageRow]) -> list[int]:
    """Return the pairs of each language in the pool, or its counts where pairs are not computed."""
    return [row.pool or 0 if _has_pairs(rows) else row.counts for row in rows]


def sizes_after(rows: Sequence[LanguageRow]) -> list[int]:
    """Return the pairs of each language in the subset, or its counts where pairs are not computed."""
    return [row.curated or 0 if _has_pairs(rows) else row.curated_counts for row in rows]


def _has_pairs(rows: Sequence[LanguageRow]) -> bool:
    return all(row.pool is not None for row in rows)


def shown(rows: Sequence[LanguageRow], target: float | None) -> dict[str, Any] | None:
    """Return the values of the page's table of languages; None where one list is used for all texts.

    Shares and widths are of pairs where the composition is computed, and of counts otherwise.

    Args:
        target: the tail fraction from which t was computed; None if every t was given.
    """
    if not rows:
        return None
    named = [row for row in rows if row.remark != NO_PAIRS]
    before, after = pool_sizes(rows), sizes_after(rows)
    wholes = max(1, sum(before)), max(1, sum(after))
    shares = {
        row.name: (pool / wholes[0], curated / wholes[1])
        for row, pool, curated in zip(rows, before, after, strict=True)
    }
    widest = max(max(pair) for pair in shares.values()) or 1.0
    sizes = {row.name: pair for row, pair in zip(rows, zip(before, after, strict=True), strict=True)}
    of = "pairs" if _has_pairs(rows) else "counts"
    how = "Every t was given." if target is None else f"t is chosen for a tail fraction of {percent(target)}."
    without = [row.name for row in rows if row.remark == NO_PAIRS]
    return {
        "sentence": f"{how} Shares are of the {of} of all languages; bars show them in the pool and in the subset.",
        "rows": [_row(row, sizes[row.name], shares[row.name], widest) for row in named],
        "without": f"No pair of the pool matches the lists of {', '.join(without)}." if without else "",
    }


def _row(row: LanguageRow, sizes: tuple[int, int], shares: tuple[float, float], widest: float) -> dict[str, Any]:
    """Return the values of a row of the page: its cells are (text, value to sort by)."""
    before, after = sizes
    kept = after / before if before else 0.0
    matched = row.matched / row.texts if row.texts else -1.0
    unmatched = row.unmatched / row.entries if row.entries else 0.0
    cells: list[tuple[str, float]] = [
        (number(row.threshold), row.threshold),
        (percent(row.tail_fraction), row.tail_fraction),
        (number(before), before),
        (percent(shares[0]), shares[0]),
        (number(after), after),
        (percent(shares[1]), shares[1]),
        (percent(kept), kept),
        (percent(matched) if row.texts else NOT_COMPUTED, matched),
        (number(row.entries), row.entries),
        (percent(unmatched), unmatched),
    ]
    return {
        "name": row.name,
        "note": ", ".join(part for part in ("t was given" if row.given else "", _in_words(row.remark)) if part),
        "cells": cells,
        "pool_width": 100 * shares[0] / widest,
        "curated_width": 100 * shares[1] / widest,
    }


def _in_words(remark: str) -> str:
    return f"t is {remark}" if remark else ""
