"""The rows of a data card by language, where each language has a list of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from metaclip_spark.core.language_thresholds import NO_PAIRS
from metaclip_spark.core.sections import Sections
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
        t, total = thresholds[name], int(part.sum())
        rows.append(
            LanguageRow(
                name=name,
                threshold=t,
                tail_fraction=int(part[part < t].sum()) / total if total else 0.0,
                given=name in given,
                remark=remarks.get(name, ""),
                entries=len(part),
                unmatched=int((part == 0).sum()),
                counts=total,
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
    by_pairs = _has_pairs(rows)
    sizes = list(zip(pool_sizes(rows), sizes_after(rows), strict=True))
    pool, curated = (max(1, sum(each[side] for each in sizes)) for side in (0, 1))
    widest = max(max(before / pool, after / curated) for before, after in sizes) or 1.0
    of = "pairs" if by_pairs else "counts"
    how = "Every t was given." if target is None else f"t is chosen for a tail fraction of {percent(target)}."
    return {
        "sentence": f"{how} Shares are of the {of} of all languages; bars show them in the pool and in the subset.",
        "rows": [
            {
                "name": row.name,
                "note": ", ".join(part for part in ("t was given" if row.given else "", _in_words(row.remark)) if part),
                "t": row.threshold,
                "tail_fraction": row.tail_fraction,
                "pool": number(before),
                "pool_share": before / pool,
                "curated": number(after),
                "curated_share": after / curated,
                "kept": after / before if before else 0.0,
                "matched_share": percent(row.matched / row.texts) if row.texts else NOT_COMPUTED,
                "entries": row.entries,
                "unmatched": row.unmatched / row.entries if row.entries else 0.0,
                "pool_width": 100 * before / pool / widest,
                "curated_width": 100 * after / curated / widest,
            }
            for row, (before, after) in zip(rows, sizes, strict=True)
        ],
    }


def _in_words(remark: str) -> str:
    return f"t is {remark}" if remark and remark != NO_PAIRS else remark
