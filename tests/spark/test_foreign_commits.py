"""Others commit to the tables at any time: auto compaction and OPTIMIZE change no answer of a write, and stop none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from deltalake import DeltaTable

from metaclip_spark.schemas import TABLES
from metaclip_spark.spark.embedded import is_embedded
from metaclip_spark.warehouse import delta_rs, statements
from metaclip_spark.warehouse.conflicts import kind_of_conflict
from metaclip_spark.warehouse.lease import Lease
from metaclip_spark.warehouse.tables import Warehouse

pytestmark = pytest.mark.spark

COMPACTS = {"spark.databricks.delta.autoCompact.enabled": "true", "spark.databricks.delta.autoCompact.minNumFiles": "2"}


def rows(spark: Any, *numbers: int, run_id: str = "a"):
    """Return rows of `run_statistics`."""
    return spark.createDataFrame([(run_id, "n", number, 1) for number in numbers], TABLES["run_statistics"].ddl)


def compact(warehouse: Warehouse, name: str) -> None:
    """Compact a table as another process does."""
    DeltaTable(warehouse.where(name)).optimize.compact()


def operations(warehouse: Warehouse, name: str) -> list[str]:
    """Return the operations of a table's log, oldest first."""
    return [commit["operation"] for commit in reversed(DeltaTable(warehouse.where(name)).history())]


@pytest.fixture
def compacting(spark) -> Iterator[None]:
    """Switch auto compaction on, from two files on."""
    if is_embedded(spark):
        pytest.skip("the embedded engine has no auto compaction")
    for name, value in COMPACTS.items():
        spark.conf.set(name, value)
    yield
    for name in COMPACTS:
        spark.conf.unset(name)


@pytest.mark.slow
def test_with_auto_compaction_writes_are_new_and_have_their_rows(spark, warehouse, compacting):
    """The commit after ours is not ours: the answer is about ours. A repeated transaction is still not new."""
    for number in range(4):
        commit = warehouse.append("run_statistics", rows(spark, number, number + 10), txn=f"t{number}")
        assert (commit.was_new, commit.rows) == (True, 2)
        assert operations(warehouse, "run_statistics")[commit.version] == "WRITE"
    assert "OPTIMIZE" in operations(warehouse, "run_statistics")
    again = warehouse.append("run_statistics", rows(spark, 3, 13), txn="t3")
    assert (again.was_new, again.rows) == (False, 0)
    replaced = warehouse.replace("run_statistics", rows(spark, 1), run_id="a")
    assert (replaced.was_new, replaced.rows) == (True, 1)
    assert warehouse.read("run_statistics").count() == 1


@pytest.mark.slow
def test_the_lease_is_taken_and_never_compacted_with_auto_compaction_on(spark, warehouse, compacting, monkeypatch):
    """A process is not refused by its own lease, whoever writes the row: delta-rs, or Spark's Delta."""
    monkeypatch.setattr(warehouse, "_files", None)
    monkeypatch.setattr(warehouse, "_logs", warehouse._statements)
    for _ in range(4):
        lease = Lease(warehouse)
        lease.acquire()
        lease.check()
        lease.release()
    for number in range(3):
        row = {"run_id": f"{number}", "event": "started", "attempt_id": "a", "config": "{}"}
        frame = spark.createDataFrame([tuple(row.get(name) for name in TABLES["runs"].names)], TABLES["runs"].ddl)
        assert warehouse.append("runs", frame).was_new
    assert "OPTIMIZE" not in [*operations(warehouse, "lease"), *operations(warehouse, "runs")]


