"""Decode the blocks of a bzip2 file from any byte on.

A bzip2 stream is a sequence of blocks of at most 900 kB. Each block begins with a 48-bit marker at any *bit*, and has
its own checksum. So a task can find the first block in its byte range without reading the bytes before the range. The
standard library decodes each block as a stream of that block alone. Files of several streams (multistream dumps,
parallel compressors) need no special case: only the end of one stream and the header of the next are between two
of their blocks. (Python's libraries for random access first decode a file from its beginning to find its blocks.)

Format: bzip2 has no official description. The markers and the position of the checksum are as in the `bzip2recover` of
its manual.
"""

from __future__ import annotations

import bz2
from collections.abc import Iterator
from typing import BinaryIO

from metaclip_spark.errors import DumpBlockError

MAGIC = b"BZh"
_BLOCK = 0x314159265359
_END = 0x177245385090
_MARKER_BITS = 48
_CRC_BITS = 32
_CHUNK = 1 << 20
_MAX_GAP = 4 << 20
"""Bytes without a marker that show that a file is not bzip2: a compressed block is hardly larger than 900 kB."""
_MAX_FALSE_MARKERS = 3
"""Maximum number of markers to try as the end of a block. A marker occurs inside a block by chance in about one of two
thousand dumps; then the next marker ends the block."""


def read_blocks(file: BinaryIO, start: int) -> Iterator[tuple[int, bytes]]:
    """Decode the blocks whose marker begins at or after a byte.

    Args:
        file: seekable; the function reads only as far as the caller iterates.
        start: byte of the file.

    Yields:
        The byte in which the block's marker begins, and the decoded bytes of the block. The checksum is verified.

    Raises:
        DumpBlockError: a block is incomplete or damaged.
    """
    window = _Window(file, start)
    marker = window.next_marker(start * 8)
    while marker is not None:
        bit, kind = marker
        marker = window.next_marker(bit + 1)
        if kind == _BLOCK:
            data, marker = _decode_from(window, bit, marker)
            yield bit // 8, data
        if marker is not None:
            window.drop_before(marker[0] // 8)


def _decode_from(window: _Window, bit: int, following: tuple[int, int] | None) -> tuple[bytes, tuple[int, int] | None]:
    """Decode the block at `bit`; return its bytes and the marker at its end."""
    for _ in range(_MAX_FALSE_MARKERS):
        if following is None:
            raise DumpBlockError(f"ends inside the bzip2 block that begins at byte {bit // 8:,}")
        data = _decode(window.bits(bit, following[0]), following[0] - bit)
        if data is not None:
            return data, following
        following = window.next_marker(following[0] + 1)
    raise DumpBlockError(f"is damaged: the bzip2 block at byte {bit // 8:,} cannot be decoded")


def _decode(block: int, bits: int) -> bytes | None:
    """Decode a block that is given as an integer of `bits` bits; return None if it is damaged or not a block."""
    if bits < _MARKER_BITS + _CRC_BITS:
        return None
    checksum = block >> (bits - _MARKER_BITS - _CRC_BITS) & (1 << _CRC_BITS) - 1
    # The checksum of a stream of one block is the checksum of the block.
    stream = ((block << _MARKER_BITS | _END) << _CRC_BITS) | checksum
    bits += _MARKER_BITS + _CRC_BITS
    padding = -bits % 8
    try:
        return bz2.decompress(MAGIC + b"9" + (stream << padding).to_bytes((bits + padding) // 8, "big"))
    except (OSError, ValueError, EOFError):
        return None


def _patterns() -> list[tuple[int, int, bytes]]:
    """Return (marker, shift, the marker's five whole bytes) for each bit of a byte at which a marker may begin."""
    patterns = []
    for marker in (_BLOCK, _END):
        for shift in range(8):
            patterns.append((marker, shift, (marker << (8 - shift)).to_bytes(7, "big")[1:6]))
    return patterns


_PATTERNS = _patterns()


class _Window:
    """The bytes of a file from the current block to the last byte read, and the markers in them."""

    def __init__(self, file: BinaryIO, start: int) -> None:
        self.file = file
        self.base = start
        self.data = bytearray()
        self.markers: list[tuple[int, int]] = []
        self.scanned = 0
        file.seek(start)

    def next_marker(self, bit: int) -> tuple[int, int] | None:
        """Return (bit, marker) of the first marker at or after a bit of the file, or None at the end of the file."""
        while True:
            for marker in self.markers:
                if marker[0] >= bit:
                    return marker
            if (self.base + len(self.data)) - bit // 8 > _MAX_GAP:
                raise DumpBlockError(f"is not bzip2 from byte {bit // 8:,} on: no block begins in {_MAX_GAP:,} bytes")
            if not self._read():
                return None

    def bits(self, start: int, stop: int) -> int:
        """Return the bits from `start` to `stop` of the file as an integer."""
        raw = self.data[start // 8 - self.base : -(-stop // 8) - self.base]
        return int.from_bytes(raw, "big") >> (-stop % 8) & (1 << (stop - start)) - 1

    def drop_before(self, byte: int) -> None:
        """Drop the bytes and markers before a byte of the file."""
        del self.data[: byte - self.base]
        self.scanned = max(0, self.scanned - (byte - self.base))
        self.base = byte
        self.markers = [marker for marker in self.markers if marker[0] >= byte * 8]

    def _read(self) -> bool:
        chunk = self.file.read(_CHUNK)
        if not chunk:
            return False
        self.data += chunk
        markers = set(self.markers)
        for marker, shift, pattern in _PATTERNS:
            at = self.data.find(pattern, self.scanned)
            while at >= 0:
                around = int.from_bytes(self.data[at - 1 : at + 6].ljust(7, b"\0"), "big") if at else 0
                if around >> (8 - shift) & (1 << _MARKER_BITS) - 1 == marker:
                    markers.add(((self.base + at - 1) * 8 + shift, marker))
                at = self.data.find(pattern, at + 1)
        self.markers = sorted(markers)
        self.scanned = max(0, len(self.data) - 7)  # the next read completes a marker that is here in part
        return True
