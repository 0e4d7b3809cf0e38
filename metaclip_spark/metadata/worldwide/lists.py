"""Lists of many languages in one folder: loaded one at a time, each with its id, and one id of the whole."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from metaclip_spark.errors import MetadataError
from metaclip_spark.metadata.load import Metadata, load_metadata
from metaclip_spark.metadata.shipped import shipped_folder, shipped_languages, shipped_list
from metaclip_spark.metadata.worldwide.languages import FILE_NAME, LanguageList, Languages, read_languages

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

SHIPPED = "worldwide"
"""The name of the folder that ships."""
_SUFFIXES = (".json.gz", ".json")


@dataclass(frozen=True)
class WorldwideLists:
    """The lists of a folder, by the code of the identified language.

    Attributes:
        folder: The folder, or the name `worldwide` of the one that ships.
        languages: Which list a code has.
        files: Name of a list to its file, for the lists that are there. `languages.lists` also has those that are not.
        ids: Name of a list to its `metadata_id`, for the lists that are there.
        sizes: Name of a list to the number of its entries, for the lists that are there.
        all_can_match: The lists whose sidecar states that a text can match each entry.
        worldwide_id: sha256 in hex over the map of codes, the switches and the ids of the lists.

    Examples:
        >>> lists = WorldwideLists.open("worldwide")
        >>> lists.list_of("yue"), lists.list_of("lrc")
        ('zh', None)
    """

    folder: str
    languages: Languages = field(repr=False)
    files: Mapping[str, Path | Traversable] = field(repr=False)
    ids: Mapping[str, str] = field(repr=False)
    sizes: Mapping[str, int] = field(repr=False)
    worldwide_id: str
    all_can_match: frozenset[str] = field(default=frozenset(), repr=False)

    @classmethod
    def open(cls, folder: str | os.PathLike[str] = SHIPPED) -> WorldwideLists:
        """Open a folder of `<list>.json` or `<list>.json.gz`; lists are not loaded, except to compute an id.

        A folder without `languages.yaml` has the map of codes that ships, and those of its lists for which a file is
        there. The id of a list comes from its sidecar; `load` verifies it. A list without a sidecar is loaded once.

        Args:
            folder: A path, or `worldwide`, the folder that ships.

        Raises:
            MetadataError: The folder is missing or contains no list, `languages.yaml` is invalid, a file that it names
                is missing, a file is no list of it, or a list without a sidecar is invalid.
        """
        place, name = _folder(folder), str(folder)
        own = place / FILE_NAME
        languages = read_languages(own if own.is_file() else shipped_languages())
        found = _list_files(place, name, languages)
        files = _declared(place, name, languages, found) if own.is_file() else found
        if not files:
            raise MetadataError(f"{name}: the folder contains no list, expected <language>.json or .json.gz; check it.")
        about = {list_name: _about(file) for list_name, file in sorted(files.items())}
        ids = {list_name: each.metadata_id for list_name, each in about.items()}
        sizes = {list_name: each.entries for list_name, each in about.items()}
        can_match = frozenset(list_name for list_name, each in about.items() if each.all_can_match)
        return cls(name, languages, files, ids, sizes, _worldwide_id(languages, ids), can_match)

    def list_of(self, code: str) -> str | None:
        """Return the name of a code's list; None if the list of this language is not there.

        Raises:
            MetadataError: The code is unknown.
        """
        item = self.languages.list_of(code)
        return item.name if item.name in self.files else None

    def item(self, name: str) -> LanguageList:
        """Return what `languages.yaml` says of a list.

        Raises:
            MetadataError: No list has the name.
        """
        found = self.languages.lists.get(name)
        if found is None:
            raise MetadataError(f"{self.folder}: no list is called {name!r}; the lists are {_some(self.files)}.")
        return found

    def load(self, name: str) -> Metadata:
        """Load one list, and verify its id.

        Raises:
            MetadataError: No list has the name, its file is not there or invalid (empty, not UTF-8, not a JSON array of
                strings), or its entries have another id than `ids` says.
        """
        item = self.item(name)
        if name not in self.files:
            reason = item.missing or "its file is not in the folder"
            raise MetadataError(
                f"{self.folder}: there is no list {name!r} ({reason}); the lists are {_some(self.files)}."
            )
        file = self.files[name]
        metadata = load_metadata(file)
        if (metadata.metadata_id, len(metadata.entries)) != (self.ids[name], self.sizes[name]):
            raise MetadataError(
                f"{file}: its entries have the id {metadata.metadata_id}, expected {self.ids[name]} (from its"
                " sidecar, or from when the folder was opened); build the list again, or remove the sidecar."
            )
        return metadata


def _folder(folder: str | os.PathLike[str]) -> Path | Traversable:
    shipped = shipped_folder(folder) if isinstance(folder, str) else None
    place = shipped or Path(folder)
    if not place.is_dir():
        hint = " the folder of shipped lists is not installed." if str(folder) == SHIPPED else " check --metadata."
        got = "is a file" if place.is_file() else "no such folder"
        raise MetadataError(f"{folder}: {got}, expected a folder of <language>.json[.gz];{hint}")
    return place


def _list_files(place: Path | Traversable, name: str, languages: Languages) -> dict[str, Path | Traversable]:
    """Return the list files that lie in a folder, by the name of the list."""
    found: dict[str, Path | Traversable] = {}
    for file in sorted(place.iterdir(), key=lambda file: file.name):
        suffix = next((suffix for suffix in _SUFFIXES if file.name.endswith(suffix)), None)
        if suffix is None or file.name.endswith(".sidecar.json") or file.name.startswith("."):
            continue
        list_name = file.name.removesuffix(suffix)
        if list_name not in languages.lists:
            raise MetadataError(
                f"{name}: {file.name} is the list of no language of {languages.source}; rename it, or name it there."
            )
        if list_name in found:
            raise MetadataError(
                f"{name}: {found[list_name].name} and {file.name} are both the list {list_name}; keep one."
            )
        found[list_name] = file
    return found


def _declared(
    place: Path | Traversable, name: str, languages: Languages, found: Mapping[str, Path | Traversable]
) -> dict[str, Path | Traversable]:
    """Return the files that a folder's own `languages.yaml` names: each exists, and no other list is in the folder."""
    files: dict[str, Path | Traversable] = {}
    for item in languages.lists.values():
        if item.file is not None:
            files[item.name] = place / item.file
            if not files[item.name].is_file():
                raise MetadataError(
                    f"{name}: {item.file} is missing, the list {item.name} of {FILE_NAME}; add the file, or give the"
                    " list missing: and a reason instead of file:."
                )
        elif item.shipped is not None:
            files[item.name] = _shipped_file(item, name)
    unnamed = [file.name for list_name, file in found.items() if list_name not in files]
    if unnamed:
        raise MetadataError(
            f"{name}: {FILE_NAME} has no file: for {', '.join(unnamed)}; add it there, or remove the file."
        )
    return files


