"""A warehouse that is a year old, and was maintained by others, gives the answers of its first day."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from crashing import Crash, CrashAt, watched
from deltalake import DeltaTable
from e2e_world import ENTRIES, World, call, flag_words, row, rows_of, write_parquet

from metaclip_spark.spark.embedded import is_embedded

pytestmark = [pytest.mark.spark, pytest.mark.timeout(1800)]

YEAR = 365 * 24 * 3600
MAINTAINED = (
    "pairs",
    "sightings",
    "sources",
    "rejects",
    "entry_counts",
    "curated_pairs",
    "runs",
    "planned",
)
AT_ONCE = "delta.deletedFileRetentionDuration"


def maintain(spark: Any, warehouse: Path) -> None:
    """OPTIMIZE and VACUUM the tables as a platform's maintenance does, then let a year pass."""
    for name in MAINTAINED:
        folder = str(warehouse / name)
        table = DeltaTable(folder)
        table.alter.set_table_properties({AT_ONCE: "interval 1 seconds"}, raise_if_not_exists=False)
        if is_embedded(spark):
            table.optimize.compact()
        else:
            spark.sql(f"OPTIMIZE delta.`{folder}`").collect()
        DeltaTable(folder).vacuum(0, dry_run=False, enforce_retention_duration=False, full=True)
    then = time.time() - YEAR
    for at, log in enumerate(sorted(warehouse.glob("*/_delta_log/*.json"))):
        os.utime(log, (then + at, then + at))
    if not is_embedded(spark):
        spark._jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()


class Years:
    """A warehouse with two batches of a snapshot, a later snapshot, and a run after each."""

    def __init__(self, world: World) -> None:
        self.root = world.root
        self.warehouse = world.root / "warehouse"
        self.at = flag_words(warehouse=self.warehouse)
        write_parquet(self.root / "one" / "1.parquet", [row("a", n) for n in range(20)])
        self.runs = [self._run(world, "one")]
        self.first = self.pool(self.runs[0], "first")
        write_parquet(self.root / "one" / "2.parquet", [row("a", n) for n in range(10, 36)])
        self.runs.append(self._run(world, "one"))
        write_parquet(self.root / "two" / "1.parquet", [row("a", n) for n in range(30, 50)])
        self.runs.append(self._run(world, "two"))
        (self.root / "other.json").write_text(json.dumps(["a", "road", *ENTRIES[4:]]), encoding="utf-8")

    def _run(self, world: World, snapshot: str) -> str:
        words = world.words("warehouse", "--keep-unmatched", "--json", input=self.root / snapshot, snapshot=snapshot)
        return self.json_of("run", *words)["run_id"]

    def json_of(self, *words: object) -> Any:
        """Run a command that must succeed, and return its JSON."""
        ended = call(*words)
        assert ended.status == 0, ended.err
        return json.loads(ended.out)

    def pool(self, run_id: str, name: str) -> list[str]:
        """Export the pool of a run; return its rows in order."""
        folder = self.root / "out" / name / run_id
        self.json_of("export", *self.at, "--stage", "pairs", "--run-id", run_id, "--output", folder, "--json")
        return sorted(json.dumps(line) for line in pq.read_table(folder).to_pylist())

    def card(self, run_id: str) -> dict[str, Any]:
        """Write the report of a run; return its numbers, without the time."""
        ended = call("report", *self.at, "--run-id", run_id)
        assert ended.status == 0, ended.err
        card = json.loads(Path(ended.out.strip()).with_suffix(".json").read_text(encoding="utf-8"))
        return {name: value for name, value in card.items() if name != "created_at"}


@pytest.fixture
def compacting(spark) -> Iterator[None]:
    """Switch auto compaction on where the engine has it: other commits come right after ours."""
    settings = {"autoCompact.enabled": "true", "autoCompact.minNumFiles": "2"}
    for name, value in settings.items() if not is_embedded(spark) else ():
        spark.conf.set(f"spark.databricks.delta.{name}", value)
    yield
    for name in settings if not is_embedded(spark) else ():
        spark.conf.unset(f"spark.databricks.delta.{name}")


def test_every_command_answers_after_a_year_of_maintenance_as_before(spark, world, compacting):
    """Auto compaction, OPTIMIZE, VACUUM, a short retention, an old log: an earlier pool is its batches, as it was."""
    years = Years(world)
    pools = {run_id: years.pool(run_id, "before") for run_id in years.runs}
    assert [len(pools[run_id]) for run_id in years.runs] == [20, 36, 50]
    assert pools[years.runs[0]] == years.first  # a second run added to the same snapshot since
    cards = {run_id: years.card(run_id) for run_id in years.runs}
    maintain(spark, years.warehouse)

    assert {run_id: years.pool(run_id, "after") for run_id in years.runs} == pools
    assert {run_id: years.card(run_id) for run_id in years.runs} == cards
    metadata = ["--metadata", world.metadata]
    swept = years.json_of("sweep", *years.at, *metadata, "--snapshots", "one", "--thresholds", "2,3", "--json")
    assert swept["pairs"] == 36
    alone = years.json_of("balance", *years.at, *metadata, "--snapshots", "one", "-t", 2, "--json")
    assert alone["unique_pairs"] == 36
    of_run = f"run_id = '{years.runs[1]}'"
    drawn = rows_of(spark, years.warehouse, "curated_pairs", ("pair_id", "draw"), condition=of_run)
    of_alone = f"run_id = '{alone['run_id']}'"
    assert rows_of(spark, years.warehouse, "curated_pairs", ("pair_id", "draw"), condition=of_alone) == drawn
    url = row("a", 3)[0]
    (explained,) = years.json_of("explain", *years.at, *metadata, "--url", url, "--run-id", years.runs[0], "--json")
    assert explained["in_pool"]
    for run_id in years.runs:
        assert years.json_of("runs", "show", run_id, *years.at, "--json")["outcome"] == "finished"

    other = ["--metadata", years.root / "other.json"]
    assert call("match", *years.at, *other).status == 0
    counted = call("count", *years.at, *other)
    assert counted.status == 0, counted.err
    rematched = years.json_of("balance", *years.at, *other, "-t", 2, "--json")
    assert rematched["unique_pairs"] == 50
    maintain(spark, years.warehouse)

    (years.root / "urls.txt").write_text("\n".join([url, row("a", 32)[0]]), encoding="utf-8")
    taken = years.json_of("takedown", *years.at, "--urls", years.root / "urls.txt", "--json")
    assert taken["rows"]["pairs"] == 4  # of two lists
    left = {run_id: len(years.pool(run_id, "left")) for run_id in years.runs}
    assert list(left.values()) == [19, 34, 48]
    assert [years.card(run_id)["unique_pairs"] for run_id in years.runs] == [19, 34, 48]

    write_parquet(years.root / "three" / "1.parquet", [row("a", n) for n in range(45, 60)])
    words = world.words("warehouse", "--keep-unmatched", "--json", input=years.root / "three", snapshot="three")
    grown = call("run", *words)
    assert grown.status == 0, grown.err
    assert json.loads(grown.out)["unique_pairs"] == 58
    assert "balance reads the subset of run" in grown.err


