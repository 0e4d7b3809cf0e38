"""WARC records with their content blocks, tolerant of what real WARCs have and WATs do not.

Lines may end in LF alone, one crawl of 2018 gives lengths that are two bytes short, and a record may be longer than
memory: its block is read over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from metaclip_spark.errors import CorruptGzipError, DamagedSourceError
from metaclip_spark.extract.records.reader import GZIP_MAGIC, Record, inflated

MAX_BLOCK_BYTES = 32 << 20
"""A longer block is read over: no page is as long (Common Crawl cuts them at 1 MB)."""

_READ_BYTES = 1 << 17
_MAX_HEAD_BYTES = 1 << 16
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_EMPTY_LINES = re.compile(rb"[\r\n]*")
_SHORT_BY = 2

Block = memoryview
"""A view of what was read; it is not copied before it is known to be a page."""
Chunk = tuple[bytes, bool]
"""Bytes, and whether their checksum has been held against them."""


def block_records(stream: BinaryIO) -> Iterator[tuple[Record, Block | None]]:
    """Yield the records of a WARC, gzip or plain, each with its block, None where that is too long to be kept.

    A record is yielded when its gzip member was held against its checksum; in a member of several records, when what
    follows it could be inflated.

    Raises:
        DamagedSourceError: the stream is not a WARC, ends inside a record, or a record's header makes no sense.
        CorruptGzipError, EOFError, gzip.BadGzipFile: the gzip stream is corrupt, cut, or followed by something else.
    """
    first = stream.read(_READ_BYTES)
    reader = _Reader(inflated(stream, first) if first[:2] == GZIP_MAGIC else _plain(stream, first))
    while reader.at_record():
        record = reader.head()
        block = reader.block(_length_of(record))
        try:
            reader.check()
        except CorruptGzipError:
            raise
        except Exception:
            yield record, block
            raise
        yield record, block


def _length_of(record: Record) -> int:
    said = record.get(b"content-length")
    if not said.isdigit() or len(said) > 18:
        raise DamagedSourceError(f"a record without a usable Content-Length: got {said[:40]!r}")
    return int(said)


def _plain(stream: BinaryIO, data: bytes) -> Iterator[Chunk]:
    while data:
        yield data, True
        data = stream.read(_READ_BYTES)


class _Reader:
    """Chunks as one stream of heads and blocks."""

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
                # Never changed in place: blocks are views of it.
                self._data = self._data[self._at :] + data if self._at < len(self._data) else bytes(data)
                self._at = 0
                return True
        return False

    def _skip_empty_lines(self) -> bool:
        """Go to the next line that is not empty; returns False at the end of the stream."""
        while True:
            self._at = _EMPTY_LINES.match(self._data, self._at).end()
            if len(self._data) - self._at > 1 or not self._more():
                return self._at < len(self._data)

    def at_record(self) -> bool:
        """Go to the start of the next record; returns False at the end of the stream."""
        found = self._skip_empty_lines()
        while len(self._data) - self._at < _SHORT_BY + 4 and self._more():
            pass
        if found and not self._data.startswith(b"WARC/", self._at):
            end = self._data.find(b"\r\n\r\n", self._at, self._at + _SHORT_BY + 4)
            if end >= 0:  # the last bytes of a block whose length is too short
                self._at = end
                return self._skip_empty_lines()
        return found

    def check(self) -> None:
        """See to it that what was handed out last has been held against its checksum, or that more follows it."""
        if not self._checked:
            self.at_record()

    def head(self) -> Record:
        """Read the next record's header.

        Raises:
            DamagedSourceError: there is none, or it has no end.
        """
        searched = self._at
        while (end := _HEAD_END.search(self._data, searched)) is None:
            size = len(self._data) - self._at
            if size > _MAX_HEAD_BYTES:
                break
            if not self._more():
                break
            searched = max(0, size - 3)
        start = self._data[self._at : self._at + 60]
        if not start.startswith(b"WARC/"):
            raise DamagedSourceError(f"not a WARC record: expected a line 'WARC/1.0', got {start!r}")
        if end is None and len(self._data) - self._at <= _MAX_HEAD_BYTES:
            raise DamagedSourceError("the file ends inside a record's header")
        if end is None or end.start() - self._at > _MAX_HEAD_BYTES:
            raise DamagedSourceError(f"a record with a header of more than {_MAX_HEAD_BYTES} bytes")
        record = Record(self._data[self._at : end.start()])
        self._at = end.end()
        return record

    def block(self, size: int) -> Block | None:
        """Read a block of so many bytes, or read over it.

        Raises:
            DamagedSourceError: the stream ends before.
        """
        keep = size <= MAX_BLOCK_BYTES
        if keep and size <= len(self._data) - self._at:
            self._at += size
            return memoryview(self._data)[self._at - size : self._at]
        parts: list[bytes] = []
        left = size
        while True:
            taken = min(left, len(self._data) - self._at)
            if keep:
                parts.append(self._data[self._at : self._at + taken])
            self._at += taken
            left -= taken
            if not left:
                return memoryview(b"".join(parts)) if keep else None
            if not self._more():
                raise DamagedSourceError(f"the file ends inside a record: {size - left} of {size} bytes")
