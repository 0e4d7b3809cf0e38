"""The tables of a warehouse, by path or by name in a catalog. No other module reads or writes Delta tables."""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

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
"""Number of tasks in which VACUUM lists folders. Most of Spark's default of 10,000 tasks are empty, and take most of
the time on a small table."""
_UNSORTED = "spark.sql.maxConcurrentOutputFileWriters"
_FILES_AT_ONCE = "4"
"""Number of partitions that a task writes at the same time. Rows of more partitions are sorted first."""

_NOT_EMPTY = "DELTA_CREATE_TABLE_WITH_NON_EMPTY_LOCATION"
_NO_SCHEMA = ("SCHEMA_NOT_FOUND", "CATALOG_NOT_FOUND", "NO_SUCH_CATALOG_EXCEPTION", "REQUIRES_SINGLE_PART_NAMESPACE")
_CREATION_TRIES = 10
_CREATION_SECONDS = 5.0
_MISSING = ("DELTA_MISSING_DELTA_TABLE", "DELTA_TABLE_NOT_FOUND", "TABLE_OR_VIEW_NOT_FOUND")


@dataclass(frozen=True)
class Commit:
    """The result of a write.

    Delta silently drops a write whose transaction was committed before, for example by an interrupted attempt. So every
    write checks whether the last commit of the table is its own.

    Attributes:
        version: the version of the table after the write.
        rows: number of rows written; 0 where the write was dropped.
        was_new: False where the write was dropped.
    """

    table: str
    version: int
    rows: int
    was_new: bool


