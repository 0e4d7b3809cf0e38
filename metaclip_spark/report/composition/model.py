"""What a pool and its curated subset are made of, as plain data: languages, text sources, domains, pairs drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

LEAST = 20
"""Entries with fewer pairs in the pool are not judged by their domains: one page may hold that many."""

BORDERS = (1.5, 2.0, 5.0, 10.0)
"""Borders of the classes into which entries are counted by their effective number of domains."""


@dataclass(frozen=True)
class Part:
    """Pairs of one language, text source or domain; `value` is "" where a pair has none."""

    value: str
    pool: int
    curated: int


@dataclass(frozen=True)
class Parts:
    """Pairs by language, text source or domain.

    Attributes:
        listed: those with the most pairs of the pool, and those with the most of the subset; the pool's order.
        values: how many there are in all.
        pool, curated: pairs of all of them.
    """

    listed: Sequence[Part] = ()
    values: int = 0
    pool: int = 0
    curated: int = 0


@dataclass(frozen=True)
class PairDrawn:
    """A pair of the sample that the page shows; `kept` by the run or not."""

    pair_id: str
    url: str
    text: str
    kept: bool
    sampling_probability: float
    draw: float


@dataclass(frozen=True, eq=False)
class EntryDomains:
    """From how many domains the matches of each entry come; entries with fewer than LEAST pairs are left out.

    Attributes:
        entry_ids: int32, ascending.
        pairs: int64, pairs looked at, of the pool: all of an entry's, or a sample of about `per_entry`.
        effective: float64, effective number of domains: 1 / sum of squared shares (inverse Simpson).
        top_pairs: int64, those of the domain with the most.
        top_domains: that domain; equal ones by name.
        per_entry: how many pairs of an entry are looked at, in expectation, where it has more.
    """

    entry_ids: np.ndarray
    pairs: np.ndarray
    effective: np.ndarray
    top_pairs: np.ndarray
    top_domains: Sequence[str]
    per_entry: int

    def worst(self, n: int, counts: np.ndarray) -> list[int]:
        """Return the positions of the `n` entries with the fewest effective domains; equal ones by count, then id.

        Args:
            counts: int64, by entry id.
        """
        order = np.lexsort((self.entry_ids, -counts[self.entry_ids], self.effective))
        return order[:n].tolist()

    def classes(self) -> list[tuple[str, int]]:
        """Return (class, entries) by the effective number of domains."""
        places = np.bincount(np.searchsorted(BORDERS, self.effective, side="right"), minlength=len(BORDERS) + 1)
        names = [f"under {BORDERS[0]:g}"]
        names += [f"{low:g} to {high:g}" for low, high in zip(BORDERS, BORDERS[1:], strict=False)]
        return list(zip([*names, f"{BORDERS[-1]:g} or more"], places.tolist(), strict=True))


@dataclass(frozen=True, kw_only=True)
class Composition:
    """What one pass over a run's pool and its curated subset found.

    Attributes:
        domain_share: share of the pairs, by a keyed hash, whose domains `domains` counts; 1: all of them.
        entry_domains: None where no entry has enough pairs.
        drawn: pairs drawn evenly by a keyed hash, kept ones first, each kind in the order of its hash.
    """

    languages: Parts = Parts()
    text_sources: Parts = Parts()
    domains: Parts = Parts()
    domain_share: float = 1.0
    entry_domains: EntryDomains | None = None
    drawn: Sequence[PairDrawn] = ()
