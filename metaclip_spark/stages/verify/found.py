"""The result of a check over the rows of a table: how many were checked, how many differ, and the first differences."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from metaclip_spark.core.wording import shortened

SHOWN = 5
"""Number of differences of a check that are shown."""
_SCHEMA = pa.schema(
    [
        ("checked", pa.int64()),
        ("differences", pa.int64()),
        ("field", pa.string()),
        ("id", pa.string()),
        ("expected", pa.string()),
        ("got", pa.string()),
    ]
)
FOUND_DDL = "checked bigint, differences bigint, field string, id string, expected string, got string"


class Difference(NamedTuple):
    """A value that differs.

    Attributes:
        field: the table, and the column where one column is at fault.
        id: what names the row.
    """

    field: str
    id: str
    expected: str
    got: str


@dataclass
class Found:
    """Checked rows and differences, of one task or of all.

    Attributes:
        first: the first `SHOWN` differences, by field and id.
    """

    checked: int = 0
    differences: int = 0
    first: list[Difference] = field(default_factory=list)

    def add(self, field_: str, id_: object, expected: object, got: object) -> None:
        """Add one difference."""
        self.differences += 1
        self._keep([Difference(field_, _shown(id_), _shown(expected), _shown(got))])

    def merge(self, other: Found) -> None:
        """Add the result of another task."""
        self.checked += other.checked
        self.differences += other.differences
        self._keep(other.first)

    def add_rows(
        self,
        field_: str,
        ids: pa.Array,
        wrong: npt.NDArray[np.bool_],
        expected: Callable[[int], object],
        got: Callable[[int], object],
    ) -> None:
        """Add the rows of a batch that are wrong.

        Args:
            expected, got: return the value of a row, for the rows that are shown.
        """
        number = int(wrong.sum())
        if not number:
            return
        self.differences += number
        rows = np.flatnonzero(wrong)
        named = ((_shown(ids[int(row)].as_py()), int(row)) for row in rows)
        smallest = heapq.nsmallest(SHOWN, named)
        self._keep([Difference(field_, id_, _shown(expected(row)), _shown(got(row))) for id_, row in smallest])

    def compare(self, field_: str, ids: pa.Array, expected: pa.Array, got: pa.Array) -> None:
        """Add the rows of a batch whose value is another one than expected; a null is equal to a null."""
        same = pc.fill_null(pc.equal(expected, got), False)
        if pc.all(same).as_py() is not False:
            return
        both_null = pc.and_(expected.is_null(), got.is_null())
        wrong = pc.invert(pc.or_(same, both_null)).to_numpy(zero_copy_only=False)
        self.add_rows(field_, ids, wrong, lambda row: expected[row].as_py(), lambda row: got[row].as_py())

    def to_arrow(self) -> pa.RecordBatch:
        """Return one row with the numbers, and one row per difference that is shown."""
        rows: list[dict[str, Any]] = [{"checked": self.checked, "differences": self.differences}]
        rows += [each._asdict() for each in self.first]
        return pa.RecordBatch.from_pylist(rows, _SCHEMA)

    @classmethod
    def of(cls, rows: pa.Table | pa.RecordBatch) -> Found:
        """Return the sum of results from their rows."""
        found = cls()
        for row in rows.to_pylist():
            if row["field"] is None:
                found.checked += row["checked"]
                found.differences += row["differences"]
            else:
                found._keep([Difference(row["field"], row["id"], row["expected"], row["got"])])
        return found

    def _keep(self, new: list[Difference]) -> None:
        self.first = heapq.nsmallest(SHOWN, [*self.first, *new])


def checked(rows: DataFrame, look: Callable[[pa.RecordBatch, Found], None]) -> DataFrame:
    """Look at every batch of some rows; return the result as rows of `FOUND_DDL`.

    Rows: n:1. Shuffle: a row per task, and the differences that a task shows.

    Args:
        look: adds the differences of a batch.
    """

    def of_task(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        found = Found()
        for batch in batches:
            found.checked += batch.num_rows
            if batch.num_rows:
                look(batch, found)
        yield found.to_arrow()

    def of_all(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        found = Found()
        for batch in batches:
            found.merge(Found.of(batch))
        yield found.to_arrow()

    return rows.mapInArrow(of_task, FOUND_DDL).repartition(1).mapInArrow(of_all, FOUND_DDL)


def as_differences(rows: DataFrame, field_: str, id_: Column, expected: Column, got: Column) -> DataFrame:
    """Return rows that all are differences, as strings: field, id, expected, got. Rows: 1:1. Shuffle: none."""
    values = {"field": F.lit(field_), "id": id_, "expected": expected, "got": got}
    return rows.select(*[F.coalesce(value.cast("string"), F.lit("null")).alias(n) for n, value in values.items()])


def tallied(differences: Sequence[DataFrame]) -> DataFrame:
    """Return the results of `as_differences`, one at least, as one result that checked nothing."""

    def look(batch: pa.RecordBatch, found: Found) -> None:
        found.checked -= batch.num_rows
        fields, ids, expected, got = (batch.column(at) for at in range(4))
        for name in pc.unique(fields).to_pylist():
            of_field = pc.equal(fields, name).to_numpy(zero_copy_only=False)
            found.add_rows(name, ids, of_field, lambda row: expected[row].as_py(), lambda row: got[row].as_py())

    return checked(reduce(DataFrame.unionByName, differences), look)


def _shown(value: object) -> str:
    return "null" if value is None else shortened(str(value))
