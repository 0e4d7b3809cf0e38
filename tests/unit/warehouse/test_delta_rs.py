"""Questions that the logs of a local warehouse answer, without an engine."""

from __future__ import annotations

import pyarrow as pa
import pytest

from metaclip_spark.schemas import EXTRACTED, TABLES
from metaclip_spark.spark.engine import Engine
from metaclip_spark.warehouse.delta_rs import DeltaLogs
from metaclip_spark.warehouse.files import LocalFiles
from metaclip_spark.warehouse.tables import Warehouse


@pytest.fixture
def warehouse(tmp_path) -> Warehouse:
    """Return a warehouse whose engine must not start."""
    return Warehouse(Engine(lambda: pytest.fail("an engine was started"), True, False), str(tmp_path))


def rows_of(name: str, *rows: dict[str, object]) -> pa.Table:
    """Return rows of a table; columns that are not given are null."""
    return pa.Table.from_pylist([dict.fromkeys(TABLES[name].names) | row for row in rows], TABLES[name].arrow)


def staged(snapshot: str, batch_id: str, *kinds: str) -> pa.Table:
    """Return staged rows of one batch."""
    pool = {"metadata_id": "m", "snapshot": snapshot, "batch_id": batch_id}
    return rows_of(EXTRACTED.name, *({**pool, "kind": kind} for kind in kinds))


def write(warehouse: Warehouse, rows: pa.Table) -> None:
    """Add staged rows as one file of a partition, as a batch of extraction does."""
    (snapshot,) = set(rows["snapshot"].to_pylist())
    before = warehouse.rows(EXTRACTED.name, metadata_id="m", snapshot=snapshot)
    assert before.num_rows == 0
    warehouse.replace(EXTRACTED.name, rows, metadata_id="m", snapshot=snapshot)


def test_rows_of_partitions_are_counted_from_the_log(warehouse):
    """An absent table has no rows, and a partition only its own."""
    assert warehouse.count(EXTRACTED.name, metadata_id="m") == 0
    write(warehouse, staged("a", "b1", "pair", "source"))
    write(warehouse, staged("c", "b2", "pair"))
    assert warehouse.count(EXTRACTED.name, metadata_id="m") == 3
    assert warehouse.count(EXTRACTED.name, metadata_id="m", snapshot="c") == 1
    assert warehouse.count(EXTRACTED.name, metadata_id="n") == 0


def test_value_of_whole_files_is_read_from_the_log(warehouse):
    """A batch is one commit, so each file has one batch id."""
    assert warehouse.values(EXTRACTED.name, "batch_id", metadata_id="m") == []
    write(warehouse, staged("a", "b2", "pair", "source"))
    write(warehouse, staged("c", "b1", "pair"))
    assert warehouse.values(EXTRACTED.name, "batch_id", metadata_id="m") == ["b1", "b2"]
    assert warehouse.values(EXTRACTED.name, "batch_id", metadata_id="m", snapshot="a") == ["b2"]


@pytest.mark.parametrize("batches", [("b1", "b2"), ("b" * 40, "b" * 40)], ids=["two values", "cut by Spark"])
def test_values_that_the_log_does_not_tell_are_asked_of_the_engine(warehouse, batches):
    """Only smallest and largest values are in the log, and Spark cuts them."""
    write(warehouse, rows_of(EXTRACTED.name, *({"metadata_id": "m", "snapshot": "a", "batch_id": b} for b in batches)))
    with pytest.raises(pytest.fail.Exception, match="an engine was started"):
        warehouse.values(EXTRACTED.name, "batch_id", metadata_id="m")


def test_rows_are_chosen_by_one_value_or_several_and_by_version(warehouse):
    """The snapshots of a command are read in one go; a pinned version is read as it was."""
    first = warehouse.append("planned", rows_of("planned", *({"snapshot": name, "split": 0} for name in "abc")))
    warehouse.append("planned", rows_of("planned", {"snapshot": "a", "split": 1}))
    assert sorted(warehouse.rows("planned", ["snapshot"], snapshot=["a", "c"])["snapshot"].to_pylist()) == [*"aac"]
    assert warehouse.rows("planned", ["split"], first.version, snapshot="a").to_pylist() == [{"split": 0}]


