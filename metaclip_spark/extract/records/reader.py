"""Read the records of a WARC file, gzip or plain, one at a time, whatever the file's size.

WAT, WARC and WET files all consist of WARC records; a `Dialect` names their differences. A record that is alone in a
small gzip member takes a fast path: a kernel reads its header, and no byte is copied.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from metaclip_spark.errors import CorruptGzipError, DamagedSourceError
from metaclip_spark.extract.records.chunk import Chunk, chunks_of
from metaclip_spark.extract.records.dialect import Dialect
from metaclip_spark.extract.records.heads import only_record
from metaclip_spark.extract.records.record import Record

_HEAD_END = re.compile(rb"\r?\n\r?\n")
_HEAD_END_BYTES = 4
_VERSION = b"WARC/"
_MAX_VERSION_BYTES = 4096
_SHOWN_BYTES = 60


def warc_records(stream: BinaryIO, dialect: Dialect) -> Iterator[Record]:
    """Yield the records of a WARC file, gzip or plain.

    A record is yielded once the checksum of its gzip member is verified, or, in a large member of several records, once
    the bytes after the record are inflated.

    Raises:
        DamagedSourceError: the stream is not a WARC, ends inside a record, or has an invalid header.
        CorruptGzipError, EOFError, gzip.BadGzipFile: the gzip stream is corrupt, truncated, or followed by other bytes.
    """
    buffer = _Buffer(chunks_of(stream, dialect.read_bytes), dialect)
    while True:
        yield from buffer.whole_records()
        if not buffer.at_record():
            return
        record = buffer.record()
        try:
            buffer.verify()
        except CorruptGzipError:
            raise
        except Exception:
            yield record
            raise
        yield record


class _Buffer:
    """The chunks of a file as one stream of records."""

    def __init__(self, chunks: Iterator[Chunk], dialect: Dialect) -> None:
        self._chunks = chunks
        self._dialect = dialect
        self._data: bytes | bytearray = b""  # never changed in place: content blocks are views of it
        self._at = 0
        self._verified = True

    def _more(self) -> bool:
        """Append the next chunk; return whether there was one."""
        for data, verified in self._chunks:
            self._verified = verified
            if data:
                self._data = self._data[self._at :] + data if self._at < len(self._data) else data
                self._at = 0
                return True
        return False

    def _skip_separator(self) -> bool:
        """Skip the bytes that are allowed between records; return whether the buffer has two bytes of a record.

        A single byte is not enough: it may be the CR of a line end that continues in the next chunk.
        """
        if self._data.startswith(_VERSION, self._at):
            return True
        found = self._dialect.separator.match(self._data, self._at)
        if found:
            self._at = found.end()
        return len(self._data) - self._at > 1

    def _at_content(self) -> bool:
        """Go to the next byte that is not part of a separator; return False at the end of the stream."""
        while not self._skip_separator():
            if not self._more():
                return self._at < len(self._data)
        return True

    def at_record(self) -> bool:
        """Go to the start of the next record; return False at the end of the stream."""
        found = self._at_content()
        short_by = self._dialect.short_by
        if not found or not short_by:
            return found
        while len(self._data) - self._at < short_by + _HEAD_END_BYTES and self._more():
            pass
        if self._data.startswith(_VERSION, self._at):
            return True
        end = self._data.find(b"\r\n\r\n", self._at, self._at + short_by + _HEAD_END_BYTES)
        if end < 0:
            return True
        self._at = end  # the last bytes of a block precede `end` if its Content-Length is too small
        return self._at_content()

    def whole_records(self) -> Iterator[Record]:
        """Yield records while the buffer is empty and every chunk is exactly one record."""
        if self._skip_separator():
            return
        limit = self._dialect.max_block_bytes
        for data, verified in () if self._at < len(self._data) else self._chunks:
            record = _only_record(data) if verified else None
            if record is None or len(record.payload) > limit:
                self._data, self._verified, self._at = data, verified, 0
                return
            yield record

    def verify(self) -> None:
        """Read on if the last record's checksum is not verified yet; damage right after the record is raised."""
        if not self._verified:
            self.at_record()

    def record(self) -> Record:
        """Read the next record; its block is skipped if it is longer than the dialect's limit.

        Raises:
            DamagedSourceError: no record starts here, its header is invalid, or the stream ends inside it.
        """
        record = Record(self._head())
        block = self._block(record.length(self._dialect.max_length))
        if block is None:
            record.skipped = True
        else:
            record.payload = block
        return record

    def _head(self) -> bytes:
        """Read a header, up to the empty line that ends it.

        Searched bytes are set aside before the next chunk is appended, so that no chunk copies a long header again.
        """
        dialect = self._dialect
        if dialect.version_first:
            _check_version(self._first_line())
        parts: list[bytes] = []
        size = lines = 0
        while (end := _HEAD_END.search(self._data, self._at)) is None:
            stop = max(self._at, len(self._data) - _HEAD_END_BYTES + 1)
            parts.append(bytes(self._data[self._at : stop]))
            size += stop - self._at
            lines += parts[-1].count(b"\n")
            self._at = stop
            rest = self._data[stop:]
            if size + len(rest) > dialect.max_head_bytes or lines + rest.count(b"\n") > dialect.max_head_lines:
                break
            if not self._more():
                break
        stop = end.start() if end else len(self._data)
        head = b"".join([*parts, self._data[self._at : stop]])
        if not head.startswith(_VERSION):
            _check_version(head[:_SHOWN_BYTES] + self._data[stop : stop + _SHOWN_BYTES])
        if len(head) > dialect.max_head_lines and _lines_of(head) > dialect.max_head_lines:
            raise DamagedSourceError(f"a record with more than {dialect.max_head_lines} header lines")
        if len(head) > dialect.max_head_bytes:
            raise DamagedSourceError(f"a record with a header of more than {dialect.max_head_bytes} bytes")
        if end is None:
            raise DamagedSourceError("the file ends inside a record's header")
        self._at = end.end()
        return head

    def _first_line(self) -> bytes:
        """Return the first line of the next record's header, truncated at a limit; the position does not change."""
        while True:
            end = self._data.find(b"\n", self._at, self._at + _MAX_VERSION_BYTES) + 1
            if end or len(self._data) - self._at >= _MAX_VERSION_BYTES or not self._more():
                return bytes(self._data[self._at : end or self._at + _MAX_VERSION_BYTES])

    def _block(self, size: int) -> memoryview | None:
        """Read a content block of `size` bytes; skip it and return None if it is longer than the dialect's limit."""
        keep = size <= self._dialect.max_block_bytes
        if keep and size <= len(self._data) - self._at:
            self._at += size
            return memoryview(self._data)[self._at - size : self._at].toreadonly()
        parts: list[bytes | bytearray] = []
        remaining = size
        while True:
            part = min(remaining, len(self._data) - self._at)
            if keep:
                parts.append(self._data[self._at : self._at + part])
            self._at += part
            remaining -= part
            if not remaining:
                return memoryview(b"".join(parts)) if keep else None
            if not self._more():
                raise DamagedSourceError(f"the file ends inside a record: {size - remaining} of {size} bytes")


def _lines_of(head: bytes) -> int:
    return head.count(b"\n") + (not head.endswith(b"\n"))


def _check_version(start: bytes) -> None:
    if not start.startswith(_VERSION):
        raise DamagedSourceError(f"not a WARC record: expected a line 'WARC/1.0', got {start[:_SHOWN_BYTES]!r}")


def _only_record(data: bytes | bytearray) -> Record | None:
    """Return the record that `data` consists of, if its header is short and only two line ends follow its block."""
    view = memoryview(data).toreadonly()
    raw = np.frombuffer(view, np.uint8)
    end, stop, holds_json = only_record(raw)
    if end < 0:
        return None
    return Record(view, view[end + 4 : stop], raw, end + 4, holds_json, end)
