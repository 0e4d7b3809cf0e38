"""Read the sizes of a Parquet column's pages from their headers, without the pages.

A page is unpacked whole by every reader, so that its size bounds a worker's memory from below.
Source: the page header of the Parquet format, in Thrift's compact protocol.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

_HEADER_BYTES = (1 << 12, 1 << 16, 1 << 20)
"""Bytes to read for a header: most are short, and one with statistics of long values is long."""
_BOOLEANS, _BYTE, _INTEGERS, _DOUBLE, _BINARY, _LISTS, _MAP, _STRUCT = (1, 2), 3, (4, 5, 6), 7, 8, (9, 10), 11, 12
_UNPACKED, _PACKED, _DICTIONARY = 2, 3, 7
_LENGTH = Struct("<I").unpack_from
_CODECS = ("SNAPPY", "GZIP", "ZSTD", "BROTLI")
Fields = dict[int, "int | Fields"]


def page_bytes(raw: BinaryIO, chunk: pq.ColumnChunkMetaData) -> Iterator[int]:
    """Yield the unpacked bytes of each page of a column; a header that cannot be read ends them."""
    at = first_byte(chunk)
    end = at + chunk.total_compressed_size
    while at < end:
        header, length = _header(raw, at)
        unpacked, packed = header.get(_UNPACKED), header.get(_PACKED)
        if not isinstance(unpacked, int) or not isinstance(packed, int) or packed < 0:
            return
        yield unpacked
        at += length + packed


def longest_in_dictionary(raw: BinaryIO, chunk: pq.ColumnChunkMetaData, limit: int) -> int | None:
    """Return the bytes of the longest string in a column's dictionary; None if they cannot be told.

    Args:
        limit: a longer string ends the search; its length, or the dictionary's mean, is returned.
    """
    header, length = _header(raw, first_byte(chunk))
    unpacked, packed, inside = (header.get(number) for number in (_UNPACKED, _PACKED, _DICTIONARY))
    values = inside.get(1) if isinstance(inside, dict) else None
    if not isinstance(unpacked, int) or not isinstance(packed, int) or not isinstance(values, int):
        return None
    mean = unpacked // max(values, 1)
    if mean > limit:
        return mean
    raw.seek(first_byte(chunk) + length)
    data: bytes | pa.Buffer = raw.read(packed)
    if chunk.compression in _CODECS:
        try:
            data = pa.Codec(chunk.compression.lower()).decompress(data, unpacked)
        except (pa.ArrowException, OSError, ValueError):
            return None
    elif chunk.compression != "UNCOMPRESSED":
        return None
    return _longest(memoryview(data), limit)


def _longest(data: memoryview, limit: int) -> int:
    longest = at = 0
    last = len(data) - 4
    while at <= last and longest <= limit:
        (length,) = _LENGTH(data, at)
        at += 4 + length
        if length > longest:
            longest = length
    return longest


def first_byte(chunk: pq.ColumnChunkMetaData) -> int:
    """Return the place of a column's first page."""
    return int(min(chunk.dictionary_page_offset or chunk.data_page_offset, chunk.data_page_offset))


def _header(raw: BinaryIO, at: int) -> tuple[Fields, int]:
    """Return the header of the page that begins here, and the header's bytes; no fields if it cannot be read."""
    for size in _HEADER_BYTES:
        raw.seek(at)
        compact = _Compact(raw.read(size))
        try:
            return compact.struct(), compact.at
        except IndexError:  # the header is longer
            continue
        except (ValueError, RecursionError):
            break
    return {}, 0


class _Compact:
    """A reader of Thrift's compact protocol that keeps the integers and structs of a struct."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def struct(self) -> Fields:
        """Return the integers and structs of the struct that begins here, by the numbers of their fields."""
        values: Fields = {}
        field = 0
        while head := self._byte():
            field = field + (head >> 4) if head >> 4 else self._integer()
            kind = head & 15
            if kind in _INTEGERS:
                values[field] = self._integer()
            elif kind == _STRUCT:
                values[field] = self.struct()
            elif kind not in _BOOLEANS:
                self._skip(kind)
        return values

    def _skip(self, kind: int) -> None:
        if kind in (_BYTE, *_BOOLEANS):
            self.at += 1
        elif kind in _INTEGERS:
            self._varint()
        elif kind == _DOUBLE:
            self.at += 8
        elif kind == _BINARY:
            length = self._varint()
            self.at += length
        elif kind == _STRUCT:
            self.struct()
        elif kind in _LISTS:
            head = self._byte()
            for _ in range(head >> 4 if head >> 4 < 15 else self._varint()):
                self._skip(head & 15)
        elif kind == _MAP:
            if count := self._varint():
                kinds = self._byte()
                for _ in range(count):
                    self._skip(kinds >> 4)
                    self._skip(kinds & 15)
        else:
            raise ValueError(f"type {kind} is unknown")

    def _integer(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def _varint(self) -> int:
        value = shift = 0
        while (byte := self._byte()) & 128:
            value |= (byte & 127) << shift
            shift += 7
        return value | byte << shift

    def _byte(self) -> int:
        byte = self._data[self.at]
        self.at += 1
        return byte
