"""A run that dies anywhere and is started again makes the tables of an undisturbed run."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from crashing import Crash, CrashAt, watched
from e2e_world import appends, assert_same, call, commits, rows_of, table_state
from started import FLAGS

pytestmark = pytest.mark.spark

CRASHING = Path(__file__).parent / "crashing.py"
WRITES = (
    "after append runs: started",
    "after append planned",
    "after append extracted",
    "after append outcomes",
    "after append extracted #2",
    "after append outcomes #2",
    "after append extracted #3",
    "after append outcomes #3",
    "after append runs: dedup stage started",
    "after append pairs",
    "after append sightings",
    "after append rejects",
    "after append sources",
    "after delete outcomes",
    "after delete extracted",
    "after remove_files extracted",
    "after append runs: dedup stage done",
    "after replace entry_counts",
    "after append runs: count stage done",
    "after replace entry_probabilities",
    "after replace run_statistics",
    "after replace curated_pairs",
    "after append runs: balance stage done",
    "after replace current_run",
    "after append runs: finished",
)
"""Every write of a run, in order. The point before a write is the point after the previous write."""

_AS_BEFORE = (
    "after append extracted #3",
    "after append outcomes #3",
    "after delete outcomes",
    "after delete extracted",
)
"""The writes of BETWEEN_STEPS that other tests die after: the next attempt is that of a neighbour."""
BETWEEN_STEPS = tuple(point for point in WRITES[1:-1] if point not in _AS_BEFORE)
BETWEEN_TABLES = (
    "after append extracted #2",
    "after append pairs",
    "after replace curated_pairs",
)
"""The writes after which the most tables are incomplete. The default tests try these, the slow tests try all."""
INSIDE = (
    "planned",
    "extracted",
    "outcomes",
    "pairs",
    "sightings",
    "rejects",
    "sources",
    "entry_counts",
    "curated_pairs",
)


def crash(words: list[object], chosen: Callable[[str], bool]) -> CrashAt:
    """Run a command that dies at the first chosen point; return the point, and the points that the command passed."""
    watch = CrashAt(chosen)
    with watched(watch), contextlib.suppress(Crash):
        ended = call(*words)
        assert ended.status == 0, ended.err
    return watch


def child(engine: str, env: dict[str, str], tmp_path: Path, words: list[object], **given: object) -> int:
    """Run a command in another process that is killed at a point or inside a commit; return the process id."""
    flags = FLAGS[engine]
    if "METACLIP_TEST_REMOTE" in os.environ:
        flags = ["--remote", os.environ["METACLIP_TEST_REMOTE"]]
    words = [*map(str, words), *flags]
    with open(tmp_path / "child.log", "ab") as log:
        process = subprocess.Popen(
            [sys.executable, str(CRASHING), json.dumps({**given, "words": words})],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            status = process.wait(timeout=600)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    assert status == -signal.SIGKILL, (tmp_path / "child.log").read_text(errors="replace")[-3000:]
    return process.pid


def orphans(warehouse: Path, name: str) -> set[str]:
    """Return the data files that no entry of a table's log names. An interrupted commit leaves such files."""
    logged = [json.loads(line) for file in commits(warehouse, name) for line in file.read_text().splitlines()]
    known = {os.path.basename(action["add"]["path"]) for action in logged if "add" in action}
    files = (warehouse / name).rglob("*.parquet")
    return {file.name for file in files if "_delta_log" not in file.parts} - known


def batches(warehouse: Path) -> list[str]:
    """Return the batch ids of the committed extractions, from the transactions in the staging table's log."""
    logged = [json.loads(line) for file in commits(warehouse, "extracted") for line in file.read_text().splitlines()]
    names = [action["txn"]["appId"] for action in logged if "txn" in action]
    return [name.rpartition(":")[2] for name in names if name.startswith("metaclip-spark:extracted:")]


def finish(spark, undisturbed, warehouse: Path) -> None:
    """Run the command again; check its tables, and that no batch was extracted twice."""
    done = batches(warehouse)
    ended = call("run", *undisturbed.world.words(warehouse))
    assert ended.status == 0, ended.err
    assert batches(warehouse)[: len(done)] == done
    compare(spark, undisturbed, warehouse)


def compare(spark, undisturbed, warehouse: Path) -> None:
    """Check the tables against those of the undisturbed run."""
    assert_same(table_state(spark, warehouse), undisturbed.state)
    assert appends(warehouse, "extracted") == 3
    assert batches(warehouse) == batches(undisturbed.warehouse)
    assert not [file for file in (warehouse / "extracted").glob("**/*.parquet") if "_delta_log" not in file.parts]


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "points", [BETWEEN_TABLES, pytest.param(BETWEEN_STEPS, marks=pytest.mark.slow)], ids=["some", "all"]
)
def test_run_that_dies_after_one_write_after_another_ends_as_if_undisturbed(spark, undisturbed, tmp_path, points):
    """Each attempt dies after a write that no earlier attempt reached. The last attempt ends well."""
    warehouse, words = tmp_path / "wh", ["run", *undisturbed.world.words(tmp_path / "wh")]
    crashed: list[str] = []
    before = {"extracted": 0, "outcomes": 0}
    while len(crashed) < len(points):
        # Committed batches are not read again, so each attempt's first commit is the next batch.
        remaining = [point for point in points if point not in crashed]
        watch = crash(words, lambda point: _absolute(point, before) in remaining)  # noqa: B023 - called at once
        assert watch.crashed is not None, f"never reached: {remaining}"
        crashed.append(_absolute(watch.crashed, before))
        before = {name: appends(warehouse, name) for name in before}
    assert crashed == list(points)
    ended = call(*words)
    assert ended.status == 0, ended.err
    assert ended.out.replace(str(warehouse), str(undisturbed.warehouse)) == undisturbed.ended.out
    compare(spark, undisturbed, warehouse)


