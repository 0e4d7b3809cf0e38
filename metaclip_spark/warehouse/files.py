"""Write tables of a local warehouse without Spark's Delta: Parquet files, and one commit of delta-rs.

The embedded engine ignores the transactions of Delta and would put urls into the log. So it writes Parquet files into
a staging folder of the warehouse. Then the files are moved into the table's folder and committed, all at once.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import pyarrow as pa
import pyarrow.parquet as pq

from metaclip_spark.errors import WarehouseError
from metaclip_spark.schemas import TABLES, Table
from metaclip_spark.warehouse.alias import plain_path
from metaclip_spark.warehouse.delta_rs import DataFile, DeltaLogs

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

STAGING = "_staging"
"""The folder of a warehouse with files that are not committed yet. Who holds the lease may empty it."""
_NULL = "__HIVE_DEFAULT_PARTITION__"
_PLAIN = re.compile(r"[A-Za-z0-9_.-]+")
_LONGEST_STATISTIC = 60
"""Longer values are cut in a Parquet footer, so they are no statistics of a Delta log."""


class LocalFiles:
    """The writer of tables in a local folder.

    Args:
        guard: called before each commit; raises where this process may no longer write.
    """

    def __init__(self, root: str, logs: DeltaLogs, guard: Callable[[], None]) -> None:
        self._root = Path(root)
        self._logs = logs
        self._guard = guard
        self._options: dict[str, str] = {}

    @contextlib.contextmanager
    def row_groups(self, rows: int) -> Iterator[None]:
        """Write files with row groups of at most `rows` rows while the body runs."""
        self._options = {"max_row_group_size": str(rows)}
        try:
            yield
        finally:
            self._options = {}

    def write(
        self,
        name: str,
        rows: DataFrame | pa.Table,
        replaced: Mapping[str, str] | None = None,
        txn: tuple[str, int] | None = None,
    ) -> tuple[int, int] | None:
        """Write rows in one commit; return the version and the number of rows.

        Returns:
            None where the transaction was committed before. Then nothing is written.

        Raises:
            WarehouseError: a row violates a constraint of the table, or is of a partition that is not replaced.
        """
        table = TABLES[name]
        token = uuid.uuid4().hex
        staging = self._root / STAGING / token
        try:
            if isinstance(rows, pa.Table):
                _write_arrow(table, rows, staging, replaced or _partition(table, rows))
            else:
                _write_rows(table, rows, staging, self._options)
            files = list(_files_of(table, staging, token))
            _check(table, [staged for staged, _ in files])
            _check_partitions(name, [file for _, file in files], replaced or {})
            self._guard()
            before = self._logs.last(name).version
            try:
                for staged, file in files:
                    place = self._root / name / file.path
                    place.parent.mkdir(parents=True, exist_ok=True)
                    os.replace(staged, place)
                listed = [file for _, file in files]
                version = self._logs.commit(name, listed, token, replaced, txn)
            except BaseException:
                if self._logs.find(name, token, before) is None:  # otherwise an interrupt came after the commit
                    self._remove(name, [file for _, file in files])
                raise
        finally:
            shutil.rmtree(staging, ignore_errors=True)
            with contextlib.suppress(OSError):  # another thread of this process writes, too
                staging.parent.rmdir()
        if version is None:
            self._remove(name, [file for _, file in files])
            return None
        return version, sum(file.rows for _, file in files)

    def _remove(self, name: str, files: list[DataFile]) -> None:
        for file in files:
            (self._root / name / file.path).unlink(missing_ok=True)

    def clear_staging(self) -> None:
        """Remove what killed processes left in the staging folder. Only who holds the lease may call this."""
        shutil.rmtree(self._root / STAGING, ignore_errors=True)


def _write_rows(table: Table, rows: DataFrame, staging: Path, options: Mapping[str, str]) -> None:
    from pyspark.sql import functions as F

    types = dict(rows.dtypes)
    missing = [name for name in table.names if name not in types]
    if missing:
        raise WarehouseError(f"table {table.name}: the rows lack {', '.join(missing)}; they have {', '.join(types)}.")
    typed = [
        F.col(column.name) if types[column.name] == column.type else F.col(column.name).cast(column.type)
        for column in table.columns
    ]
    writer = rows.select(*[one.alias(column.name) for one, column in zip(typed, table.columns, strict=True)]).write
    if table.partitioned_by:
        writer = writer.partitionBy(*table.partitioned_by)
    staging.parent.mkdir(parents=True, exist_ok=True)
    writer.options(**options).mode("append").parquet(f"{plain_path(str(staging.parent))}/{staging.name}")


def _partition(table: Table, rows: pa.Table) -> dict[str, str]:
    """Return partition column -> value of the rows of a small table, which all are of one partition."""
    partition: dict[str, str] = {}
    for column in table.partitioned_by:
        (partition[column],) = rows[column].unique().to_pylist()
    return partition


def _write_arrow(table: Table, rows: pa.Table, staging: Path, partition: Mapping[str, str]) -> None:
    """Write the rows of a small table.

    Args:
        partition: partition column -> value of all rows; empty for a table without partitions.
    """
    assert set(table.partitioned_by) == set(partition), f"{table.name} has partitions"
    folder = staging.joinpath(*(f"{column}={quote(partition[column], safe='')}" for column in table.partitioned_by))
    folder.mkdir(parents=True)
    names = [name for name in table.names if name not in partition]
    schema = pa.schema([table.arrow.field(name) for name in names])
    pq.write_table(rows.select(names).cast(schema), folder / "0.parquet", compression="zstd")


def _files_of(table: Table, staging: Path, token: str) -> Iterator[tuple[Path, DataFile]]:
    """Yield each staged file that has rows, and its description at its final path."""
    found = sorted(path for path in staging.rglob("*.parquet") if path.is_file())
    for number, path in enumerate(found):
        metadata = pq.read_metadata(path)
        if not metadata.num_rows:
            continue
        folders = path.relative_to(staging).parts[:-1]
        partition = dict(_partition_of(folder) for folder in folders)
        name = f"part-{number:05d}-{token}.zstd.parquet"
        plain = all(value is not None and _PLAIN.fullmatch(value) for value in partition.values())
        folder = "/".join(f"{key}={value}" for key, value in partition.items()) if plain else ""
        smallest, largest = _statistics(metadata, table.stats_columns)
        place = f"{folder}/{name}" if folder else name
        yield path, DataFile(place, path.stat().st_size, metadata.num_rows, partition, smallest, largest)


def _partition_of(folder: str) -> tuple[str, str | None]:
    key, _, value = folder.partition("=")
    return key, None if value == _NULL else unquote(value)


def _statistics(metadata: pq.FileMetaData, columns: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return column -> smallest and largest value of a file, of the columns whose statistics are whole."""
    smallest: dict[str, Any] = {}
    largest: dict[str, Any] = {}
    places = {metadata.schema.column(at).path: at for at in range(metadata.num_columns)}
    for column in columns:
        groups = [metadata.row_group(at).column(places[column]).statistics for at in range(metadata.num_row_groups)]
        known = [one for one in groups if one is not None and one.has_min_max]
        values = [value for one in known for value in (one.min, one.max)]
        nulls_only = [one for one in groups if one is not None and not one.has_min_max and not one.num_values]
        whole = len(known) + len(nulls_only) == len(groups) and values
        if whole and all(isinstance(value, str) and len(value.encode()) <= _LONGEST_STATISTIC for value in values):
            smallest[column], largest[column] = min(values), max(values)
    return smallest, largest


