"""The lists of languages as sections of one list of entries: which ids belong to which language.

The lists of a worldwide curation lie one after the other, in one range of ids. So counting, balancing and sampling work
on them as on one list, and only t differs by section. A list that is used for all texts is one section.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from metaclip_spark.core.worldwide.list_choice import UNKNOWN
from metaclip_spark.errors import InputError

T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True)
class Sections:
    """The sections of a list of entries, in the order of their ids.

    The only section of a list that is used for the texts of all languages is called `und`.

    Attributes:
        names: the language of each section, distinct.
        starts: int, the first entry id of each section, and after them the number of all entries; ascending.

    >>> sections = Sections.of({"de": 2, "en": 3})
    >>> sections.starts, sections.range("en"), sections.spread(np.array([7, 9])).tolist()
    ((0, 2, 5), (2, 5), [7, 7, 9, 9, 9])
    """

    names: tuple[str, ...]
    starts: tuple[int, ...]

    def __post_init__(self) -> None:
        """Check that there is one start per section, and the end."""
        if len(self.starts) != len(self.names) + 1 or len(set(self.names)) != len(self.names):
            raise InputError(f"sections need distinct names and one start more than names, got {self}.")

    @classmethod
    def of(cls, sizes: dict[str, int]) -> Sections:
        """Return the sections of lists of these sizes, in this order."""
        return cls(tuple(sizes), tuple(np.cumsum([0, *sizes.values()]).tolist()))

    @classmethod
    def whole(cls, size: int) -> Sections:
        """Return the one section of a list that is used for all languages."""
        return cls((UNKNOWN,), (0, size))

    @property
    def is_one(self) -> bool:
        """Whether one list is used for all languages."""
        return self.names == (UNKNOWN,)

    @property
    def sizes(self) -> npt.NDArray[np.int64]:
        """The number of entries of each section, int64."""
        starts = np.array(self.starts, np.int64)
        return starts[1:] - starts[:-1]

    def range(self, name: str) -> tuple[int, int]:
        """Return the first entry id of a section, and the id after its last one."""
        at = self.names.index(name)
        return self.starts[at], self.starts[at + 1]

    def parts(self, by_entry: npt.NDArray[T]) -> list[npt.NDArray[T]]:
        """Return the values of each section, as views of an array by entry id."""
        return [by_entry[start:stop] for start, stop in zip(self.starts, self.starts[1:], strict=False)]

    def spread(self, by_section: npt.NDArray[T]) -> npt.NDArray[T]:
        """Return values by entry id from values by section."""
        return np.repeat(by_section, self.sizes)

    def index_of(self, entry_ids: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
        """Return the index of the section of each entry id, int64."""
        return np.searchsorted(np.array(self.starts[1:]), entry_ids, side="right").astype(np.int64)

    def names_of(self, entry_ids: npt.NDArray[np.integer]) -> Sequence[str]:
        """Return the name of the section of each entry id."""
        return [self.names[at] for at in self.index_of(entry_ids).tolist()]
