"""Find Wikipedia's dumps, check that they are complete, and split them into the byte ranges that tasks read."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from metaclip_spark.errors import DumpBlockError, DumpError, InputError
from metaclip_spark.metadata.bz2_blocks import MAGIC, read_blocks
from metaclip_spark.metadata.wikitext import LINK_PREFIXES

SPLIT_BYTES = 16 << 20
"""Bytes of bzip2 that one task reads: about 70 MB of XML, which takes about half a minute."""
PLAIN_FACTOR = 4
"""Factor from bytes of bzip2 to bytes of plain XML per task: bzip2 compresses wikitext about four to one."""

_FILE_NAME = re.compile(r"\.xml(-[^.]*)?(\.bz2)?$")
_FILE_NAMEPACE = re.compile(r'<namespace key="(?:6|14)"[^>]*>([^<]+)</namespace>')
_CHUNK_BYTES = 1 << 20
_TAIL_BYTES = (1 << 19, 2 << 20)
"""Bytes before the end of a file to search for the dump's end. The first number usually suffices, the second always."""
_HEAD_BYTES = 1 << 12
_EXPECTED = "expected Wikipedia's pages-articles.xml.bz2 (or .xml)"
_OTHER_FORMATS = {b"\x1f\x8b": "gzip", b"7z\xbc\xaf": "7-Zip", b"PK\x03\x04": "zip", b"\xfd7zXZ": "xz"}


@dataclass(frozen=True)
class Dump:
    """A dump file.

    Attributes:
        path: absolute path.
        bytes: size of the file.
        compressed: True for bzip2, False for plain XML.
        link_prefixes: lower-case names of its File and Category namespaces, in its language and in English.
    """

    path: str
    bytes: int
    compressed: bool
    link_prefixes: tuple[str, ...]


@dataclass(frozen=True)
class DumpSplit:
    """A byte range of a dump. The split has the pages that begin in the range.

    In bzip2, these are the pages that begin in the blocks whose marker begins in the range.
    """

    dump: Dump
    start: int
    stop: int


def find_dumps(given: Sequence[str]) -> list[Dump]:
    """List the dumps that files, folders and globs name, ordered by path, each once; check the head and tail of each.

    Raises:
        InputError: a path is missing, a file is not a dump or is incomplete, or the same dump is given in two forms
            (multistream and not, bzip2 and XML).
    """
    paths = sorted({os.path.abspath(path) for one in given for path in _expand(one)})
    path_of_dump: dict[str, str] = {}
    for path in paths:
        name = path.replace("-multistream", "").removesuffix(".bz2")
        if name in path_of_dump:
            raise InputError(
                f"{path_of_dump[name]} and {path} are the same dump in two forms, so its words would count twice;"
                " give one of them."
            )
        path_of_dump[name] = path
    return [check_dump(path) for path in paths]


def _expand(given: str) -> list[str]:
    if os.path.isdir(given):
        names = sorted(os.listdir(given))
        paths = [os.path.join(given, name) for name in names if _FILE_NAME.search(name) and not name.startswith(".")]
        if not paths:
            raise InputError(f"folder {given} contains no file named *.xml.bz2 or *.xml; {_EXPECTED} in it.")
        return paths
    if os.path.exists(given):
        return [given]
    paths = sorted(path for path in glob.glob(given) if os.path.isfile(path))
    if not paths:
        fault = "matches no file" if glob.has_magic(given) else "does not exist"
        raise InputError(f"dump {given} {fault}; {_EXPECTED}, a folder or a glob. Dumps: dumps.wikimedia.org.")
    return paths