class Warehouse:
    """Tables at `root`/<table>, or at `catalog`.<table>.

    Args:
        guard: called before every write. It raises where this process may no longer write (a lost lease).

    Raises:
        WarehouseError: neither or both of `root` and `catalog` are given.
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
        """Return the path of a table, or its full name."""
        return f"{self.root}/{name}" if self.root is not None else f"{self.catalog}.{name}"

    def identifier(self, name: str) -> str:
        """Return the name of a table in SQL."""
        if self.root is not None:
            return f"delta.{_quoted(self.where(name))}"
        return ".".join(_quoted(part) for part in self.where(name).split("."))

    def properties(self, name: str) -> dict[str, str] | None:
        """Return the properties of a table; None where there is no such table. Runs no Spark job."""
        try:
            rows = self.spark.sql(f"SHOW TBLPROPERTIES {self.identifier(name)}").collect()
        except AnalysisException as error:
            # Only the errors of a missing table count: an unreadable log must not pass for an absent table.
            if _is_missing(error):
                return None
            self._refuse_without_schema(error)
            raise
        return {row["key"]: row["value"] for row in rows}

    def exists(self, name: str) -> bool:
        """Return whether a table exists."""
        if name not in self._known and self.properties(name) is not None:
            self._known.add(name)
        return name in self._known

    def ensure(self, name: str) -> None:
        """Create a table if it is absent, or complete one whose creation was interrupted."""
        if name in self._known:
            return
        table = TABLES[name]
        properties = self.properties(name)
        if properties is None:
            properties = self._create(name)
        for check, condition in table.checks:
            if f"delta.constraints.{check}" not in properties:
                self.guard()
                self.spark.sql(f"ALTER TABLE {self.identifier(name)} ADD CONSTRAINT {check} CHECK ({condition})")
        self._known.add(name)

    def _create(self, name: str) -> dict[str, str]:
        """Create a table and return its properties; where another run is creating it, wait for that run."""
        for left in reversed(range(_CREATION_TRIES)):
            self.guard()
            try:
                self.spark.sql(_create_statement(TABLES[name], self.identifier(name)))
                return {}
            except AnalysisException as error:
                self._refuse_without_schema(error)
                # Two runs that start at once both create the table of the lease: its folder exists before its log does.
                if not left or error.getCondition() != _NOT_EMPTY:
                    raise
            time.sleep(_CREATION_SECONDS / _CREATION_TRIES)
            properties = self.properties(name)
            if properties is not None:
                return properties
        raise AssertionError("unreachable")

    def _refuse_without_schema(self, error: AnalysisException) -> None:
        if self.catalog is not None and error.getCondition() in _NO_SCHEMA:
            raise WarehouseError(
                f"schema {self.catalog} does not exist, or is not yours to see. "
                f"Make it first: CREATE SCHEMA {self.catalog}"
            ) from error

    def read(self, name: str, version: int | None = None) -> DataFrame:
        """Return a table, at its latest version or at `version`; an absent table is empty."""
        if not self.exists(name):
            return self.spark.createDataFrame([], TABLES[name].ddl)
        reader = self.spark.read.format("delta")
        if version is not None:
            reader = reader.option("versionAsOf", version)
        return reader.load(self.where(name)) if self.root is not None else reader.table(self.identifier(name))

    def append(self, name: str, rows: DataFrame, txn: str | None = None, txn_version: int = 1) -> Commit:
        """Append rows.

        Args:
            txn: a hash of the values that determine the rows. Rows with the same hash are appended only once.
        """
        return self._write(name, rows, "append", _once(name, txn, txn_version))

    def replace(self, name: str, rows: DataFrame, *, txn: str | None = None, **where: str) -> Commit:
        """Replace the rows of one partition, e.g. `replace("entry_counts", rows, snapshot="a")`; `txn` as in append."""
        return self._write(name, rows, "overwrite", {"replaceWhere": equal_to(**where), **_once(name, txn, 1)})

    def merge(self, name: str, rows: DataFrame, on: Sequence[str], then: str = "WHEN MATCHED THEN DELETE") -> int:
        """Change the rows t that are equal to one of `rows` (s) in the columns `on`; return the number of changed rows.

        Delta's log keeps the condition of a statement. Here the condition has only names of columns. The condition of
        a DELETE would keep the values in the log for good.

        Args:
            on: columns of both; a null is equal to nothing.
            then: the SQL clauses that change a row t, which may use its equal s.
        """
        if not self.exists(name):
            return 0
        self.guard()
        view = f"metaclip_{uuid.uuid4().hex}"
        rows.createOrReplaceTempView(view)
        condition = " AND ".join(f"t.`{column}` = s.`{column}`" for column in on)
        try:
            merged = self.spark.sql(f"MERGE INTO {self.identifier(name)} t USING {view} s ON {condition} {then}")
            changed: int = merged.collect()[0]["num_affected_rows"]
            return changed
        finally:
            self.spark.catalog.dropTempView(view)

    def delete(self, name: str, condition: str) -> None:
        """Delete the rows, if any, for which a condition in SQL is true.

        See `equal_to`, which quotes values.
        """
        if self.exists(name):
            self.guard()
            self.spark.sql(f"DELETE FROM {self.identifier(name)} WHERE {condition}")

    def remove_files(self, name: str) -> None:
        """Remove the data files of a table that has no rows; the log stays, so an interruption breaks nothing.

        VACUUM does the same, but takes most of a minute even on a small table. So it is used only where the files
        cannot be reached: over Spark Connect, and in catalogs that do not give access to files. Where VACUUM is not
        allowed either, the files stay until the table's next VACUUM.
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
        location = self.spark.sql(f"DESCRIBE DETAIL {self.identifier(name)}").collect()[0]["location"]
        jvm: Any = self.spark.sparkContext._jvm
        folder = jvm.org.apache.hadoop.fs.Path(location)
        files = folder.getFileSystem(self.spark.sparkContext._jsc.hadoopConfiguration())
        for status in files.listStatus(folder):
            if not status.getPath().getName().startswith("_"):
                files.delete(status.getPath(), True)

    def _vacuum(self, name: str) -> None:
        """Remove all files by VACUUM at once: the lease keeps other writers away, and the table has no rows."""
        with contextlib.suppress(Exception):  # some platforms refuse a retention of less than a week
            self.vacuum(name, 0)

    def vacuum(self, name: str, retain_hours: float) -> None:
        """Remove the files that no version of the last `retain_hours` needs; 0 keeps only the latest version's."""
        if not self.exists(name):
            return
        self.guard()
        with _set_for_now(self.spark, **{_RETENTION_CHECK: "false", _LISTING: _LISTING_TASKS}):
            self.spark.sql(f"VACUUM {self.identifier(name)} RETAIN {retain_hours:g} HOURS").collect()

    def purge(self, name: str) -> None:
        """Rewrite the files with rows that are only marked as deleted, if the table may have deletion vectors."""
        properties = self.properties(name) or {}
        if "true" in properties.get("delta.enableDeletionVectors", "") or "delta.feature.deletionVectors" in properties:
            self.guard()
            self.spark.sql(f"REORG TABLE {self.identifier(name)} APPLY (PURGE)").collect()

    def readable_version(self, name: str, pinned: int) -> int:
        """Return the pinned version, or the latest one if maintenance (OPTIMIZE, VACUUM) ran since.

        Maintenance moves rows into other files and may remove the files of the pinned version, but changes no row.
        """
        history = self.spark.sql(f"DESCRIBE HISTORY {self.identifier(name)}").where(F.col("version") > pinned)
        later = history.select("version", "operation").orderBy("version").collect()
        maintained = any(row["operation"] not in _OUR_OPERATIONS for row in later)
        return int(later[-1]["version"]) if maintained else pinned

    def version(self, name: str) -> int | None:
        """Return the latest version of a table; None where the table is absent."""
        return self._last_commit(name)["version"] if self.exists(name) else None

    def _write(self, name: str, rows: DataFrame, mode: str, options: dict[str, str]) -> Commit:
        self.ensure(name)
        token = uuid.uuid4().hex
        table = TABLES[name]
        self.guard()
        writer = rows.select(*table.names).write.format("delta").mode(mode).options(userMetadata=token, **options)
        if table.partitioned_by:
            writer = writer.partitionBy(*table.partitioned_by)
        # A write has rows of one partition, or of few. Without this setting Spark would sort whole rows by partition.
        with _set_for_now(self.spark, **{_UNSORTED: _FILES_AT_ONCE} if table.partitioned_by else {}):
            if self.root is not None:
                writer.save(self.where(name))
            else:
                writer.saveAsTable(self.identifier(name))
        last = self._last_commit(name)
        was_new = last["userMetadata"] == token
        written = int((last["operationMetrics"] or {}).get("numOutputRows", 0)) if was_new else 0
        return Commit(name, last["version"], written, was_new)

    def _last_commit(self, name: str) -> dict[str, Any]:
        history = self.spark.sql(f"DESCRIBE HISTORY {self.identifier(name)} LIMIT 1")
        return history.select("version", "userMetadata", "operationMetrics").collect()[0].asDict()


