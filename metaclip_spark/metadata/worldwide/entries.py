"""The lists of all languages as one list: their entries one after the other, in the order of the names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from metaclip_spark.core.worldwide.list_choice import OTHER, ListChoice
from metaclip_spark.core.worldwide.sections import Sections
from metaclip_spark.metadata.load import Metadata, load_metadata
from metaclip_spark.metadata.worldwide.lists import WorldwideLists


class LanguageEntries(Sequence[str]):
    """The entries of several lists, by their position in all of them. A list is read when an entry of it is needed.

    Attributes:
        sections: the lists, in the order of their ids.
    """

    def __init__(self, sections: Sections, load: Callable[[str], Metadata]) -> None:
        """Take the lists, and what returns a list by its name."""
        self.sections = sections
        self._load = load
        self._read: dict[str, pa.LargeStringArray] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_read": {}}

    def of(self, name: str) -> pa.LargeStringArray:
        """Return the entries of one list.

        Raises:
            MetadataError: the list cannot be used.
        """
        if name not in self._read:
            self._read[name] = pa.array(self._load(name).entries, pa.large_string())
        return self._read[name]

    def take(self, ids: npt.NDArray[np.integer[Any]]) -> pa.LargeStringArray:
        """Return the entries with some ids, which must be ascending."""
        cuts = np.searchsorted(ids, np.array(self.sections.starts)).tolist()
        parts = [
            self.of(name).take(pa.array(ids[start:stop] - first))
            for name, first, start, stop in zip(self.sections.names, self.sections.starts, cuts, cuts[1:], strict=False)
            if start < stop
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
        entry: str = self.of(self.sections.names[section])[index - self.sections.starts[section]].as_py()
        return entry

    def __iter__(self) -> Iterator[str]:
        for name in self.sections.names:
            yield from self.of(name).to_pylist()


class SentEntries(LanguageEntries):
    """The entries of lists whose files the driver sent to the machine of the task.

    Args:
        files: name of a list -> the name of its file.
        locate: returns the path of a file that was sent, by its name; a function of a module.
    """

    def __init__(self, sections: Sections, files: Mapping[str, str], locate: Callable[[str], str]) -> None:
        self._files, self._locate = dict(files), locate
        super().__init__(sections, self._load_sent)

    def _load_sent(self, name: str) -> Metadata:
        return load_metadata(self._locate(self._files[name]))


@dataclass(frozen=True)
class WorldwideMetadata(Metadata):
    """The lists of all languages as one list of entries; its id is that of all lists and of the map of codes.

    Attributes:
        lists: The folder of the lists.
    """

    entries: LanguageEntries = field(repr=False)
    lists: WorldwideLists = field(repr=False, kw_only=True)

    @property
    def sections(self) -> Sections:
        """The lists of languages."""
        return self.entries.sections

    def list_choice(self, drop_unknown: bool = False) -> ListChoice:
        """See `Metadata.list_choice`."""
        of_codes = {code: self.lists.list_of(code) for code in self.lists.languages.codes}
        with_unknown = OTHER if not drop_unknown and OTHER in self.sections.names else None
        return ListChoice({code: name for code, name in of_codes.items() if name is not None}, with_unknown)

    def entries_of(self, ids: npt.NDArray[np.integer[Any]]) -> pa.Array:
        """See `Metadata.entries_of`."""
        return self.entries.take(ids).cast(pa.string())

    def lists_to_check(self) -> list[tuple[str, int, tuple[str, ...]]]:
        """See `Metadata.lists_to_check`. A list whose sidecar says that all its entries can match is left out."""
        names = [name for name in self.sections.names if name not in self.lists.all_can_match]
        return [(name, self.sections.range(name)[0], tuple(self.entries.of(name).to_pylist())) for name in names]

    @classmethod
    def read(cls, lists: WorldwideLists) -> WorldwideMetadata:
        """Return the lists of a folder. A list is read, and its id verified, when an entry of it is needed."""
        sections = Sections.of({name: lists.sizes[name] for name in sorted(lists.files)})
        return cls(LanguageEntries(sections, lists.load), lists.worldwide_id, lists=lists)
