"""`runs list` and `show` describe runs, and `runs prune` deletes their subsets."""

from __future__ import annotations

import json
import re
import shutil
from datetime import datetime, timedelta, timezone

import pytest
from e2e_world import call, flag_words, rows_of, versions

from metaclip_spark.commands.runs import older_than_last
from metaclip_spark.warehouse.runs import OF_A_RUN, Run

pytestmark = pytest.mark.spark


def files_of(warehouse, name, run_id):
    """Return the data files of a run on disk, whether the table's log names them or not."""
    return sorted((warehouse / name / f"run_id={run_id}").glob("*.parquet"))


def test_runs_are_listed_without_reading_their_rows(undisturbed, tmp_path):
    """Bytes are in the logs, and all else is in the events: no data file of another table is there."""
    warehouse = shutil.copytree(undisturbed.warehouse, tmp_path / "warehouse")
    at = flag_words(warehouse=warehouse)
    listed = [call("runs", *words, *at, "--json") for words in (["list"], ["show", undisturbed.run_id])]
    others = [path for path in warehouse.rglob("*.parquet") if not {"_delta_log", "runs"} & set(path.parts)]
    assert len(others) > 5
    for path in others:
        path.unlink()
    again = [call("runs", *words, *at, "--json") for words in (["list"], ["show", undisturbed.run_id])]
    assert [(ended.status, ended.out) for ended in again] == [(0, ended.out) for ended in listed]


def test_a_run_is_listed_shown_pruned_and_drawn_again(spark, undisturbed, tmp_path):
    """A run's bytes are those of its files. Pruning removes them. The same command draws the subset again."""
    warehouse = shutil.copytree(undisturbed.warehouse, tmp_path / "warehouse")
    at, old = flag_words(warehouse=warehouse), undisturbed.run_id
    new = json.loads(call("balance", *at, "--threshold", 3, "--seed", 4, "--json").out)
    first, second = json.loads(call("runs", "list", *at, "--json").out)
    assert [(run["run_id"], run["outcome"], run["threshold"]) for run in (first, second)] == [
        (old, "finished", 2),
        (new["run_id"], "finished", 3),
    ]
    assert second["pairs_kept"] == new["curated_size"]
    for run in (first, second):
        assert run["bytes"] == {
            name: sum(file.stat().st_size for file in files_of(warehouse, name, run["run_id"])) for name in OF_A_RUN
        }
    listed = call("runs", "list", *at).out
    assert re.search(rf"{new['run_id']} .*finished +3 +{new['curated_size']} .* seed 4", listed)
    shown = call("runs", "show", new["run_id"], *at)
    assert f"run {new['run_id']}: finished" in shown.out
    assert f"t = 3, {new['curated_size']} pairs of ['default']" in shown.out

    before = versions(warehouse)
    dry = call("runs", "prune", "--keep-last", 1, "--dry-run", *at)
    assert (dry.status, versions(warehouse)) == (0, before), dry.err
    assert "would delete 1 run, " in dry.out
    kept = rows_of(spark, warehouse, "curated_pairs", condition=f"run_id = '{new['run_id']}'")
    pruned_rows = rows_of(spark, warehouse, "curated_pairs", condition=f"run_id = '{old}'")

    pruned = call("runs", "prune", "--keep-last", 1, "--retain-hours", 0, *at, "--json")
    assert pruned.status == 0, pruned.err
    expected = {"pruned": [{"run_id": old, "bytes": sum(first["bytes"].values())}], "dry_run": False}
    assert json.loads(pruned.out) == expected
    assert rows_of(spark, warehouse, "curated_pairs") == kept
    assert not [file for name in OF_A_RUN for file in files_of(warehouse, name, old)]
    first, _ = json.loads(call("runs", "list", *at, "--json").out)
    assert (first["outcome"], sum(first["bytes"].values())) == ("pruned", 0)
    refused = call("report", *at, "--run-id", old)
    assert f"run {old} has no curated subset yet; run balance first." in refused.err

    again = call("run", *undisturbed.world.words(warehouse), "--json")
    assert json.loads(again.out)["run_id"] == old, again.err
    assert rows_of(spark, warehouse, "curated_pairs", condition=f"run_id = '{old}'") == pruned_rows


def test_prune_needs_existing_runs(undisturbed):
    """Prune takes either ids or --keep-last. An unknown run is refused before anything changes."""
    at = flag_words(warehouse=undisturbed.warehouse)
    sentence = "runs prune takes the ids of the runs to delete, or --keep-last N; `runs list` shows them."
    for words in ([], [undisturbed.run_id, "--keep-last", 2]):
        refused = call("runs", "prune", *words, *at)
        assert (refused.status, refused.err.splitlines()[-1]) == (2, f"metaclip-spark: {sentence}")
    unknown = call("runs", "prune", "feed", *at)
    assert (unknown.status, f"{undisturbed.warehouse} holds no run 'feed'; see runs list." in unknown.err) == (2, True)


def run_of(name: str, day: int, outcome: str = "finished", drawn: bool = True, size: int = 5) -> Run:
    when = datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(days=day)
    run = Run(name, outcome, when, when, {}, ("m",), bytes={"curated_pairs": size})
    if drawn:
        run.threshold, run.kept, run.drawn_at = 9, 1, when
    return run


def test_the_last_subsets_are_kept_and_so_are_newer_runs():
    """Pruned runs do not count as the last. A running run that is newer than the last subset is kept."""
    runs = [
        run_of("a", 1),
        run_of("interrupted", 2, "failed", drawn=False),
        run_of("b", 3),
        run_of("c", 4),
        run_of("pruned", 5, "pruned", size=0),
        run_of("at work", 6, "unfinished", drawn=False),
    ]
    assert [run.run_id for run in older_than_last(runs, 1)] == ["a", "interrupted", "b"]
    assert [run.run_id for run in older_than_last(runs, 2)] == ["a", "interrupted"]
    assert older_than_last(runs, 3) == []
    assert older_than_last([], 1) == []