def _check_partitions(name: str, files: list[DataFile], replaced: Mapping[str, str]) -> None:
    for file in files:
        others = {key: file.partition.get(key) for key, value in replaced.items() if file.partition.get(key) != value}
        if others:
            raise WarehouseError(
                f"table {name}: the rows of {dict(replaced)} are replaced, got rows of {others}. Nothing was written."
            )


def _check(table: Table, files: list[Path]) -> None:
    """Check the table's constraints on the staged files, as Delta does at a write."""
    if not table.checks or not files:
        return
    import pyarrow.dataset as ds

    for name, condition in table.checks:
        columns = [column for column in table.names if re.search(rf"\b{column}\b", condition)]
        valid = _expression(condition)
        rows = ds.dataset([str(file) for file in files], format="parquet").scanner(columns=columns)
        for batch in rows.to_batches():
            kept = batch.filter(valid).num_rows
            if kept < batch.num_rows:
                raise WarehouseError(
                    f"table {table.name}: {batch.num_rows - kept} rows violate {name} ({condition}). "
                    "Nothing was written. Please report this."
                )


def _expression(condition: str) -> Any:
    """Return a condition of `Table.checks` as an expression of Arrow: comparisons with AND between them."""
    import pyarrow.compute as pc

    compare = {
        ">=": lambda a, b: a >= b,
        "<=": lambda a, b: a <= b,
        ">": lambda a, b: a > b,
        "<": lambda a, b: a < b,
    }
    whole = None
    for part in condition.split(" AND "):
        left, sign, right = part.split()
        number = re.fullmatch(r"-?\d+(\.\d+)?", right)
        one = compare[sign](
            pc.field(left), pc.scalar(float(right) if "." in right else int(right)) if number else pc.field(right)
        )
        whole = one if whole is None else whole & one
    return whole
