"""Read the bytes of a WARC file in chunks: its inflated gzip members, or the bytes of a plain file.

Crawls put each record into a separate gzip member. A small member is inflated whole, with its checksum. A large one
(a whole file in one member, a record of many megabytes) is inflated in parts. After damage, the next one is searched.
"""

from __future__ import annotations

import gzip
from collections import deque
from collections.abc import Iterator
from typing import BinaryIO

from metaclip_spark.core.byte_find import find
from metaclip_spark.errors import CorruptGzipError, DamagedSourceError, TooMuchDamageError
from metaclip_spark.extract.records.member import (
    MEMBER,
    RECORD_START,
    SMALL_MEMBER_BYTES,
    PartedMember,
    members_end,
    starts_record,
    whole_member,
)
from metaclip_spark.extract.records.members import MemberReader, Members
from metaclip_spark.storage.magic import GZIP_MAGIC, HEAD_BYTES, identified

_ENDED = "Compressed file ended before the end-of-stream marker was reached"
_READ_BYTES = 1 << 18
_KEPT_BYTES = SMALL_MEMBER_BYTES  # of the bytes before the position, for a search after damage
_COMPARED_BYTES = 18
_LOOK_AHEAD = 4096
_SKIPPED_BYTES = 1 << 28
_GATHERED_BYTES = 1 << 24
_FREE_WORK = 256 << 20
_WORK_PER_BYTE = 8
_WORK_PER_SEARCH = 1 << 10

Chunk = tuple[bytes | bytearray, bool, bool]
"""Bytes, whether their checksum was verified (a plain file has none to verify), whether a gzip member starts there."""


def check_gzip(raw: BinaryIO) -> None:
    """Refuse a file that is not gzip (an error page, say) before a parser reads it, and rewind."""
    head = raw.read(HEAD_BYTES)
    raw.seek(0)
    if not head:
        raise DamagedSourceError("the file is empty")
    if not head.startswith(GZIP_MAGIC):
        raise DamagedSourceError(
            f"not gzip: the first bytes are {head[:2]!r}, expected {GZIP_MAGIC!r}{identified(head)}"
        )