def _once(name: str, txn: str | None, version: int) -> dict[str, str]:
    return {} if txn is None else {"txnAppId": f"metaclip-spark:{name}:{txn}", "txnVersion": str(version)}


def filter_equal(df: DataFrame, **where: str | Sequence[str]) -> DataFrame:
    """Return the rows whose columns are equal to a value, or to one of several."""
    for column, value in where.items():
        has_it = F.col(column) == F.lit(value) if isinstance(value, str) else F.col(column).isin(list(value))
        df = df.where(has_it)
    return df


@contextlib.contextmanager
def _set_for_now(spark: SparkSession, **settings: str) -> Iterator[None]:
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


def _is_missing(error: AnalysisException) -> bool:
    return error.getCondition() in _MISSING


def _quoted(name: str) -> str:
    """Return a name in SQL, whatever its characters.

    >>> print(_quoted("a`b"))
    `a``b`
    """
    return "`" + name.replace("`", "``") + "`"


def sql_string(text: str) -> str:
    """Return a string literal of SQL.

    >>> print(sql_string("it's"))
    'it\\'s'
    """
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def equal_to(**columns: str | Sequence[str]) -> str:
    """Return the condition of `filter_equal` as SQL, for statements that take no expression.

    >>> print(equal_to(snapshot="a", batch_id=["b", "c"]))
    snapshot = 'a' AND batch_id IN ('b', 'c')
    """
    parts = []
    for column, value in columns.items():
        if isinstance(value, str):
            parts.append(f"{column} = {sql_string(value)}")
        else:
            parts.append(f"{column} IN ({', '.join(map(sql_string, value))})")
    return " AND ".join(parts)


def _create_statement(table: Table, identifier: str) -> str:
    columns = ", ".join(f"`{c.name}` {c.type} COMMENT {sql_string(c.comment)}" for c in table.columns)
    # Statistics put the smallest and largest values into the log. Only `stats_columns`, never urls or texts, get them.
    stats = {"delta.dataSkippingStatsColumns": ",".join(table.stats_columns)}
    if not table.stats_columns:
        stats = {"delta.dataSkippingNumIndexedCols": "0"}
    properties = ", ".join(f"{sql_string(k)} = {sql_string(v)}" for k, v in {**stats, **dict(table.properties)}.items())
    partitions = f"PARTITIONED BY ({', '.join(table.partitioned_by)})" if table.partitioned_by else ""
    return (
        f"CREATE TABLE IF NOT EXISTS {identifier} ({columns}) USING delta {partitions} "
        f"COMMENT {sql_string(table.comment)} TBLPROPERTIES ({properties})"
    )
