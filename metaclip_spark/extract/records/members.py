"""Read the records of many small gzip members at once, each alone in its member, as crawls write them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metaclip_spark.core.jit import borrowed, bytes_of, kernel
from metaclip_spark.extract.byte_search import starts_with
from metaclip_spark.extract.records.heads import only_record
from metaclip_spark.extract.records.inflate import Decompressor, inflate_member
from metaclip_spark.extract.records.member import MEMBER, SMALL_MEMBER_BYTES
from metaclip_spark.extract.records.record import Record

BUFFER_BYTES = 1 << 20
"""Bytes of the records that are inflated at once, at most; a longer record is read by itself."""
MAX_RECORDS = 1024
RECORD_COLUMNS = 5
PADDING = 128
"""Bytes after the last record, which kernels may read and which say nothing."""

_MEMBER = bytes_of(MEMBER)
_SMALLEST_MEMBER = 18


@kernel
def _read_members(
    function: int,
    decompressor: int,
    data: np.ndarray,
    at: int,
    limit: int,
    out: np.ndarray,
    raw: np.ndarray,
    records: np.ndarray,
) -> tuple[int, int]:
    """Inflate members as long as each is small, is followed by another, and consists of exactly one record.

    Args:
        function, decompressor: as for `inflate_member`.
        data: (n,) uint8, gzip.
        at: where the first member begins.
        limit: where the last one of `data` begins; it is not read.
        out: (m,) uint8, written.
        raw: the same bytes as `out`, as an array that is not written.
        records: (k, 5) int64, written: the start of a record, the end of its header, the start and stop of its block,
            and whether it is known to be no response and to hold JSON.

    Returns:
        (number of records, position after their members).
    """
    data, out, raw, records = borrowed(data), borrowed(out), borrowed(raw), borrowed(records)
    number = to = 0
    sizes = np.zeros(2, np.int64)
    while number < len(records) and at < limit:
        if inflate_member(function, decompressor, data, at, out, to, len(out) - PADDING - to, sizes):
            break
        size, inflated = int(sizes[0]), int(sizes[1])
        if not _SMALLEST_MEMBER <= size <= SMALL_MEMBER_BYTES or not starts_with(data, at + size, _MEMBER):
            break
        end, stop, holds_json = only_record(raw[to : to + inflated])
        if end < 0:
            break
        record = records[number]
        record[0], record[1], record[2], record[3], record[4] = to, to + end, to + end + 4, to + stop, holds_json
        number += 1
        at += size
        to += inflated
    return number, at


class Members:
    """The records of many members, valid until the next ones are read.

    Attributes:
        raw: (n,) uint8, their bytes, with `PADDING` after the last record.
        records: (number of records, 5) int64, as `_read_members` writes them.
    """

    def __init__(self, raw: npt.NDArray[np.uint8], records: npt.NDArray[np.int64]) -> None:
        self.raw = raw
        self.records = records

    def __len__(self) -> int:
        return len(self.records)

    def record(self, number: int) -> Record:
        """Return one of the records."""
        begin, end, start, stop, holds_json = self.records[number].tolist()
        view = self.raw.data
        return Record(view[begin:stop], view[start:stop], self.raw, start, holds_json > 0, end - begin)


class MemberReader:
    """A reader of members, with the memory that it inflates into."""

    def __init__(self) -> None:
        self._decompressor = Decompressor()
        self._out = np.zeros(BUFFER_BYTES, np.uint8)
        self._raw = bytes_of(self._out)
        self._records = np.empty((MAX_RECORDS, RECORD_COLUMNS), np.int64)

    def read(self, data: bytes, at: int) -> tuple[Members, int] | None:
        """Read the records of the members from `at` on, but for the last one, whose end is not known yet.

        Returns:
            The records and the position after their members, or None if the first member has to be read by itself: it
            is long, or damaged, or is not exactly one record.
        """
        limit = data.rfind(MEMBER)
        if limit <= at or not self._decompressor.address:
            return None
        number, at = _read_members(
            self._decompressor.inflate,
            self._decompressor.address,
            bytes_of(data),
            at,
            limit,
            self._out,
            self._raw,
            self._records,
        )
        return (Members(self._raw, self._records[:number]), at) if number else None
