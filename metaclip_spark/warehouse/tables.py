"""The only reader and writer of Delta tables: by path, or by name in a catalog."""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from metaclip_spark.errors import WarehouseError
from metaclip_spark.schemas import TABLES, Table
from metaclip_spark.spark.session import is_connect

_OUR_OPERATIONS = ("WRITE", "CREATE TABLE", "CREATE OR REPLACE TABLE", "ADD CONSTRAINT", "SET TBLPROPERTIES", "DELETE")
_RETENTION_CHECK = "spark.databricks.delta.retentionDurationCheck.enabled"
_LISTING = "spark.sql.sources.parallelPartitionDiscovery.parallelism"
_LISTING_TASKS = "50"
"""Tasks in which VACUUM lists the folders; by default 10,000, most of them empty, which is most of its time here."""
_UNSORTED = "spark.sql.maxConcurrentOutputFileWriters"
_FILES_AT_ONCE = "4"
"""Partitions that a task writes side by side; rows of more of them are sorted first."""

_NOT_EMPTY = "DELTA_CREATE_TABLE_WITH_NON_EMPTY_LOCATION"
_NO_SCHEMA = ("SCHEMA_NOT_FOUND", "CATALOG_NOT_FOUND", "NO_SUCH_CATALOG_EXCEPTION", "REQUIRES_SINGLE_PART_NAMESPACE")
_CREATION_TRIES = 10
_CREATION_SECONDS = 5.0
_MISSING = ("DELTA_MISSING_DELTA_TABLE", "DELTA_TABLE_NOT_FOUND", "TABLE_OR_VIEW_NOT_FOUND")


@dataclass(frozen=True)
class Commit:
    """What a write left: the table's version, the rows written, and whether it was the write that did it.

    A write whose transaction was committed before (by an attempt that died right after) leaves
    `was_new=False` and no rows: Delta drops it silently, and we look.
    """

    table: str
    version: int
    rows: int
    was_new: bool


