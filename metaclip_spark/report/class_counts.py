"""Counts of class names in the pool and in the subset, to check a subset for a zero-shot test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

THIN = 100
"""The default limit: a class with fewer pairs in the subset is thin."""


@dataclass(frozen=True)
class ClassCount:
    """A class name and its entry. `exact` is False if only the name in lower case is an entry."""

    name: str
    entry_id: int
    exact: bool
    pool: int
    curated: int


@dataclass(frozen=True)
class ClassCounts:
    """Counts by class name.

    Attributes:
        found: the names that are entries, in the order of the file.
        missing: the names that are not entries, neither unchanged nor in lower case, in the order of the file.
        thin: a class with fewer pairs in the subset is thin.
    """

    found: Sequence[ClassCount]
    missing: Sequence[str]
    thin: int

    @property
    def thin_classes(self) -> list[ClassCount]:
        """The thin classes, sorted by their pairs in the subset, then in the order of the file."""
        return sorted((row for row in self.found if row.curated < self.thin), key=lambda row: row.curated)
