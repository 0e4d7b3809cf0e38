"""The tables of a warehouse, by path or by name in a catalog. Only this folder reads or writes Delta tables.

Rows go through the engine's session. Logs go through delta-rs where the tables lie in a local folder, and through
statements of Spark elsewhere. Both engines leave the same tables.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import pyarrow as pa
from deltalake.exceptions import DeltaProtocolError
from pyspark.sql import functions as F

from metaclip_spark.core.hashing.key_prefix import Ranges
from metaclip_spark.errors import WarehouseError
from metaclip_spark.schemas import TABLES
from metaclip_spark.spark.engine import Engine
from metaclip_spark.warehouse.conflicts import TRIES, OnConflict, ignored, retried
from metaclip_spark.warehouse.data_files import (
    MOST_ROWS,
    TARGET_BYTES,
    PartitionFiles,
    by_partition,
    rows_per_batch,
)
from metaclip_spark.warehouse.delta_rs import REFUSED, DeltaLogs, can_name, may_have_deletion_vectors
from metaclip_spark.warehouse.files import LocalFiles
from metaclip_spark.warehouse.sql import equal_to, filter_equal, quoted, sql_string, within
from metaclip_spark.warehouse.statements import SparkLogs, set_for_now

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

__all__ = ["Commit", "Warehouse", "equal_to", "filter_equal", "quoted", "sql_string"]

_UNSORTED = "spark.sql.maxConcurrentOutputFileWriters"
_COMPACTS = "spark.databricks.delta.autoCompact.enabled"
_AUTO_COMPACT = "delta.autoOptimize.autoCompact"
_BATCH_ROWS = "spark.sql.execution.arrow.maxRecordsPerBatch"
_GROUP_BYTES = "parquet.block.size"
_BYTES_OF_A_ROW = 256
"""Bytes of a wide row in a row group, before compression."""
_FILES_AT_ONCE = "4"
"""Number of partitions that a task writes at the same time. Rows of more partitions are sorted first."""


@dataclass(frozen=True)
class Commit:
    """The result of a write.

    Delta silently drops a write whose transaction was committed before, for example by an interrupted attempt. So every
    write looks for its own commit among those since it began; others may commit meanwhile.

    Attributes:
        version: the version that the write made; where it was dropped, that of the table after it.
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
        engine: the engine, or its session.
        guard: called before every write. It raises where this process may no longer write (a lost lease).

    Attributes:
        on_conflict: gets each conflict with another writer after which a commit is made again.

    Raises:
        WarehouseError: neither or both of `root` and `catalog` are given, or the engine cannot write there.
    """

    def __init__(
        self,
        engine: Engine | SparkSession,
        root: str | None = None,
        catalog: str | None = None,
        guard: Callable[[], None] = lambda: None,
    ) -> None:
        if (root is None) == (catalog is None):
            raise WarehouseError(f"expected a warehouse or a catalog, got warehouse={root!r} and catalog={catalog!r}.")
        self.engine = engine if isinstance(engine, Engine) else Engine.of(engine)
        self.root = None if root is None else _plain(root)
        self.catalog = catalog
        self.guard = guard
        self.on_conflict: OnConflict = ignored
        self._known: set[str] = set()
        self._versions: dict[str, int] = {}
        """Table -> a version that it had: one that Spark's Delta committed for this process."""
        self._statements = SparkLogs(self.engine, self.root, catalog, self._conflict)
        self._files: LocalFiles | None = None
        embedded = self.engine.is_embedded
        # A server of Spark Connect has its own disk. Its paths are not this machine's.
        local = self.root is not None and "://" not in self.root and not self.engine.is_remote
        if self.root is not None and local and can_name(self.root):
            logs = DeltaLogs(self.root, on_conflict=self._conflict)
            self._files = LocalFiles(self.root, logs, lambda: self.guard())
            self._logs: DeltaLogs | SparkLogs = logs
        elif embedded:
            raise WarehouseError(
                f"the embedded engine writes to local folders without {' '.join(REFUSED)} in their names, got "
                f"{root or catalog}. Give another --warehouse, or use --engine spark."
            )
        else:
            self._logs = self._statements
        self._rows_by_files = embedded

    def _conflict(self, name: str, error: BaseException) -> None:
        self.on_conflict(name, error)

    @property
    def spark(self) -> SparkSession:
        """The session of the engine, which starts at the first use."""
        return self.engine.session

    def where(self, name: str) -> str:
        """Return the path of a table, or its full name."""
        return f"{self.root}/{name}" if self.root is not None else f"{self.catalog}.{name}"

    def identifier(self, name: str) -> str:
        """Return the name of a table in SQL."""
        return self._statements.identifier(name)

    def define_view(self, name: str, select: str) -> None:
        """Create or replace a view of a catalog; a warehouse in a folder has no place for one.

        Args:
            select: its query; `{table}` stands for a table.
        """
        if self.catalog is not None:
            self.guard()
            query = select.format_map({table: self.identifier(table) for table in TABLES})
            self.spark.sql(f"CREATE OR REPLACE VIEW {self.identifier(name)} AS {query}")

    def properties(self, name: str) -> dict[str, str] | None:
        """Return the properties of a table; None where there is no such table. Runs no Spark job."""
        return self._logs.properties(name)

    def set_property(self, name: str, key: str, value: str) -> None:
        """Set a property of a table. Runs no Spark job."""
        self._logs.set_property(name, key, value)

    def columns(self, name: str) -> list[str]:
        """Return the columns that a table has, which an earlier release may have created."""
        return self._logs.columns(name)

    def add_columns(self, name: str, columns: Sequence[str]) -> None:
        """Add declared columns that a table of an earlier release lacks; their values are null."""
        self.guard()
        self._logs.add_columns(TABLES[name], columns)

    def exists(self, name: str) -> bool:
        """Return whether a table exists."""
        if name not in self._known and self.properties(name) is not None:
            self._known.add(name)
        return name in self._known

    def ensure(self, name: str) -> None:
        """Create a table if it is absent, or complete one whose creation was interrupted."""
        if name not in self._known:
            self.guard()
            self._logs.create(TABLES[name])
            self._known.add(name)

    def read(self, name: str, version: int | None = None) -> DataFrame:
        """Return a table, at its latest version or at `version`; an absent table is empty."""
        if not self.exists(name):
            return self.spark.createDataFrame([], TABLES[name].ddl)
        return self._statements.read(name, version)

    @property
    def reads_logs(self) -> bool:
        """Whether logs and small tables are read without the engine."""
        return isinstance(self._logs, DeltaLogs)

    def rows(
        self,
        name: str,
        columns: Sequence[str] | None = None,
        version: int | None = None,
        /,
        **where: str | Sequence[str],
    ) -> pa.Table:
        """Return the rows of a small table, in no order, without a Spark job where the store allows it.

        Args:
            columns: names; None: all columns.
            version: of the table; None: the latest one.
            where: column -> value that it must be equal to, or several of them.
        """
        try:
            return self._logs.rows(name, columns, version, **where)
        except DeltaProtocolError:
            # A table with deletion vectors, which Spark's settings may ask for.
            return self._statements.rows(name, columns, version, **where)

    def count(self, name: str, **where: str) -> int:
        """Return the number of rows of some partitions, from the log where the log tells it.

        Args:
            where: partition column -> value.
        """
        if not self.exists(name):
            return 0
        known = self._logs.count(name, **where)
        return filter_equal(self.read(name), **where).count() if known is None else known

    def values(self, name: str, column: str, **where: str) -> list[str]:
        """Return the distinct values of a column in some partitions, in order; from the log where the log tells them.

        Args:
            where: partition column -> value.
        """
        if not self.exists(name):
            return []
        known = self._logs.values(name, column, **where)
        if known is None:
            rows = filter_equal(self.read(name), **where).select(column).distinct().collect()
            known = [row[0] for row in rows]
        return sorted(known)

    def bytes_by(self, name: str, column: str) -> dict[str, int]:
        """Return value of a partition column -> bytes of the table's current files, from the log alone."""
        return self._logs.bytes_by(name, column)

    def append(
        self,
        name: str,
        rows: DataFrame | pa.Table,
        txn: str | None = None,
        txn_version: int = 1,
        files: int | None = None,
    ) -> Commit:
        """Append rows.

        Args:
            rows: a DataFrame, or an Arrow table for a few rows, which all are of one partition.
            txn: a hash of the values that determine the rows. Rows with the same hash are appended only once.
            files: number of files to write where Spark would write one per task; see `data_files.few_files`.
        """
        return self._write(name, self._in_files(rows, files), None, txn, txn_version)

    def replace(
        self, name: str, rows: DataFrame | pa.Table, *, txn: str | None = None, files: int | None = None, **where: str
    ) -> Commit:
        """Replace the rows of one partition, e.g. `replace("entry_counts", rows, snapshot="a")`; `txn` as in append.

        Args:
            rows: a DataFrame, or an Arrow table, whose rows all are of that partition.
            files: as in append.
        """
        return self._write(name, self._in_files(rows, files), where, txn, 1)

    def _in_files(self, rows: DataFrame | pa.Table, files: int | None) -> DataFrame | pa.Table:
        """Return rows in so many partitions, each of which becomes a file; the embedded engine writes few anyway."""
        if files is None or isinstance(rows, pa.Table) or self.engine.is_embedded:
            return rows
        # Fewer tasks than cores would also read on few cores: then the few rows are shuffled instead.
        wide = not self.engine.is_remote and files >= self.spark.sparkContext.defaultParallelism
        return rows.coalesce(files) if wide else rows.repartition(files)

    def merge(
        self,
        name: str,
        rows: DataFrame,
        on: Sequence[str],
        update: Mapping[str, str] | None = None,
        delete: str = "true",
        ranges: Mapping[str, Ranges] = {},
    ) -> int:
        """Change the rows t that are equal to one of `rows` (s) in the columns `on`; return the number of changed rows.

        Args:
            on: columns of both; a null is equal to nothing.
            update: column of t -> expression of s, for the rows that are not deleted; None: none is updated.
            delete: SQL condition on s and t, of the rows to delete.
            ranges: column of `on` -> ranges that have all values of `rows`. Files without such a value are not read.
                Delta's log keeps the ranges.
        """
        if not self.exists(name):
            return 0
        only = [within(f"t.{column}", of_column) for column, of_column in ranges.items() if of_column]
        self.guard()
        keys = [column for column in TABLES[name].partitioned_by if column in on]
        if self._rows_by_files:
            few = rows.toArrow()
            assert isinstance(self._logs, DeltaLogs)
            parts = {key: sorted({value for value in few[key].to_pylist() if value is not None}) for key in keys}
            return self._logs.merge(name, few, on, update, delete, parts, only)
        # With literals for the partitions, Delta reads no file of the others.
        found = rows.select(*keys).distinct().collect() if keys else []
        parts = {key: sorted({row[key] for row in found if row[key] is not None}) for key in keys}
        return self._statements.merge(name, rows, on, update, delete, parts, only)

    def delete(self, name: str, **where: str | Sequence[str]) -> None:
        """Delete the rows whose columns are equal to a value, or to one of several; without columns, all rows."""
        if not self.exists(name):
            return
        self.guard()
        # Whole partitions are removed from the log. For other rows files are rewritten: that is work for the engine.
        whole = set(where) <= set(TABLES[name].partitioned_by)
        (self._logs if whole or self._rows_by_files else self._statements).delete(name, **where)

    def remove_files(self, name: str) -> None:
        """Remove the data files of a table that has no rows; the log stays, so an interruption breaks nothing.

        VACUUM does the same, but takes most of a minute even on a small table. So it is used only where the files
        cannot be reached: over Spark Connect, and in catalogs that do not give access to files. Where VACUUM is not
        allowed either, the files stay until the table's next VACUUM.
        """
        if not self.exists(name) or not self.is_empty(name):
            return
        self.guard()
        if self._files is not None:
            _remove_entries(self.where(name))
        elif self.engine.is_remote:
            self._vacuum(name)
        else:
            try:
                self._delete_files(name)
            except Exception:
                if self.root is not None:
                    raise
                self._vacuum(name)

    def is_empty(self, name: str) -> bool:
        """Return whether a table has no rows, or is absent."""
        if not self.exists(name):
            return True
        if isinstance(self._logs, DeltaLogs):
            return self._logs.is_empty(name)
        return self.read(name).isEmpty()

    def _delete_files(self, name: str) -> None:
        jvm: Any = self.spark.sparkContext._jvm
        folder = jvm.org.apache.hadoop.fs.Path(self._statements.location(name))
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
        if self.exists(name):
            self.guard()
            (self._logs if self._rows_by_files else self._statements).vacuum(name, retain_hours)

    def files(self, name: str, target: int = TARGET_BYTES) -> list[PartitionFiles]:
        """Return the current data files of a table by partition, from the log where it can be read.

        Args:
            target: size in bytes below which a file is small.
        """
        return by_partition(self._logs.files(name), target) if self.exists(name) else []

    def compact(self, name: str, target: int, partitions: Sequence[Mapping[str, str]], key: str | None = None) -> int:
        """Merge small files of a table up to a size; no row changes. Return how many files were merged.

        Args:
            partitions: the partitions with small files.
            key: write all files of the partitions anew, in the order of this column; None: merge files by size.
        """
        self.guard()
        try:
            return self._logs.compact(name, target, partitions, key)
        except DeltaProtocolError as error:  # a table with deletion vectors, which Spark's settings may ask for
            if self.engine.is_embedded:
                raise WarehouseError(
                    f"table {name} has features that the embedded engine cannot write: {error}. Run the same command "
                    "with --engine spark."
                ) from error
            return self._statements.compact(name, target, partitions, key)

    def old_files(self, name: str, retain_hours: float) -> int:
        """Count the files that `vacuum` would remove; Spark's statement lists 1,000 at most."""
        return self._logs.vacuum(name, retain_hours, dry_run=True) if self.exists(name) else 0

    def clean_log(self, name: str, days: int | None) -> None:
        """Checkpoint the log of a table, and remove entries that are older than their retention.

        Args:
            days: the retention from now on; None: it stays.
        """
        self.guard()
        self._logs.clean_log(name, days)

    def purge(self, name: str) -> None:
        """Rewrite the files with rows that are only marked as deleted, if the table may have deletion vectors."""
        self.guard()
        self.check_purge(name)
        if not self._rows_by_files:
            self._statements.purge(name)

    def check_purge(self, name: str) -> None:
        """Check that `purge` can do its work.

        Raises:
            WarehouseError: the engine cannot remove the rows behind deletion vectors.
        """
        if self._rows_by_files and may_have_deletion_vectors(self.properties(name)):
            raise WarehouseError(
                f"table {name} may have deletion vectors, and the embedded engine cannot remove the rows behind them "
                "from the files. Run the same command with --engine spark."
            )

    def version(self, name: str) -> int | None:
        """Return the latest version of a table; None where the table is absent."""
        return self._logs.last(name).version if self.exists(name) else None

    def lease_folder(self) -> str | None:
        """Return the folder of the lease where it is in a store, and Delta's own commits hold it; None elsewhere.

        Databricks has a service for commits, which keeps drivers apart on every store.
        """
        if self.root is not None:
            return self.root if isinstance(self._logs, SparkLogs) else None
        if "DATABRICKS_RUNTIME_VERSION" in os.environ or self.engine.is_remote:
            return None
        self.ensure("lease")
        return self._statements.location("lease").rstrip("/").removesuffix("/lease")

    def set_fence(self, generation: int) -> None:
        """Refuse commits of this process after commits of a holder of a later lease, where delta-rs makes them."""
        if isinstance(self._logs, DeltaLogs):
            self._logs.fence = generation

    def clear_staging(self) -> None:
        """Remove what killed processes left of their writes. Only who holds the lease may call this."""
        if self._files is not None:
            self._files.clear_staging()

    @contextlib.contextmanager
    def row_groups(self, rows: int | None) -> Iterator[None]:
        """Write files with row groups of about `rows` rows while the body runs; None: of the usual size."""
        if rows is None:
            yield
        elif self._rows_by_files:
            assert self._files is not None
            with self._files.row_groups(rows):
                yield
        else:
            with set_for_now(self.spark, **{_GROUP_BYTES: str(rows * _BYTES_OF_A_ROW)}):
                yield

    @contextlib.contextmanager
    def bounded_batches(self, name: str) -> Iterator[None]:
        """Send the rows of a table to Python in batches of a bounded number of bytes while the body runs.

        Spark's own limit in bytes sums a batch at every row, which takes most of a pass. So the number of rows follows
        from the size of the files, where a log tells it without a job. The embedded engine has one number of rows,
        which follows from its memory.
        """
        if self.engine.is_embedded or self.engine.is_remote:
            yield
            return
        given = self.spark.conf.get(_BATCH_ROWS, str(MOST_ROWS)) or ""
        most = int(given) if given.isdigit() and int(given) else MOST_ROWS
        with set_for_now(self.spark, **{_BATCH_ROWS: str(min(most, rows_per_batch(self.files(name))))}):
            yield

    def _write(
        self, name: str, rows: DataFrame | pa.Table, where: Mapping[str, str] | None, txn: str | None, version: int
    ) -> Commit:
        self.ensure(name)
        transaction = None if txn is None else (f"metaclip-spark:{name}:{txn}", version)
        if self._files is not None and (self._rows_by_files or isinstance(rows, pa.Table)):
            return self._write_files(self._files, name, rows, where, transaction)
        if isinstance(rows, pa.Table):
            rows = self.spark.createDataFrame(rows).coalesce(1)
        return self._write_rows(name, rows, where, transaction)

    def _write_files(
        self,
        files: LocalFiles,
        name: str,
        rows: DataFrame | pa.Table,
        where: Mapping[str, str] | None,
        txn: tuple[str, int] | None,
    ) -> Commit:
        assert isinstance(self._logs, DeltaLogs)
        if txn is not None and self._logs.committed(name, *txn):
            return Commit(name, self._logs.last(name).version, 0, False)
        done = files.write(name, rows, where, txn)
        if done is None:
            return Commit(name, self._logs.last(name).version, 0, False)
        return Commit(name, *done, was_new=True)

    def _write_rows(
        self, name: str, rows: DataFrame, where: Mapping[str, str] | None, txn: tuple[str, int] | None
    ) -> Commit:
        """Write rows through the Delta of Spark."""
        token = uuid.uuid4().hex
        table = TABLES[name]
        self.guard()
        options = {"userMetadata": token}
        if txn is not None:
            options |= {"txnAppId": txn[0], "txnVersion": str(txn[1])}
        # A write has rows of one partition, or of few. Without this setting Spark would sort whole rows by partition.
        settings = {_UNSORTED: _FILES_AT_ONCE} if table.partitioned_by else {}
        if (_AUTO_COMPACT, "false") in table.properties:
            settings[_COMPACTS] = "false"
        before = self._versions[name] if name in self._versions else self._logs.last(name).version

        rows = rows.select(*table.names)

        def save() -> None:
            if self.root is None and where is not None:
                # saveAsTable would define the table anew, which Spark's own catalog refuses unless the partition
                # columns are the last ones.
                rows.writeTo(self.identifier(name)).options(**options).overwrite(F.expr(equal_to(**where)))
                return
            replaced = {} if where is None else {"replaceWhere": equal_to(**where)}
            writer = rows.write.format("delta").mode("overwrite" if replaced else "append").options(**options)
            writer = writer.options(**replaced)
            if table.partitioned_by:
                writer = writer.partitionBy(*table.partitioned_by)
            if self.root is not None:
                writer.save(self.where(name))
            else:
                writer.saveAsTable(self.identifier(name))

        with set_for_now(self.spark, **settings):
            # A transaction is committed once, and a replaced partition is replaced whole. Another append may not be
            # repeated, and has no conflicts with maintenance.
            save() if txn is None and where is None else retried(save, TRIES, name, self._conflict)
        made = self._logs.find(name, token, before)
        if made is None:
            return Commit(name, self._logs.last(name).version, 0, False)
        self._versions[name] = made.version
        return Commit(name, made.version, made.rows, True)


def _plain(root: str) -> str:
    """Return a local folder as an absolute path, also one that is given as file:///folder; other uris stay."""
    address = urlsplit(root) if "://" in root else None
    if address is not None and address.scheme == "file" and address.netloc in ("", "localhost"):
        return os.path.abspath(unquote(address.path))
    return os.path.abspath(root) if address is None else root


def _remove_entries(folder: str) -> None:
    """Remove the files and folders of a table, without its log."""
    for entry in os.scandir(folder):
        if not entry.name.startswith("_"):
            shutil.rmtree(entry.path) if entry.is_dir() else os.unlink(entry.path)
