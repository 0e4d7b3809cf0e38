"""Maintenance by Spark's statements, as for catalogs and object stores: files, merging, VACUUM by the hour, codec."""

from __future__ import annotations

import hashlib
import json
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from metaclip_spark.schemas import TABLES
from metaclip_spark.spark.embedded import is_embedded
from metaclip_spark.steps.maintain import Upkeep, maintained
from metaclip_spark.warehouse.data_files import by_partition
from metaclip_spark.warehouse.tables import Warehouse

pytestmark = pytest.mark.spark
HOUR = 3600


@pytest.fixture
def named(spark, tmp_path) -> Iterator[tuple[Warehouse, Path]]:
    """Yield a warehouse in a catalog, whose tables only Spark's statements reach, and its folder."""
    if is_embedded(spark):
        pytest.skip("the embedded engine has no catalogs")
    schema = f"upkeep_{uuid.uuid4().hex[:8]}"
    spark.sql(f"CREATE SCHEMA {schema} LOCATION '{tmp_path}/tables'")
    yield Warehouse(spark, catalog=f"spark_catalog.{schema}"), tmp_path / "tables"
    spark.sql(f"DROP SCHEMA {schema} CASCADE")


def counts(spark, snapshot: str, number: int):
    """Return rows of `entry_counts` in one partition."""
    rows = [("m", "und", snapshot, at, f"entry {at}", at + 1) for at in range(number)]
    return spark.createDataFrame(rows, TABLES["entry_counts"].ddl).coalesce(1)


def files_of(folder: Path, table: str) -> list[Path]:
    """Return the data files on disk."""
    return sorted(file for file in (folder / table).rglob("*.parquet") if "_delta_log" not in file.parts)


@pytest.mark.slow
def test_files_are_counted_from_the_log_and_merged_by_partition(spark, named):
    """One partition of many small files becomes one file; a partition of one file is not touched."""
    warehouse, folder = named
    for number in range(5):
        warehouse.append("entry_counts", counts(spark, "a", 10 + number))
    warehouse.append("entry_counts", counts(spark, "b", 10))
    found = {part.partition["snapshot"]: part for part in warehouse.files("entry_counts")}
    assert {name: (part.files, part.rows) for name, part in found.items()} == {"a": (5, 60), "b": (1, 10)}
    assert sum(part.bytes for part in found.values()) == sum(f.stat().st_size for f in files_of(folder, "entry_counts"))
    assert warehouse.bytes_by("entry_counts", "snapshot") == {name: part.bytes for name, part in found.items()}

    before = sorted(warehouse.read("entry_counts").collect())
    planned = {table.table: table for table in maintained(warehouse, Upkeep(), dry_run=True)}
    assert (planned["entry_counts"].merged, planned["entry_counts"].after) == (5, 2)
    assert len(files_of(folder, "entry_counts")) == 6
    done = {table.table: table for table in maintained(warehouse, Upkeep(retain_hours=0))}
    assert (done["entry_counts"].merged, done["entry_counts"].after, done["entry_counts"].problem) == (5, 2, None)
    assert len(files_of(folder, "entry_counts")) == 2
    assert sorted(warehouse.read("entry_counts").collect()) == before
    assert (folder / "entry_counts" / "_delta_log" / "_last_checkpoint").exists()


def test_vacuum_keeps_the_hours_that_it_is_given(spark, named):
    """Delta 4.4 would ignore them, and keep the deleted rows of a takedown for the seven days of the table."""
    warehouse, folder = named
    warehouse.append("entry_counts", counts(spark, "a", 10))
    warehouse.delete("entry_counts", snapshot="a")
    (file,) = files_of(folder, "entry_counts")
    log = max((folder / "entry_counts" / "_delta_log").glob("*.json"))
    ago = int((time.time() - 3 * HOUR) * 1000)
    os.utime(file, (time.time() - 5 * HOUR,) * 2)  # VACUUM removes no file that is younger than the hours
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    for line in lines:
        if "remove" in line:
            line["remove"]["deletionTimestamp"] = ago
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    for check in (folder / "entry_counts" / "_delta_log").glob(".*.crc"):
        check.unlink()
    spark.sql(f"REFRESH TABLE {warehouse.identifier('entry_counts')}")
    spark._jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()
    assert warehouse.old_files("entry_counts", 4) == 0
    warehouse.vacuum("entry_counts", 4)
    assert file.exists()
    assert warehouse.old_files("entry_counts", 2) == 1
    warehouse.vacuum("entry_counts", 2)
    assert not file.exists()


def test_spark_writes_the_codec_of_the_embedded_engine(spark, named):
    """Appended, merged and rewritten files are zstd."""
    warehouse, folder = named
    for number in range(2):
        warehouse.append("entry_counts", counts(spark, "a", 1000 + number))
    warehouse.compact("entry_counts", 128 << 20, [])
    warehouse.delete("entry_counts", entry="entry 3")
    files = files_of(folder, "entry_counts")
    assert len(files) == 4
    assert {pq.read_metadata(file).row_group(0).column(0).compression for file in files} == {"ZSTD"}