def test_partition_of_an_odd_name_is_replaced_and_read_back(warehouse):
    """Snapshots are named by users: a slash or a space makes no folder."""
    name = "CC/2024 10=%é"
    for count in (2, 3):
        rows = rows_of("entry_counts", {"metadata_id": "m", "snapshot": name, "entry_id": 1, "count": count})
        warehouse.replace("entry_counts", rows, metadata_id="m", snapshot=name)
    assert warehouse.rows("entry_counts", ["count"], snapshot=name).to_pylist() == [{"count": 3}]
    assert warehouse.count("entry_counts", snapshot=name) == 1


def test_last_commit_is_that_of_the_opened_version(warehouse, monkeypatch):
    """Another process commits between opening a table and reading its history."""
    warehouse.append("planned", rows_of("planned", {"snapshot": "a"}))
    logs = DeltaLogs(warehouse.root)
    opened, last = logs.open("planned"), logs.last("planned")
    warehouse.append("planned", rows_of("planned", {"snapshot": "b"}))
    monkeypatch.setattr(logs, "_existing", lambda name: opened)
    assert logs.last("planned") == last
    assert last.token


def test_a_write_beside_a_foreign_commit_is_repeated(tmp_path, monkeypatch):
    """A tool changes the table between the reading of the log and the commit, which then conflicts."""
    logs = DeltaLogs(str(tmp_path))
    files = LocalFiles(str(tmp_path), logs, lambda: None)
    logs.create(TABLES["run_statistics"])

    def rows(value: int) -> pa.Table:
        row = {"run_id": "r", "name": "n", "key": 0, "value": value}
        return pa.Table.from_pylist([row], TABLES["run_statistics"].arrow)

    assert files.write("run_statistics", rows(1), {"run_id": "r"}) == (1, 1)
    fences, came = logs._fences, []

    def between(table):
        if not came:
            came.append(True)
            logs.set_property("run_statistics", "delta.logRetentionDuration", "interval 9 days")
        return fences(table)

    monkeypatch.setattr(logs, "_fences", between)
    assert files.write("run_statistics", rows(2), {"run_id": "r"}, ("t", 1)) == (3, 1)
    assert logs.rows("run_statistics")["value"].to_pylist() == [2]
    assert files.write("run_statistics", rows(3), {"run_id": "r"}, ("t", 1)) is None


def test_the_commit_of_a_write_is_found_behind_those_of_other_tools(tmp_path):
    """Compaction after a write is the last commit; the write's own is before it."""
    logs = DeltaLogs(str(tmp_path))
    files = LocalFiles(str(tmp_path), logs, lambda: None)
    logs.create(TABLES["takedowns"])
    row = pa.Table.from_pylist([dict.fromkeys(TABLES["takedowns"].names)], TABLES["takedowns"].arrow)
    for _ in range(2):
        files.write("takedowns", row)
    token = logs.last("takedowns").token
    assert logs.compact("takedowns", 1 << 20, []) == 2
    assert logs.last("takedowns").token is None
    found = logs.find("takedowns", token, 0)
    assert (found.version, found.token) == (2, token)
    assert logs.find("takedowns", token, 2) is None
    assert logs.find("takedowns", "another", 0) is None


def test_a_merge_reads_only_the_partitions_of_its_rows(tmp_path):
    """A takedown of one snapshot does not read the files of the others."""
    logs = DeltaLogs(str(tmp_path))
    files = LocalFiles(str(tmp_path), logs, lambda: None)
    logs.create(TABLES["entry_counts"])
    schema = TABLES["entry_counts"].arrow

    def rows(snapshot: str) -> pa.Table:
        row = {"metadata_id": "m", "lang": "und", "snapshot": snapshot, "entry_id": 1, "entry": "a", "count": 1}
        return pa.Table.from_pylist([row], schema)

    for snapshot in ("a", "b'c", "d"):
        files.write("entry_counts", rows(snapshot), {"metadata_id": "m", "snapshot": snapshot})
    on = ("metadata_id", "snapshot", "entry_id")
    parts = {"metadata_id": ["m"], "snapshot": ["b'c"]}
    assert logs.merge("entry_counts", rows("b'c").select(on), on, None, "true", parts) == 1
    metrics = logs.open("entry_counts").history(1)[0]["operationMetrics"]
    assert int(metrics["num_target_files_scanned"]) == 1, metrics
    assert sorted(logs.rows("entry_counts")["snapshot"].to_pylist()) == ["a", "d"]
    assert logs.merge("entry_counts", rows("a").select(on)[:0], on, None, "true", {"snapshot": []}) == 0
