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
            raise _unreadable(folder, error) from None
        for entry in entries:
            real = os.path.join(real_folder, entry.name)
            if entry.is_dir(follow_symlinks=False) and not is_hidden(entry.name):
                folders.append((entry.path, real))
            else:
                yield entry, real


def _unreadable(folder: str, error: OSError) -> InputError:
    return InputError(
        f"input folder {folder} cannot be read: {error.strerror}. Its files would be missing; give the right to read "
        "it, or give the folders beside it."
    )


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
    """List the files and the broken links that a pattern matches, ordered by path.

    `**` enters folders, also linked ones, without loops. As in a folder, names that begin with . or _ are hidden from
    it: `_temporary` has files that Spark did not commit. The other parts of a pattern match as those of glob.

    Raises:
        InputError: a folder whose names the pattern asks for cannot be read.
    """
    start = fixed_folder(pattern)
    below = pattern.removeprefix(start) if pattern.startswith(("/", f"{start}/")) else pattern
    parts = [part for part in below.split("/") if part]
    return sorted(set(_matches(start, parts, (os.path.realpath(start),)))) if parts else []


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
    for name, is_folder, is_file in _names(folder, part):
        path = prefix + name
        if not is_folder:
            if not rest and (is_file or is_broken(path)):
                yield path
            continue
        real = os.path.realpath(path)
        if part == "**" and real not in above:
            yield from _matches(path, parts, (*above, real))
        elif part != "**" and rest:
            yield from _matches(path, rest, (*above, real))


def is_broken(path: str) -> bool:
    """Return whether a path is a link whose target does not exist."""
    return os.path.islink(path) and not os.path.exists(path)


def _names(folder: str, part: str) -> Iterator[tuple[str, bool, bool]]:
    """Yield the names in a folder that a part of a pattern matches, and whether each is, or links to, a folder or file.

    A part without a wildcard is looked up: a folder may let its names be used and not be listed.
    """
    try:
        if not glob.has_magic(part):
            path = os.path.join(folder, part)
            os.lstat(path)
            yield part, os.path.isdir(path), os.path.isfile(path)
            return
        with os.scandir(folder) as listing:
            entries = list(listing)
    except PermissionError as error:
        raise _unreadable(folder, error) from None
    except OSError:  # as glob does
        return
    for entry in entries:
        if part == "**":
            matched = not is_hidden(entry.name)
        else:
            hidden = entry.name.startswith(".") and not part.startswith(".")
            matched = not hidden and fnmatch.fnmatchcase(entry.name, part)
        if matched:
            try:
                kinds = entry.is_dir(), entry.is_file()
            except OSError:  # a link to itself
                kinds = False, False
            yield entry.name, *kinds
