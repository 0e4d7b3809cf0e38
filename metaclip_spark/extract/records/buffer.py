"""Read records from the chunks of a WARC file, and find the next record after damage.

A record that is alone in a small gzip member takes a fast path: a kernel reads its header, and no byte is copied.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator

import numpy as np

from metaclip_spark.errors import CorruptGzipError, DamagedSourceError, TruncatedSourceError
from metaclip_spark.extract.records.chunk import Chunk, Chunks
from metaclip_spark.extract.records.dialect import Dialect
from metaclip_spark.extract.records.heads import only_record
from metaclip_spark.extract.records.members import Members
from metaclip_spark.extract.records.record import Record

_HEAD_END = re.compile(rb"\r?\n\r?\n")
_HEAD_END_BYTES = 4
_VERSION = b"WARC/"
_MAX_VERSION_BYTES = 4096
_SHOWN_BYTES = 60
_RECORD = re.compile(rb"WARC/1\.\d\r?\n(?=[A-Za-z])")
_RECORD_BYTES = 16


class Buffer:
    """The chunks of a file as one stream of records."""

    def __init__(self, chunks: Chunks, dialect: Dialect) -> None:
        self._chunks = chunks
        self._dialect = dialect
        self._data: bytes | bytearray = b""  # never changed in place: content blocks are views of it
        self._at = 0
        self._verified = True
        self._one_by_one = not chunks.plain  # whether each member so far started with a record
        self._next: Chunk | None = None  # a chunk that was read and not appended
        self._undo = b""  # bytes before the position that may contain the next record, if the last one is damaged

    def _more(self, inside: str = "") -> bool:
        """Append the next chunk; return whether there was one.

        Args:
            inside: the part of a record that needs the chunk, or "".

        Raises:
            DamagedSourceError: a member starts with a record, as all members before it, but the last record is not
                complete. The chunk stays.
        """
        chunk, self._next = self._next or next(iter(self._chunks), None), None
        if chunk is None:
            return False
        data, verified, is_first = chunk
        if is_first and self._one_by_one:
            if data.startswith(_VERSION):
                if inside:
                    self._next = chunk
                    raise DamagedSourceError(f"the gzip member ends inside {inside}")
            elif data.strip(b"\r\n"):
                self._one_by_one = False
        self._verified = verified
        if data:
            self._data = self._data[self._at :] + data if self._at < len(self._data) else data
            self._at = 0
        return True

    def after_damage(self, error: Exception) -> bool:
        """Go to a place after the damage where a record may start; return False if there is none.

        Raises:
            TooMuchDamageError: a further search would take too long.
        """
        if self._next is not None:
            self._data, self._at = b"", 0
            return True
        if self._chunks.plain:
            return self._search_text()
        self._data, self._at = b"", 0
        if isinstance(error, (CorruptGzipError, EOFError, gzip.BadGzipFile)):
            return self._chunks.search()
        self._chunks.after_member(self._verified)
        return self._to_next_record()

    def _to_next_record(self) -> bool:
        """Drop members until one starts with a record; return False if there is none."""
        for chunk in iter(self._chunks):
            if chunk[2] and chunk[0].startswith(_VERSION):
                self._next = chunk
                return True
        return False

    def _search_text(self) -> bool:
        """Search the next record of a plain file: a header with a type."""
        self._data, self._at, self._undo = self._undo + self._data[self._at :], 0, b""
        while True:
            found = _RECORD.search(self._data, self._at)
            if found:
                self._at = found.start()
                if self._has_header():
                    return True
                self._at += 1
                continue
            self._at = max(self._at, len(self._data) - _RECORD_BYTES)
            if not self._more():
                return False

    def _has_header(self) -> bool:
        """Return whether a header with a type starts at the position."""
        limit = min(self._dialect.max_head_bytes, 1 << 16)
        while True:
            end = _HEAD_END.search(self._data, self._at, self._at + limit)
            if end or len(self._data) - self._at >= limit or not self._more():
                break
        if not end:
            return False
        return bool(Record(bytes(self._data[self._at : end.start()])).get(b"warc-type"))

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

    def whole_records(self, together: bool = False) -> Iterator[Record | Members]:
        """Yield records while the buffer is empty and every chunk is exactly one record.

        Args:
            together: whether to yield many records as one `Members` where it can be done.
        """
        if self._skip_separator():
            return
        limit = self._dialect.max_block_bytes
        if self._at < len(self._data) or self._next is not None:
            return
        while True:
            while together and (members := self._chunks.members()) is not None:
                yield members
            chunk = next(iter(self._chunks), None)
            if chunk is None:
                return
            record = _only_record(chunk[0]) if chunk[1] else None
            if record is None or len(record.payload) > limit:
                self._next = chunk
                self._more()
                return
            yield record

    def verify(self) -> None:
        """Read on if the last record's checksum is not verified yet, to the end of its member or to its next record."""
        while not self._verified and not self._skip_separator() and self._more():
            pass

    def record(self) -> Record:
        """Read the next record; its block is skipped if it is longer than the dialect's limit.

        Raises:
            DamagedSourceError: no record starts here, its header is invalid, or the stream ends inside it.
        """
        self._undo = b""
        record = Record(self._head())
        block = self._block(record.length(self._dialect.max_length))
        if block is None:
            record.skipped = True
        else:
            record.payload = block
        if not self._is_closed():
            self._undo = b"" if block is None or not self._chunks.spend(len(block)) else bytes(block)
            start, end, _ = bytes(self._data[self._at : self._at + _SHOWN_BYTES]).partition(b"\n")
            _check_version(start + end)
        return record

    def _is_closed(self) -> bool:
        """Return whether the last block is followed by a line end, a record, or the end of its member or file."""
        short_by = self._dialect.short_by
        needed = short_by + _HEAD_END_BYTES
        while len(self._data) - self._at < needed and (self._chunks.plain or not self._verified) and self._more():
            pass
        rest = self._data[self._at : self._at + needed]
        return not rest or rest[0] in b"\r\n" or rest.startswith(_VERSION) or (short_by > 0 and b"\r\n\r\n" in rest)

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
            if not self._more("a record's header"):
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
            raise self._end("the file ends inside a record's header")
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
            if not self._more(f"a record: {size - remaining} of {size} bytes"):
                if keep:
                    self._undo = b"".join(parts)
                raise self._end(f"the file ends inside a record: {size - remaining} of {size} bytes")

    def _end(self, reason: str) -> DamagedSourceError:
        """Return the error for a file that ends inside a record: a gzip file may do so and not be truncated."""
        return TruncatedSourceError(reason) if self._chunks.plain else DamagedSourceError(reason)


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
