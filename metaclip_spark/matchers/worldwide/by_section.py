"""Match texts against the lists of their languages, with ids of all lists one after the other."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from importlib.resources import as_file
from pathlib import Path

import numpy as np
import pyarrow as pa

from metaclip_spark.core.jit import private_folder
from metaclip_spark.core.worldwide.sections import Sections
from metaclip_spark.errors import MetadataError
from metaclip_spark.matchers.base import Matches
from metaclip_spark.matchers.worldwide import MAX_BYTES, Lists, Switches, WorldwideMatcher
from metaclip_spark.matchers.worldwide.compiled import CompiledList
from metaclip_spark.matchers.worldwide.lists import ListMatcher
from metaclip_spark.metadata.worldwide.entries import WorldwideMetadata


class SectionMatcher:
    """A matcher of texts of many languages, whose ids are those of the lists one after the other; picklable.

    Args:
        metadata_id: the id of all lists together.
        sections: the lists, in the order of their ids.
        lists: the compiled lists, by the names of the sections.
    """

    name = "worldwide"

    def __init__(self, metadata_id: str, sections: Sections, lists: Lists) -> None:
        self.metadata_id, self.sections = metadata_id, sections
        self._starts = dict(zip(sections.names, sections.starts, strict=False))
        self._matcher = WorldwideMatcher(lists, missing="error")

    @property
    def lists(self) -> Lists:
        """The compiled lists."""
        return self._matcher.lists

    def match(self, texts: pa.Array, lists: pa.Array) -> Matches:
        """Match each text against one list; a null text matches nothing.

        Args:
            texts: Arrow array of strings.
            lists: string array of as many names of lists, none of them null.
        """
        names = lists.dictionary_encode()
        matches = self._matcher.match(texts, names).matches
        starts = np.array([self._starts.get(name, 0) for name in names.dictionary.to_pylist()], np.int32)
        of_text = starts[names.indices.to_numpy(zero_copy_only=False)] if len(starts) else np.zeros(0, np.int32)
        return Matches(matches.offsets, matches.ids + np.repeat(of_text, matches.counts))


def matched_by_list(matcher: SectionMatcher, texts: pa.Array, lists: pa.Array) -> pa.ListArray:
    """Return the entry ids of each text, `list<int32>`, ascending; null for a null text, empty for one without a list.

    Args:
        texts, lists: string arrays; a null list is none.
    """
    known = lists.is_valid()
    found = matcher.match(texts.filter(known), lists.filter(known))
    lengths = np.zeros(len(texts), np.int32)
    lengths[known.to_numpy(zero_copy_only=False)] = found.counts
    offsets = np.zeros(len(texts) + 1, np.int32)
    np.cumsum(lengths, out=offsets[1:])
    nulls = texts.is_null() if texts.null_count else None
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(found.ids), mask=nulls)


class SentLists(Lists):
    """Lists that the driver compiled and sent to the machine of the task.

    Args:
        files: name of a list -> the name of its compiled file, and the hash of the list's own file.
        switches: name of a list -> what it was compiled for, where that is not the usual rule.
        locate: returns the path of a file that was sent, by its name; a function of a module.
    """

    def __init__(
        self,
        files: Mapping[str, tuple[str, str]],
        switches: Mapping[str, Switches],
        locate: Callable[[str], str],
        max_bytes: int = MAX_BYTES,
    ) -> None:
        super().__init__({name: file for name, (file, _) in files.items()}, switches, max_bytes=max_bytes)
        self._files, self._locate = dict(files), locate

    def _load(self, code: str) -> ListMatcher:
        name, source = self._files[code]
        return CompiledList.read(Path(self._locate(name)), self.switches_of(code), source)


def compiled_lists(metadata: WorldwideMetadata, engine: str = "auto") -> SectionMatcher:
    """Compile the lists that are not compiled on this machine yet, and return their matcher.

    Compiled lists lie in a folder of this user, and are mapped by all processes of the machine.

    Raises:
        ConfigError: the engine is unknown.
        MetadataError: a list changed since it was read, or a compiled list is damaged.
    """
    folder = _folder()
    paths = {name: _path_of(file, folder) for name, file in metadata.lists.files.items()}
    lists = Lists(paths, switches_of(metadata), compiled=folder, engine=engine)
    for name, found in lists.prepare().items():
        if found.metadata_id != metadata.lists.ids[name]:
            raise MetadataError(f"{paths[name]}: the list {name} changed while this command read it; run it again.")
    return SectionMatcher(metadata.metadata_id, metadata.sections, lists)


def list_matcher(metadata: WorldwideMetadata, name: str, engine: str = "auto") -> tuple[Lists, int]:
    """Return the lists for the look-up of few texts in one of them, and the first id of this list."""
    paths = {name: _path_of(metadata.lists.files[name], _folder())}
    return Lists(paths, switches_of(metadata), engine=engine), metadata.sections.range(name)[0]


def _folder() -> Path:
    """Return a folder for lists that no other user can write."""
    folder = Path(private_folder() or tempfile.mkdtemp(prefix="metaclip-lists-"), "lists")
    folder.mkdir(exist_ok=True)
    return folder


def switches_of(metadata: WorldwideMetadata) -> dict[str, Switches]:
    """Return the switches of matching of the lists that turn any on."""
    items = metadata.lists.languages.lists
    return {
        name: Switches(**dict.fromkeys(items[name].switches, True))
        for name in metadata.sections.names
        if items[name].switches
    }


def _path_of(file: object, folder: Path) -> Path:
    """Return the absolute path of a list: a worker may have another working directory.

    A list in an archive of modules is written to the folder.
    """
    if isinstance(file, Path):
        return file.absolute()
    with as_file(file) as path:  # type: ignore[arg-type]
        copy = folder / path.name
        copy.write_bytes(path.read_bytes())
        return copy
