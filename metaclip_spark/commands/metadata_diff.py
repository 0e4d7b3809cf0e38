"""Compare two lists, and their coverage of a sample of texts, for `metadata diff`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from metaclip_spark.commands.metadata_coverage import Coverage, measure_coverage
from metaclip_spark.metadata.load import Metadata


@dataclass(frozen=True)
class Difference:
    """The difference between two lists. The names of the attributes are keys of the JSON of `metadata diff --json`.

    Attributes:
        only_first: Entries of the first list alone, in its order.
        only_second: Entries of the second list alone, in its order.
        common: Number of entries in both lists.
        moved: Entries of both lists with different ids: (entry, id in the first, id in the second).
    """

    only_first: list[str]
    only_second: list[str]
    common: int
    moved: list[tuple[str, int, int]]

    @property
    def is_empty(self) -> bool:
        """Whether the lists have the same entries with the same ids."""
        return not (self.only_first or self.only_second or self.moved)


@dataclass(frozen=True)
class CoverageChange:
    """The coverage of two lists on the same texts.

    Attributes:
        first: The coverage of the first list.
        second: The coverage of the second list.
        gained: Number of texts that only the second list matches.
        lost: Number of texts that only the first list matches.
        more: Number of texts with more matches in the second list.
        fewer: Number of texts with fewer matches in the second list.
    """

    first: Coverage
    second: Coverage
    gained: int
    lost: int
    more: int
    fewer: int


def compare(first: Metadata, second: Metadata) -> Difference:
    """Compare two lists entry by entry.

    Example:
        >>> one, two = Metadata.from_entries(["a", "b", "c"]), Metadata.from_entries(["b", "c", "d"])
        >>> difference = compare(one, two)
        >>> difference.only_first, difference.only_second, difference.moved
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
    """Match the same texts against two lists, and compare the matches."""
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
