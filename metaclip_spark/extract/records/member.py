"""Inflate gzip members: a small one whole with its checksum, a large one in parts."""

from __future__ import annotations

import contextlib
import zlib
from collections import deque
from struct import Struct

import deflate

from metaclip_spark.core.byte_find import find
from metaclip_spark.errors import CorruptGzipError

MEMBER = b"\x1f\x8b\x08"
"""The first bytes of a member; they also occur inside a member by chance, once in 16 MiB."""
SMALL_MEMBER_BYTES = 1 << 20
RECORD_START = b"WARC/"

_NUMBER = Struct("<I").unpack_from
_SMALL_MEMBER_INFLATED = 1 << 24
_BITE_BYTES = 4096  # inflated at once; small, because all output of corrupt bytes is lost
_NIBBLE_BYTES = 16
_OUTPUT_BYTES = 2 << 20
_HEAD_BYTES = 10
_LONGEST_HEAD = 4096
_RESERVED_FLAGS = 0xE0


def whole_member(member: bytes) -> bytearray | None:
    """Inflate bytes that are exactly one small, intact gzip member; return None for any other bytes."""
    if not 18 <= len(member) <= SMALL_MEMBER_BYTES:
        return None
    (size,) = _NUMBER(member, len(member) - 4)
    if not 0 < size <= _SMALL_MEMBER_INFLATED:
        return None
    try:
        whole = deflate.gzip_decompress(member, size)
    except deflate.DeflateError:
        return None
    if len(whole) != size:
        return None
    # libdeflate ignores bytes after the member. They could end with the same size: then this size occurs twice, and the
    # checksum before it decides.
    is_all = find(member, member[-4:]) == len(member) - 4 or zlib.crc32(whole) == _NUMBER(member, len(member) - 8)[0]
    return whole if is_all else None


def starts_record(data: bytes, at: int) -> bool:
    """Return whether a gzip member starts at `at` whose content starts as a WARC record does.

    The test is cheap: it inflates only the first bytes. It says nothing about the rest of the member.
    """
    head = data[at : at + _HEAD_BYTES]
    if len(head) < _HEAD_BYTES or head[3] & _RESERVED_FLAGS:
        return False
    try:
        start = zlib.decompressobj(31).decompress(data[at : at + _LONGEST_HEAD], len(RECORD_START))
    except zlib.error:
        return False
    return start == RECORD_START


def members_end(data: bytes, at: int, beyond: int) -> int:
    """Return the end of the intact members that follow each other from `at` on, or a position after `beyond`.

    The end is greater than `at` even if the first member is not intact.
    """
    start = at
    while at <= beyond and data.startswith(MEMBER, at):
        member = zlib.decompressobj(31)
        stop = at
        while not member.eof:
            if stop >= len(data):
                return max(stop, beyond + 1)
            bite = data[stop : stop + _BITE_BYTES]
            try:
                member.decompress(bite)
            except zlib.error:
                return max(at, start + 1)
            stop += len(bite) - len(member.unused_data)
        at = stop
    return at


class PartedMember:
    """A member that is inflated in parts, with its last output for `holds`.

    Attributes:
        read: the number of bytes that were consumed.
        replayed: the number of bytes after those that are known to precede the damage.
        inflated: the number of bytes of output.
    """

    def __init__(self) -> None:
        self.read = self.replayed = self.inflated = 0
        self._member = zlib.decompressobj(31)
        self._restart = self._member.copy()
        self._since: list[bytes] = []  # the bytes that were inflated since `_restart` was copied
        self._output: deque[bytes] = deque()
        self._output_bytes = 0

    @property
    def eof(self) -> bool:
        """Whether the member's end was read, and its checksum is right."""
        return self._member.eof

    def more(self) -> None:
        """Prepare for bytes of another read: what was inflated before them is never inflated again."""
        self._restart = self._member.copy()
        self._since = []

    def inflate(self, data: bytes, at: int) -> tuple[bytes, int]:
        """Inflate a bite of `data` from `at`; return the output and the position after the bite.

        Raises:
            CorruptGzipError: the member is corrupt; `holds` then knows all output before the damage.
        """
        bite = data[at : at + _BITE_BYTES]
        try:
            part = self._member.decompress(bite)
        except zlib.error as error:
            self._replay(bite)
            raise CorruptGzipError(f"the gzip data is corrupt: {error}") from None
        used = len(bite) - len(self._member.unused_data)
        self._since.append(bite)
        self.read += used
        self._keep(part)
        return part, at + used

    def holds(self, data: bytes) -> bool:
        """Return whether the member's last megabytes of output contain these bytes.

        Bytes that are both in the file and in the output of a corrupt member are in a block that is stored without
        compression: they are a part of the member's payload, a WARC inside a WARC say.
        """
        return data in b"".join(self._output)

    def _keep(self, part: bytes) -> None:
        self.inflated += len(part)
        self._output.append(part)
        self._output_bytes += len(part)
        while self._output_bytes - len(self._output[0]) >= _OUTPUT_BYTES:
            self._output_bytes -= len(self._output.popleft())

    def _replay(self, bite: bytes) -> None:
        """Inflate the corrupt bite again in nibbles, to get its output before the damage."""
        member = self._restart
        with contextlib.suppress(zlib.error):  # the damage: it ended the member before, and ends the replay
            for before in self._since:
                member.decompress(before)
            for start in range(0, len(bite), _NIBBLE_BYTES):
                self._keep(member.decompress(bite[start : start + _NIBBLE_BYTES]))
                self.replayed += _NIBBLE_BYTES