def _shipped_file(item: LanguageList, name: str) -> Path | Traversable:
    file = shipped_list(item.shipped or "")
    if file is None:
        raise MetadataError(
            f"{name}: the list {item.name} is the shipped list {item.shipped!r}, which is not installed."
        )
    return file


class _About(NamedTuple):
    metadata_id: str
    entries: int
    all_can_match: bool


def _about(file: Path | Traversable) -> _About:
    """Return what the sidecar of a list states, or what the list itself shows."""
    sidecar = sidecar_of(file)
    if sidecar is not None:
        return _stated(sidecar)
    metadata = load_metadata(file)
    return _About(metadata.metadata_id, len(metadata.entries), False)


def sidecar_of(file: Path | Traversable) -> Path | Traversable | None:
    """Return the sidecar of a list, `th.sidecar.json` for `th.json.gz`; None if there is none."""
    stem = next(file.name.removesuffix(suffix) for suffix in _SUFFIXES if file.name.endswith(suffix))
    return _beside(file, f"{stem}.sidecar.json")


def _stated(beside: Path | Traversable) -> _About:
    try:
        content = json.loads(beside.read_text(encoding="utf-8"))
        value, entries = content["metadata_id"], content["entries"]
    except (ValueError, KeyError, TypeError) as error:
        raise MetadataError(
            f"{beside}: has no metadata_id and entries ({error!r}); build the list again, or remove the sidecar."
        ) from error
    if not isinstance(value, str) or len(value) != 64:
        raise MetadataError(f"{beside}: metadata_id is {value!r}, expected a sha256 in hex; build the list again.")
    if type(entries) is not int or entries < 1:
        raise MetadataError(f"{beside}: entries is {entries!r}, expected their number; build the list again.")
    return _About(value, entries, content.get("never_matching") == 0)


def _beside(file: Path | Traversable, name: str) -> Path | Traversable | None:
    if isinstance(file, Path):
        sibling: Path | Traversable = file.with_name(name)
    else:
        sibling = file.parent / name  # type: ignore[attr-defined]  # zipfile.Path has it, Traversable does not say so
    return sibling if sibling.is_file() else None


def _worldwide_id(languages: Languages, ids: Mapping[str, str]) -> str:
    parts = [("code", code.code, code.list_name) for code in languages.codes.values()]
    parts += [("list", name, ids.get(name, "")) for name in languages.lists]
    parts += [("switch", item.name, switch) for item in languages.lists.values() for switch in item.switches]
    digest = hashlib.sha256()
    for text in (text for part in parts for text in part):
        raw = text.encode()
        digest.update(len(raw).to_bytes(8, "little") + raw)
    return digest.hexdigest()


def _some(names: Mapping[str, object]) -> str:
    listed = sorted(names)
    return ", ".join(listed[:8]) + (f", ... ({len(listed)} in all)" if len(listed) > 8 else "")
