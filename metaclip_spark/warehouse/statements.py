"""The logs of a warehouse's tables, through Spark's statements: for catalogs, and stores that no delta-rs reads."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from metaclip_spark.errors import WarehouseError
from metaclip_spark.schemas import TABLES, Table
from metaclip_spark.spark.broadcast import process_folder
from metaclip_spark.spark.engine import Engine
from metaclip_spark.warehouse.alias import plain_path
from metaclip_spark.warehouse.conflicts import TRIES, OnConflict, ignored, retried
from metaclip_spark.warehouse.delta_rs import LOG_RETENTION, LONGEST_OF_SPARK, LastCommit, may_have_deletion_vectors
from metaclip_spark.warehouse.pinned import pinned
from metaclip_spark.warehouse.sql import create_statement, equal_to, filter_equal, quoted, sql_string

_RETENTION_CHECK = "spark.databricks.delta.retentionDurationCheck.enabled"
_IGNORE_HOURS = "spark.databricks.delta.vacuum.retentionWindowIgnore.enabled"
"""Where it is true, Delta (4.4 on) ignores the hours of a VACUUM unless they are 0, and takes those of the table."""
_PARALLEL = "spark.databricks.delta.vacuum.parallelDelete.enabled"
_LARGEST = "spark.databricks.delta.optimize.maxFileSize"
_SMALLEST = "spark.databricks.delta.optimize.minFileSize"
_LISTING = "spark.sql.sources.parallelPartitionDiscovery.parallelism"
_LISTING_TASKS = "50"
"""Number of tasks in which VACUUM lists folders. Most of Spark's default of 10,000 tasks are empty, and take most of
the time on a small table."""
_NOT_EMPTY = "DELTA_CREATE_TABLE_WITH_NON_EMPTY_LOCATION"
_NO_SCHEMA = ("SCHEMA_NOT_FOUND", "CATALOG_NOT_FOUND", "NO_SUCH_CATALOG_EXCEPTION", "REQUIRES_SINGLE_PART_NAMESPACE")
_LOOKED_AT = 50
"""Number of last commits in which a write looks for its own."""
_CREATION_TRIES = 10
_CREATION_SECONDS = 5.0
_CONFLICTS = ("Concurrent", "CONCURRENT", "MetadataChanged", "ProtocolChanged")
_MORE = 20
"""Commits that others may make between two questions about a table."""
_MISSING = ("DELTA_MISSING_DELTA_TABLE", "DELTA_TABLE_NOT_FOUND", "TABLE_OR_VIEW_NOT_FOUND")


class SparkLogs:
    """The Delta logs of the tables at `root`/<table>, or at `catalog`.<table>; see `DeltaLogs`."""

    def __init__(
        self, engine: Engine, root: str | None, catalog: str | None, on_conflict: OnConflict = ignored
    ) -> None:
        self._engine = engine
        self._on_conflict = on_conflict
        self._root = root
        self._catalog = catalog

    @property
    def _spark(self) -> SparkSession:
        return self._engine.session

    def identifier(self, name: str) -> str:
        """Return the name of a table in SQL."""
        if self._root is not None:
            return f"delta.{quoted(f'{self._root}/{name}')}"
        return ".".join(quoted(part) for part in f"{self._catalog}.{name}".split("."))

    def properties(self, name: str) -> dict[str, str] | None:
        """Return the properties of a table; None where there is no such table. Runs no Spark job."""
        try:
            rows = self._spark.sql(f"SHOW TBLPROPERTIES {self.identifier(name)}").collect()
        except AnalysisException as error:
            # Only the errors of a missing table count: an unreadable log must not pass for an absent table.
            if error.getCondition() in _MISSING:
                return None
            self._refuse_without_schema(error)
            raise
        return {row["key"]: row["value"] for row in rows}

    def create(self, table: Table) -> None:
        """Create a table with its comments, properties and constraints, or complete one that was interrupted."""
        properties = self.properties(table.name)
        if properties is None:
            properties = self._create(table)
        for check, condition in table.checks:
            if f"delta.constraints.{check}" not in properties:
                where = self.identifier(table.name)
                self._spark.sql(f"ALTER TABLE {where} ADD CONSTRAINT {check} CHECK ({condition})")

    def _create(self, table: Table) -> dict[str, str]:
        """Create a table and return its properties; where another run is creating it, wait for that run."""
        for left in reversed(range(_CREATION_TRIES)):
            try:
                self._spark.sql(create_statement(table, self.identifier(table.name)))
                return {}
            except AnalysisException as error:
                self._refuse_without_schema(error)
                # Two runs that start at once both create the table of the lease: its folder exists before its log does.
                if not left or error.getCondition() != _NOT_EMPTY:
                    raise
            time.sleep(_CREATION_SECONDS / _CREATION_TRIES)
            properties = self.properties(table.name)
            if properties is not None:
                return properties
        raise AssertionError("unreachable")

    def _refuse_without_schema(self, error: AnalysisException) -> None:
        if self._catalog is not None and error.getCondition() in _NO_SCHEMA:
            raise WarehouseError(
                f"schema {self._catalog} does not exist, or is not yours to see. "
                f"Make it first: CREATE SCHEMA {self._catalog}"
            ) from error

    def set_property(self, name: str, key: str, value: str) -> None:
        """Set a property of a table. Runs no Spark job."""
        where = self.identifier(name)
        self._spark.sql(f"ALTER TABLE {where} SET TBLPROPERTIES ({sql_string(key)} = {sql_string(value)})")

    def columns(self, name: str) -> list[str]:
        """Return the names of a table's columns."""
        return self.read(name).columns

    def add_columns(self, table: Table, columns: Sequence[str]) -> None:
        """Add columns of `table` that the stored table lacks."""
        added = [column for column in table.columns if column.name in columns]
        listed = ", ".join(f"{quoted(c.name)} {c.type} COMMENT {sql_string(c.comment)}" for c in added)
        self._spark.sql(f"ALTER TABLE {self.identifier(table.name)} ADD COLUMNS ({listed})")

    def last(self, name: str) -> LastCommit:
        """Return the last commit of a table."""
        history = self._spark.sql(f"DESCRIBE HISTORY {self.identifier(name)} LIMIT 1")
        return _commit_of(history.select("version", "userMetadata", "operationMetrics").collect()[0])

    def find(self, name: str, token: str, after: int) -> LastCommit | None:
        """Return the commit after a version that has a token; None where there is none. See `DeltaLogs.find`."""
        last = self.last(name)
        if last.token == token or last.version <= after:
            return last if last.token == token else None
        history = self._spark.sql(f"DESCRIBE HISTORY {self.identifier(name)} LIMIT {last.version - after + _MORE}")
        mine = history.where((F.col("version") > after) & (F.col("userMetadata") == token))
        for row in mine.select("version", "userMetadata", "operationMetrics").collect():
            return _commit_of(row)
        return None

    def delete(self, name: str, **where: str | Sequence[str]) -> None:
        """Delete the rows whose columns are equal to a value, or to one of several; without columns, all rows."""
        condition = equal_to(**where) if where else "true"
        statement = f"DELETE FROM {self.identifier(name)} WHERE {condition}"
        retried(lambda: self._spark.sql(statement), TRIES, name, self._on_conflict)

    def merge(
        self,
        name: str,
        rows: DataFrame,
        on: Sequence[str],
        update: Mapping[str, str] | None,
        delete: str,
        parts: Mapping[str, Sequence[str]] = {},
        only: Sequence[str] = (),
    ) -> int:
        """Change the rows t that are equal to one of `rows` (s) in the columns `on`; return their number.

        Delta's log keeps the condition of a statement. Here the condition has only names of columns, values of
        partitions, and ranges of ids. The condition of a DELETE would keep the values in the log for good.

        Args:
            parts: partition column -> the values that `rows` has; files of other partitions are not read.
            only: conditions on t that hold for all rows to change; files without such a row are not read.
        """
        if any(not values for values in parts.values()):
            return 0
        view = f"metaclip_{uuid.uuid4().hex}"
        rows.createOrReplaceTempView(view)
        condition = " AND ".join(f"t.`{column}` = s.`{column}`" for column in on)
        for column, values in parts.items():
            condition += f" AND t.{equal_to(**{column: list(values)})}"
        condition = " AND ".join([condition, *only])
        then = f"WHEN MATCHED AND {delete} THEN DELETE"
        if update is not None:
            then += " WHEN MATCHED THEN UPDATE SET " + ", ".join(f"t.{key} = {value}" for key, value in update.items())
        try:
            statement = f"MERGE INTO {self.identifier(name)} t USING {view} s ON {condition} {then}"
            merged = retried(lambda: self._spark.sql(statement).collect()[0], TRIES, name, self._on_conflict)
            return int(merged["num_affected_rows"])
        finally:
            self._spark.catalog.dropTempView(view)

    def vacuum(self, name: str, retain_hours: float, dry_run: bool = False) -> int:
        """Remove the files that no version of the last `retain_hours` needs, and files of no version.

        Args:
            dry_run: count up to 1,000 of them, and remove nothing.

        Returns:
            The number of files; 0 where they are removed, because Delta does not say it.
        """
        settings = {_RETENTION_CHECK: "false", _LISTING: _LISTING_TASKS, _IGNORE_HOURS: "false", _PARALLEL: "true"}
        with set_for_now(self._spark, **settings):
            statement = f"VACUUM {self.identifier(name)} RETAIN {retain_hours:g} HOURS"
            rows = self._spark.sql(f"{statement} DRY RUN" if dry_run else statement).collect()
            return sum(row[0].endswith(".parquet") for row in rows) if dry_run else 0  # folders are listed, too

    def files(self, name: str) -> list[tuple[dict[str, str], int, int | None]]:
        """Return (partition, bytes, rows) of each current data file, from the log where Spark's JVM can be asked.

        Over Spark Connect the rows are read without a column, and the numbers of rows are unknown.
        """
        if not self._engine.is_remote:
            with contextlib.suppress(Exception):  # a log that Delta's own classes do not open, as in some catalogs
                return self._files_in_log(name)
        keys = TABLES[name].partitioned_by
        place = F.col("_metadata.file_path"), F.col("_metadata.file_size").alias("size")
        found = self.read(name).select(*keys, *place).distinct().select("size", *keys).toArrow().to_pylist()
        return [({key: row[key] for key in keys}, row["size"], None) for row in found]

    def count(self, name: str, **where: str) -> int | None:
        """Return the number of rows of some partitions; None where the log does not tell it. See `DeltaLogs.count`."""
        files = self._files_of(name, where)
        if files is None:
            return None
        unknown = F.col("rows").isNull() | F.col("deletionVector").isNotNull()
        sums = files.agg(F.sum("rows").alias("rows"), F.count_if(unknown).alias("unknown")).collect()[0]
        return None if sums["unknown"] else int(sums["rows"] or 0)

    def values(self, name: str, column: str, **where: str) -> list[str] | None:
        """Return the values of a column whose files have one value each; None where the log does not tell it.

        See `DeltaLogs.values`. One task reads the log that Spark's Delta has in memory: no data file is opened.
        """
        files = self._files_of(name, where)
        if files is None:
            return None
        sides = (F.get_json_object("stats", f"$.{side}.{column}").alias(side) for side in ("minValues", "maxValues"))
        rows = files.where("rows IS NULL OR rows <> 0").select(*sides).distinct().collect()
        is_whole = all(low is not None and low == high and len(low) < LONGEST_OF_SPARK for low, high in rows)
        return [row[0] for row in rows] if is_whole else None

    def _files_of(self, name: str, where: Mapping[str, str]) -> DataFrame | None:
        """Return the entries of the current data files of some partitions, and `rows`; None where the log is not read.

        Over Spark Connect there is no JVM to ask, and some catalogs have logs that Delta's own classes do not open.
        """
        if self._engine.is_remote:
            return None
        try:
            files = self._adds(name)
        except Exception:
            return None
        for column, value in where.items():
            files = files.where(F.col("partitionValues")[column] == value)
        return files

    def _adds(self, name: str) -> DataFrame:
        """Return the entries of the current data files in the log, and their number of `rows`."""
        adds = DataFrame(self._delta_log(name).unsafeVolatileSnapshot().allFiles().toDF(), self._spark)
        return adds.withColumn("rows", F.get_json_object("stats", "$.numRecords").cast("bigint"))

    def _files_in_log(self, name: str) -> list[tuple[dict[str, str], int, int | None]]:
        keys = [F.col("partitionValues")[key].alias(key) for key in TABLES[name].partitioned_by]
        found = self._adds(name).select("size", "rows", *keys).toArrow().to_pylist()
        return [
            ({k: v for k, v in row.items() if k not in ("size", "rows")}, row["size"], row["rows"]) for row in found
        ]

    def _delta_log(self, name: str) -> Any:
        """Return Delta's own object for the log of a table, as of now; Spark Connect has no JVM to ask."""
        spark: Any = self._spark
        place = self.location(name)  # this reads the log again
        return spark.sparkContext._jvm.org.apache.spark.sql.delta.DeltaLog.forTable(spark._jsparkSession, place)

    def compact(self, name: str, target: int, partitions: Sequence[Mapping[str, str]], key: str | None = None) -> int:
        """Merge small files of a table up to a size, in commits that change no row; return how many were merged.

        Args:
            partitions: the partitions with small files; other partitions are not touched.
            key: see `Warehouse.compact`.
        """
        parts = [f"({equal_to(**partition)})" for partition in partitions if partition]
        where = f" WHERE {' OR '.join(parts)}" if parts else ""
        where += f" ZORDER BY ({quoted(key)})" if key is not None else ""
        with set_for_now(self._spark, **{_LARGEST: str(target), _SMALLEST: str(target)}):
            done = self._spark.sql(f"OPTIMIZE {self.identifier(name)}{where}").select("metrics.numFilesRemoved")
            return int(done.collect()[0][0])

    def clean_log(self, name: str, days: int | None) -> None:
        """Write a checkpoint of a table's log, and remove the entries that are older than their retention.

        Over Spark Connect, Delta does both by itself, every ten commits.

        Args:
            days: the retention from now on; None: it stays.
        """
        if days is not None:
            self.set_property(name, LOG_RETENTION, f"interval {days} days")
        if not self._engine.is_remote:
            with contextlib.suppress(Exception):  # some catalogs keep the log themselves
                self._delta_log(name).checkpoint()

    def purge(self, name: str) -> None:
        """Rewrite the files with rows that are only marked as deleted, if the table may have deletion vectors."""
        if may_have_deletion_vectors(self.properties(name)):
            self._spark.sql(f"REORG TABLE {self.identifier(name)} APPLY (PURGE)").collect()

    def location(self, name: str) -> str:
        """Return the folder of a table."""
        detail: str = self._spark.sql(f"DESCRIBE DETAIL {self.identifier(name)}").collect()[0]["location"]
        return detail

    def read(self, name: str, version: int | None = None) -> DataFrame:
        """Return a table that exists, at its latest version or at `version`."""
        reader = self._spark.read.format("delta")
        if self._root is not None and self._engine.is_embedded:
            if version is None:
                return reader.load(f"{plain_path(self._root)}/{name}")
            return reader.load(plain_path(pinned(f"{self._root}/{name}", version, process_folder())))
        if version is not None:
            reader = reader.option("versionAsOf", version)
        return reader.table(self.identifier(name)) if self._root is None else reader.load(f"{self._root}/{name}")

    def rows(
        self,
        name: str,
        columns: Sequence[str] | None = None,
        version: int | None = None,
        /,
        **where: str | Sequence[str],
    ) -> pa.Table:
        """Return the rows of a small table, in no order; an absent table is empty."""
        schema = TABLES[name].arrow
        names = list(columns or schema.names)
        schema = pa.schema([schema.field(column) for column in names])
        if self.properties(name) is None:
            return schema.empty_table()
        return filter_equal(self.read(name, version), **where).select(*names).toArrow().cast(schema)

    def bytes_by(self, name: str, column: str) -> dict[str, int]:
        """Return value of a partition column -> bytes of the table's current files."""
        if self.properties(name) is None:
            return {}
        sizes: dict[str, int] = {}
        for partition, size, _ in self.files(name):
            sizes[partition[column]] = sizes.get(partition[column], 0) + size
        return sizes


def _commit_of(row: Row) -> LastCommit:
    metrics = row["operationMetrics"] or {}
    return LastCommit(row["version"], row["userMetadata"], int(metrics.get("numOutputRows", 0)))


@contextlib.contextmanager
def set_for_now(spark: SparkSession, **settings: str) -> Iterator[None]:
    """Change settings of the session while the body runs, as far as the platform allows it."""
    before: dict[str, str | None] = {}
    for name, value in settings.items():
        with contextlib.suppress(Exception):
            previous = spark.conf.get(name, None)
            spark.conf.set(name, value)
            before[name] = previous
    try:
        yield
    finally:
        for name, old in before.items():
            spark.conf.unset(name) if old is None else spark.conf.set(name, old)
