"""WARC records out of a stream, gzip or plain, one at a time and whatever the file's size.

Crawls put each record into a gzip member of its own. Such a member is inflated whole and held against its checksum
before its record is handed on; longer ones (a whole file in one, a record of many megabytes) come in parts.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Generator, Iterator
from struct import Struct
from typing import Any, BinaryIO

import deflate
import numpy as np

from metaclip_spark.errors import CorruptGzipError, DamagedSourceError
from metaclip_spark.extract.records.heads import only_record

try:
    from stringzilla import find  # several times as fast as bytes.find, with the same arguments and results
except ImportError:

    def find(data: bytes | memoryview, *what: Any) -> int:
        """Return what `bytes.find` does."""
        return bytes(data).find(*what)


GZIP_MAGIC = b"\x1f\x8b"
MAX_RECORD_BYTES = 1 << 28
"""A length beyond this is damage: reading it would take the worker's memory."""

_INFLATED_BYTES = Struct("<I").unpack_from
_MEMBER = b"\x1f\x8b\x08"  # a member's first bytes; by chance they also occur inside one, once in 16 MiB
_READ_BYTES = 1 << 18
_SMALL_MEMBER_BYTES = 1 << 20
_SMALL_MEMBER_INFLATED = 1 << 24
_BITE_BYTES = 4096  # what a bite inflates to is lost where it is corrupt, so bites are small
_MAX_HEADER_LINES = 1000
_MAX_LINE_BYTES = 1 << 16

Chunk = tuple[bytes | bytearray, bool]
"""Bytes, and whether their checksum has been held against them."""


class Record:
    """A WARC record.

    Attributes:
        payload: its content block.
        raw: (n,) uint8, for kernels, which holds its content block, where that is at hand.
        start: where in it the block begins.
        holds_json: whether it is known to be no response and to hold JSON; where it is not, its header has to be asked.
    """

    __slots__ = ("_head", "_head_bytes", "_lowered", "holds_json", "payload", "raw", "start")

    def __init__(
        self,
        head: bytes | memoryview,
        payload: bytes | memoryview = b"",
        raw: np.ndarray | None = None,
        start: int = 0,
        holds_json: bool = False,
        head_bytes: int | None = None,
    ) -> None:
        """Take the header without the empty line after it; `head_bytes` says how long it is where more follows."""
        self.start = start
        self._head = head
        self._head_bytes = head_bytes
        self.payload = payload
        self.raw = raw
        self.holds_json = holds_json
        self._lowered: bytes | None = None

    def get(self, name: bytes) -> bytes:
        """Return a header field by its lower-case name, the last one if it is repeated, b"" if it is missing."""
        if self._lowered is None:
            self._head = bytes(self._head[: self._head_bytes])
            self._lowered = self._head.lower()
        start = self._lowered.rfind(b"\n" + name + b":") + 1
        if not start:
            return b""
        end = self._head.find(b"\n", start)
        return self._head[start + len(name) + 1 : end if end >= 0 else None].strip()

    def length(self) -> int:
        """Return the content block's length in bytes.

        Raises:
            DamagedSourceError: it is missing, no number, or more than a record may have.
        """
        said = self.get(b"content-length")
        if not said.isdigit() or len(said) > 18 or int(said) > MAX_RECORD_BYTES:
            raise DamagedSourceError(f"a record without a usable Content-Length: got {said[:40]!r}")
        return int(said)


def check_gzip(raw: BinaryIO) -> None:
    """Refuse what is not gzip before a parser sees it (an error page, say), and rewind."""
    magic = raw.read(2)
    raw.seek(0)
    if not magic:
        raise DamagedSourceError("the file is empty")
    if magic != GZIP_MAGIC:
        raise DamagedSourceError(f"not gzip: the first bytes are {magic!r}, expected {GZIP_MAGIC!r}")


def warc_records(stream: BinaryIO) -> Iterator[Record]:
    """Yield the records of a WARC, gzip or plain.

    A record is yielded when its gzip member was held against its checksum; in a member of several records, when what
    follows it could be inflated.

    Raises:
        DamagedSourceError: the stream is not a WARC, ends inside a record, or a record's header makes no sense.
        CorruptGzipError, EOFError, gzip.BadGzipFile: the gzip stream is corrupt, cut, or followed by something else.
    """
    first = stream.read(_READ_BYTES)
    while len(first) == 1 and (more := stream.read(_READ_BYTES)):
        first += more
    buffer = _Buffer(inflated(stream, first) if first[:2] == GZIP_MAGIC else _plain(stream, first))
    while True:
        yield from buffer.whole_records()
        if not buffer.at_record():
            return
        record = buffer.record()
        try:
            buffer.check()
        except CorruptGzipError:
            raise
        except Exception:
            yield record
            raise
        yield record


def _plain(stream: BinaryIO, data: bytes) -> Iterator[Chunk]:
    while data:
        yield data, True
        data = stream.read(_READ_BYTES)


def inflated(stream: BinaryIO, data: bytes = b"") -> Iterator[Chunk]:
    """Yield what the members of a gzip stream inflate to: small ones whole and checked, others in parts.

    Args:
        stream: where to read on.
        data: what was read of it so far.
    """
    at = 0
    while True:
        stop = find(data, _MEMBER, at + 1)
        if stop < 0:
            more = stream.read(_READ_BYTES)
            if more and len(data) - at < _SMALL_MEMBER_BYTES:
                data, at = data[at:] + more, 0
                continue
            stop = len(data)
            data += more
            if at == stop:
                return
        whole = _whole_member(data[at:stop])
        if whole is None:
            data, at = yield from _in_parts(stream, data, at)
        else:
            yield whole, True
            at = stop


