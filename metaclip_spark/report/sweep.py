"""The result of a sweep, as rows for the terminal, the plot and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from metaclip_spark.core.expected_size import sizes_at
from metaclip_spark.core.sampling import from_fixed_point
from metaclip_spark.core.survival.model import LEVEL, OnDisk, Survival
from metaclip_spark.core.wording import counted
from metaclip_spark.core.worldwide.thresholds import LanguageThresholds
from metaclip_spark.report.card import share


@dataclass(frozen=True)
class At:
    """The expected subset at one t.

    Attributes:
        threshold: t.
        chosen: whether the settings choose this t.
        expected_size: the sum of the sampling probabilities, in pairs.
        expected_sd: the standard deviation of the subset's size, in pairs.
        tail_fraction: the share of all counts in entries with count < t.
        entries_head, entries_tail: numbers of matched entries with count >= t, and with count < t.
        counts_head, counts_tail: sums of the counts of these entries.
        groups: (text source, language) -> expected size.
        on_disk: the expected images on disk, where their survival is known.
        fraction: the tail fraction of every language, where each has a list and a t; `threshold` is then that of the
            largest language.
        thresholds: language -> t, where each language has one.
    """

    threshold: int
    chosen: bool
    expected_size: float
    expected_sd: float
    tail_fraction: float
    entries_head: int
    entries_tail: int
    counts_head: int
    counts_tail: int
    groups: dict[tuple[str, str], float]
    on_disk: OnDisk | None = None
    fraction: float | None = None
    thresholds: dict[str, int] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """What stands in front of the row: t, or the tail fraction of all languages."""
        return f"{self.threshold:,}" if self.fraction is None else f"{self.fraction:g}"


@dataclass(frozen=True)
class Sweep:
    """The expected subsets of a pool at many t.

    Attributes:
        pairs, matched: pairs of the pool, and those with a match. With unit image, each image counts as one pair.
        groups: (text source, language) -> pairs, the largest first.
        weights: the weights of the pairs, as the log of runs has them; None where every pair weighs 1.
        given_counts: origin of the counts, and how they differ from the pool's; None where they are the pool's.
        survival: the rates of the images on disk; None where these are not expected.
    """

    unit: str
    snapshots: Sequence[str]
    metadata_id: str
    pairs: int
    matched: int
    groups: dict[tuple[str, str], int]
    rows: list[At]
    weights: dict[str, Any] | None = None
    given_counts: dict[str, Any] | None = None
    survival: Survival | None = None

    @property
    def by_fraction(self) -> bool:
        """Whether the rows are of tail fractions, because each language has its t."""
        return any(row.fraction is not None for row in self.rows)


def make_sweep(
    sums: pa.Table,
    counts: npt.NDArray[np.int64],
    values: Sequence[int],
    chosen: int,
    unit: str,
    snapshots: Sequence[str],
    metadata_id: str,
    by_section: Sequence[LanguageThresholds] | None = None,
) -> Sweep:
    """Combine the sums over the pool with the entry counts.

    Args:
        sums: rows of `EXPECTED_DDL`.
        counts: int64 by entry id, zeros included.
        values: the t, ascending; or, with `by_section`, the tail fractions in steps of 1 / FRACTION_STEPS.
        chosen: which of them the settings choose.
        by_section: the t of each language, for each of the values.
    """
    rows: list[dict[str, Any]] = [
        {name: int(value) if isinstance(value, Decimal) else value for name, value in row.items()}
        for row in sums.to_pylist()
    ]
    kept: dict[int, dict[tuple[str, str], float]] = {t: {} for t in values}
    for row in rows:
        row["group"] = (row["text_source"] or "", row["lang"] or "")
        kept[row["threshold"]][row["group"]] = from_fixed_point(row["expected_high"], row["expected_low"])
    first = [row for row in rows if row["threshold"] == values[0]]
    sizes = {row["group"]: row["pairs"] for row in first if row["pairs"]}
    groups = dict(sorted(sizes.items(), key=lambda item: (-item[1], item[0])))
    at = []
    for value, size in zip(values, sizes_at(sums, counts, values, by_section).to_pylist(), strict=True):
        of_groups = {group: kept[value][group] for group in groups}
        if by_section is not None:
            size["thresholds"] = dict(size["thresholds"])
        at.append(At(**size, chosen=value == chosen, groups=of_groups))
    return Sweep(unit, snapshots, metadata_id, sum(sizes.values()), sum(row["matched"] for row in first), groups, at)


def plain(result: Sweep) -> dict[str, Any]:
    """Return the sweep as plain values, for JSON."""
    names = (
        "threshold",
        "chosen",
        "expected_size",
        "expected_sd",
        "tail_fraction",
        "entries_head",
        "entries_tail",
        "counts_head",
        "counts_tail",
    )
    return {
        "metadata_id": result.metadata_id,
        "unit": result.unit,
        "snapshots": list(result.snapshots),
        "pairs": result.pairs,
        "matched": result.matched,
        **({} if result.given_counts is None else {"given_counts": result.given_counts}),
        **({} if result.survival is None else {"survival": _survival(result.survival)}),
        **({} if result.weights is None else {"weights": result.weights}),
        "sweep": [
            {
                **{name: getattr(row, name) for name in names},
                **({} if row.on_disk is None else {"images_on_disk": asdict(row.on_disk)}),
                **({} if row.fraction is None else {"fraction": row.fraction, "thresholds": row.thresholds}),
                "kept_share": share(row.expected_size, result.pairs),
                "groups": [
                    {"text_source": source, "lang": lang, "pairs": result.groups[source, lang], "expected_size": size}
                    for (source, lang), size in row.groups.items()
                ],
            }
            for row in result.rows
        ],
    }


def survival_sentence(survival: Survival) -> str:
    """Say what the images on disk are, and which rates they are expected with."""
    start = "Images on disk: different images of which a pair is kept and that a download gets, with bounds of 95%."
    if survival.tried is None:
        return f"{start} The rate is given: {survival.mean:.1%}. The bounds are those of draws and single failures."
    own, ages = len(survival.domains), len(survival.ages)
    by_age = f" An age changes the rate, by {counted(ages, 'week')}." if ages else " No age is known."
    return (
        f"{start} {survival.got or 0:,} of {counted(survival.tried, 'image')} of the download survived "
        f"({survival.mean:.1%}). {own:,} of {counted(survival.all_domains, 'domain')} "
        f"{'has' if own == 1 else 'have'} a rate of their own; all others have {survival.others:.1%}.{by_age}"
    )


def _survival(survival: Survival) -> dict[str, Any]:
    return {
        "mean": survival.mean,
        "others": survival.others,
        "correlation": survival.correlation,
        "tried": survival.tried,
        "got": survival.got,
        "domains_with_a_rate": len(survival.domains),
        "domains": survival.all_domains,
        "age_factors": dict(survival.ages),
        "level": LEVEL,
    }