@pytest.mark.slow
def test_a_deduplication_that_is_not_complete_is_invisible(spark, world):
    """Its rows are in the table and in no answer: of reports, exports, sweeps, explanations, counts, matches, draws."""
    years = Years(world)
    run_id = years.runs[1]
    before = years.pool(run_id, "before"), years.card(run_id)
    write_parquet(years.root / "one" / "3.parquet", [row("a", n) for n in range(60, 70)])
    words = world.words("warehouse", "--keep-unmatched", input=years.root / "one", snapshot="one")
    watch = CrashAt(lambda point: point == "after append pairs")
    with watched(watch), pytest.raises(Crash):
        call("run", *words)
    assert len(rows_of(spark, years.warehouse, "pairs", ("pair_id",))) == 60

    metadata = ["--metadata", world.metadata]
    assert years.pool(run_id, "after") == before[0]
    card = years.card(run_id)
    # Sightings of the new pairs may be there in part, so repeats and pairs of earlier snapshots share one line.
    assert {name for name in card if card[name] != before[1][name]} <= {"funnel"}
    assert years.json_of("sweep", *years.at, *metadata, "--thresholds", "2", "--json")["pairs"] == 50
    explained = call("explain", *years.at, *metadata, "--url", row("a", 61)[0])
    assert "the pool holds no pair" in explained.err
    balanced = call("balance", *years.at, *metadata, "-t", 3, "--json")
    assert balanced.status == 0, balanced.err
    assert json.loads(balanced.out)["unique_pairs"] == 50
    assert "the last pairs of snapshot one are left out: their deduplication was interrupted" in balanced.err
    other = ["--metadata", years.root / "other.json"]
    for command in ("match", "count"):
        assert call(command, *years.at, *other).status == 0
    assert years.json_of("balance", *years.at, *other, "-t", 3, "--json")["unique_pairs"] == 50
    assert call("run", *words).status == 0
    assert call("match", *years.at, *other).status == 0
    assert call("count", *years.at, *other).status == 0
    assert years.json_of("balance", *years.at, *other, "-t", 3, "--json")["unique_pairs"] == 60
    pairs = rows_of(spark, years.warehouse, "pairs", ("metadata_id", "pair_id"))
    assert len(pairs) == len(set(pairs)) == 120


@pytest.mark.slow
def test_a_new_list_says_what_the_old_one_left_out(spark, world):
    """At run time and on the card; with --keep-unmatched there is nothing to say."""
    (world.root / "other.json").write_text(json.dumps(["a", "road", *ENTRIES[4:]]), encoding="utf-8")
    other = ["--metadata", world.root / "other.json"]
    for name, more in (("dropped", []), ("kept", ["--keep-unmatched"])):
        at = flag_words(warehouse=world.root / name)
        assert call("run", *world.words(name, *more)).status == 0
        matched = call("match", *at, *other)
        assert call("count", *at, *other).status == 0
        balanced = call("balance", *at, *other, "-t", 2, "--json")
        assert (matched.status, balanced.status) == (0, 0), balanced.err
        sentence = "texts that match only entries that this list has are missing, from pairs and from counts."
        assert (sentence in matched.err) == (not more)
        assert any(sentence in note for note in json.loads(balanced.out)["notes"]) == (not more)


def test_a_takedown_looks_at_what_can_fail_before_its_first_write(spark, world):
    """An export that cannot be read stops it while nothing is written; other commands go on."""
    at = flag_words(warehouse=world.root / "warehouse")
    assert call("run", *world.words()).status == 0
    assert call("export", *at).status == 0
    (exported,) = (world.root / "warehouse" / "exports").rglob("*.parquet")
    whole = exported.read_bytes()
    exported.write_bytes(whole[:-20])
    (world.root / "urls.txt").write_text(row("a", 3)[0], encoding="utf-8")
    words = ["takedown", *at, "--urls", world.root / "urls.txt"]
    failed = call(*words)
    assert failed.status == 1
    assert f"the exported file {exported} cannot be read" in failed.err
    assert not (world.root / "warehouse" / "takedowns").exists()
    assert call("count", *at).status == 0
    exported.write_bytes(whole)
    assert call(*words).status == 0
