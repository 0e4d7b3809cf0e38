"""Change rows of a table behind the back of the warehouse, as a fault of a disk, a store or a program would.

The rows are committed as they are: constraints of the table are not asked.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable

from metaclip_spark.schemas import TABLES
from metaclip_spark.warehouse.delta_rs import DataFile

Row = dict[str, Any]


def rows_in(warehouse: Path, name: str) -> list[Row]:
    """Return the rows of a table."""
    return DeltaTable(str(warehouse / name)).to_pyarrow_table().cast(TABLES[name].arrow).to_pylist()


def rewrite(warehouse: Path, name: str, change: Callable[[list[Row]], list[Row]]) -> None:
    """Replace all rows of a table by what a function makes of them."""
    _commit(warehouse, name, change(rows_in(warehouse, name)), "overwrite")


def add(warehouse: Path, name: str, *rows: Row) -> None:
    """Append rows; missing columns are null."""
    _commit(warehouse, name, list(rows), "append")


def _commit(warehouse: Path, name: str, rows: list[Row], mode: str) -> None:
    declared, table = TABLES[name], DeltaTable(str(warehouse / name))
    parts: dict[tuple, list[Row]] = {}
    for row in rows:
        parts.setdefault(tuple(row[column] for column in declared.partitioned_by), []).append(row)
    stored = [column for column in declared.names if column not in declared.partitioned_by]
    schema = pa.schema([declared.arrow.field(column) for column in stored])
    files = []
    for values, of_part in parts.items():
        partition = dict(zip(declared.partitioned_by, values, strict=True))
        folder = "/".join(f"{column}={quote(value, safe='')}" for column, value in partition.items())
        path = f"{folder}/{uuid.uuid4().hex}.parquet".lstrip("/")
        place = warehouse / name / path
        place.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist([{c: row.get(c) for c in stored} for row in of_part], schema), place)
        files.append(DataFile(path, place.stat().st_size, len(of_part), partition, {}, {}).action())
    table.create_write_transaction(files, mode, table.schema(), partition_by=list(declared.partitioned_by) or None)