class Chunks:
    """The chunks of a stream, gzip or plain.

    Attributes:
        plain: whether the stream is not gzip.
    """

    def __init__(self, stream: BinaryIO, read_bytes: int) -> None:
        """Take the file from its start; `read_bytes` is the size of the first read, and of every read of a plain file.

        Raises:
            CorruptGzipError, EOFError, gzip.BadGzipFile: while the chunks are read, as `_in_parts` raises them.
        """
        self._stream = stream
        self._read_bytes = read_bytes
        self._bytes = self._work = 0
        first = self._read(read_bytes)
        while len(first) == 1 and (more := self._read(read_bytes)):
            first += more
        self._data, self._at = first, 0
        self._before: deque[bytes] = deque()  # bytes of the current member that were read before `_data`
        self._member = PartedMember()
        self._gathers = False
        self._reader: MemberReader | None = None
        self._inside = False  # whether the position may be inside a member
        self.plain = first[:2] != GZIP_MAGIC
        self._chunks = self._plain() if self.plain else self._inflated()

    def __iter__(self) -> Iterator[Chunk]:
        """Return the iterator over the chunks from the position."""
        return self._chunks

    def members(self) -> Members | None:
        """Return the records of the next members if each is alone in a small, intact member; else None.

        The records are valid until the next ones are read. If there are none, the next chunk has what is there.
        """
        if self.plain or self._inside:
            return None
        self._reader = self._reader or MemberReader()
        while True:
            found = self._reader.read(self._data, self._at)
            if found is not None:
                records, self._at = found
                return records
            size = len(self._data) - self._at
            if size >= SMALL_MEMBER_BYTES or find(self._data, MEMBER, self._at + 1) >= 0:
                return None
            try:
                more = self._read(_READ_BYTES)
            except BaseException:
                self._chunks = iter(())
                raise
            if not more:
                return None
            self._data, self._at = self._data[self._at :] + more, 0

    def after_member(self, verified: bool) -> None:
        """Go to the end of the member whose last chunk was `verified` or not, or, if it is very long, search the next.

        Raises:
            TooMuchDamageError: the search gives up.
        """
        if verified:
            return
        before = self._member.inflated
        try:
            for _, verified, _ in self._chunks:
                if verified:
                    self._spend(self._member.inflated - before)
                    return
                if self._member.inflated - before > _SKIPPED_BYTES:
                    break
        except (CorruptGzipError, EOFError):
            self.search()
        else:
            self._spend(self._member.inflated - before)
            self._search(self._at, 0)

    def search(self) -> bool:
        """After damage, go to the next member that starts with a record; return False if there is none.

        Members inside the payload of the damaged member are passed over. The whole search over a file is linear in its
        size: where too many members are damaged, it gives up.

        Raises:
            TooMuchDamageError: the search gives up.
        """
        member, before = self._member, b"".join(self._before)
        self._spend(member.read + member.inflated // 8)
        self._data, self._at = before + self._data, len(before) + self._at
        return self._search(max(self._at - member.read + 1, 0), self._at + member.replayed)

    def _search(self, at: int, damaged: int) -> bool:
        """Search from `at`; the damaged member's payload ends at `damaged`."""
        self._before.clear()
        while True:
            at = self._data.find(MEMBER, at)
            if at < 0:
                tail = self._data[-len(MEMBER) + 1 :]
                damaged -= len(self._data) - len(tail)
                more = self._read(_READ_BYTES)
                self._data, self._at, at = tail + more, 0, 0
                if not more:
                    self._chunks = iter(())
                    return False
                continue
            while len(self._data) - at < _LOOK_AHEAD and (more := self._read(_READ_BYTES)):
                self._data, damaged, at = self._data[at:] + more, damaged - at, 0
            self._spend(_WORK_PER_SEARCH)
            if starts_record(self._data, at):
                end = self._payload_end(at, damaged)
                if end == at:
                    break
                at = end - 1
            at += 1
        self._at, self._gathers, self._inside = at, True, False
        self._chunks = self._inflated()
        return True

    def _payload_end(self, at: int, damaged: int) -> int:
        """Return the end of the members from `at` if they are payload of the damaged member, else `at`.

        The damaged member may hold a WARC in its payload: then its output has the same bytes, and the members end
        before the damage. A truncated member, too, may have the bytes of the next members in its output, but these go
        on beyond the damage.
        """
        stop = min(at + _COMPARED_BYTES, damaged)
        if stop - at < _COMPARED_BYTES // 2 or not self._member.holds(self._data[at:stop]):
            return at
        end = members_end(self._data, at, damaged)
        self._spend(end - at)
        return end if end < damaged else at

    def spend(self, work: int) -> bool:
        """Count bytes that are read again after damage; return whether there are not too many yet."""
        self._work += work
        return self._work <= _FREE_WORK + _WORK_PER_BYTE * self._bytes

    def _spend(self, work: int) -> None:
        if not self.spend(work):
            raise TooMuchDamageError("too much damage: the rest of the file is not read")

    def _read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._bytes += len(data)
        return data

    def _plain(self) -> Iterator[Chunk]:
        data = self._data
        while data:
            yield data, True, False
            data = self._read(self._read_bytes)

    def _inflated(self) -> Iterator[Chunk]:
        """Inflate the members of a gzip stream: small ones whole with their checksum, others in parts."""
        while True:
            data, at = self._data, self._at
            stop = find(data, MEMBER, at + 1)
            if stop < 0:
                more = self._read(_READ_BYTES)
                if more and len(data) - at < SMALL_MEMBER_BYTES:
                    self._data, self._at = data[at:] + more, 0
                    continue
                stop = len(data)
                self._data = data = data + more
                if at == stop:
                    return
            whole = whole_member(data[at:stop])
            if whole is None:
                self._inside = True
                yield from self._gathered() if self._gathers else self._in_parts()
                self._inside = False
            else:
                self._at = stop  # before the chunk is used: `members` goes on from there
                yield whole, True, True

    def _gathered(self) -> Iterator[Chunk]:
        """Yield a member whole once its checksum is verified; a very long one in parts."""
        held: list[Chunk] = []
        size = 0
        for chunk in self._in_parts():
            held.append(chunk)
            size += len(chunk[0])
            if size > _GATHERED_BYTES:
                yield from held
                held = []
        if size <= _GATHERED_BYTES and held:
            yield b"".join(part for part, _, _ in held), True, True
        else:
            yield from held

    def _in_parts(self) -> Iterator[Chunk]:
        """Inflate in parts the member at the position.

        Raises:
            CorruptGzipError: the member is corrupt.
            EOFError: the stream ends inside the member.
            gzip.BadGzipFile: no member starts there.
        """
        data = self._data[self._at :].lstrip(b"\0")  # zeros between members are padding
        while len(data) < len(MEMBER):
            more = self._read(_READ_BYTES)
            if not more:
                break
            data = (data + more).lstrip(b"\0")
        self._data, self._at = data, 0
        self._before.clear()
        self._member = member = PartedMember()
        if not data:
            return
        if len(data) < len(MEMBER) and MEMBER.startswith(data):
            raise EOFError(_ENDED)
        if data[:2] != GZIP_MAGIC:
            raise gzip.BadGzipFile(f"Not a gzipped file ({data[:2]!r})")
        held, is_first = b"", True
        while not member.eof:
            if self._at == len(self._data):
                more = self._read(_READ_BYTES)
                if not more:
                    raise EOFError(_ENDED)
                self._keep(self._data)
                self._data, self._at = more, 0
                member.more()
            part, self._at = member.inflate(self._data, self._at)
            if is_first:
                part = held + part
                if len(part) < len(RECORD_START) and not member.eof:
                    held = part
                    continue
            yield part, member.eof, is_first
            is_first = False
        self._before.clear()

    def _keep(self, data: bytes) -> None:
        self._before.append(data)
        while sum(map(len, self._before)) - len(self._before[0]) >= _KEPT_BYTES:
            self._before.popleft()