def test_a_one_row_event_is_one_file_and_one_task(spark, named):
    """It leaves no file that no version names, and no job of as many tasks as the cluster has cores."""
    warehouse, folder = named
    row = {name: None for name in TABLES["runs"].names} | {"run_id": "r", "event": "started"}
    warehouse.append("runs", pa.Table.from_pylist([row], TABLES["runs"].arrow))
    assert len(files_of(folder, "runs")) == 1
    assert [(part.files, part.rows) for part in warehouse.files("runs")] == [(1, 1)]


@pytest.mark.slow
def test_writes_are_counted_with_auto_compaction_on(spark, named):
    """Auto compaction commits right after a write: the write is still seen as new, with its rows."""
    warehouse, _ = named
    settings = {
        "spark.databricks.delta.autoCompact.enabled": "true",
        "spark.databricks.delta.autoCompact.minNumFiles": "2",
    }
    for name, value in settings.items():
        spark.conf.set(name, value)
    try:
        done = [warehouse.append("entry_counts", counts(spark, "a", 5), txn=f"t{number}") for number in range(4)]
        repeated = warehouse.append("entry_counts", counts(spark, "a", 5), txn="t3")
        replaced = warehouse.replace("entry_counts", counts(spark, "a", 7), snapshot="a")
    finally:
        for name in settings:
            spark.conf.unset(name)
    history = spark.sql(f"DESCRIBE HISTORY {warehouse.identifier('entry_counts')}")
    operations = [row["operation"] for row in history.collect()]
    assert "OPTIMIZE" in operations, "auto compaction did not run, so this test shows nothing"
    assert [(commit.was_new, commit.rows) for commit in done] == [(True, 5)] * 4
    assert (repeated.was_new, repeated.rows) == (False, 0)
    assert (replaced.was_new, replaced.rows) == (True, 7)
    assert warehouse.read("entry_counts").count() == 7


@pytest.mark.parametrize("through", ["this engine", pytest.param("Spark's statements", marks=pytest.mark.slow)])
def test_merged_files_of_pairs_are_neighbours(spark, warehouse, monkeypatch, through):
    """Two batches of files that each span all ids become files of which each spans a part; no row changes."""
    if through != "this engine":
        if is_embedded(spark):
            pytest.skip("the embedded engine maintains through delta-rs only")
        monkeypatch.setattr(warehouse, "_logs", warehouse._statements)
    for batch in range(2):
        ids = sorted(uuid.uuid5(uuid.NAMESPACE_URL, f"{batch}/{number}").hex for number in range(4000))
        for part in range(4):
            rows = [
                {
                    "metadata_id": "m",
                    "snapshot": "s",
                    "batch_id": f"b{batch}",
                    "pair_id": key,
                    "text": hashlib.sha512(key.encode()).hexdigest(),
                }
                for key in ids[part * 1000 : (part + 1) * 1000]
            ]
            full = [tuple(row.get(name) for name in TABLES["pairs"].names) for row in rows]
            warehouse.append("pairs", spark.createDataFrame(full, TABLES["pairs"].ddl).coalesce(1))
    before = sorted(row["pair_id"] for row in warehouse.read("pairs").select("pair_id").collect())
    (part,) = warehouse.files("pairs")
    target = part.bytes // 3
    (part,) = warehouse.files("pairs", target)
    assert (part.files, part.shall_be_sorted) == (8, True)
    done = {table.table: table for table in maintained(warehouse, Upkeep(target=target, vacuums=False))}
    assert (done["pairs"].merged >= 8, done["pairs"].problem) == (True, None)
    actions = pa.table(DeltaTable(warehouse.where("pairs")).get_add_actions(flatten=True))
    assert 2 <= actions.num_rows < 8
    first, last = (
        [int(key[:8], 16) / 2**32 for key in actions[f"{end}.pair_id"].to_pylist()] for end in ("min", "max")
    )
    # Spark divides the order into a thousand ranges, so the files may share the ids of a range. Two batches would be 2.
    assert sum(b - a for a, b in zip(first, last, strict=True)) < 1.02
    assert sorted(row["pair_id"] for row in warehouse.read("pairs").select("pair_id").collect()) == before


def test_a_partition_is_sorted_where_that_pays():
    """One merged file needs no order, and a few small files are no reason to write a large partition anew."""
    sizes = {"one file": [10] * 5, "several": [30] * 10, "few bytes": [100] * 40 + [30] * 10}
    found = {name: by_partition([({}, size, 1) for size in of], 100)[0] for name, of in sizes.items()}
    assert {name: part.shall_be_sorted for name, part in found.items()} == {
        "one file": False,
        "several": True,
        "few bytes": False,
    }
