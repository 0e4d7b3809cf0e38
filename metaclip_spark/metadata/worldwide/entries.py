"""The lists of all languages as one list: their entries one after the other, in the order of the names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from metaclip_spark.metadata.worldwide.lists import WorldwideLists

from metaclip_spark.core.sections import Sections
from metaclip_spark.metadata.load import Metadata


class LanguageEntries(Sequence[str]):
    """The entries of several lists, by their position in all of them. The string of an entry is made when it is read.

    Attributes:
        sections: the lists, in the order of their ids.
    """

    def __init__(self, lists: dict[str, pa.LargeStringArray]) -> None:
        self.sections = Sections.of({name: len(entries) for name, entries in lists.items()})
        self._lists = list(lists.values())

    @classmethod
    def read(cls, lists: WorldwideLists) -> LanguageEntries:
        """Read and check every list.

        Raises:
            MetadataError: a list cannot be used.
        """
        return cls({name: pa.array(lists.load(name).entries, pa.large_string()) for name in sorted(lists.files)})

    def take(self, ids: npt.NDArray[np.integer]) -> pa.LargeStringArray:
        """Return the entries with some ids, which must be ascending."""
        cuts = np.searchsorted(ids, np.array(self.sections.starts))
        parts = [
            entries.take(pa.array(ids[start:stop] - first))
            for entries, first, start, stop in zip(
                self._lists, self.sections.starts, cuts.tolist(), cuts[1:].tolist(), strict=False
            )
        ]
        return pa.concat_arrays(parts) if parts else pa.array([], pa.large_string())

    def __len__(self) -> int:
        return self.sections.starts[-1]

    @overload
    def __getitem__(self, at: int) -> str: ...

    @overload
    def __getitem__(self, at: slice) -> list[str]: ...

    def __getitem__(self, at: int | slice) -> str | list[str]:
        if isinstance(at, slice):
            return [self[index] for index in range(*at.indices(len(self)))]
        index = int(at) + (len(self) if at < 0 else 0)
        if not 0 <= index < len(self):
            raise IndexError(f"entry {at} of {len(self)}")
        section = int(self.sections.index_of(np.array([index]))[0])
        entry: str = self._lists[section][index - self.sections.starts[section]].as_py()
        return entry

    def __iter__(self) -> Iterator[str]:
        for entries in self._lists:
            yield from entries.to_pylist()


@dataclass(frozen=True)
class WorldwideMetadata(Metadata):
    """The lists of all languages as one list of entries; its id is that of all lists and of the map of codes.

    Attributes:
        lists: The folder of the lists.
    """

    lists: WorldwideLists | None = None

    def entries_of(self, ids: npt.NDArray[np.integer]) -> pa.Array:
        """Return the entries with some ids, which must be ascending, as strings."""
        assert isinstance(self.entries, LanguageEntries)
        return self.entries.take(ids).cast(pa.string())

    @classmethod
    def read(cls, lists: WorldwideLists) -> WorldwideMetadata:
        """Read and check every list.

        Raises:
            MetadataError: A list cannot be used.
        """
        entries = LanguageEntries.read(lists)
        of_codes = {code: lists.list_of(code) for code in lists.languages.codes}
        list_of = {code: name for code, name in of_codes.items() if name is not None}
        return cls(entries, lists.worldwide_id, entries.sections, list_of, lists)
