"""Compare the tables of two warehouses row for row, without Spark.

    python -m metaclip_spark.warehouse.compare WAREHOUSE OTHER [TABLE...]

Prints one line per table, and the first rows that differ. The exit status is 1 if a table differs. Rows have no order;
a table that is absent is equal to one without rows. Columns that differ by nature are left out and named.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash
from deltalake.exceptions import DeltaError

from metaclip_spark.core.wording import counted
from metaclip_spark.errors import WarehouseError
from metaclip_spark.schemas import TABLES
from metaclip_spark.warehouse.delta_rs import DeltaLogs

BY_NATURE: Mapping[str, tuple[str, ...]] = {
    # New for each attempt, or a number or a version that other commits to the table change.
    "runs": ("attempt_id", "at", "config", "versions", "software", "fingerprint"),
    "sources": ("batch_id",),
    "extracted": ("batch_id", "retries"),
    "outcomes": ("batch_id", "retries"),
    # The salt is random, and all hashes depend on it.
    "takedowns": ("hash", "takedown_id", "at"),
    "taken": ("takedown_id",),
}
"""Table -> columns that differ between two runs of the same work."""
COMPARED = tuple(name for name in TABLES if name != "lease")
"""All tables but the lease, whose rows say who wrote and when."""
EXAMPLES = 3
"""Number of rows that are shown per table and side."""
_BATCH = 16_384
_LONGEST = 300

_Row = tuple[Any, ...]
_Digests = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Comparison:
    """The comparison of a table.

    Attributes:
        rows: number of rows in each warehouse.
        only: number of rows that the other warehouse lacks, of each warehouse. A row that is there twice in one and
            once in the other is lacking once.
        examples: one line per row of the first that are lacking.
        without: the columns that were left out.
    """

    table: str
    rows: tuple[int, int]
    only: tuple[int, int]
    examples: tuple[str, ...]
    without: tuple[str, ...]

    @property
    def is_equal(self) -> bool:
        """Whether the table has the same rows in both warehouses."""
        return self.only == (0, 0)

    def __str__(self) -> str:
        without = f"; without {', '.join(self.without)}" if self.without else ""
        if self.is_equal:
            return f"{self.table:<20}equal, {counted(self.rows[0], 'row')}{without}"
        numbers = f"{counted(self.only[0], 'row')} only in the first, {counted(self.only[1], 'row')} only in the second"
        return f"{self.table:<20}differs: {numbers}{without}"


def differences(
    root_a: str,
    root_b: str,
    tables: Iterable[str] = COMPARED,
    without: Mapping[str, Iterable[str]] = BY_NATURE,
) -> list[str]:
    """Return what differs between the tables of two warehouses, one line each; none if they are equal.

    Args:
        root_a, root_b: local folders, or uris that delta-rs reads.
        tables: names of tables.
        without: table -> columns that are left out.

    Raises:
        WarehouseError: a table is unknown, or cannot be read.
    """
    found = compare(root_a, root_b, tables, without)
    return [line for one in found if not one.is_equal for line in (str(one), *one.examples)]


def compare(
    root_a: str,
    root_b: str,
    tables: Iterable[str] = COMPARED,
    without: Mapping[str, Iterable[str]] = BY_NATURE,
) -> Iterator[Comparison]:
    """Yield the comparison of each table, as `differences`; memory: 16 bytes per row of the largest table."""
    sides = DeltaLogs(root_a), DeltaLogs(root_b)
    for name in tables:
        if name not in TABLES:
            raise WarehouseError(f"there is no table {name}; the tables are {', '.join(TABLES)}.")
        left_out = tuple(without.get(name, ()))
        try:
            yield _compare(name, sides, left_out)
        except (DeltaError, OSError, pa.ArrowException) as error:
            raise WarehouseError(f"table {name} cannot be read: {str(error).splitlines()[0]}") from error


def _compare(name: str, sides: tuple[DeltaLogs, DeltaLogs], without: tuple[str, ...]) -> Comparison:
    columns = [column for column in TABLES[name].names if column not in without]
    a, b = (_digests(side, name, columns) for side in sides)
    only_a, only_b = _beyond(a, b), _beyond(b, a)
    examples = []
    for place, side, only in (("first", sides[0], only_a), ("second", sides[1], only_b)):
        examples += [f"  only in the {place}: {_shown(row, columns)}" for row in _rows_of(side, name, columns, only)]
    return Comparison(name, (len(a), len(b)), (_number(only_a), _number(only_b)), tuple(examples), without)


def _batches(side: DeltaLogs, name: str, columns: Sequence[str]) -> Iterator[list[_Row]]:
    """Yield the rows of a table, of a few thousand each."""
    table = side.open(name)
    if table is None:
        return
    schema = pa.schema([TABLES[name].arrow.field(column) for column in columns])
    scanner = table.to_pyarrow_dataset().scanner(
        columns=list(columns), batch_size=_BATCH, batch_readahead=1, fragment_readahead=1
    )
    for batch in scanner.to_batches():
        for start in range(0, batch.num_rows, _BATCH):
            part = pa.Table.from_batches([batch.slice(start, _BATCH)]).cast(schema)
            values = [_values(column) for column in part.columns]
            yield list(zip(*values, strict=True))


def _values(column: pa.ChunkedArray) -> list[Any]:
    """Return the values of a column; the entries of a map are sorted, because a map has no order."""
    values: list[Any] = column.to_pylist()
    if pa.types.is_map(column.type):
        return [None if value is None else sorted(value) for value in values]
    return values


def _digests(side: DeltaLogs, name: str, columns: Sequence[str]) -> _Digests:
    """Return a digest of each row, sorted: (n,) uint64. Floats are equal only if all their bits are."""
    parts = [np.fromiter(map(_digest, rows), np.uint64, len(rows)) for rows in _batches(side, name, columns)]
    digests = np.concatenate(parts) if parts else np.zeros(0, np.uint64)
    digests.sort()
    return digests


def _digest(row: _Row) -> int:
    return xxhash.xxh3_64_intdigest(_ENCODER.encode(row))


_ENCODER = msgspec.msgpack.Encoder()


def _beyond(a: _Digests, b: _Digests) -> dict[int, int]:
    """Return digest -> how many more times it is in `a` than in `b`, of two sorted arrays."""
    # Most digests are in both: drop them first, so that the dictionary is small.
    first = np.concatenate([[True], a[1:] != a[:-1]]) if len(a) else np.zeros(0, bool)
    distinct = a[first]
    in_a = np.searchsorted(a, distinct, "right") - np.searchsorted(a, distinct, "left")
    in_b = np.searchsorted(b, distinct, "right") - np.searchsorted(b, distinct, "left")
    more = in_a > in_b
    return dict(zip(distinct[more].tolist(), (in_a - in_b)[more].tolist(), strict=True))


def _number(only: Mapping[int, int]) -> int:
    return sum(only.values())


def _rows_of(side: DeltaLogs, name: str, columns: Sequence[str], digests: Mapping[int, int]) -> list[_Row]:
    """Return the first rows, by value, that have one of the digests; read the table only if there is one."""
    found: list[tuple[str, _Row]] = []
    for rows in _batches(side, name, columns) if digests else ():
        found += [(repr(row), row) for row in rows if _digest(row) in digests]
        found = sorted(found, key=lambda one: one[0])[:EXAMPLES]
    return [row for _, row in found]


def _shown(row: _Row, columns: Sequence[str]) -> str:
    text = ", ".join(f"{column}={value!r}" for column, value in zip(columns, row, strict=True) if value is not None)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def main(words: Sequence[str] | None = None) -> int:
    """Compare the two warehouses that the command line names; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m metaclip_spark.warehouse.compare",
        description="Compare the tables of two warehouses row for row, without Spark. Exit status 1: a table differs.",
    )
    parser.add_argument("warehouse", help="the folder of a warehouse, or a uri that delta-rs reads")
    parser.add_argument("other", help="the other warehouse")
    parser.add_argument("tables", nargs="*", metavar="table", help="names of tables (default: all but the lease)")
    given = parser.parse_args(words)
    status = 0
    try:
        for one in compare(given.warehouse, given.other, given.tables or COMPARED):
            if any(one.rows) or given.tables:
                print("\n".join((str(one), *one.examples)), flush=True)
            status |= not one.is_equal
    except WarehouseError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return status


if __name__ == "__main__":
    from metaclip_spark.core.leave import leave

    leave(main())
