"""Find the files to read: paths, folders, globs, uris and lists -> sources -> splits, one split per task."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from metaclip_spark.errors import DamagedSourceError, FetchError, InputError
from metaclip_spark.sources import lists
from metaclip_spark.storage.open import (
    Info,
    check_transport,
    etag_of,
    has_glob,
    info_of,
    is_remote,
    list_remote,
    local_path,
    same_source,
    size_of,
)
from metaclip_spark.storage.transport import scheme_of, shown

SUFFIXES = {
    ".wat.gz": "wat",
    ".warc.gz": "warc",
    ".warc": "warc",
    ".parquet": "parquet",
    ".tsv": "tsv",
    ".tsv.gz": "tsv",
    ".csv": "csv",
    ".csv.gz": "csv",
    ".jsonl": "jsonl",
    ".jsonl.gz": "jsonl",
}
SPLIT_BYTES = 64 << 20
"""Bytes of a Parquet file that one task reads, at row-group borders; one task reads a whole file of other formats."""
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
    """The part of a source that one task reads: all of it, or the row groups that start in [start, stop)."""

    source: Source
    index: int
    of: int
    start: int
    stop: int


def format_of(path: str) -> str | None:
    """Return the format that a file's suffix stands for, or None."""
    name = (urlsplit(path).path if is_remote(path) else path).lower()
    return next((kind for suffix, kind in SUFFIXES.items() if name.endswith(suffix)), None)


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
    return shown(uri) if signed else uri


def find_sources(inputs: Sequence[str]) -> list[Source]:
    """List the sources behind paths, folders, globs, uris and lists, ordered by source_path, each once.

    Raises:
        InputError: no input was given, a path does not exist, a file's format or a scheme is not known, a file is a
            list but has the suffix of another format, or two inputs have one source_path but different bytes.
    """
    if not inputs:
        raise InputError("input is missing; expected files, folders or globs, e.g. --input pool/*.parquet.")
    found: dict[str, Source] = {}
    for given in inputs:
        for source in _sources(given):
            before = found.get(source.source_path)
            if before is None or not before.etag:
                found[source.source_path] = source
            elif before.uri != source.uri and not same_source(before.info, source.info):
                raise InputError(
                    f"input {source.uri} and {before.uri} are both {source.source_path}, but have different bytes; "
                    "give one of them."
                )
    return [found[key] for key in sorted(found)]


def _sources(given: str) -> Iterator[Source]:
    check_transport(given)
    for uri, info in _listed(given) if is_remote(given) else ((path, None) for path in _expand(local_path(given))):
        if lists.is_manifest(uri):
            yield from sources_of_list(uri)
        else:
            yield _source(uri, info)


def _source(uri: str, info: Info | None) -> Source:
    kind = _known_format(uri)
    if not is_remote(uri):
        path = os.path.abspath(local_path(uri))
        if not os.path.isfile(path):
            raise InputError(f"input {path} does not exist; expected a file.")
        if kind in ("wat", "warc"):
            lists.check_records(path)
        return Source(source_path_of(path), path, kind, size_of(path), etag_of(path))
    try:
        size, etag = info_of(uri) if info is None else info
    except FetchError as error:
        raise InputError(f"input {error.what}.") from error
    except DamagedSourceError as error:
        raise InputError(f"input {error}.") from error
    return Source(source_path_of(uri), uri, kind, size, etag)


def sources_of_list(uri: str) -> Iterator[Source]:
    """Yield the sources that a list names, without a request for the sizes of remote ones.

    Raises:
        InputError: the list cannot be read, or a file that it names does not exist or has no known format.
    """
    uris = lists.read_manifest(uri)
    missing = [found for found in uris if not is_remote(found) and not os.path.isfile(local_path(found))]
    for found in uris:
        if format_of(found) is None:
            kinds = f"of no known kind; expected names ending in {_suffixes()}."
            raise InputError(f"list {shown(uri)} names {found}, {kinds}")
    if missing:
        raise InputError(
            f"list {shown(uri)} names {len(uris):,} files, of which {len(missing):,} do not exist, e.g. {missing[0]}; "
            "a list outside of any crawl-data folder is read from Common Crawl's server."
        )
    for scheme_uri in {scheme_of(found): found for found in uris}.values():
        check_transport(scheme_uri)
    for found in uris:
        yield source_of_list(found)


def source_of_list(uri: str) -> Source:
    """Return a source that a list names, without a request for the size of a remote one."""
    return _source(uri, UNKNOWN)


def _listed(given: str) -> Iterator[tuple[str, Info | None]]:
    """Yield the files behind a remote uri, with their sizes and etags from the listing."""
    if not has_glob(given) and (format_of(given) or lists.is_manifest(given)):
        yield given, None
        return
    files = list_remote(given)
    if not has_glob(given):
        files = [(uri, info) for uri, info in files if format_of(uri) and not _hidden(uri[len(given.rstrip("/")) :])]
    if not files:
        kind = "matches no file" if has_glob(given) else f"holds no files ending in {_suffixes()}"
        raise InputError(f"input {shown(given)} {kind}.")
    yield from files


def _hidden(below: str) -> bool:
    return any(part.startswith((".", "_")) for part in below.split("/"))


def _expand(given: str) -> Iterator[str]:
    if os.path.isdir(given):
        files = list(_files_below(given))
        if not files:
            raise InputError(f"no input in folder {given}; expected files ending in {_suffixes()}.")
        yield from files
    elif os.path.exists(given):
        yield given
    else:
        files = sorted(path for path in glob.glob(given, recursive=True) if os.path.isfile(path))
        if not files:
            kind = "matches no file" if glob.has_magic(given) else "does not exist"
            raise InputError(f"input {given} {kind}; expected a file, a folder or a glob.")
        yield from files


def _files_below(folder: str) -> Iterator[str]:
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "_")))
        for name in sorted(names):
            if format_of(name) and not name.startswith((".", "_")):
                yield os.path.join(where, name)


def _known_format(path: str) -> str:
    kind = format_of(path)
    if kind is None:
        raise InputError(f"input {shown(path)} is of no known kind; expected a name ending in {_suffixes()}.")
    return kind


def _suffixes() -> str:
    return ", ".join(SUFFIXES)


def splits_of(sources: Iterable[Source], split_bytes: int = SPLIT_BYTES) -> list[Split]:
    """Divide sources into splits: Parquet files by bytes (if known); other files are one split each."""
    splits = []
    for source in sources:
        of = max(1, -(-source.bytes // split_bytes)) if source.format == "parquet" else 1
        for index in range(of):
            start, stop = index * source.bytes // of, (index + 1) * source.bytes // of
            splits.append(Split(source, index, of, start, stop))
    return splits