def _whole_member(member: bytes) -> bytearray | None:
    """Inflate what is one gzip member that is small, whole and sound; else return None."""
    if not 18 <= len(member) <= _SMALL_MEMBER_BYTES:
        return None
    (size,) = _INFLATED_BYTES(member, len(member) - 4)
    if not 0 < size <= _SMALL_MEMBER_INFLATED:
        return None
    try:
        whole = deflate.gzip_decompress(member, size)
    except deflate.DeflateError:
        return None
    return whole if len(whole) == size else None


def _in_parts(stream: BinaryIO, data: bytes, at: int) -> Generator[Chunk, None, tuple[bytes, int]]:
    """Yield what the member that starts at `data[at]` inflates to; returns what was read and the place of its end.

    Raises:
        CorruptGzipError: the member is corrupt.
        EOFError: it is cut.
        gzip.BadGzipFile: there is no member.
    """
    data = data[at:].lstrip(b"\0")  # zeros between members are padding
    while len(data) < len(_MEMBER):
        more = stream.read(_READ_BYTES)
        if not more:
            break
        data = (data + more).lstrip(b"\0")
    if not data:
        return b"", 0
    if data[:2] != GZIP_MAGIC:
        raise gzip.BadGzipFile(f"Not a gzipped file ({data[:2]!r})")
    member, at = zlib.decompressobj(31), 0
    while not member.eof:
        if at == len(data):
            data, at = stream.read(_READ_BYTES), 0
            if not data:
                raise EOFError("Compressed file ended before the end-of-stream marker was reached")
        bite = data[at : at + _BITE_BYTES]
        try:
            part = member.decompress(bite)
        except zlib.error as error:
            raise CorruptGzipError(f"the gzip data is corrupt: {error}") from None
        at += len(bite) - len(member.unused_data)
        yield part, member.eof
    return data, at


def _only_record(data: bytes | bytearray) -> Record | None:
    """Return the record that `data` consists of, if its header is short and nothing but two line ends follows it."""
    view = memoryview(data).toreadonly()
    raw = np.frombuffer(view, np.uint8)
    end, stop, holds_json = only_record(raw)
    if end < 0:
        return None
    return Record(view, view[end + 4 : stop], raw, end + 4, holds_json, end)


class _Buffer:
    """Chunks as one stream of records."""

    def __init__(self, chunks: Iterator[Chunk]) -> None:
        self._chunks = chunks
        self._data = b""
        self._at = 0
        self._checked = True

    def _more(self) -> bool:
        """Append the next chunk; returns whether there was one."""
        for data, checked in self._chunks:
            self._checked = checked
            if data:
                self._data = self._data[self._at :] + data if self._at < len(self._data) else data
                self._at = 0
                return True
        return False

    def _skip_empty_lines(self) -> bool:
        """Go to the next line that is not empty; returns whether it is known to be one, and not the end."""
        data, at = self._data, self._at
        while True:
            if data.startswith(b"\r\n", at):
                at += 2
            elif data.startswith(b"\n", at):
                at += 1
            else:
                break
        self._at = at
        return len(data) - at > 1

    def at_record(self) -> bool:
        """Go to the start of the next record; returns False at the end of the stream."""
        while not self._skip_empty_lines():
            if not self._more():
                return self._at < len(self._data)
        return True

    def whole_records(self) -> Iterator[Record]:
        """Yield records as long as nothing is left over and each chunk is exactly one."""
        if not self._skip_empty_lines():
            for data, checked in () if self._at < len(self._data) else self._chunks:
                record = _only_record(data) if checked else None
                if record is None:
                    self._data, self._checked, self._at = data, checked, 0
                    return
                yield record

    def check(self) -> None:
        """See to it that what was handed out last has been held against its checksum, or that more follows it."""
        if not self._checked:
            self.at_record()

    def record(self) -> Record:
        """Read the next record line by line."""
        line = self._line(4096)
        if not line.startswith(b"WARC/"):
            raise DamagedSourceError(f"not a WARC record: expected a line 'WARC/1.0', got {line[:60]!r}")
        lines = [line]
        while line not in (b"\r\n", b"\n"):
            if len(lines) > _MAX_HEADER_LINES:
                raise DamagedSourceError(f"a record with more than {_MAX_HEADER_LINES} header lines")
            line = self._line(_MAX_LINE_BYTES)
            if not line:
                raise DamagedSourceError("the file ends inside a record's header")
            lines.append(line)
        record = Record(b"".join(lines[:-1]))
        length = record.length()
        record.payload = self._read(length)
        if len(record.payload) < length:
            raise DamagedSourceError(f"the file ends inside a record: {len(record.payload)} of {length} bytes")
        return record

    def _line(self, limit: int) -> bytes:
        while True:
            end = self._data.find(b"\n", self._at, self._at + limit) + 1
            if end or len(self._data) - self._at >= limit or not self._more():
                break
        start = self._at
        self._at = min(end or start + limit, len(self._data))
        return bytes(self._data[start : self._at])

    def _read(self, size: int) -> bytes:
        parts = [self._data[self._at : self._at + size]]
        self._at += len(parts[0])
        left = size - len(parts[0])
        while left and self._more():
            parts.append(self._data[:left])
            self._at = len(parts[-1])
            left -= self._at
        return b"".join(parts)
