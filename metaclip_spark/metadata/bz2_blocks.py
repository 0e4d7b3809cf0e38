"""bzip2 from the middle: blocks are found by their mark and decoded each on its own.

A bzip2 stream is a row of blocks of at most 900 kB, each beginning with a 48-bit mark at any *bit* and carrying its
own checksum. So a task that is given a range of bytes can find the first block in it without reading what stands
before, and files of several streams (multistream dumps, parallel compressors) need no care: between two blocks then
stand a stream's end and another's header. A block is decoded by the standard library, as a stream of that block alone.
(Python's libraries with random access first decode a file from its beginning, to know where its blocks are.)

Format: bzip2 has no official description; these marks and the checksum's place are as in its manual's `bzip2recover`.
"""

from __future__ import annotations

import bz2
from collections.abc import Iterator
from typing import BinaryIO

from metaclip_spark.errors import DumpBlockError

MAGIC = b"BZh"
_BLOCK = 0x314159265359
_END = 0x177245385090
_MARK_BITS = 48
_CRC_BITS = 32
_CHUNK = 1 << 20
_FARTHEST = 4 << 20
"""Bytes without a mark after which this is no bzip2: a block has 900 kB, and hardly more when it is compressed."""
_FALSE_MARKS = 3
"""A mark may occur inside a block by chance, in about one of two thousand dumps: then the next one ends the block."""


def read_blocks(file: BinaryIO, start: int) -> Iterator[tuple[int, bytes]]:
    """Decode the blocks whose mark begins at or after a byte.

    Args:
        file: seekable; it is read only as far as the caller goes on.
        start: byte of the file.

    Yields:
        The byte in which the block's mark begins, and the block's bytes, whose checksum is right.

    Raises:
        DumpBlockError: a block is cut short or damaged.
    """
    window = _Window(file, start)
    here = window.next_mark(start * 8)
    while here is not None:
        bit, mark = here
        here = window.next_mark(bit + 1)
        if mark == _BLOCK:
            data, here = _decode_from(window, bit, here)
            yield bit // 8, data
        if here is not None:
            window.forget(here[0] // 8)


def _decode_from(window: _Window, bit: int, following: tuple[int, int] | None) -> tuple[bytes, tuple[int, int] | None]:
    """Decode the block at `bit`; return it and the mark that ended it."""
    for _ in range(_FALSE_MARKS):
        if following is None:
            raise DumpBlockError(f"ends inside the bzip2 block that begins at byte {bit // 8:,}")
        data = _decode(window.bits(bit, following[0]), following[0] - bit)
        if data is not None:
            return data, following
        following = window.next_mark(following[0] + 1)
    raise DumpBlockError(f"is damaged: the bzip2 block at byte {bit // 8:,} cannot be decoded")


def _decode(block: int, bits: int) -> bytes | None:
    """Decode one block, given as an integer of so many bits; None where it is none or its checksum is wrong."""
    if bits < _MARK_BITS + _CRC_BITS:
        return None
    checksum = block >> (bits - _MARK_BITS - _CRC_BITS) & (1 << _CRC_BITS) - 1
    # A stream of one block has that block's checksum as its own.
    stream = ((block << _MARK_BITS | _END) << _CRC_BITS) | checksum
    bits += _MARK_BITS + _CRC_BITS
    padding = -bits % 8
    try:
        return bz2.decompress(MAGIC + b"9" + (stream << padding).to_bytes((bits + padding) // 8, "big"))
    except (OSError, ValueError, EOFError):
        return None


def _patterns() -> list[tuple[int, int, bytes]]:
    """Return (mark, shift, bytes): for each bit in a byte at which a mark may begin, the five whole bytes inside it."""
    found = []
    for mark in (_BLOCK, _END):
        for shift in range(8):
            found.append((mark, shift, (mark << (8 - shift)).to_bytes(7, "big")[1:6]))
    return found


_PATTERNS = _patterns()


class _Window:
    """The part of a file between the block at hand and what has been read, and the marks in it."""

    def __init__(self, file: BinaryIO, start: int) -> None:
        self.file = file
        self.base = start
        self.data = bytearray()
        self.marks: list[tuple[int, int]] = []
        self.scanned = 0
        file.seek(start)

    def next_mark(self, bit: int) -> tuple[int, int] | None:
        """Return (bit, mark) of the first mark at or after a bit of the file, or None where there is none."""
        while True:
            for mark in self.marks:
                if mark[0] >= bit:
                    return mark
            if (self.base + len(self.data)) - bit // 8 > _FARTHEST:
                raise DumpBlockError(f"is no bzip2 from byte {bit // 8:,} on: no block begins in {_FARTHEST:,} bytes")
            if not self._read():
                return None

    def bits(self, start: int, stop: int) -> int:
        """Return the bits between two bits of the file as an integer."""
        raw = self.data[start // 8 - self.base : -(-stop // 8) - self.base]
        return int.from_bytes(raw, "big") >> (-stop % 8) & (1 << (stop - start)) - 1

    def forget(self, byte: int) -> None:
        """Drop what stands before a byte of the file."""
        del self.data[: byte - self.base]
        self.scanned = max(0, self.scanned - (byte - self.base))
        self.base = byte
        self.marks = [mark for mark in self.marks if mark[0] >= byte * 8]

    def _read(self) -> bool:
        chunk = self.file.read(_CHUNK)
        if not chunk:
            return False
        self.data += chunk
        found = set(self.marks)
        for mark, shift, pattern in _PATTERNS:
            at = self.data.find(pattern, self.scanned)
            while at >= 0:
                around = int.from_bytes(self.data[at - 1 : at + 6].ljust(7, b"\0"), "big") if at else 0
                if around >> (8 - shift) & (1 << _MARK_BITS) - 1 == mark:
                    found.add(((self.base + at - 1) * 8 + shift, mark))
                at = self.data.find(pattern, at + 1)
        self.marks = sorted(found)
        self.scanned = max(0, len(self.data) - 7)  # a mark of which a part is here is seen whole the next time
        return True
