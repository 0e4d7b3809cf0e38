"""The command maintain: few files, no old ones, short logs, and not one row changed; runs go on before and after."""

from __future__ import annotations

import json
import os
import statistics
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from e2e_world import ENTRIES, assert_same, call, flag_words, row, table_state, write_parquet

from metaclip_spark.schemas import TABLES
from metaclip_spark.warehouse.delta_rs import DeltaLogs

pytestmark = [
    pytest.mark.spark,
    pytest.mark.timeout(1800),
    pytest.mark.skipif("METACLIP_TEST_REMOTE" in os.environ, reason="reads the files of a local warehouse"),
]
ODD = "a.b-c_d+e"
"""A name of a snapshot with all characters that it may have besides letters and digits."""


def crawls(world, number: int, size: int, names: list[str] | None = None) -> list[list[object]]:
    """Write generated crawls of one third repeats, and return the words of a run of each."""
    words = []
    for crawl in range(number):
        name = names[crawl] if names else f"crawl-{crawl}"
        pool = world.root / f"pool-{crawl}"
        for part in range(3):
            first = crawl * size * 2 // 3 + part * size // 3
            rows = [row("c", at) for at in range(first, first + size // 3)]
            unmatched = (f"http://example.org/n/{crawl}-{part}.jpg", "nothing here", "en", "f" * 32, "unmatched")
            write_parquet(pool / f"{part}.parquet", [*rows, unmatched])
        words.append(world.words("warehouse", "--snapshot", name, input=pool))
    return words


def data_files(warehouse: Path) -> dict[str, dict[tuple, list[int]]]:
    """Return table -> partition -> sizes of the current data files."""
    logs = DeltaLogs(str(warehouse))
    found: dict[str, dict[tuple, list[int]]] = {}
    for name in TABLES:
        if logs.open(name) is not None:
            partitions = found.setdefault(name, {})
            for partition, size, _ in logs.files(name):
                partitions.setdefault(tuple(sorted(partition.items())), []).append(size)
    return found


def on_disk(warehouse: Path) -> int:
    """Return the number of Parquet files of the tables on disk, logs not counted."""
    return sum("_delta_log" not in file.parts for name in TABLES for file in (warehouse / name).rglob("*.parquet"))


@pytest.mark.slow
@pytest.mark.parametrize(("alone", "together", "kib"), [(2, 2, 16), (6, 4, 32)], ids=["four", "ten"])
def test_after_many_crawls_no_table_has_more_files_than_its_rows_justify(spark, world, alone, together, kib):
    """Each partition has one file, or files of which the median is at least half of the target; no row changed."""
    names = [*(f"crawl-{at}" for at in range(alone)), *(["in-parts"] * together)]
    for words in crawls(world, len(names), 1800, names):
        ended = call("run", *words)
        assert ended.status == 0, ended.err
    warehouse = world.root / "warehouse"
    at = flag_words(warehouse=warehouse)
    before, files = table_state(spark, warehouse), data_files(warehouse)
    assert any(len(sizes) > 1 for partitions in files.values() for sizes in partitions.values())

    planned = call("maintain", *at, "--target-size", f"{kib}k", "--dry-run", "--json")
    assert planned.status == 0, planned.err
    assert data_files(warehouse) == files

    target = kib << 10
    ended = call("maintain", *at, "--target-size", f"{kib}k", "--retain-hours", 0, "--json")
    assert ended.status == 0, ended.err
    said = {table["table"]: table for table in json.loads(ended.out)["tables"]}
    after = data_files(warehouse)
    for name, partitions in after.items():
        for partition, sizes in partitions.items():
            assert len(sizes) == 1 or statistics.median(sizes) >= target / 2, (name, partition, sizes)
        assert name == "lease" or said[name]["after"] == sum(map(len, partitions.values()))
    assert any(len(sizes) > 1 for sizes in after["pairs"].values()), "a larger partition has several files"
    assert said["pairs"]["files"] == sum(map(len, files["pairs"].values()))
    assert on_disk(warehouse) == sum(len(sizes) for table in after.values() for sizes in table.values())
    assert_same(table_state(spark, warehouse), before)

    again = call("maintain", *at, "--target-size", f"{kib}k", "--retain-hours", 0, "--json")
    assert again.status == 0, again.err
    done = {table["table"]: table["merged"] + table["old"] for table in json.loads(again.out)["tables"]}
    assert {name: number for name, number in done.items() if number and name != "lease"} == {}
    assert {name: data_files(warehouse)[name] for name in after if name != "lease"} == {
        name: partitions for name, partitions in after.items() if name != "lease"
    }


def test_runs_go_on_after_maintenance_as_if_there_had_been_none(spark, world):
    """The same command does nothing, a new crawl is added, and all tables are those of a warehouse without maintain."""
    first, second = crawls(world, 2, 90, [ODD, "second"])
    at = flag_words(warehouse=world.root / "warehouse")
    assert call("run", *first).status == 0
    assert call("maintain", *at, "--retain-hours", 0).status == 0
    again = call("run", *first)
    assert again.status == 0, again.err
    assert "nothing to do" in again.err
    assert call("run", *second).status == 0
    assert call("maintain", *at, "--retain-hours", 0, "--log-days", 7).status == 0
    for command in (["report"], ["export", "--stage", "pairs"], ["explain", "--text", ENTRIES[1]], ["runs", "list"]):
        ended = call(*command, *at)
        assert ended.status == 0, ended.err
    state = table_state(spark, world.root / "warehouse")

    plain = [[*words] for words in (first, second)]
    for words in plain:
        words[words.index("--warehouse") + 1] = world.root / "plain"
        assert call("run", *words).status == 0
    assert_same(state, table_state(spark, world.root / "plain"))


def test_files_of_failed_attempts_are_removed(spark, world):
    """A file that no log names goes when it is older than the retention: before, it may be one that is written."""
    (words,) = crawls(world, 1, 30)
    assert call("run", *words).status == 0
    warehouse = world.root / "warehouse"
    young, old = warehouse / "pairs" / "young.parquet", warehouse / "pairs" / "old.parquet"
    for file in (young, old):
        file.write_bytes(b"left by a killed task")
    aged = time.time() - 200 * 3600
    os.utime(old, (aged, aged))
    planned = call("maintain", *flag_words(warehouse=warehouse), "--dry-run", "--json")
    assert {t["table"]: t["old"] for t in json.loads(planned.out)["tables"]}["pairs"] == 1
    assert old.exists()
    ended = call("maintain", *flag_words(warehouse=warehouse))
    assert ended.status == 0, ended.err
    assert (young.exists(), old.exists()) == (True, False)


def test_no_url_or_text_comes_into_the_log(spark, world):
    """The statistics of merged files are those that the tables allow."""
    (words,) = crawls(world, 1, 30)
    assert call("run", *words).status == 0
    warehouse = world.root / "warehouse"
    assert call("maintain", *flag_words(warehouse=warehouse), "--retain-hours", 0).status == 0
    for log in warehouse.glob("*/_delta_log/*"):
        text = str(pq.read_table(log).to_pydict()) if log.suffix == ".parquet" else log.read_bytes().decode("latin-1")
        if log.is_file() and log.parent.parent.name in ("pairs", "curated_pairs", "rejects"):
            assert "example.org" not in text, log
            assert "photo of" not in text, log


def test_the_logs_are_checkpointed_and_their_retention_is_set(spark, world):
    """A reader needs the checkpoint and what came after it; --log-days is a property of every table."""
    (words,) = crawls(world, 1, 30)
    assert call("run", *words).status == 0
    warehouse = world.root / "warehouse"
    assert call("maintain", *flag_words(warehouse=warehouse), "--log-days", 3).status == 0
    for name in data_files(warehouse):
        table = DeltaTable(str(warehouse / name))
        assert table.metadata().configuration["delta.logRetentionDuration"] == "interval 3 days", name
        assert (warehouse / name / "_delta_log" / "_last_checkpoint").exists(), name


def test_a_warehouse_that_a_run_holds_is_not_maintained(spark, world):
    """A dry run does not need the lease, and changes nothing."""
    from metaclip_spark.warehouse.lease import Lease
    from metaclip_spark.warehouse.tables import Warehouse

    (words,) = crawls(world, 1, 30)
    assert call("run", *words).status == 0
    warehouse = world.root / "warehouse"
    lease = Lease(Warehouse(spark, str(warehouse)))
    lease.acquire()
    try:
        ended = call("maintain", *flag_words(warehouse=warehouse))
        assert (ended.status, "another run holds warehouse" in ended.err) == (1, True)
        assert call("maintain", *flag_words(warehouse=warehouse), "--dry-run").status == 0
    finally:
        lease.release()
