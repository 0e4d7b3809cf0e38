"""Wikipedia's dumps: which files there are, whether they are whole, and the ranges of bytes that tasks read."""

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
"""Bytes of bzip2 that one task reads: about 70 MB of XML, half a minute's work."""
PLAIN_FACTOR = 4
"""A task reads so many times as many bytes of plain XML: wikitext packs about four to one."""

_NAMES = re.compile(r"\.xml(-[^.]*)?(\.bz2)?$")
_NAMESPACE = re.compile(r'<namespace key="(?:6|14)"[^>]*>([^<]+)</namespace>')
_PIECE = 1 << 20
_TAILS = (1 << 19, 2 << 20)
"""Bytes looked at for a dump's end: its last blocks are mostly in the first, and are always in the second."""
_HEAD = 1 << 12
_NEXT = "expected Wikipedia's pages-articles.xml.bz2 (or .xml)"
_PACKED = {b"\x1f\x8b": "gzip", b"7z\xbc\xaf": "7-Zip", b"PK\x03\x04": "zip", b"\xfd7zXZ": "xz"}


@dataclass(frozen=True)
class Dump:
    """A dump file.

    Attributes:
        path: absolute.
        bytes: its size.
        packed: whether it is bzip2; else it is plain XML.
        link_prefixes: lower-case names of its File and Category namespaces, in its language and in English.
    """

    path: str
    bytes: int
    packed: bool
    link_prefixes: tuple[str, ...]


@dataclass(frozen=True)
class DumpSplit:
    """The pages of a dump that begin in one range of its bytes.

    Of bzip2, it is the pages that begin in those blocks whose mark begins in the range.
    """

    dump: Dump
    start: int
    stop: int


def find_dumps(given: Sequence[str]) -> list[Dump]:
    """List the dumps behind files, folders and globs, ordered by path, each once, and check head and tail of each.

    Raises:
        InputError: a path is missing, or a file is no dump, is cut short, or is there a second time as multistream.
    """
    paths = sorted({os.path.abspath(path) for one in given for path in _expand(one)})
    twins: dict[str, str] = {}
    for path in paths:
        plain = path.replace("-multistream", "").removesuffix(".bz2")
        if plain in twins:
            raise InputError(
                f"{twins[plain]} and {path} are the same dump in two forms, and its words would count twice; give one."
            )
        twins[plain] = path
    return [check_dump(path) for path in paths]


def _expand(given: str) -> list[str]:
    if os.path.isdir(given):
        inside = sorted(os.listdir(given))
        paths = [os.path.join(given, name) for name in inside if _NAMES.search(name) and not name.startswith(".")]
        if not paths:
            raise InputError(f"folder {given} holds no file named *.xml.bz2 or *.xml; {_NEXT} in it.")
        return paths
    if os.path.exists(given):
        return [given]
    paths = sorted(path for path in glob.glob(given) if os.path.isfile(path))
    if not paths:
        what = "matches no file" if glob.has_magic(given) else "does not exist"
        raise InputError(f"dump {given} {what}; {_NEXT}, a folder or a glob. Dumps: dumps.wikimedia.org.")
    return paths


def check_dump(path: str) -> Dump:
    """Look at a dump's first and last bytes.

    Raises:
        InputError: it is no dump, or its end is missing.
    """
    try:
        with open(path, "rb") as file:
            first = file.read(8)
            size = file.seek(0, os.SEEK_END)
            packed = first.startswith(MAGIC)
            for magic, name in _PACKED.items():
                if first.startswith(magic):
                    raise InputError(f"dump {path} is {name}; {_NEXT}. Unpack it first.")
            head = _head(file, packed)
            _check_head(path, head, first)
            _check_tail(path, file, size, packed)
    except OSError as error:
        raise InputError(f"dump {path} cannot be read ({error.strerror}); {_NEXT}.") from error
    except DumpBlockError as error:
        raise InputError(f"dump {path} {error}; fetch it again, and compare its checksum.") from error
    local = {name.strip().lower() for name in _NAMESPACE.findall(head.decode("utf-8", "replace"))}
    return Dump(path, size, packed, tuple(sorted(local | set(LINK_PREFIXES))))


def _head(file: BinaryIO, packed: bool) -> bytes:
    return next((data for _, data in _pieces(file, packed, 0, _PIECE)), b"")


def _check_head(path: str, head: bytes, first: bytes) -> None:
    if b"<mediawiki" not in head[:_HEAD]:
        shown = head[:24] if head else first
        what = f"starts with {bytes(shown)!r}" if shown else "is empty"
        raise InputError(f"dump {path} is no MediaWiki export: it {what}; {_NEXT}, which starts with <mediawiki.")


def _check_tail(path: str, file: BinaryIO, size: int, packed: bool) -> None:
    for reach in _TAILS:
        tail = b""
        for _, data in _pieces(file, packed, max(0, size - reach), size):
            tail = (tail + data)[-_HEAD:]
        if tail.rstrip().endswith(b"</mediawiki>"):
            return
    raise InputError(
        f"dump {path} is cut short: it ends with {bytes(tail.rstrip()[-24:])!r}, expected </mediawiki>; fetch it "
        "again, and compare its checksum."
    )


def splits_of(dumps: Sequence[Dump], split_bytes: int = SPLIT_BYTES) -> list[DumpSplit]:
    """Cut dumps into ranges of bytes, one a task; where blocks and pages begin is found by the task."""
    splits = []
    for dump in dumps:
        step = split_bytes if dump.packed else split_bytes * PLAIN_FACTOR
        splits += [DumpSplit(dump, at, min(at + step, dump.bytes)) for at in range(0, dump.bytes, step)]
    return splits


def open_pieces(split: DumpSplit) -> Iterator[tuple[bool, bytes]]:
    """Read XML from a split's start to the file's end; the caller stops.

    Yields:
        Whether the piece belongs to the split, and its bytes.

    Raises:
        DumpError: the file is gone, shorter than planned, or damaged.
    """
    dump = split.dump
    try:
        with open(dump.path, "rb") as file:
            if file.seek(0, os.SEEK_END) != dump.bytes:
                raise DumpError(f"dump {dump.path} has changed while it was read; run the same command again.")
            for at, data in _pieces(file, dump.packed, split.start, split.stop):
                yield at < split.stop, data
    except OSError as error:
        raise DumpError(
            f"dump {dump.path} cannot be read by a worker ({error.strerror}); put it where every worker sees it."
        ) from error
    except DumpBlockError as error:
        raise DumpError(f"dump {dump.path} {error}; fetch it again, and compare its checksum.") from error


def _pieces(file: BinaryIO, packed: bool, start: int, stop: int) -> Iterator[tuple[int, bytes]]:
    """Yield (byte of the file, XML) from `start` on; no piece of plain XML reaches from before `stop` to after it."""
    if packed:
        yield from read_blocks(file, start)
        return
    file.seek(start)
    while data := file.read(min(_PIECE, stop - start) if start < stop else _PIECE):
        yield start, data
        start += len(data)
