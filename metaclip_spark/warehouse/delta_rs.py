"""The logs of a warehouse's tables, through delta-rs: questions and commits without Spark.

delta-rs creates a version with a conditional create on every store, so of two writers one is refused.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, Schema, Transaction, WriterProperties
from deltalake.exceptions import CommitFailedError, TableNotFoundError
from deltalake.transaction import AddAction

from metaclip_spark.errors import LeaseError
from metaclip_spark.schemas import TABLES, Table
from metaclip_spark.warehouse.conflicts import OnConflict, ignored, retried

_TOKEN = "userMetadata"
_FENCE = "metaclip-spark:lease"
TRIES = 5
"""Number of times that a commit is made where other writers, such as a foreign OPTIMIZE, are in its way.

delta-rs repeats a commit by itself, and overlooks an OPTIMIZE meanwhile: the compacted rows that a replacement should
have removed would stay. So commits that remove files have no repetition of delta-rs, and are made anew here."""
_BATCH_ROWS = 1 << 14
_SORT_BYTES = 1 << 30
"""Bytes in memory while a partition is sorted; more are spilled."""
LOG_RETENTION = "delta.logRetentionDuration"
"""The property of a table that says how long entries of its log are kept."""
REFUSED = "%?#[]^|\\"
"""Characters in the path of a folder with which delta-rs 1.6 opens another folder, or none, or finds no history."""


def may_have_deletion_vectors(properties: Mapping[str, str] | None) -> bool:
    """Return whether rows of a table may be only marked as deleted, as its properties tell.

    >>> may_have_deletion_vectors({"delta.enableDeletionVectors": "true"}), may_have_deletion_vectors(None)
    (True, False)
    """
    known = properties or {}
    return "true" in known.get("delta.enableDeletionVectors", "") or "delta.feature.deletionVectors" in known


def can_name(folder: str) -> bool:
    """Return whether delta-rs opens a local folder of this name.

    >>> can_name("/data/my pairs"), can_name("/data/50%20")
    (True, False)
    """
    return not any(character in folder for character in REFUSED)


LONGEST_OF_SPARK = 32
"""Spark writes the first characters of a string as its statistic, so many at most."""


@dataclass(frozen=True)
class DataFile:
    """A Parquet file to commit.

    Attributes:
        path: relative to the table's folder, with / between its parts.
        partition: partition column -> value.
        smallest, largest: column -> value, of the columns whose statistics the log may have.
    """

    path: str
    size: int
    rows: int
    partition: Mapping[str, str | None]
    smallest: Mapping[str, Any]
    largest: Mapping[str, Any]

    def action(self) -> AddAction:
        """Return the file as an action of a commit."""
        stats: dict[str, Any] = {"numRecords": self.rows}
        if self.smallest:
            stats |= {"minValues": dict(self.smallest), "maxValues": dict(self.largest)}
        return AddAction(self.path, self.size, dict(self.partition), int(time.time() * 1000), True, json.dumps(stats))


@dataclass(frozen=True)
class LastCommit:
    """The last commit of a table: its version, the token that its writer gave it, and the rows that it wrote."""

    version: int
    token: str | None
    rows: int


class DeltaLogs:
    """The Delta logs of the tables at `root`/<table>.

    Args:
        root: an absolute path, or a uri that delta-rs reads (s3://, gs://, az://).
        options: of delta-rs's object stores; the environment gives the rest.
        on_conflict: gets each conflict after which a commit is made again.
    """

    def __init__(self, root: str, options: Mapping[str, str] = {}, on_conflict: OnConflict = ignored) -> None:
        self.root = root
        self._on_conflict = on_conflict
        self.fence: int | None = None
        """The generation of the lease that this process holds. A commit is refused after one of a later generation."""
        self._options = dict(options)

    def where(self, name: str) -> str:
        """Return the path or the uri of a table."""
        return f"{self.root}/{name}"

    def open(self, name: str, version: int | None = None) -> DeltaTable | None:
        """Return a table; None where there is none."""
        folder = self.where(name)
        if "://" not in folder and not os.path.isdir(os.path.join(folder, "_delta_log")):
            return None  # delta-rs would create the folder
        try:
            return DeltaTable(folder, version, storage_options=self._options or None)
        except TableNotFoundError:
            return None

    def create(self, table: Table) -> None:
        """Create a table with its comments, properties and constraints, or complete one that was interrupted."""
        found = self.open(table.name)
        if found is None:
            found = DeltaTable.create(
                self.where(table.name),
                _schema(table),
                mode="ignore",
                partition_by=list(table.partitioned_by) or None,
                description=table.comment,
                configuration=_properties(table),
                storage_options=self._options or None,
                raise_if_key_not_exists=False,
            )
        there = found.metadata().configuration
        missing = {check: condition for check, condition in table.checks if f"delta.constraints.{check}" not in there}
        if missing:
            found.alter.add_constraint(missing)

    def properties(self, name: str) -> dict[str, str] | None:
        """Return the properties of a table; None where there is no such table."""
        table = self.open(name)
        return None if table is None else dict(table.metadata().configuration)

    def set_property(self, name: str, key: str, value: str) -> None:
        """Set a property of a table."""
        # Not again after a conflict: a late holder of the lease must not overwrite what the next holder has announced.
        table = self._existing(name)
        table.alter.set_table_properties({key: value}, raise_if_not_exists=False)

    def columns(self, name: str) -> list[str]:
        """Return the names of a table's columns."""
        return [field.name for field in self._existing(name).schema().fields]

    def add_columns(self, table: Table, columns: Sequence[str]) -> None:
        """Add columns of `table` that the stored table lacks."""
        declared = Schema.from_arrow(_schema(table)).fields
        self._existing(table.name).alter.add_columns([field for field in declared if field.name in columns])

    def last(self, name: str) -> LastCommit:
        """Return the last commit of a table."""
        table = self._existing(name)
        commit = table.history(1)[-1]  # the first ones are of writers that committed since the table was opened
        return _commit_of(commit, table.version())

    def find(self, name: str, token: str, after: int) -> LastCommit | None:
        """Return the commit after a version that has a token; None where there is none.

        Others may commit at any time (OPTIMIZE, auto compaction), so the last commit of a table proves nothing.
        """
        table = self._existing(name)
        number = table.version() - after
        for commit in table.history(number) if number > 0 else []:
            if commit.get(_TOKEN) == token:
                return _commit_of(commit, commit["version"])
        return None

    def committed(self, name: str, txn: str, version: int) -> bool:
        """Return whether a transaction was committed, in this version of it or a later one."""
        return _is_committed(self._existing(name), txn, version)

    def commit(
        self,
        name: str,
        files: Iterable[DataFile],
        token: str,
        replaced: Mapping[str, str] | None = None,
        txn: tuple[str, int] | None = None,
    ) -> int | None:
        """Commit files; return the version, or None where the transaction was committed before.

        A commit that fails because another writer committed meanwhile is made again on the new version: the files are
        complete, and whatever they replace is replaced whole.

        Args:
            replaced: partition column -> value, of the partitions that the files replace; None: the files are added.
            txn: name and version of the application's transaction.

        Raises:
            LeaseError: a later holder of the lease committed to the table.
            deltalake.exceptions.CommitFailedError: other writers committed meanwhile, each time.
        """
        files, before = list(files), self._existing(name).version()
        for left in reversed(range(TRIES)):
            try:
                return self._commit(name, files, token, replaced, txn)
            except CommitFailedError as error:
                made = self.find(name, token, before)
                if made is not None:
                    return made.version
                if not left:
                    raise
                self._on_conflict(name, error)
        raise AssertionError("unreachable")

    def _commit(
        self,
        name: str,
        files: Sequence[DataFile],
        token: str,
        replaced: Mapping[str, str] | None,
        txn: tuple[str, int] | None,
    ) -> int | None:
        table = self._existing(name)
        before = table.version()
        fences = self._fences(table)
        # Asked of the version that the commit is made on: a transaction that is committed meanwhile is a conflict.
        if txn is not None and _is_committed(table, *txn):
            return None
        table.create_write_transaction(
            [file.action() for file in files],
            "append" if replaced is None else "overwrite",
            table.schema(),
            partition_by=list(TABLES[name].partitioned_by) or None,
            partition_filters=None if replaced is None else [(key, "=", value) for key, value in replaced.items()],
            commit_properties=CommitProperties(
                custom_metadata={_TOKEN: token},
                max_commit_retries=None if replaced is None else 0,
                app_transactions=[*([] if txn is None else [Transaction(*txn)]), *fences],
            ),
        )
        made = self.find(name, token, before)
        return before + 1 if made is None else made.version

    def delete(self, name: str, **where: str | Sequence[str]) -> None:
        """Delete the rows whose columns are equal to a value, or to one of several; without columns, all rows."""

        def work(table: DeltaTable) -> None:
            properties = CommitProperties(max_commit_retries=0, app_transactions=self._fences(table))
            table.delete(_predicate(where) if where else None, commit_properties=properties)

        retried(lambda: work(self._existing(name)), TRIES, name, self._on_conflict)

    def merge(
        self,
        name: str,
        rows: pa.Table,
        on: Sequence[str],
        update: Mapping[str, str] | None,
        delete: str,
        parts: Mapping[str, Sequence[str]] = {},
        only: Sequence[str] = (),
    ) -> int:
        """Change the rows t that are equal to one of `rows` (s) in the columns `on`; return their number.

        Args:
            update: column of t -> expression of s, for the rows that are not deleted; None: none is updated.
            delete: SQL condition on s and t, of the rows to delete.
            parts: partition column -> the values that `rows` has; files of other partitions are not read.
            only: conditions on t that hold for all rows to change; files without such a row are not read.
        """
        if any(not values for values in parts.values()):
            return 0
        condition = " AND ".join(f't."{column}" = s."{column}"' for column in on)
        for column, values in parts.items():
            condition += f" AND t.{_predicate({column: list(values)})}"
        condition = " AND ".join([condition, *only])

        def work(table: DeltaTable) -> dict[str, Any]:
            properties = CommitProperties(max_commit_retries=0, app_transactions=self._fences(table))
            merger = table.merge(
                rows, condition, source_alias="s", target_alias="t", streamed_exec=True, commit_properties=properties
            )
            merger = merger.when_matched_delete(delete)
            if update is not None:
                merger = merger.when_matched_update(dict(update))
            return dict(merger.execute())

        done = retried(lambda: work(self._existing(name)), TRIES, name, self._on_conflict)
        return int(done["num_target_rows_deleted"]) + int(done["num_target_rows_updated"])

    def vacuum(self, name: str, retain_hours: float, dry_run: bool = False) -> int:
        """Remove the files that no version of the last `retain_hours` needs, and files of no version; return how many.

        Args:
            dry_run: count, and remove nothing.
        """
        table = self._existing(name)
        hours = math.ceil(retain_hours)  # whole hours: rather keep a file too long
        listed = table.vacuum(hours, dry_run=dry_run, enforce_retention_duration=False, full=True)
        if not dry_run or "://" in self.root:
            return len(listed)
        # delta-rs also lists files that an earlier VACUUM removed, as long as the log has them.
        places = (os.path.join(self.root, name, path) for path in listed)
        return sum(os.path.exists(place) or os.path.exists(unquote(place)) for place in places)

    def files(self, name: str) -> list[tuple[dict[str, str], int, int | None]]:
        """Return (partition, bytes, rows) of each current data file."""
        actions = pa.table(self._existing(name).get_add_actions(flatten=True))
        prefix = "partition."
        keys = [column for column in actions.column_names if column.startswith(prefix)]
        columns = [actions[column].to_pylist() for column in ("size_bytes", "num_records", *keys)]
        return [
            ({key.removeprefix(prefix): value for key, value in zip(keys, values, strict=True)}, size, rows)
            for size, rows, *values in zip(*columns, strict=True)
        ]

    def compact(self, name: str, target: int, partitions: Sequence[Mapping[str, str]], key: str | None = None) -> int:
        """Merge small files of a table up to a size, in one commit that changes no row; return how many were merged.

        Args:
            partitions: the partitions with small files. delta-rs finds them itself, unless `key` is given.
            key: see `Warehouse.compact`; one commit per partition.
        """
        table, how = self._existing(name), WriterProperties(compression="ZSTD", compression_level=1)
        if key is None:
            commit = CommitProperties(app_transactions=self._fences(table))
            done = table.optimize.compact(target_size=target, writer_properties=how, commit_properties=commit)
            return int(done["numFilesRemoved"])
        removed = 0
        for partition in partitions:
            table = self._existing(name)
            done = table.optimize.z_order(
                [key],
                [(column, "=", value) for column, value in partition.items()] or None,
                target_size=target,
                max_spill_size=_SORT_BYTES,
                writer_properties=how,
                commit_properties=CommitProperties(app_transactions=self._fences(table)),
            )
            removed += int(done["numFilesRemoved"])
        return removed

    def clean_log(self, name: str, days: int | None) -> None:
        """Write a checkpoint of a table's log, and remove the entries that are older than their retention.

        Args:
            days: the retention from now on; None: it stays.
        """
        if days is not None:
            self.set_property(name, LOG_RETENTION, f"interval {days} days")
        table = self._existing(name)
        table.create_checkpoint()
        table.cleanup_metadata()

    def rows(
        self,
        name: str,
        columns: Sequence[str] | None = None,
        version: int | None = None,
        /,
        **where: str | Sequence[str],
    ) -> pa.Table:
        """Return the rows of a small table, in no order; an absent table is empty.

        Args:
            columns: names; None: all columns.
            version: of the table; None: the latest one.
            where: column -> a value, or several.
        """
        schema = TABLES[name].arrow
        if columns is not None:
            schema = pa.schema([schema.field(column) for column in columns])
        table = self.open(name, version)
        if table is None:
            return schema.empty_table()
        filters: Any = [
            (key, "=", value) if isinstance(value, str) else (key, "in", list(value)) for key, value in where.items()
        ]
        filters = filters or None
        return table.to_pyarrow_table(columns=schema.names, filters=filters).cast(schema)

    def batches(self, name: str, columns: Sequence[str], **where: str) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a large table, in no order, a bounded number at a time.

        Args:
            where: column -> a value; of one column at least.
        """
        schema = pa.schema([TABLES[name].arrow.field(column) for column in columns])
        condition = reduce(and_, [pc.field(key) == value for key, value in where.items()])
        rows = self._existing(name).to_pyarrow_dataset()
        batches = rows.to_batches(
            columns=schema.names, filter=condition, batch_size=_BATCH_ROWS, batch_readahead=4, fragment_readahead=1
        )
        for batch in batches:
            yield pa.record_batch([batch.column(field.name).cast(field.type) for field in schema], schema=schema)

    def is_empty(self, name: str) -> bool:
        """Return whether a table has no file with rows."""
        actions = pa.table(self._existing(name).get_add_actions(flatten=True))
        numbers = actions["num_records"].to_pylist() if actions.num_rows else []
        return not any(number is None or number for number in numbers)

    def count(self, name: str, **where: str) -> int | None:
        """Return the number of rows of some partitions; None where the log does not tell it.

        Args:
            where: partition column -> value.
        """
        numbers = self._of_files(name, "num_records", where)
        if numbers is None or None in numbers or self._has_deleted_rows(name):
            return None
        return int(sum(numbers))

    def values(self, name: str, column: str, **where: str) -> list[str] | None:
        """Return the values of a column whose files have one value each; None where the log does not tell it.

        Args:
            where: partition column -> value.
        """
        smallest = self._of_files(name, f"min.{column}", where)
        largest = self._of_files(name, f"max.{column}", where)
        if smallest is None or smallest != largest:
            return None
        # Spark cuts longer values.
        is_whole = all(value is not None and len(value) < LONGEST_OF_SPARK for value in smallest)
        return list(set(smallest)) if is_whole else None

    def _of_files(self, name: str, column: str, where: Mapping[str, str]) -> list[Any] | None:
        """Return a column of the table's current files that have rows; None where the log does not have it."""
        actions = pa.table(self._existing(name).get_add_actions(flatten=True))
        if not actions.num_rows:
            return []
        if column not in actions.column_names:
            return None
        chosen = pc.fill_null(pc.not_equal(actions["num_records"], 0), True)
        for key, value in where.items():
            chosen = pc.and_(chosen, pc.equal(actions[f"partition.{key}"], value))
        values: list[Any] = actions.filter(chosen)[column].to_pylist()
        return values

    def _has_deleted_rows(self, name: str) -> bool:
        """Return whether rows of files may be marked as deleted; then the files' numbers of rows are too high."""
        return "deletionVectors" in (self._existing(name).protocol().reader_features or [])

    def bytes_by(self, name: str, column: str) -> dict[str, int]:
        """Return value of a partition column -> bytes of the table's current files."""
        table = self.open(name)
        if table is None:
            return {}
        sizes: dict[str, int] = {}
        actions = pa.table(table.get_add_actions(flatten=True))
        for value, size in zip(
            actions[f"partition.{column}"].to_pylist(), actions["size_bytes"].to_pylist(), strict=True
        ):
            sizes[value] = sizes.get(value, 0) + size
        return sizes

    def _fences(self, table: DeltaTable) -> list[Transaction]:
        """Return the transaction that makes a commit conflict with those of other holders of the lease.

        Raises:
            LeaseError: a later holder committed to the table.
        """
        if self.fence is None:
            return []
        if _is_committed(table, _FENCE, self.fence + 1):
            raise LeaseError(
                f"the lease on {self.root} ended (a suspended machine?), and another run wrote since. Nothing was "
                "written. Run the same command again to go on."
            )
        return [Transaction(_FENCE, self.fence)]

    def _existing(self, name: str) -> DeltaTable:
        table = self.open(name)
        if table is None:
            raise TableNotFoundError(f"{self.where(name)} is no Delta table")
        return table


def _is_committed(table: DeltaTable, txn: str, version: int) -> bool:
    before = table.transaction_version(txn)
    return before is not None and before >= version


def _predicate(where: Mapping[str, str | Sequence[str]]) -> str:
    """Return the condition in the SQL of delta-rs, whose strings have no backslash escapes.

    >>> print(_predicate({"snapshot": "a'b", "batch_id": ["c", "d"]}))
    snapshot = 'a''b' AND batch_id IN ('c', 'd')
    """
    parts = []
    for column, value in where.items():
        values = [value] if isinstance(value, str) else list(value)
        quoted = ["'" + one.replace("'", "''") + "'" for one in values]
        parts.append(f"{column} = {quoted[0]}" if isinstance(value, str) else f"{column} IN ({', '.join(quoted)})")
    return " AND ".join(parts)


def _schema(table: Table) -> pa.Schema:
    comments = {column.name: {"comment": column.comment} for column in table.columns}
    return pa.schema([field.with_metadata(comments[field.name]) for field in table.arrow])


def _properties(table: Table) -> dict[str, str | None]:
    return {**stats_properties(table), **dict(table.properties)}


def stats_properties(table: Table) -> dict[str, str]:
    """Return the properties that keep urls and texts out of the log: it has the statistics of `stats_columns` only."""
    if not table.stats_columns:
        return {"delta.dataSkippingNumIndexedCols": "0"}
    return {"delta.dataSkippingStatsColumns": ",".join(table.stats_columns)}


def _commit_of(commit: Mapping[str, Any], version: int) -> LastCommit:
    """Return a commit of a table's history."""
    rows = (commit.get("operationMetrics") or {}).get("numOutputRows", 0)
    return LastCommit(version, commit.get(_TOKEN), int(rows))
