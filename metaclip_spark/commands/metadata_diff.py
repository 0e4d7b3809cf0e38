"""What differs between two lists, and on a sample of texts what that changes: plain data for `metadata diff`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from metaclip_spark.commands.metadata_coverage import Coverage, measure_coverage
from metaclip_spark.metadata.load import Metadata


@dataclass(frozen=True)
class Difference:
    """Two lists side by side.

    Attributes:
        only_first: Entries that the second lacks, in the first's order.
        only_second: Entries that the first lacks, in the second's order.
        common: How many entries are in both.
        moved: Entries of both whose id differs: (entry, id in the first, id in the second).
    """

    only_first: list[str]
    only_second: list[str]
    common: int
    moved: list[tuple[str, int, int]]

    @property
    def is_empty(self) -> bool:
        """Whether the lists are one and the same."""
        return not (self.only_first or self.only_second or self.moved)


@dataclass(frozen=True)
class CoverageChange:
    """Two lists on the same texts.

    Attributes:
        first, second: Each list's coverage.
        gained: Texts that match only under the second.
        lost: Texts that match only under the first.
        more, fewer: Texts with more, and with fewer, matches under the second.
    """

    first: Coverage
    second: Coverage
    gained: int
    lost: int
    more: int
    fewer: int


def compare(first: Metadata, second: Metadata) -> Difference:
    """Compares two lists entry by entry.

    Example:
        >>> one, two = Metadata.from_entries(["a", "b", "c"]), Metadata.from_entries(["b", "c", "d"])
        >>> found = compare(one, two)
        >>> found.only_first, found.only_second, found.moved
        (['a'], ['d'], [('b', 1, 0), ('c', 2, 1)])
    """
    before = {entry: entry_id for entry_id, entry in enumerate(first.entries)}
    after = {entry: entry_id for entry_id, entry in enumerate(second.entries)}
    both = [(entry, at, after[entry]) for entry, at in before.items() if entry in after]
    return Difference(
        only_first=[entry for entry in before if entry not in after],
        only_second=[entry for entry in after if entry not in before],
        common=len(both),
        moved=[(entry, old, new) for entry, old, new in both if old != new],
    )


def compare_coverage(first: Metadata, second: Metadata, texts: Sequence[str]) -> CoverageChange:
    """Matches the same texts against two lists."""
    one, two = measure_coverage(first, texts), measure_coverage(second, texts)
    before, after = one.per_text, two.per_text
    return CoverageChange(
        first=one,
        second=two,
        gained=int(np.sum((before == 0) & (after > 0))),
        lost=int(np.sum((before > 0) & (after == 0))),
        more=int(np.sum(after > before)),
        fewer=int(np.sum(after < before)),
    )