class Warehouse:
    """Tables at `root`/<table>, or at `catalog`.<table>.

    Args:
        guard: called before every write; raises when this process may no longer write (a lost lease).
    """

    def __init__(
        self,
        spark: SparkSession,
        root: str | None = None,
        catalog: str | None = None,
        guard: Callable[[], None] = lambda: None,
    ) -> None:
        if (root is None) == (catalog is None):
            raise WarehouseError(f"expected a warehouse or a catalog, got warehouse={root!r} and catalog={catalog!r}.")
        self.spark = spark
        self.root = root if root is None or "://" in root else os.path.abspath(root)
        self.catalog = catalog
        self.guard = guard
        self._known: set[str] = set()

    def where(self, name: str) -> str:
        """Return where a table is: its path, or its full name."""
        return f"{self.root}/{name}" if self.root is not None else f"{self.catalog}.{name}"

    def identifier(self, name: str) -> str:
        """Return the table as SQL names it."""
        if self.root is not None:
            return f"delta.`{self.where(name)}`"
        return ".".join(f"`{part}`" for part in self.where(name).split("."))

    def properties(self, name: str) -> dict[str, str] | None:
        """Return a table's properties, or None where there is no such table (no Spark job)."""
        try:
            rows = self.spark.sql(f"SHOW TBLPROPERTIES {self.identifier(name)}").collect()
        except AnalysisException as error:
            # Named apart from every other failure: an unreadable log must not pass for an absent table.
            if _is_missing(error):
                return None
            self._refuse_without_schema(error)
            raise
        return {row["key"]: row["value"] for row in rows}

    def exists(self, name: str) -> bool:
        """Return whether a table is there."""
        if name not in self._known and self.properties(name) is not None:
            self._known.add(name)
        return name in self._known

    def ensure(self, name: str) -> None:
        """Create a table if it is absent, and complete one whose making was cut short."""
        if name in self._known:
            return
        table = TABLES[name]
        found = self.properties(name)
        if found is None:
            found = self._create(name)
        for check, condition in table.checks:
            if f"delta.constraints.{check}" not in found:
                self.guard()
                self.spark.sql(f"ALTER TABLE {self.identifier(name)} ADD CONSTRAINT {check} CHECK ({condition})")
        self._known.add(name)

    def _create(self, name: str) -> dict[str, str]:
        """Create a table and return its properties so far; where another run is at it, wait for that."""
        for left in reversed(range(_CREATION_TRIES)):
            self.guard()
            try:
                self.spark.sql(_create_statement(TABLES[name], self.identifier(name)))
                return {}
            except AnalysisException as error:
                self._refuse_without_schema(error)
                # Two runs that start at once make the lease's table: its folder is there before its log is.
                if not left or error.getCondition() != _NOT_EMPTY:
                    raise
            time.sleep(_CREATION_SECONDS / _CREATION_TRIES)
            found = self.properties(name)
            if found is not None:
                return found
        raise AssertionError("unreachable")

    def _refuse_without_schema(self, error: AnalysisException) -> None:
        if self.catalog is not None and error.getCondition() in _NO_SCHEMA:
            raise WarehouseError(
                f"schema {self.catalog} does not exist, or is not yours to see. "
                f"Make it first: CREATE SCHEMA {self.catalog}"
            ) from error

    def read(self, name: str, version: int | None = None) -> DataFrame:
        """Return a table, at a version if one is given; an absent table is empty."""
        if not self.exists(name):
            return self.spark.createDataFrame([], TABLES[name].ddl)
        reader = self.spark.read.format("delta")
        if version is not None:
            reader = reader.option("versionAsOf", version)
        return reader.load(self.where(name)) if self.root is not None else reader.table(self.identifier(name))

    def append(self, name: str, rows: DataFrame, txn: str | None = None, txn_version: int = 1) -> Commit:
        """Append rows; with `txn` (a hash of what the rows are) at most once, whatever is retried."""
        return self._write(name, rows, "append", _once(name, txn, txn_version))

    def replace(self, name: str, rows: DataFrame, *, txn: str | None = None, **where: str) -> Commit:
        """Replace the rows of one partition, e.g. `replace("entry_counts", rows, snapshot="a")`; `txn` as in append."""
        condition = " AND ".join(f"{column} = '{_quoted(value)}'" for column, value in where.items())
        return self._write(name, rows, "overwrite", {"replaceWhere": condition, **_once(name, txn, 1)})

    def merge(self, name: str, rows: DataFrame, on: Sequence[str], then: str = "WHEN MATCHED THEN DELETE") -> int:
        """Change the rows that are equal to one of `rows` (s) in the columns `on`; return how many were changed.

        The log keeps the names of the columns. A DELETE with a condition would put what it names there for good.

        Args:
            on: columns that both have; a null is equal to nothing.
            then: what is done with a row t of the table and its equal s.
        """
        if not self.exists(name):
            return 0
        self.guard()
        view = f"metaclip_{uuid.uuid4().hex}"
        rows.createOrReplaceTempView(view)
        condition = " AND ".join(f"t.`{column}` = s.`{column}`" for column in on)
        try:
            merged = self.spark.sql(f"MERGE INTO {self.identifier(name)} t USING {view} s ON {condition} {then}")
            return merged.collect()[0]["num_affected_rows"]
        finally:
            self.spark.catalog.dropTempView(view)

    def delete(self, name: str, condition: str) -> None:
        """Delete rows; nothing to delete is no error."""
        if self.exists(name):
            self.guard()
            self.spark.sql(f"DELETE FROM {self.identifier(name)} WHERE {condition}")

    def remove_files(self, name: str) -> None:
        """Remove the data files of a table that has no rows left; its log stays, so nothing can break half-way.

        VACUUM does the same, but takes most of a minute even on a small table: it is asked where there is no way to the
        files (over Spark Connect, in catalogs that keep them to themselves). Where it may not either, the files stay
        until the table's next VACUUM.
        """
        if not self.exists(name) or not self.read(name).isEmpty():
            return
        self.guard()
        if is_connect(self.spark):
            self._vacuum(name)
            return
        try:
            self._delete_files(name)
        except Exception:
            if self.root is not None:
                raise
            self._vacuum(name)

    def _delete_files(self, name: str) -> None:
        location = self.spark.sql(f"DESCRIBE DETAIL {self.identifier(name)}").first()["location"]
        jvm = self.spark.sparkContext._jvm
        folder = jvm.org.apache.hadoop.fs.Path(location)
        files = folder.getFileSystem(self.spark.sparkContext._jsc.hadoopConfiguration())
        for status in files.listStatus(folder):
            if not status.getPath().getName().startswith("_"):
                files.delete(status.getPath(), True)

    def _vacuum(self, name: str) -> None:
        """Let Delta remove the files, at once: nobody else writes while the lease is held, and no row is left."""
        with contextlib.suppress(Exception):  # some platforms allow no retention under a week
            self.vacuum(name, 0)

    def vacuum(self, name: str, retain_hours: float) -> None:
        """Remove the files that no version of the last hours needs; 0: all but the present version's."""
        if not self.exists(name):
            return
        self.guard()
        with _set_for_now(self.spark, **{_RETENTION_CHECK: "false", _LISTING: _LISTING_TASKS}):
            self.spark.sql(f"VACUUM {self.identifier(name)} RETAIN {retain_hours:g} HOURS").collect()

    def purge(self, name: str) -> None:
        """Rewrite files of which rows are only marked as deleted (deletion vectors), where the table may have such."""
        found = self.properties(name) or {}
        if "true" in found.get("delta.enableDeletionVectors", "") or "delta.feature.deletionVectors" in found:
            self.guard()
            self.spark.sql(f"REORG TABLE {self.identifier(name)} APPLY (PURGE)").collect()

    def readable_version(self, name: str, pinned: int) -> int:
        """Return the pinned version, or the latest where maintenance (OPTIMIZE, VACUUM) has come since.

        Maintenance moves rows into other files and may remove the pinned version's; it changes no row.
        """
        history = self.spark.sql(f"DESCRIBE HISTORY {self.identifier(name)}").where(F.col("version") > pinned)
        later = history.select("version", "operation").orderBy("version").collect()
        maintained = any(row["operation"] not in _OUR_OPERATIONS for row in later)
        return later[-1]["version"] if maintained else pinned

    def version(self, name: str) -> int | None:
        """Return a table's latest version, or None where it is absent."""
        return self._last_commit(name)["version"] if self.exists(name) else None

    def _write(self, name: str, rows: DataFrame, mode: str, options: dict[str, str]) -> Commit:
        self.ensure(name)
        token = uuid.uuid4().hex
        table = TABLES[name]
        self.guard()
        writer = rows.select(*table.names).write.format("delta").mode(mode).options(userMetadata=token, **options)
        if table.partitioned_by:
            writer = writer.partitionBy(*table.partitioned_by)
        # A write is of one partition, or of few. Spark would sort whole rows by it.
        with _set_for_now(self.spark, **{_UNSORTED: _FILES_AT_ONCE} if table.partitioned_by else {}):
            if self.root is not None:
                writer.save(self.where(name))
            else:
                writer.saveAsTable(self.identifier(name))
        last = self._last_commit(name)
        was_new = last["userMetadata"] == token
        written = int((last["operationMetrics"] or {}).get("numOutputRows", 0)) if was_new else 0
        return Commit(name, last["version"], written, was_new)

    def _last_commit(self, name: str) -> dict:
        history = self.spark.sql(f"DESCRIBE HISTORY {self.identifier(name)} LIMIT 1")
        return history.select("version", "userMetadata", "operationMetrics").collect()[0].asDict()


