"""What the data card shows, as plain data: no Spark, no pandas, nothing to read or write."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from metaclip_spark.candidates.options import OPT_OUTS
from metaclip_spark.report.class_counts import ClassCounts
from metaclip_spark.report.composition.model import Composition

TOP = 20
"""How many of the most frequent entries the page shows."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Card:
    """One run's numbers.

    Attributes:
        tail_fraction_target: The tail fraction that was asked for; None when t was given directly.
        tail_fraction: The share of counts that belongs to entries with count < t.
        sources: Status (`done`, `partial`, `failed`) -> number of sources.
        unique_pairs: Size of the pool.
        left_of: What the pairs are left of after download ("the pool", "run ..."); None where they are the pool.
        given: The run whose subset was read in the pool's stead; size and sd are then expected given that subset.
        capped: Pairs whose probability is above that of the run they are left of; None where there is no such run.
        images: Images of the pool with a matched text, where one text of each is drawn (--unit image); else None.
        rejected: Reason -> number of rejects.
        entry_counts: int64[n_entries], count per entry id over the pool, zeros included.
        curated_entry_counts: int64[n_entries], the same over the curated subset.
        entries: The entry of an id, as a sequence or a function; asked for the top entries only.
        matches_per_text: Number of matched entries -> number of pairs of the pool.
        curated_matches_per_text: The same over the curated subset.
        expected_size: Sum of the sampling probabilities over the pool.
        expected_sd: Standard deviation of the curated subset's size, in pairs.
        incomplete_sources: (source_path, status, reason) of sources not read to the end, capped.
        config: The resolved configuration, without secrets.
        pairs_sent: Pairs that sources sent to deduplication; None where that is not known.
        impossible: Ids of the entries with count 0 that no text can match.
        composition: What the pool and the subset are made of; None where nobody looked (it takes a pass over both).
        classes: Counts of class names; None where none were asked for.
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
    sources: Mapping[str, int]
    records_read: int
    texts_read: int
    texts_matched: int
    unique_pairs: int
    rejected: Mapping[str, int]
    entry_counts: np.ndarray
    curated_entry_counts: np.ndarray
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
    pairs_sent: int | None = None
    impossible: Sequence[int] = ()
    composition: Composition | None = None
    classes: ClassCounts | None = None

    def __post_init__(self) -> None:
        """Refuse arrays that are not one count per entry."""
        for name in ("entry_counts", "curated_entry_counts"):
            got = len(getattr(self, name))
            if got != self.n_entries:
                raise ValueError(f"{name} must hold one count per entry ({self.n_entries}), got {got}")

    def entry(self, entry_id: int) -> str:
        """The entry at `entry_id`."""
        if callable(self.entries):
            return self.entries(entry_id)
        return self.entries[entry_id]

    @property
    def total_counts(self) -> int:
        """Sum of the entry counts over the pool: one per (pair, matched entry)."""
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
        return int(((self.entry_counts > 0) & (self.entry_counts < self.threshold)).sum())

    @property
    def entries_head(self) -> int:
        """Number of entries with count >= t."""
        return int(self._is_head.sum())

    @property
    def head_share_of_counts(self) -> float:
        """Share of the pool's counts in entries of the head; 0 where nothing matched."""
        return share(int(self.entry_counts[self._is_head].sum()), self.total_counts)

    @property
    def curated_head_share_of_counts(self) -> float:
        """Share of the curated subset's counts in the same entries (the head of the pool)."""
        head = int(self.curated_entry_counts[self._is_head].sum())
        return share(head, self.curated_total_counts)

    @property
    def kept_share(self) -> float:
        """Share of the pool in the curated subset."""
        return share(self.curated_size, self.unique_pairs)

    @property
    def deviation_sds(self) -> float:
        """(curated size - expected size) / sd; 0 or infinite where the size cannot vary."""
        difference = self.curated_size - self.expected_size
        if self.expected_sd > 0:
            return difference / self.expected_sd
        # Without variance the expectation is a sum of ones; half a pair is rounding, not a miss.
        return 0.0 if abs(difference) < 0.5 else math.copysign(math.inf, difference)

    @property
    def mean_matches(self) -> float:
        """Mean number of matched entries of a pair of the pool."""
        return _mean(self.matches_per_text)

    @property
    def curated_mean_matches(self) -> float:
        """Mean number of matched entries of a pair of the curated subset."""
        return _mean(self.curated_matches_per_text)

    @property
    def opted_out(self) -> dict[str, int]:
        """Opt-out -> number of texts that were left out for it, in the order of `OPT_OUTS`."""
        return {name: self.rejected[name] for name in OPT_OUTS if self.rejected.get(name)}

    def absent_entry_ids(self, n: int = TOP) -> list[int]:
        """The first `n` ids of entries with count 0 that a text could match."""
        impossible = np.asarray(self.impossible, dtype=np.int64)
        absent = np.setdiff1d(np.flatnonzero(self.entry_counts == 0), impossible)
        return [int(i) for i in absent[:n]]

    def top_entry_ids(self, n: int = TOP) -> list[int]:
        """Ids of the `n` entries with the highest counts, ties by id, without zeros."""
        order = np.argsort(-self.entry_counts, kind="stable")[:n]
        return [int(i) for i in order if self.entry_counts[i] > 0]

    @property
    def _is_head(self) -> np.ndarray:
        return (self.entry_counts > 0) & (self.entry_counts >= self.threshold)


def share(part: float, whole: float) -> float:
    """`part / whole`, and 0 where there is nothing to share."""
    return part / whole if whole else 0.0


def _mean(histogram: Mapping[int, int]) -> float:
    return share(sum(k * n for k, n in histogram.items()), sum(histogram.values()))
