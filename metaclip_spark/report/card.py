"""The numbers of a data card as plain data, without Spark, pandas, reads or writes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from metaclip_spark.core.worldwide.sections import Sections
from metaclip_spark.report.account import Account
from metaclip_spark.report.class_counts import ClassCounts
from metaclip_spark.report.composition.model import Composition
from metaclip_spark.report.languages import LanguageRow

TOP = 20
"""The number of most frequent entries that the page shows."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Card(Account):
    """One run's numbers, with the account of its input.

    Attributes:
        tail_fraction_target: The tail fraction from which t was computed; None if t was set directly.
        tail_fraction: The share of counts in entries with count < t.
        unique_pairs: Size of the pool.
        left_of: Origin of the surviving pairs ("the pool", "run ..."); None if the pairs are the whole pool.
        given: The run whose subset was read instead of the pool. Expected size and sd are conditional on that subset.
        capped: Pairs whose probability exceeds that of the run whose subset survived; None without such a run.
        images: Images of the pool with a matched text, if one text per image is sampled (--unit image); else None.
        entry_counts: int64[n_entries], count per entry id in the pool, zeros included.
        curated_entry_counts: int64[n_entries], count per entry id in the curated subset.
        entries: Entry id -> entry, as a sequence or a function. Only few entries are looked up.
        matches_per_text: Number of matched entries -> number of pairs of the pool.
        curated_matches_per_text: The same over the curated subset.
        expected_size: Sum of the sampling probabilities over the pool.
        expected_sd: Standard deviation of the curated subset's size, in pairs.
        incomplete_sources: (source_path, status, reason) of the first sources that were not read to the end.
        config: The resolved configuration, without secrets.
        used: What each stage of the run took: stage, snapshot, seconds, and core_seconds and bytes where known.
        pairs_seen: Unique pairs of the snapshots, summed, with those that an earlier snapshot has and those that were
            taken down; None if unknown.
        pairs_rematched: Pairs of snapshots whose pairs `match` stored. Their sources belong to another list.
        has_earlier: Whether the warehouse has several snapshots, so that a pair may be that of an earlier one.
        taken_down: Pairs of the sources that takedowns removed from the pool; None if a takedown did not count them.
        drawn: Size of the subset at the draw, if pairs were taken down since and the expected size and sd are still
            those of the draw; else None.
        pool_pairs: If survivors were balanced: the size of the pool that they are a part of; None if unknown.
        pairs_before: If survivors were balanced: the size of the pool or subset that they are left of; None if unknown.
        weights: The weights of the pairs, as the log of runs has them; None where every pair weighs 1.
        given_counts: Origin of the entry counts, and how they differ from the pool's, as the log of runs has it; None
            where they are the pool's.
        impossible: Ids of the entries with count 0 that no text can match.
        composition: Composition of the pool and the subset, which takes a pass over both; None if not computed.
        classes: Counts of class names; None if none were given.
        languages: A row per language where each has a list of its own; empty for one list.
        sections: Which entries belong to which language where each has a list; None for one list.
        entry_thresholds: int64[n_entries], the t of each entry where each language has a list; None for one list, whose
            t is `threshold`. Then `threshold` is that of English, or the largest without English.
    """

    run_id: str
    attempt_id: str
    created_at: str
    metaclip_spark_version: str
    snapshots: Sequence[str]
    metadata_id: str
    metadata_path: str
    n_entries: int
    seed: int
    threshold: int
    tail_fraction_target: float | None
    tail_fraction: float
    unique_pairs: int
    entry_counts: npt.NDArray[np.int64]
    curated_entry_counts: npt.NDArray[np.int64]
    entries: Callable[[int], str] | Sequence[str]
    matches_per_text: Mapping[int, int]
    curated_matches_per_text: Mapping[int, int]
    curated_size: int
    expected_size: float
    expected_sd: float
    images: int | None = None
    left_of: str | None = None
    given: str | None = None
    capped: int | None = None
    incomplete_sources: Sequence[tuple[str, str, str]] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    table_paths: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    pairs_seen: int | None = None
    pairs_rematched: int = 0
    has_earlier: bool = False
    taken_down: int | None = 0
    drawn: int | None = None
    pool_pairs: int | None = None
    pairs_before: int | None = None
    weights: Mapping[str, Any] | None = None
    given_counts: Mapping[str, Any] | None = None
    impossible: Sequence[int] = ()
    composition: Composition | None = None
    classes: ClassCounts | None = None
    used: Sequence[Mapping[str, Any]] = ()
    languages: Sequence[LanguageRow] = ()
    sections: Sections | None = None
    entry_thresholds: npt.NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        """Check that both arrays have one count per entry."""
        for name in ("entry_counts", "curated_entry_counts"):
            got = len(getattr(self, name))
            if got != self.n_entries:
                raise ValueError(f"{name} must hold one count per entry ({self.n_entries}), got {got}")

    def entry(self, entry_id: int) -> str:
        """Return the entry at `entry_id`."""
        if callable(self.entries):
            return self.entries(entry_id)
        return self.entries[entry_id]

    def threshold_of(self, entry_id: int) -> int:
        """Return the t of an entry."""
        return self.threshold if self.entry_thresholds is None else int(self.entry_thresholds[entry_id])

    @property
    def total_counts(self) -> int:
        """Sum of the entry counts over the pool: the number of (pair, matched entry)."""
        return int(self.entry_counts.sum())

    @property
    def curated_total_counts(self) -> int:
        """Sum of the entry counts over the curated subset."""
        return int(self.curated_entry_counts.sum())

    @property
    def entries_unmatched(self) -> int:
        """Number of entries with count 0."""
        return int((self.entry_counts == 0).sum())

    @property
    def entries_tail(self) -> int:
        """Number of entries with 0 < count < t."""
        return int(((self.entry_counts > 0) & (self.entry_counts < self._t)).sum())

    @property
    def entries_head(self) -> int:
        """Number of entries with count >= t."""
        return int(self._is_head.sum())

    @property
    def head_share_of_counts(self) -> float:
        """Share of the pool's counts in head entries; 0 if no text matched."""
        return share(int(self.entry_counts[self._is_head].sum()), self.total_counts)

    @property
    def curated_head_share_of_counts(self) -> float:
        """Share of the curated subset's counts in the head entries of the pool."""
        head = int(self.curated_entry_counts[self._is_head].sum())
        return share(head, self.curated_total_counts)

    @property
    def kept_share(self) -> float:
        """Share of the pool in the curated subset."""
        return share(self.curated_size, self.unique_pairs)

    @property
    def compared_size(self) -> int:
        """Size of the subset that the expected size is compared with: now, or at the draw (`drawn`)."""
        return self.curated_size if self.drawn is None else self.drawn

    @property
    def deviation_sds(self) -> float:
        """(compared size - expected size) / sd; 0 or infinite if the size cannot vary."""
        difference = self.compared_size - self.expected_size
        if self.expected_sd > 0:
            return difference / self.expected_sd
        # Without variance, the expectation is a sum of ones. A difference below half a pair is rounding.
        return 0.0 if abs(difference) < 0.5 else math.copysign(math.inf, difference)

    @property
    def mean_matches(self) -> float:
        """Mean number of matched entries of a pair of the pool."""
        return _mean(self.matches_per_text)

    @property
    def curated_mean_matches(self) -> float:
        """Mean number of matched entries of a pair of the curated subset."""
        return _mean(self.curated_matches_per_text)

    def absent_entry_ids(self, n: int = TOP) -> list[int]:
        """Return the first `n` ids of entries with count 0 that a text could match."""
        absent = self.entry_counts == 0
        absent[np.asarray(self.impossible, dtype=np.int64)] = False
        return [int(i) for i in np.flatnonzero(absent)[:n]]

    def top_entry_ids(self, n: int = TOP) -> list[int]:
        """Return the ids of the `n` entries with the highest counts above 0. Ties are ordered by id."""
        order = np.argsort(-self.entry_counts, kind="stable")[:n]
        return [int(i) for i in order if self.entry_counts[i] > 0]

    @property
    def _is_head(self) -> npt.NDArray[np.bool_]:
        return (self.entry_counts > 0) & (self.entry_counts >= self._t)

    @property
    def _t(self) -> int | npt.NDArray[np.int64]:
        return self.threshold if self.entry_thresholds is None else self.entry_thresholds


def share(part: float, whole: float) -> float:
    """Return `part / whole`, or 0 if `whole` is 0."""
    return part / whole if whole else 0.0


def _mean(histogram: Mapping[int, int]) -> float:
    return share(sum(k * n for k, n in histogram.items()), sum(histogram.values()))
