"""The logs of a warehouse's tables, through Spark's statements: for catalogs, and stores that no delta-rs reads."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import pyarrow as pa
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from metaclip_spark.errors import WarehouseError
from metaclip_spark.schemas import TABLES, Table
from metaclip_spark.spark.engine import Engine
from metaclip_spark.warehouse.alias import plain_path
from metaclip_spark.warehouse.delta_rs import TRIES, LastCommit, may_have_deletion_vectors
from metaclip_spark.warehouse.sql import create_statement, equal_to, filter_equal, quoted, sql_string

_RETENTION_CHECK = "spark.databricks.delta.retentionDurationCheck.enabled"
_LISTING = "spark.sql.sources.parallelPartitionDiscovery.parallelism"
_LISTING_TASKS = "50"
"""Number of tasks in which VACUUM lists folders. Most of Spark's default of 10,000 tasks are empty, and take most of
the time on a small table."""
_NOT_EMPTY = "DELTA_CREATE_TABLE_WITH_NON_EMPTY_LOCATION"
_NO_SCHEMA = ("SCHEMA_NOT_FOUND", "CATALOG_NOT_FOUND", "NO_SUCH_CATALOG_EXCEPTION", "REQUIRES_SINGLE_PART_NAMESPACE")
_CREATION_TRIES = 10
_CREATION_SECONDS = 5.0
_CONFLICTS = ("Concurrent", "CONCURRENT", "MetadataChanged", "ProtocolChanged")
_MORE = 20
"""Commits that others may make between two questions about a table."""
_T = TypeVar("_T")
_MISSING = ("DELTA_MISSING_DELTA_TABLE", "DELTA_TABLE_NOT_FOUND", "TABLE_OR_VIEW_NOT_FOUND")


class SparkLogs:
    """The Delta logs of the tables at `root`/<table>, or at `catalog`.<table>; see `DeltaLogs`."""

    def __init__(self, engine: Engine, root: str | None, catalog: str | None) -> None:
        self._engine = engine
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
        again(lambda: self._spark.sql(f"DELETE FROM {self.identifier(name)} WHERE {condition}"))

    def merge(
        self, name: str, rows: DataFrame, on: Sequence[str], update: Mapping[str, str] | None, delete: str
    ) -> int:
        """Change the rows t that are equal to one of `rows` (s) in the columns `on`; return their number.

        Delta's log keeps the condition of a statement. Here the condition has only names of columns. The condition of
        a DELETE would keep the values in the log for good.
        """
        view = f"metaclip_{uuid.uuid4().hex}"
        rows.createOrReplaceTempView(view)
        condition = " AND ".join(f"t.`{column}` = s.`{column}`" for column in on)
        then = f"WHEN MATCHED AND {delete} THEN DELETE"
        if update is not None:
            then += " WHEN MATCHED THEN UPDATE SET " + ", ".join(f"t.{key} = {value}" for key, value in update.items())
        try:
            statement = f"MERGE INTO {self.identifier(name)} t USING {view} s ON {condition} {then}"
            changed: int = again(lambda: self._spark.sql(statement).collect()[0]["num_affected_rows"])
            return changed
        finally:
            self._spark.catalog.dropTempView(view)

    def vacuum(self, name: str, retain_hours: float) -> None:
        """Remove the files that no version of the last `retain_hours` needs; 0 keeps only the latest version's."""
        with set_for_now(self._spark, **{_RETENTION_CHECK: "false", _LISTING: _LISTING_TASKS}):
            self._spark.sql(f"VACUUM {self.identifier(name)} RETAIN {retain_hours:g} HOURS").collect()

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
        if version is not None:
            reader = reader.option("versionAsOf", version)
        if self._root is None:
            return reader.table(self.identifier(name))
        return reader.load(f"{plain_path(self._root) if self._engine.is_embedded else self._root}/{name}")

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
        place = F.col("_metadata.file_path"), F.col("_metadata.file_size").alias("size")
        files = self.read(name).select(column, *place).groupBy(column, "file_path").agg(F.max("size").alias("size"))
        return {row[0]: row[1] for row in files.groupBy(column).agg(F.sum("size")).collect()}


def _commit_of(row: Row) -> LastCommit:
    metrics = row["operationMetrics"] or {}
    return LastCommit(row["version"], row["userMetadata"], int(metrics.get("numOutputRows", 0)))


def is_conflict(error: Exception) -> bool:
    """Return whether Delta refused a commit because another writer committed meanwhile."""
    # pyspark has no class for Delta's conflicts: they arrive as errors of Java.
    java: Any = getattr(error, "java_exception", None)
    message = str(error) if java is None else str(java.toString())
    return any(word in message for word in _CONFLICTS)


def again(work: Callable[[], _T]) -> _T:
    """Do work that may be repeated; where another writer (a foreign OPTIMIZE) committed meanwhile, do it again."""
    for _ in range(TRIES - 1):
        try:
            return work()
        except Exception as error:
            if not is_conflict(error):
                raise
    return work()


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
