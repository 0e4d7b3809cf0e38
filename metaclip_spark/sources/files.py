"""Find the files to read: paths, folders, globs, uris and lists -> sources -> splits, one split per task."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from metaclip_spark.core.secrets import without_secrets
from metaclip_spark.errors import DamagedSourceError, FetchError, InputError
from metaclip_spark.sources import lists
from metaclip_spark.sources.kinds import advice_for, format_of, suffixes_text
from metaclip_spark.sources.lines import TEXT_FORMATS, is_cut_at_lines
from metaclip_spark.sources.listing import Listing, broken_link
from metaclip_spark.storage.open import (
    Info,
    check_transport,
    etag_of,
    info_of,
    is_remote,
    local_path,
    same_source,
    size_of,
)
from metaclip_spark.storage.transport import malformed, scheme_of, shown

SPLIT_BYTES = 64 << 20
"""Bytes of a file that one task reads: of Parquet at row-group borders, of text at the ends of lines where that is
right (`sources.lines`). One task reads a whole file of other formats."""
UNKNOWN: Info = (0, "")
"""The info of a remote source in a list: the sizes of a crawl's 90,000 files would cost as many requests."""


@dataclass(frozen=True)
class Source:
    """An input file with the key (snapshot, source_path); equal keys must mean equal bytes.

    Attributes:
        source_path: the path inside the crawl if there is one, else the absolute path or the uri.
        bytes, etag: as `info_of` returns them, or 0 and "" for a remote source without a request.
    """

    source_path: str
    uri: str
    format: str
    bytes: int
    etag: str

    @property
    def info(self) -> Info:
        """Bytes and etag."""
        return self.bytes, self.etag


@dataclass(frozen=True)
class Split:
    """The part of a source that one task reads: all of it, or the row groups or lines that start in [start, stop)."""

    source: Source
    index: int
    of: int
    start: int
    stop: int

    @property
    def bytes(self) -> int:
        """Bytes of the part; 0 if they are unknown."""
        return self.stop - self.start if self.of > 1 else self.source.bytes


def source_path_of(path: str) -> str:
    """Return a source's key: the path inside the crawl if there is one, else the absolute path or the uri.

    >>> source_path_of("s3://commoncrawl/crawl-data/CC-MAIN-2024-51/a.wat.gz")
    'crawl-data/CC-MAIN-2024-51/a.wat.gz'
    """
    path = _plain(path) if is_remote(path) else os.path.abspath(local_path(path))
    inside = path.find("/" + lists.INSIDE)
    return path[inside + 1 :] if inside >= 0 else path


def _plain(uri: str) -> str:
    """Return a uri as tables store it: s3:// for s3a://, and no signature, which is a secret and changes."""
    scheme, rest = scheme_of(uri), uri.partition("://")[2]
    signed = any(sign in uri.lower() for sign in ("signature=", "sig=", "token="))
    uri = ("s3" if scheme == "s3a" else scheme) + "://" + rest
    return shown(uri) if signed else without_secrets(uri)


def find_sources(inputs: Sequence[str], say: Callable[[str], None] | None = None) -> list[Source]:
    """List the sources behind paths, folders, globs, uris and lists, ordered by source_path, each once.

    A local file that is reached by several paths is one source: with its path inside a crawl if one of them is that,
    else with the path without links, else with the smallest one.

    Args:
        say: gets one line that counts the files of folders that are not read, if there are any.

    Raises:
        InputError: no input was given, a path does not exist, a file's format or a scheme is not known, a file is a
            list but has the suffix of another format, a folder or file belongs to a table, or two inputs have one
            source_path but different bytes.
    """
    if not inputs:
        raise InputError("input is missing; expected files, folders or globs, e.g. --input pool/*.parquet.")
    listing = Listing()
    found: dict[str, Source] = {}
    for given in inputs:
        for source in _sources(given, listing):
            before = found.get(source.source_path)
            if before is None or not before.etag:
                found[source.source_path] = source
            elif before.uri != source.uri and not same_source(before.info, source.info):
                raise InputError(
                    f"input {source.uri} and {before.uri} are both {source.source_path}, but have different bytes; "
                    "give one of them."
                )
    line = listing.skipped.sentence()
    if say is not None and line is not None:
        say(line)
    return _each_file_once([found[key] for key in sorted(found)])


def _sources(given: str, listing: Listing) -> Iterator[Source]:
    problem = malformed(given)
    if problem is not None:
        raise InputError(f"input {shown(given)} is no uri ({problem}); correct it.")
    check_transport(given)
    for uri, info in listing.files(given):
        if lists.is_manifest(uri):
            listed = list(sources_of_list(uri))
            listing.refuse_tables(uri, [source.uri for source in listed])
            yield from listed
        else:
            yield _source(uri, info)