def _once(name: str, txn: str | None, version: int) -> dict[str, str]:
    return {} if txn is None else {"txnAppId": f"metaclip-spark:{name}:{txn}", "txnVersion": str(version)}


def filter_equal(df: DataFrame, **where: str | Sequence[str]) -> DataFrame:
    """Return the rows whose columns have these values, or one of these."""
    for column, value in where.items():
        has_it = F.col(column) == F.lit(value) if isinstance(value, str) else F.col(column).isin(list(value))
        df = df.where(has_it)
    return df


@contextlib.contextmanager
def _set_for_now(spark: SparkSession, **settings: str) -> Iterator[None]:
    """Change settings of the session while the body runs, as far as the platform lets one."""
    before: dict[str, str | None] = {}
    for name, value in settings.items():
        with contextlib.suppress(Exception):
            found = spark.conf.get(name, None)
            spark.conf.set(name, value)
            before[name] = found
    try:
        yield
    finally:
        for name, value in before.items():
            spark.conf.unset(name) if value is None else spark.conf.set(name, value)


def _is_missing(error: AnalysisException) -> bool:
    return error.getCondition() in _MISSING


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _create_statement(table: Table, identifier: str) -> str:
    columns = ", ".join(f"`{c.name}` {c.type} COMMENT '{_quoted(c.comment)}'" for c in table.columns)
    # The log's statistics would hold the smallest and largest urls and texts: only these columns have any.
    stats = {"delta.dataSkippingStatsColumns": ",".join(table.stats_columns)}
    if not table.stats_columns:
        stats = {"delta.dataSkippingNumIndexedCols": "0"}
    properties = ", ".join(f"'{k}' = '{v}'" for k, v in {**stats, **dict(table.properties)}.items())
    partitions = f"PARTITIONED BY ({', '.join(table.partitioned_by)})" if table.partitioned_by else ""
    return (
        f"CREATE TABLE IF NOT EXISTS {identifier} ({columns}) USING delta {partitions} "
        f"COMMENT '{_quoted(table.comment)}' TBLPROPERTIES ({properties})"
    )
