"""Counts of class names, before and after balancing: what a zero-shot test asks of a subset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass

THIN = 100
"""A class with fewer pairs than this in the subset is thin, unless the user names another number."""


@dataclass(frozen=True)
class ClassCount:
    """A class name and the entry that it is; `exact` says whether it is the name itself, or the name in lower case."""

    name: str
    entry_id: int
    exact: bool
    pool: int
    curated: int


@dataclass(frozen=True)
class ClassCounts:
    """Counts by class name.

    Attributes:
        found: the names that are entries, in the file's order.
        missing: the names that are no entries, nor their lower-cased forms; in the file's order.
        thin: fewer pairs of the subset than this make a class thin.
    """

    found: Sequence[ClassCount]
    missing: Sequence[str]
    thin: int

    @property
    def thin_ones(self) -> list[ClassCount]:
        """The thin classes, those with the fewest pairs first; equal ones in the file's order."""
        return sorted((one for one in self.found if one.curated < self.thin), key=lambda one: one.curated)