def _each_file_once(sources: list[Source]) -> list[Source]:
    """Return the sources without those whose file is another source, too; see `find_sources`."""
    folders: dict[str, str] = {}
    chosen: dict[str, Source] = {}
    for source in sources:
        real = source.uri if is_remote(source.uri) else _real_path(source.uri, folders)
        before = chosen.setdefault(real, source)
        if _order(source, real) < _order(before, real):
            chosen[real] = source
    kept = {source.source_path for source in chosen.values()}
    return [source for source in sources if source.source_path in kept]


def _order(source: Source, real: str) -> tuple[bool, bool, str]:
    return not source.source_path.startswith(lists.INSIDE), source.source_path != real, source.source_path


def _real_path(path: str, folders: dict[str, str]) -> str:
    folder, name = os.path.split(path)
    if folder not in folders:
        folders[folder] = os.path.realpath(folder)
    return os.path.realpath(path) if os.path.islink(path) else os.path.join(folders[folder], name)


def _source(uri: str, info: Info | None) -> Source:
    kind = _known_format(uri)
    if not is_remote(uri):
        return _local_source(os.path.abspath(local_path(uri)), kind)
    try:
        size, etag = info_of(uri) if info is None else info
    except FetchError as error:
        raise InputError(f"input {error.what}.") from error
    except DamagedSourceError as error:
        raise InputError(f"input {error}.") from error
    return Source(source_path_of(uri), uri, kind, size, etag)


def _local_source(path: str, kind: str) -> Source:
    if not os.path.isfile(path):
        if os.path.islink(path) and not os.path.exists(path):
            raise broken_link(path)
        why = "is no regular file" if os.path.exists(path) else "does not exist"
        raise InputError(f"input {path} {why}; expected a file.")
    try:
        if kind in ("wat", "warc"):
            lists.check_records(path)
        return Source(source_path_of(path), path, kind, size_of(path), etag_of(path))
    except OSError as error:
        raise InputError(f"input {path} cannot be read: {error.strerror}; give the right to read it.") from error


def sources_of_list(uri: str) -> Iterator[Source]:
    """Yield the sources that a list names, without a request for the sizes of remote ones.

    Raises:
        InputError: the list cannot be read, or a file that it names does not exist or has no known format.
    """
    uris = lists.read_manifest(uri)
    for found in uris:
        problem = malformed(found)
        if problem is not None:
            raise InputError(f"list {shown(uri)} names {lists.shown_line(found)}, which is no uri ({problem}).")
    missing = [found for found in uris if not is_remote(found) and not os.path.isfile(local_path(found))]
    for found in uris:
        if format_of(found) is None:
            raise InputError(
                f"list {shown(uri)} names {lists.shown_line(found)}, {_unknown(found)}; {_expected(found, 'names')}."
            )
    if missing:
        raise InputError(
            f"list {shown(uri)} names {len(uris):,} files, of which {len(missing):,} do not exist, e.g. "
            f"{lists.shown_line(missing[0])}; "
            "a list outside of any crawl-data folder is read from Common Crawl's server."
        )
    for scheme_uri in {scheme_of(found): found for found in uris}.values():
        check_transport(scheme_uri)
    for found in uris:
        yield source_of_list(found)


def _unknown(line: str) -> str:
    """Return why a line of a list is no input."""
    if "\t" in line:
        return "which has tabs; a table is named .tsv, and a list has one path or uri per line"
    if not is_remote(line) and os.path.isdir(local_path(line)):
        return "a folder; give it as --input, because a list names files"
    return "of no known kind"


def source_of_list(uri: str) -> Source:
    """Return a source that a list names, without a request for the size of a remote one."""
    return _source(uri, UNKNOWN)


def _known_format(path: str) -> str:
    kind = format_of(path)
    if kind is None:
        raise InputError(f"input {shown(path)} is of no known kind; {_expected(path)}.")
    return kind


def _expected(path: str, what: str = "a name") -> str:
    advice = advice_for(path)
    return (f"{advice}; " if advice else "") + f"expected {what} ending in {suffixes_text()}"


def splits_of(sources: Iterable[Source], split_bytes: int = SPLIT_BYTES, quoting: str = "auto") -> list[Split]:
    """Divide sources into splits by bytes, if they are known: Parquet, and text files that can be cut at line ends.

    Args:
        quoting: how TSV and CSV quote their fields, one of `candidates.options.QUOTINGS`.
    """
    splits = []
    for source in sources:
        of = max(1, -(-source.bytes // split_bytes))
        if of > 1 and source.format != "parquet":
            of = of if source.format in TEXT_FORMATS and is_cut_at_lines(source.uri, source.format, quoting) else 1
        for index in range(of):
            start, stop = index * source.bytes // of, (index + 1) * source.bytes // of
            splits.append(Split(source, index, of, start, stop))
    return splits


def whole(source: Source) -> Split:
    """Return a source as one split."""
    return Split(source, 0, 1, 0, source.bytes)
