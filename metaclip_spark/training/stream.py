"""The pairs of an epoch that one worker reads, in order, from any position on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from metaclip_spark.export.shards import ROW_GROUP
from metaclip_spark.storage.filesystem import filesystem_of
from metaclip_spark.training.pairs import Draw, check_columns
from metaclip_spark.training.split import Part


@dataclass(frozen=True)
class Stream:
    """The pairs of parts of files that are in an epoch.

    The pairs of a row group are shuffled; groups of more than 16,384 rows are taken in pieces. One piece is in memory
    at a time.
    """

    parts: Sequence[Part]
    draw: Draw

    def tables(self, skip: int = 0, first: int = 0) -> Iterator[tuple[int, pa.Table]]:
        """Yield (position of the part, pairs) for each piece that has pairs.

        Args:
            skip: the number of pairs to pass over. Of row groups without any other pair, only the columns that decide
                which pairs are in the epoch are read.
            first: the number of parts to pass over, before the pairs are counted.
        """
        for position, part in enumerate(self.parts):
            if position < first:
                continue
            for group in _groups(part):
                if skip and (counted := sum(self._counts(group))) <= skip:
                    skip -= counted
                    continue
                for rows in group.pieces(self.draw.read(group.names, part.file)):
                    pairs = self.draw.pairs(rows, part.file)
                    passed = min(skip, len(pairs))
                    skip -= passed
                    if passed < len(pairs):
                        yield position, pairs.slice(passed)

    def size(self) -> int:
        """Return the number of pairs."""
        return sum(sum(self._counts(group)) for part in self.parts for group in _groups(part))

    def _counts(self, group: _Group) -> Iterator[int]:
        for rows in group.pieces(self.draw.read_to_count(group.names)):
            yield self.draw.count(rows, group.part.file)


@dataclass(frozen=True)
class _Group:
    """The rows of a row group that are in a part, from `start` to before `stop` of the group."""

    part: Part
    opened: Any
    names: Sequence[str]
    number: int
    start: int
    stop: int

    def pieces(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield the rows, in pieces that do not depend on the part's borders."""
        at = 0
        for batch in self.opened.iter_batches(ROW_GROUP, row_groups=[self.number], columns=list(columns)):
            first, end = max(self.start - at, 0), min(self.stop - at, len(batch))
            at += len(batch)
            if first < end:
                yield pa.Table.from_batches([batch.slice(first, end - first)])


def _groups(part: Part) -> Iterator[_Group]:
    """Yield the row groups of a part."""
    files, where = filesystem_of(part.file)
    with files.open(where, "rb") as file:
        opened = pq.ParquetFile(file)
        names = opened.schema_arrow.names
        check_columns(names, part.file)
        before = 0
        for number in range(opened.num_row_groups):
            rows = opened.metadata.row_group(number).num_rows
            start, stop = max(part.start - before, 0), min(part.stop - before, rows)
            before += rows
            if start < stop:
                yield _Group(part, opened, names, number, start, stop)


def sized(tables: Iterator[pa.Table], size: int) -> Iterator[pa.Table]:
    """Yield the rows of tables in tables of `size` rows; the last one may have fewer.

    A column that only some tables of a result have is null in the rows of the others. Numbers of two widths become
    the wider one.

    >>> [len(table) for table in sized(iter([pa.table({"a": [1, 2]}), pa.table({"a": [3, 4, 5]})]), 2)]
    [2, 2, 1]
    """
    held: list[pa.Table] = []
    rows = 0
    for table in tables:
        held.append(table)
        rows += len(table)
        if rows < size:
            continue
        whole = pa.concat_tables(held, promote_options="permissive")
        for at in range(0, rows - size + 1, size):
            yield whole.slice(at, size)
        rows %= size
        held = [whole.slice(len(whole) - rows)] if rows else []
    if rows:
        yield pa.concat_tables(held, promote_options="permissive")


def limited(stream: Stream, limit: int | None, skip: int = 0, size: int = 0) -> Iterator[pa.Table]:
    """Yield the pairs of a stream up to a limit, from `skip` on.

    Args:
        limit: the number of pairs; None for all. A stream with fewer pairs begins again.
        size: the number of the stream's pairs; needed with a limit alone.
    """
    if limit is None:
        yield from (table for _, table in stream.tables(skip))
        return
    left = limit - skip
    while left > 0:
        for _, table in stream.tables(skip % size):
            yield table.slice(0, left)
            left -= len(table)
            if left <= 0:
                return
        skip = 0