def check_dump(path: str) -> Dump:
    """Check the first and last bytes of a dump.

    Raises:
        InputError: the file is not a dump, or its end is missing.
    """
    try:
        with open(path, "rb") as file:
            first = file.read(8)
            size = file.seek(0, os.SEEK_END)
            compressed = first.startswith(MAGIC)
            for magic, name in _OTHER_FORMATS.items():
                if first.startswith(magic):
                    raise InputError(f"dump {path} is {name}; {_EXPECTED}. Decompress it first.")
            head = _head(file, compressed)
            _check_head(path, head, first)
            _check_tail(path, file, size, compressed)
    except OSError as error:
        raise InputError(f"dump {path} cannot be read ({error.strerror}); {_EXPECTED}.") from error
    except DumpBlockError as error:
        raise InputError(f"dump {path} {error}; fetch it again, and compare its checksum.") from error
    local = {name.strip().lower() for name in _FILE_NAMEPACE.findall(head.decode("utf-8", "replace"))}
    return Dump(path, size, compressed, tuple(sorted(local | set(LINK_PREFIXES))))


def _head(file: BinaryIO, compressed: bool) -> bytes:
    return next((data for _, data in _pieces(file, compressed, 0, _CHUNK_BYTES)), b"")


def _check_head(path: str, head: bytes, first: bytes) -> None:
    if b"<mediawiki" not in head[:_HEAD_BYTES]:
        start = head[:24] if head else first
        fault = f"starts with {bytes(start)!r}" if start else "is empty"
        raise InputError(
            f"dump {path} is not a MediaWiki export: it {fault}; {_EXPECTED}, which starts with <mediawiki."
        )


def _check_tail(path: str, file: BinaryIO, size: int, compressed: bool) -> None:
    for tail_bytes in _TAIL_BYTES:
        tail = b""
        for _, data in _pieces(file, compressed, max(0, size - tail_bytes), size):
            tail = (tail + data)[-_HEAD_BYTES:]
        if tail.rstrip().endswith(b"</mediawiki>"):
            return
    raise InputError(
        f"dump {path} is incomplete: it ends with {bytes(tail.rstrip()[-24:])!r}, expected </mediawiki>; fetch it "
        "again, and compare its checksum."
    )


def splits_of(dumps: Sequence[Dump], split_bytes: int = SPLIT_BYTES) -> list[DumpSplit]:
    """Split dumps into byte ranges, one per task; the task itself finds where blocks and pages begin."""
    splits = []
    for dump in dumps:
        step = split_bytes if dump.compressed else split_bytes * PLAIN_FACTOR
        splits += [DumpSplit(dump, at, min(at + step, dump.bytes)) for at in range(0, dump.bytes, step)]
    return splits


def open_pieces(split: DumpSplit) -> Iterator[tuple[bool, bytes]]:
    """Read XML from the start of a split to the end of the file. The caller stops at the end of its last page.

    Yields:
        Whether the piece belongs to the split, and its bytes.

    Raises:
        DumpError: the file is missing, damaged, or has changed since the splits were planned.
    """
    dump = split.dump
    try:
        with open(dump.path, "rb") as file:
            if file.seek(0, os.SEEK_END) != dump.bytes:
                raise DumpError(f"dump {dump.path} has changed since the command started; run the same command again.")
            for at, data in _pieces(file, dump.compressed, split.start, split.stop):
                yield at < split.stop, data
    except OSError as error:
        raise DumpError(
            f"dump {dump.path} cannot be read by a worker ({error.strerror}); put it where every worker can read it."
        ) from error
    except DumpBlockError as error:
        raise DumpError(f"dump {dump.path} {error}; fetch it again, and compare its checksum.") from error


def _pieces(file: BinaryIO, compressed: bool, start: int, stop: int) -> Iterator[tuple[int, bytes]]:
    """Yield (byte of the file, XML) from `start` on. A piece of plain XML that begins before `stop` also ends there."""
    if compressed:
        yield from read_blocks(file, start)
        return
    file.seek(start)
    while data := file.read(min(_CHUNK_BYTES, stop - start) if start < stop else _CHUNK_BYTES):
        yield start, data
        start += len(data)