def _absolute(point: str, before: dict[str, int]) -> str:
    """Return a point with extraction's commits numbered over all attempts, of which `before` are earlier."""
    name, _, number = point.partition(" #")
    table = name.removeprefix("after append ")
    if table not in before:
        return point
    number_of_all = before[table] + int(number or 1)
    return name if number_of_all == 1 else f"{name} #{number_of_all}"


@pytest.mark.timeout(1800)
def test_run_that_dies_between_two_key_prefixes_ends_as_if_undisturbed(spark, undisturbed, tmp_path, monkeypatch):
    """Each prefix is one commit of `pairs` and one of `sightings`, and the next attempt goes on with the same prefixes.

    The attempts die after the pairs of the second prefix, after its sightings, and after the last prefix. The settings
    change meanwhile, so that a new deduplication would take one prefix. No commit is repeated, and the tables are those
    of an undisturbed run, which took one prefix.
    """
    warehouse, words = tmp_path / "wh", ["run", *undisturbed.world.words(tmp_path / "wh")]
    with monkeypatch.context() as patch:
        patch.setattr("metaclip_spark.steps.dedup.PAIRS_PER_PREFIX", 5)
        assert crash(words, lambda point: point == "after append pairs #2").crashed is not None
    assert (appends(warehouse, "pairs"), appends(warehouse, "sightings")) == (2, 1)
    assert crash(words, lambda point: point == "after append sightings #2").crashed is not None
    assert (appends(warehouse, "pairs"), appends(warehouse, "sightings")) == (2, 2)
    assert crash(words, lambda point: point == "after append rejects").crashed is not None
    prefixes = appends(warehouse, "pairs")
    assert prefixes >= 4
    ended = call(*words)
    assert ended.status == 0, ended.err
    assert ended.out.replace(str(warehouse), str(undisturbed.warehouse)) == undisturbed.ended.out
    assert (appends(warehouse, "pairs"), appends(warehouse, "sightings")) == (prefixes, prefixes)
    compare(spark, undisturbed, warehouse)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_killed_inside_a_commit_and_between_steps_goes_on(spark, undisturbed, engine, child_env, tmp_path):
    """Driver and JVM get SIGKILL twice: inside the second commit of extraction, then right after the write of `pairs`.

    The first kill leaves one committed batch, and files of another. The next run takes over the lease at once, repeats
    no commit, and makes the same tables.
    """
    warehouse = tmp_path / "wh"
    words = ["run", *undisturbed.world.words(warehouse)]

    first = child(engine, child_env, tmp_path, words, inside="extracted", entries=2)
    assert appends(warehouse, "extracted") == 1
    assert len(orphans(warehouse, "extracted")) == 1
    committed = batches(warehouse)

    second = child(engine, child_env, tmp_path, words, point="after append pairs")
    assert batches(warehouse)[:1] == committed
    assert appends(warehouse, "pairs") == 1
    assert appends(warehouse, "extracted") == 3
    assert commits(warehouse, "sightings") == []

    finish(spark, undisturbed, warehouse)
    assert appends(warehouse, "pairs") == 1
    holders = rows_of(spark, warehouse, "lease", ("generation", "who"))
    assert [json.loads(who)["pid"] for _, who in holders] == [first, second, os.getpid()]


@pytest.mark.slow
def test_a_run_writes_at_the_known_points_and_no_others(undisturbed, tmp_path):
    """The other tests crash at all points of a run. A new write must be added to the list."""
    watch = crash(["run", *undisturbed.world.words(tmp_path / "wh")], lambda point: False)
    assert [point for point in watch.points if point.startswith("after")] == list(WRITES)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_run_that_dies_before_every_commit_in_turn_ends_as_if_undisturbed(spark, undisturbed, tmp_path):
    """A commit may also create a table."""
    warehouse, words = tmp_path / "wh", ["run", *undisturbed.world.words(tmp_path / "wh")]
    crashed: set[str] = set()
    while True:
        watch = crash(words, lambda point: point.startswith("before") and point not in crashed)
        if watch.crashed is None:
            break
        crashed.add(watch.crashed)
    assert {
        "before commit of making pairs",
        "before commit of append pairs",
        "before commit of delete extracted",
        "before commit of making curated_pairs",
        "before commit of replace curated_pairs",
    } <= crashed
    compare(spark, undisturbed, warehouse)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("point", WRITES)
def test_killed_right_after_any_write_goes_on(spark, undisturbed, engine, child_env, tmp_path, point):
    """The driver and its JVM get SIGKILL right after one write. The next run makes the same tables."""
    warehouse = tmp_path / "wh"
    child(engine, child_env, tmp_path, ["run", *undisturbed.world.words(warehouse)], point=point)
    finish(spark, undisturbed, warehouse)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("table", INSIDE)
def test_killed_inside_any_commit_goes_on(spark, remote, undisturbed, engine, child_env, tmp_path, table):
    """SIGKILL comes when a table's data files are written and not in its log. The next run makes the same tables.

    Over Spark Connect, the server makes the commit. It survives, so it may still add the files to the log, or not.
    """
    warehouse = tmp_path / "wh"
    child(engine, child_env, tmp_path, ["run", *undisturbed.world.words(warehouse)], inside=table)
    if remote is None:
        assert orphans(warehouse, table)
        assert appends(warehouse, table) == 0
    finish(spark, undisturbed, warehouse)
