"""List the files behind inputs: paths, folders, globs and uris."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from metaclip_spark.core.wording import counted
from metaclip_spark.errors import InputError
from metaclip_spark.sources.folders import contents_of, files_of_glob, fixed_folder, is_broken, is_hidden
from metaclip_spark.sources.kinds import ending_of, format_of, suffixes_text
from metaclip_spark.sources.lists import is_manifest, local_file
from metaclip_spark.sources.skipped import Skipped
from metaclip_spark.sources.table_folders import LocalTables, RemoteTables, table_in
from metaclip_spark.storage.open import Info, has_glob, is_remote, list_remote, local_path
from metaclip_spark.storage.transport import shown


class Listing:
    """The listing of all inputs of a command.

    Attributes:
        skipped: the files of folders that are not read.
    """

    def __init__(self) -> None:
        self.skipped = Skipped()
        self._local = LocalTables()
        self._remote = RemoteTables()

    def files(self, given: str) -> list[tuple[str, Info | None]]:
        """List the files behind an input: paths, or uris with their sizes and etags.

        Raises:
            InputError: there are none, or one of them belongs to a table.
        """
        if is_remote(given):
            return self._listed(given)
        paths = self._expanded(given)
        self.refuse_tables(given, paths)
        return [(path, None) for path in paths]

    def refuse_tables(self, given: str, uris: list[str]) -> None:
        """Refuse Parquet files that lie in a table, also in one above the input; other files are in no table."""
        parquet = [uri if is_remote(uri) else local_path(uri) for uri in uris if format_of(uri) == "parquet"]
        folders = dict.fromkeys(os.path.dirname(path) for path in parquet)
        links = (path for path in parquet if not is_remote(path) and os.path.islink(path))
        folders.update(dict.fromkeys(os.path.dirname(os.path.realpath(path)) for path in links))
        self._refuse_around(given, list(folders))

    def _refuse_around(self, given: str, folders: list[str]) -> None:
        table = self._remote.around(folder for folder in folders if is_remote(folder))
        for folder in (folder for folder in folders if not is_remote(folder)):
            table = table or self._local.around(folder)
        if table is not None:
            raise table.refusal(given)

    def _listed(self, given: str) -> list[tuple[str, Info | None]]:
        """List the files behind a remote uri, with their sizes and etags from the listing."""
        if not has_glob(given) and (format_of(given) or is_manifest(given)):
            self.refuse_tables(given, [given])
            return [(given, None)]
        files: list[tuple[str, Info | None]] = list(list_remote(given))
        if has_glob(given):
            if not files:
                raise InputError(f"input {shown(given)} matches no file.")
            files = [(uri, info) for uri, info in files if not _is_hidden_from(given, uri)]
            if not files:
                raise InputError(f"input {shown(given)} matches only files below a name that begins with . or _.")
            self.refuse_tables(given, [uri for uri, _ in files])
            return files
        table = table_in(uri for uri, _ in files)
        if table is not None:
            raise (self._remote.around([table.folder]) or table).refusal(given)
        start = len(given.partition("://")[2].rstrip("/"))
        hidden = [uri for uri, _ in files if is_hidden(uri.partition("://")[2][start:])]
        seen = set(hidden)
        files = [(uri, info) for uri, info in files if uri not in seen]
        found = [(uri, info) for uri, info in files if format_of(uri)]
        if any(format_of(uri) == "parquet" for uri, _ in found):
            self._refuse_around(given, [given.rstrip("/")])
        skipped = self._skip(given, [uri for uri, _ in files if not format_of(uri)], hidden)
        if not found:
            raise InputError(f"input {shown(given)} holds no files ending in {suffixes_text()}.{_instead(skipped)}")
        return found

    def _expanded(self, given: str) -> list[str]:
        path = local_file(given)
        if os.path.isdir(path):
            return self._below(path)
        if os.path.lexists(path):
            return [path]
        matched = files_of_glob(path)
        broken = [match for match in matched if is_broken(match)]
        files = sorted(set(matched).difference(broken))
        _refuse_broken(broken)
        if not files:
            if not glob.has_magic(path):
                raise InputError(f"input {path} does not exist; expected a file, a folder or a glob.")
            raise InputError(f"input {path} matches no file; expected a file, a folder or a glob.{_near(path)}")
        return files

    def _below(self, folder: str) -> list[str]:
        def enter(entered: str) -> None:
            table = self._local.at(entered)
            if table is not None:
                raise table.refusal(os.path.abspath(folder))

        contents = contents_of(folder, enter)
        found = [path for path in contents.files if format_of(path)]
        _refuse_broken(contents.broken)
        others = [path for path in contents.files if not format_of(path)]
        skipped = self._skip(folder, others, contents.hidden, contents.broken)
        if not found:
            raise InputError(
                f"no input in folder {folder}; expected files ending in {suffixes_text()}.{_instead(skipped)}"
            )
        return found

    def _skip(self, folder: str, others: list[str], hidden: list[str], broken: Sequence[str] = ()) -> Skipped:
        """Count the files of a folder that are not read; return the counts of this folder alone."""
        skipped = Skipped()
        for counts in (self.skipped, skipped):
            counts.add(folder, others, hidden, broken)
        return skipped


def _refuse_broken(links: Iterable[str]) -> None:
    """Refuse a broken link with the name of an input."""
    link = next(filter(format_of, links), None)
    if link is not None:
        raise broken_link(link)


def _is_hidden_from(pattern: str, uri: str) -> bool:
    """Return whether `**` in a pattern has entered a folder whose name begins with . or _, and that it does not name.

    >>> _is_hidden_from("s3://b/**/*.tsv", "s3://b/_temporary/a.tsv"), _is_hidden_from("s3://b/_v*/**", "s3://b/_v1/a")
    (True, False)
    """
    parts = pattern.split("/")
    if "**" not in parts:
        return False
    named = [part for part in parts if is_hidden(part)]
    folders = uri.split("/")[3:-1]
    return any(is_hidden(name) and not any(fnmatchcase(name, part) for part in named) for name in folders)


def broken_link(path: str) -> InputError:
    """Return the error for a link whose target does not exist."""
    return InputError(f"input {path} is a link to {os.readlink(path)}, which does not exist; mend or remove the link.")


def _instead(skipped: Skipped) -> str:
    """Return a sentence about the files that were found where no input is, with what to do with them."""
    parts = [skipped.kinds()] if skipped.kinds() else []
    if skipped.hidden:
        parts.append(f"{len(skipped.hidden):,} below a name that begins with . or _, e.g. {shown(skipped.hidden[0])}")
    if skipped.broken:
        parts.append(f"{counted(len(skipped.broken), 'broken link')}, e.g. {skipped.broken[0]}")
    advice = f" ({skipped.advice()})" if skipped.advice() else ""
    return f" Found there: {', '.join(parts)}{advice}." if parts else " It holds no files."


def _near(pattern: str) -> str:
    """Return a sentence about what is found near a local pattern that matches no file."""
    folders = [path for path in glob.glob(pattern) if os.path.isdir(path)]
    if folders:
        return f" It matches {counted(len(folders), 'folder')}, e.g. {folders[0]}; give the folders."
    start = fixed_folder(pattern)
    if not os.path.isdir(start):
        return f" There is no folder {start}."
    endings = Counter(ending_of(name) or "without an ending" for name in contents_of(start).files)
    found = ", ".join(f"{number:,} {ending}" for ending, number in endings.most_common(5))
    return f" Found below {start}: {found or 'no files'}."