@pytest.mark.parametrize("through", ["this engine", pytest.param("Spark's statements", marks=pytest.mark.slow)])
def test_an_optimize_right_after_a_write_changes_no_answer(spark, warehouse, monkeypatch, through):
    """Several foreign commits lie between a write and its question, as on a busy catalog."""
    if through != "this engine":
        if is_embedded(spark):
            pytest.skip("the embedded engine commits by delta-rs only")
        monkeypatch.setattr(warehouse, "_logs", warehouse._statements)
    warehouse.append("run_statistics", rows(spark, 1))
    for module, name in ((delta_rs, "DeltaLogs"), (statements, "SparkLogs")):
        found = getattr(module, name).find

        def after_others(self, table, token, after, found=found):
            compact(warehouse, table)
            DeltaTable(warehouse.where(table)).alter.set_table_properties({"x.y": "z"}, raise_if_not_exists=False)
            return found(self, table, token, after)

        monkeypatch.setattr(getattr(module, name), "find", after_others)
    for number in (2, 3):
        commit = warehouse.append("run_statistics", rows(spark, number, number + 10), txn=f"t{number}")
        assert (commit.was_new, commit.rows) == (True, 2)
        assert operations(warehouse, "run_statistics")[commit.version] in ("WRITE", "Write")
    again = warehouse.append("run_statistics", rows(spark, 3, 13), txn="t3")
    assert (again.was_new, again.rows) == (False, 0)
    assert warehouse.read("run_statistics").count() == 5


def test_an_optimize_in_the_middle_of_a_replacement_is_no_error(spark, warehouse, monkeypatch):
    """The files that a replacement, a deletion or a merge is to remove are compacted meanwhile: it is repeated."""
    if not is_embedded(spark):
        pytest.skip("the moment is inside a commit of delta-rs")
    for number in range(4):
        warehouse.append("run_statistics", rows(spark, number))
    fences = delta_rs.DeltaLogs._fences
    left = []

    def late(self, table):
        if left:
            left.pop()
            compact(warehouse, "run_statistics")
        return fences(self, table)

    monkeypatch.setattr(delta_rs.DeltaLogs, "_fences", late)
    said = []
    warehouse.on_conflict = lambda name, error: said.append((name, kind_of_conflict(error)))
    left.append(1)
    commit = warehouse.replace("run_statistics", rows(spark, 7, 8), txn="r", run_id="a")
    assert (commit.was_new, commit.rows, left) == (True, 2, [])
    assert sorted(row["key"] for row in warehouse.read("run_statistics").collect()) == [7, 8]
    warehouse.append("run_statistics", rows(spark, 9))
    left.append(1)
    assert warehouse.merge("run_statistics", rows(spark, 8), ["run_id", "key"]) == 1
    warehouse.append("run_statistics", rows(spark, 10))
    left.append(1)
    warehouse.delete("run_statistics", run_id="a")
    assert (warehouse.read("run_statistics").count(), left) == (0, [])
    assert said == [("run_statistics", "CommitFailedError")] * 3


def test_a_conflict_of_spark_is_repeated_where_that_is_safe(spark, warehouse, monkeypatch):
    """A write with a transaction, and one that replaces, are repeated; an append without either is not."""
    if is_embedded(spark):
        pytest.skip("the embedded engine commits by delta-rs only")
    from pyspark.sql import DataFrameWriter

    warehouse.ensure("run_statistics")
    save, failures = DataFrameWriter.save, []

    def failing(self, *args, **kwargs):
        if failures:
            raise RuntimeError(failures.pop())
        save(self, *args, **kwargs)

    monkeypatch.setattr(DataFrameWriter, "save", failing)
    said = []
    warehouse.on_conflict = lambda name, error: said.append((name, str(error).partition(":")[0]))
    failures[:] = ["[DELTA_CONCURRENT_APPEND] ConcurrentAppendException: files were added"] * 2
    assert warehouse.append("run_statistics", rows(spark, 1), txn="t").rows == 1
    failures[:] = ["ConcurrentDeleteReadException"]
    assert warehouse.replace("run_statistics", rows(spark, 2, 3), run_id="a").rows == 2
    appended = ("run_statistics", "[DELTA_CONCURRENT_APPEND] ConcurrentAppendException")
    assert said == [appended, appended, ("run_statistics", "ConcurrentDeleteReadException")]
    failures[:] = ["ConcurrentAppendException"]
    with pytest.raises(RuntimeError, match="ConcurrentAppend"):
        warehouse.append("run_statistics", rows(spark, 4))
    failures[:] = ["disk full"] * 2
    with pytest.raises(RuntimeError, match="disk full"):
        warehouse.append("run_statistics", rows(spark, 4), txn="u")
    assert len(failures) == 1
    assert warehouse.read("run_statistics").count() == 2
