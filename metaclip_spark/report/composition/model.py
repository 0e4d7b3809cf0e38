"""The composition of a pool and its curated subset as plain data: languages, text sources, domains, sample pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from metaclip_spark.report.composition.entry_texts import Sides

LEAST = 20
"""Minimum pairs of an entry whose domains are compared. Fewer pairs may all come from a single page."""

BORDERS = (1.5, 2.0, 5.0, 10.0)
"""Borders of the classes of entries by their effective number of domains."""


@dataclass(frozen=True)
class Part:
    """Pairs of one language, text source or domain; `value` is "" for pairs without one."""

    value: str
    pool: int
    curated: int


@dataclass(frozen=True)
class Parts:
    """Pairs by language, text source or domain.

    Attributes:
        listed: the values with the most pairs in the pool, and those with the most in the subset, in the pool's order.
        values: number of all values.
        pool, curated: pairs of all values.
    """

    listed: Sequence[Part] = ()
    values: int = 0
    pool: int = 0
    curated: int = 0


@dataclass(frozen=True)
class PairDrawn:
    """A pair of the sample on the page. `kept` is whether the run kept the pair."""

    pair_id: str
    url: str
    text: str
    kept: bool
    sampling_probability: float
    draw: float


@dataclass(frozen=True, eq=False)
class EntryDomains:
    """The domains of each entry's matches, for entries with at least LEAST pairs.

    Attributes:
        entry_ids: int32, ascending.
        pairs: int64, compared pairs of the pool: all pairs of an entry, or a sample of about `per_entry`.
        effective: float64, effective number of domains: 1 / sum of squared shares (inverse Simpson).
        top_pairs: int64, pairs of the most frequent domain.
        top_domains: the most frequent domain; the first by name among equals.
        per_entry: expected number of compared pairs of an entry that has more.
    """

    entry_ids: npt.NDArray[np.int32]
    pairs: npt.NDArray[np.int64]
    effective: npt.NDArray[np.float64]
    top_pairs: npt.NDArray[np.int64]
    top_domains: Sequence[str]
    per_entry: int

    def worst(self, n: int, counts: npt.NDArray[np.int64]) -> list[int]:
        """Return the positions of the `n` entries with the fewest effective domains, ties by count, then id.

        Args:
            counts: int64 by entry id.
        """
        order = np.lexsort((self.entry_ids, -counts[self.entry_ids], self.effective))
        return [int(at) for at in order[:n]]

    def classes(self) -> list[tuple[str, int]]:
        """Count the entries of each class of the effective number of domains; return (class, entries)."""
        entries = np.bincount(np.searchsorted(BORDERS, self.effective, side="right"), minlength=len(BORDERS) + 1)
        names = [f"under {BORDERS[0]:g}"]
        names += [f"{low:g} to {high:g}" for low, high in zip(BORDERS, BORDERS[1:], strict=False)]
        return list(zip([*names, f"{BORDERS[-1]:g} or more"], entries.tolist(), strict=True))


@dataclass(frozen=True, kw_only=True)
class Composition:
    """The composition of a run's pool and its curated subset.

    Attributes:
        lists: pairs by the language of their list; one value, "", where one list is used for all texts.
        domain_share: share of the pairs whose domains `domains` counts, sampled by a keyed hash; 1 for all pairs.
        entry_domains: None if no entry has enough pairs.
        drawn: pairs sampled uniformly by a keyed hash: first the kept ones, then the dropped ones, each in the order of
            the hash.
        texts: entry id -> sample texts of the entry, in the pool and in the subset; the entries that matter first.
    """

    languages: Parts = Parts()
    text_sources: Parts = Parts()
    lists: Parts = Parts()
    domains: Parts = Parts()
    domain_share: float = 1.0
    entry_domains: EntryDomains | None = None
    drawn: Sequence[PairDrawn] = ()
    texts: Mapping[int, Sides] = field(default_factory=dict)
