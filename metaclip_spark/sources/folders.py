"""List the files of local folders and globs, through links, without loops."""

from __future__ import annotations

import fnmatch
import glob
import heapq
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from metaclip_spark.errors import InputError


@dataclass
class Contents:
    """The files below a folder.

    Attributes:
        files: files whose path below the folder has no hidden name, each once.
        hidden: files below a name that begins with . or _.
        broken: links whose target does not exist, and that are not hidden.
    """

    files: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


def contents_of(folder: str, enter: Callable[[str], None] = lambda folder: None) -> Contents:
    """List all files below a folder, through links to folders and files.

    Every folder is entered once, so a link to a folder above is no loop. A file that is reached by several paths is
    listed once: by its path without links below the folder if there is one, otherwise by the smallest path. So another
    link beside the files does not rename them. A link may lead below a hidden name, as those of a cache do.

    Args:
        enter: called with every folder that is not hidden, before its files.

    Raises:
        InputError: a folder that is not hidden cannot be read.
    """
    found = Contents()
    entered: set[str] = set()
    listed: set[str] = set()
    links_to_files: list[str] = []
    hidden: list[str] = []
    links = [folder]
    while links:
        for entry, real in _walk(heapq.heappop(links), entered, enter):
            if is_hidden(entry.name):
                hidden.append(entry.path)
            elif not entry.is_symlink():
                listed.add(real)
                found.files.append(entry.path)
            elif os.path.isdir(entry.path):
                heapq.heappush(links, entry.path)
            else:
                links_to_files.append(entry.path)
    for path in sorted(links_to_files):
        real = os.path.realpath(path)
        if not os.path.exists(real):
            found.broken.append(path)
        elif real not in listed:
            listed.add(real)
            found.files.append(path)
    found.files.sort()
    found.hidden = sorted(path for path in _files_below(hidden) if os.path.realpath(path) not in listed)
    return found


def _walk(start: str, entered: set[str], enter: Callable[[str], None]) -> Iterator[tuple[os.DirEntry[str], str]]:
    """Yield the files, the links and the hidden folders below a folder with their real paths, and enter none of them.

    Args:
        entered: the real paths of all folders that were entered.
    """
    folders = [(start, os.path.realpath(start))]
    while folders:
        folder, real_folder = folders.pop()
        if real_folder in entered:
            continue
        entered.add(real_folder)
        enter(folder)
        try:
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            raise InputError(
                f"input folder {folder} cannot be read: {error.strerror}. Its files would be missing; give the right "
                "to read it, or give the folders beside it."
            ) from None
        for entry in entries:
            real = os.path.join(real_folder, entry.name)
            if entry.is_dir(follow_symlinks=False) and not is_hidden(entry.name):
                folders.append((entry.path, real))
            else:
                yield entry, real


def _files_below(paths: Iterable[str]) -> Iterator[str]:
    """Yield those of the paths that are files, and the files below the others; links to folders are not followed."""
    for path in paths:
        if not os.path.isdir(path):
            yield path
        elif not os.path.islink(path):
            for folder, _, names in os.walk(path):
                yield from (os.path.join(folder, name) for name in names)


def is_hidden(below: str) -> bool:
    """Return whether a path has a name that begins with . or _.

    >>> is_hidden("/2024/a.tsv"), is_hidden("/_temporary/a.tsv")
    (False, True)
    """
    return any(part.startswith((".", "_")) for part in below.split("/"))


def files_of_glob(pattern: str) -> list[str]:
    """List the files that a pattern matches, ordered by path; `**` enters folders, also linked ones, without loops."""
    parts = pattern.split("/")
    if "**" not in parts:
        return sorted(path for path in glob.iglob(pattern) if os.path.isfile(path))
    start = fixed_folder(pattern)
    parts = [part for part in pattern.removeprefix(start).split("/") if part]
    return sorted(set(_matches(start, parts, (os.path.realpath(start),))))


def fixed_folder(pattern: str) -> str:
    """Return the folder above the first part of a pattern that has a wildcard.

    >>> fixed_folder("/data/a*/b.tsv"), fixed_folder("*.tsv")
    ('/data', '.')
    """
    parts = pattern.split("/")
    fixed = next((at for at, part in enumerate(parts) if glob.has_magic(part)), len(parts) - 1)
    return "/".join(parts[:fixed]) or ("/" if pattern.startswith("/") else ".")


def _matches(folder: str, parts: Sequence[str], above: tuple[str, ...]) -> Iterator[str]:
    """Yield the files below a folder that the parts of a pattern match, as glob does.

    Args:
        above: the real paths of the folders that were entered; a link to one of them is not followed.
    """
    part, rest = parts[0], parts[1:]
    prefix = "" if folder == "." else folder.rstrip("/") + "/"
    if part in (".", ".."):
        if rest:
            yield from _matches(prefix + part, rest, above)
        return
    if part == "**" and rest:
        yield from _matches(folder, rest, above)
    for entry in _entries(folder):
        hidden = entry.name.startswith(".") and not part.startswith(".")
        if hidden or part != "**" and not fnmatch.fnmatchcase(entry.name, part):
            continue
        path = prefix + entry.name
        if not os.path.isdir(path):  # a link to itself is neither a folder nor a file
            if not rest and os.path.isfile(path):
                yield path
            continue
        real = os.path.realpath(path)
        if real in above:
            continue
        if part == "**":
            yield from _matches(path, parts, (*above, real))
        elif rest:
            yield from _matches(path, rest, (*above, real))


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as listing:
            return list(listing)
    except OSError:  # as glob does
        return []
