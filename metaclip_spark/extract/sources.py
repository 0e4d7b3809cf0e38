"""Which files there are to read: paths, folders and globs -> sources -> splits, one split a task."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from metaclip_spark.errors import InputError
from metaclip_spark.extract.storage import etag_of, size_of

SUFFIXES = {
    ".wat.gz": "wat",
    ".parquet": "parquet",
    ".tsv": "tsv",
    ".tsv.gz": "tsv",
    ".csv": "csv",
    ".csv.gz": "csv",
    ".jsonl": "jsonl",
    ".jsonl.gz": "jsonl",
}
LATER_SUFFIXES = (".warc.gz", ".warc")
SPLIT_BYTES = 64 << 20
"""Parquet files are read by one task per this many bytes, at row-group borders; other formats by one task."""


@dataclass(frozen=True)
class Source:
    """An input file; its key is (snapshot, source_path), and equal keys must mean equal bytes."""

    source_path: str
    uri: str
    format: str
    bytes: int
    etag: str


@dataclass(frozen=True)
class Split:
    """What one task reads: a whole source, or the row groups that start in [start, stop)."""

    source: Source
    index: int
    of: int
    start: int
    stop: int


def format_of(path: str) -> str | None:
    """Return the format that a file's name says, or None."""
    name = path.lower()
    return next((kind for suffix, kind in SUFFIXES.items() if name.endswith(suffix)), None)


def source_path_of(path: str) -> str:
    """Return a source's key: the path inside the crawl where there is one, else the absolute path."""
    path = os.path.abspath(path)
    inside = path.find("/crawl-data/")
    return path[inside + 1 :] if inside >= 0 else path


def find_sources(inputs: Sequence[str]) -> list[Source]:
    """List the sources behind paths, folders and globs, ordered by source_path, each once.

    Raises:
        InputError: nothing was given, a path is missing, or a file's kind is not known.
    """
    if not inputs:
        raise InputError("input is missing; expected files, folders or globs, e.g. --input pool/*.parquet.")
    found: dict[str, Source] = {}
    for given in inputs:
        for path in _expand(given):
            key = source_path_of(path)
            uri = os.path.abspath(path)
            if key not in found:
                found[key] = Source(key, uri, _known_format(path), size_of(path), etag_of(path))
            elif found[key].uri != uri and found[key].etag != etag_of(path):
                raise InputError(
                    f"input {uri} and {found[key].uri} are both {key}, but hold other bytes; give one of them."
                )
    return [found[key] for key in sorted(found)]


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
    if path.lower().endswith(LATER_SUFFIXES):
        raise InputError(f"input {path} is a WARC, which this version does not read; give the crawl's WAT instead.")
    kind = format_of(path)
    if kind is None:
        raise InputError(f"input {path} is of no known kind; expected a name ending in {_suffixes()}.")
    return kind


def _suffixes() -> str:
    return ", ".join(SUFFIXES)


def splits_of(sources: Iterable[Source], split_bytes: int = SPLIT_BYTES) -> list[Split]:
    """Cut sources into splits: Parquet by bytes, the others whole."""
    splits = []
    for source in sources:
        of = max(1, -(-source.bytes // split_bytes)) if source.format == "parquet" else 1
        for index in range(of):
            start, stop = index * source.bytes // of, (index + 1) * source.bytes // of
            splits.append(Split(source, index, of, start, stop))
    return splits
