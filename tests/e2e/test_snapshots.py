"""`snapshots list | drop | replace`: what stays, what moves, what is counted again, and what says that it happened."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from crashing import Crash, CrashAt, watched
from e2e_world import ENTRIES, World, assert_same, call, flag_words, row, rows_of, write_parquet

from metaclip_spark.spark.embedded import is_embedded
from metaclip_spark.warehouse.compare import BY_NATURE, differences

pytestmark = [pytest.mark.spark, pytest.mark.timeout(1800)]

POOLS = {"one": range(24), "two": range(12, 40), "three": range(8, 60, 3)}
"""Snapshot -> the numbers of its pairs: some are in two, some in all."""
FIRST_SEEN = {"pairs": ("source_path", "page_url", "text_source", "extra", "lang_score", "batch_id")}
"""Columns of a pair that moved which stay as they were stored first."""


class Pools:
    """A world with a Parquet file per snapshot, and warehouses of some of them."""

    def __init__(self, world: World) -> None:
        self.world, self.root = world, world.root
        for name, numbers in POOLS.items():
            write_parquet(self.root / name / "1.parquet", [row("a", n) for n in numbers])
        (self.root / "other.json").write_text(json.dumps(["a", "road", *ENTRIES[4:]]), encoding="utf-8")

    def words(self, warehouse: str, name: str, *more: object, **flags: object) -> list[object]:
        """Return the flags of `run` for a snapshot."""
        given = {"input": self.root / name, "snapshot": name, "threshold": 3, **flags}
        return self.world.words(warehouse, "--keep-unmatched", "--json", *more, **given)

    def run(self, warehouse: str, names: Iterable[str]) -> list[str]:
        """Run each snapshot after the other; return the runs."""
        return [json_of("run", *self.words(warehouse, name))["run_id"] for name in names]

    def at(self, warehouse: str) -> list[object]:
        """Return the flags that name a warehouse."""
        return flag_words(warehouse=self.root / warehouse)

    def match(self, warehouse: str) -> None:
        """Match the pairs with another list, and count them."""
        for command in ("match", "count"):
            ended = call(command, *self.at(warehouse), "--metadata", self.root / "other.json")
            assert ended.status == 0, ended.err


@pytest.fixture
def pools(world) -> Pools:
    return Pools(world)


def json_of(*words: object) -> Any:
    """Run a command that must succeed, and return its JSON."""
    ended = call(*words)
    assert ended.status == 0, ended.err
    return json.loads(ended.out)


def pool_state(spark: Any, warehouse: Path) -> dict[str, list]:
    """Return the rows of a pool, without what depends on who saw a pair first."""
    pair = ("metadata_id", "snapshot", "pair_id", "image_id", "url", "text", "lang", "entry_ids")
    columns = {
        "pairs": pair,
        "sightings": (),
        "entry_counts": (),
        "rejects": (),
        "planned": (),
        "sources": ("snapshot", "source_path", "status", "texts_read", "pairs_written", "metadata_id", "extract_id"),
    }
    return {name: rows_of(spark, warehouse, name, wanted) for name, wanted in columns.items()}


SLOW = pytest.mark.slow


@pytest.mark.parametrize("dropped", [pytest.param("one", marks=SLOW), "two", pytest.param("three", marks=SLOW)])
def test_a_warehouse_that_dropped_a_snapshot_equals_one_that_never_had_it(spark, pools, dropped):
    """Pairs, keys, sightings, counts, sources and rejects, of two lists; and so do the runs that come after."""
    others = [name for name in POOLS if name != dropped]
    pools.run("had", POOLS)
    pools.run("never", others)
    for warehouse in ("had", "never"):
        pools.match(warehouse)
    had, never = pools.root / "had", pools.root / "never"
    dry = json_of("snapshots", "drop", dropped, *pools.at("had"), "--dry-run", "--json")
    done = json_of("snapshots", "drop", dropped, *pools.at("had"), "--json")
    assert (dry["rows"], dry["moved"], dry["runs"]) == (done["rows"], done["moved"], done["runs"])
    own = set(POOLS[dropped])
    for earlier in list(POOLS)[: list(POOLS).index(dropped)]:
        own -= set(POOLS[earlier])
    assert done["rows"]["pairs"] == 2 * len(own)
    assert_same(pool_state(spark, had), pool_state(spark, never))
    where = differences(str(had), str(never), ["pairs"], {**BY_NATURE, **FIRST_SEEN})
    assert where == []
    exact = ["sources", "rejects", "planned", "sightings", "entry_counts"]
    assert differences(str(had), str(never), exact) == []
    drawn = []
    for warehouse in ("had", "never"):
        for metadata in (pools.world.metadata, pools.root / "other.json"):
            balanced = json_of(
                "balance", *pools.at(warehouse), "--metadata", metadata, "-t", 2, "--whole-pool", "--json"
            )
            of_run = f"run_id = '{balanced['run_id']}'"
            columns = ("pair_id", "snapshot", "url", "text", "entry_ids", "sampling_probability", "draw")
            kept = rows_of(spark, pools.root / warehouse, "curated_pairs", columns, condition=of_run)
            drawn.append((balanced["unique_pairs"], balanced["expected_size"], kept))
        again = call("match", *pools.at(warehouse), "--metadata", pools.root / "other.json")
        assert "nothing to do" in again.err
    assert drawn[:2] == drawn[2:]


@pytest.mark.slow
def test_runs_that_used_a_dropped_snapshot_say_so_and_others_stay_what_they_were(spark, pools):
    """`runs list`, the report and the export say it; the pool of a run of another snapshot is the same to the row."""
    both = pools.run("had", ["one", "two"])[1]
    alone = json_of("balance", *pools.at("had"), "--snapshots", "two", "-t", 2, "--json")["run_id"]
    at = pools.at("had")

    def exported(run_id: str, name: str) -> tuple[int, int]:
        words = ["--stage", "pairs", "--run-id", run_id, "--output", pools.root / name, "--json"]
        found = json_of("export", *at, *words)
        assert found["dropped_snapshots"] == []
        return found["pairs"], found["rows"]

    def card(run_id: str) -> dict[str, Any]:
        ended = call("report", *at, "--run-id", run_id)
        assert ended.status == 0, ended.err
        return json.loads(Path(ended.out.strip()).with_suffix(".json").read_text(encoding="utf-8"))

    before, numbers = exported(alone, "before"), card(alone)
    size = card(both)["curated_size"]
    dropped = call("snapshots", "drop", "one", *at)
    assert dropped.status == 0, dropped.err
    assert "2 runs drew from snapshot one: " in dropped.err
    assert exported(alone, "after") == before
    after = card(alone)
    assert {name for name in after if after[name] != numbers[name]} <= {"created_at", "funnel", "pairs_seen"}

    runs = {run["run_id"]: run for run in json_of("runs", "list", *at, "--json")}
    assert runs[both]["dropped_snapshots"] == ["one"]
    assert runs[alone]["dropped_snapshots"] == []
    assert "dropped since:" in call("runs", "list", *at).out
    page = card(both)
    assert page["curated_size"] == size
    assert any("one was dropped or replaced since this run was balanced" in note for note in page["notes"])
    refused = call("export", *at, "--stage", "pairs", "--run-id", both, "--output", pools.root / "gone")
    assert refused.status == 2
    assert (
        f"the pool of run {both} is gone: one was dropped or replaced since. Export its --stage curated" in refused.err
    )
    subset = call("export", *at, "--run-id", both, "--output", pools.root / "kept")
    manifest = json.loads((pools.root / "kept" / "_manifest.json").read_text(encoding="utf-8"))
    assert manifest["dropped_snapshots"] == ["one"]
    assert f"run {both} drew from snapshots that were dropped or replaced since: one" in subset.err
    (left,) = json_of("snapshots", "list", *at, "--json")
    assert (left["snapshot"], left["pairs"], left["seen"], left["state"]) == ("two", 28, 28, "complete")
    assert call("snapshots", "list", *at).status == 0


@pytest.mark.slow
def test_a_drop_that_dies_after_any_write_ends_in_the_same_tables(spark, pools):
    """Until it is finished, nothing else writes. The same command finishes it, whatever was written."""
    pools.run("made", POOLS)
    pools.match("made")
    shutil.copytree(pools.root / "made", pools.root / "whole")
    watch = CrashAt(lambda point: False)
    with watched(watch):
        assert call("snapshots", "drop", "one", *pools.at("whole")).status == 0
    points = [point for point in watch.points if point.startswith("after")]
    assert len(points) >= 15, points
    wanted, runs = pool_state(spark, pools.root / "whole"), json_of("runs", "list", *pools.at("whole"), "--json")
    (pools.root / "urls.txt").write_text(row("a", 1)[0], encoding="utf-8")
    # Spark takes a minute for each point. The writes are the same ones, so there it dies after every fifth.
    chosen = list(enumerate(points[:-1]))[:: 1 if is_embedded(spark) else 5]
    for number, point in chosen:
        name = f"dies-{number}"
        shutil.copytree(pools.root / "made", pools.root / name)
        words = ["snapshots", "drop", "one", *pools.at(name)]
        watch = CrashAt(lambda reached, point=point: reached == point)
        with watched(watch), pytest.raises(Crash):
            call(*words)
        if number in (0, 5):
            others = [["count", *pools.at(name)], ["run", *pools.words(name, "two")]]
            others.append(["takedown", *pools.at(name), "--urls", pools.root / "urls.txt"])
            sentence = (
                f"metaclip-spark: the drop of snapshot one of {pools.root / name} was interrupted; run `snapshots drop "
                "one` (or the same `snapshots replace`) again to finish it, then this command."
            )
            for other in others:
                refused = call(*other)
                assert (refused.status, refused.err.splitlines()[-1]) == (1, sentence), other
        ended = call(*words)
        assert ended.status == 0, (point, ended.err)
        assert_same(pool_state(spark, pools.root / name), wanted)
        found = json_of("runs", "list", *pools.at(name), "--json")
        assert [run["dropped_snapshots"] for run in found] == [run["dropped_snapshots"] for run in runs], point
        assert call("count", *pools.at(name)).status == 0
        assert_same(pool_state(spark, pools.root / name), wanted)


@pytest.mark.slow
def test_a_replaced_snapshot_is_read_again_with_other_settings(spark, pools):
    """A filter was wrong: replace reads the files anew. The pool is that of a warehouse that read them right, last."""
    first = pools.run("wrong", ["two"])
    wrong = json_of("run", *pools.words("wrong", "one", min_words=99))
    assert wrong["unique_pairs"] == 28
    pools.run("wrong", ["three"])
    words = pools.words("wrong", "one", snapshot=None)
    refused = call("snapshots", "replace", "uno", *words)
    assert (refused.status, "there is no snapshot 'uno' to replace" in refused.err) == (2, True), refused.err
    missing = call("snapshots", "replace", "one", *pools.words("wrong", "one", snapshot=None, input="nowhere.parquet"))
    assert missing.status == 2
    before = pool_state(spark, pools.root / "wrong")
    other = call("snapshots", "replace", "one", *pools.words("wrong", "two"))
    assert (other.status, "got --snapshot two" in other.err) == (2, True)
    assert_same(pool_state(spark, pools.root / "wrong"), before)

    point = "after append extracted"
    watch = CrashAt(lambda reached: reached == point)
    with watched(watch), pytest.raises(Crash):
        call("snapshots", "replace", "one", *words)
    replaced = call("snapshots", "replace", "one", *words)
    assert replaced.status == 0, replaced.err
    assert "snapshot one was dropped already; reading it goes on." in replaced.err
    state = pool_state(spark, pools.root / "wrong")
    pools.run("right", ["two", "three", "one"])
    assert_same(state, pool_state(spark, pools.root / "right"))
    again = call("snapshots", "replace", "one", *words)
    assert again.status == 0, again.err
    assert "nothing to do" in again.err
    assert_same(pool_state(spark, pools.root / "wrong"), state)
    same = json_of("run", *pools.words("wrong", "one"))
    assert same["run_id"] == json.loads(replaced.out)["run_id"]
    gone = {run["run_id"]: run["dropped_snapshots"] for run in json_of("runs", "list", *pools.at("wrong"), "--json")}
    assert (gone[first[0]], gone[wrong["run_id"]]) == ([], ["one"])


@pytest.mark.slow
def test_the_same_settings_read_a_dropped_snapshot_again(spark, pools):
    """The commits of a snapshot that was dropped do not count as made: every pair comes back, once."""
    pools.run("had", ["one", "two"])
    before = pool_state(spark, pools.root / "had")
    for _ in range(2):
        assert call("snapshots", "drop", "two", *pools.at("had")).status == 0
        pools.run("had", ["two"])
        assert_same(pool_state(spark, pools.root / "had"), before)


def test_what_cannot_be_dropped_is_refused(spark, pools):
    """An unknown name, and a snapshot whose pairs an interrupted deduplication of another one has left out."""
    pools.run("had", ["one"])
    unknown = call("snapshots", "drop", "ones", *pools.at("had"))
    assert unknown.status == 2
    assert "there is no snapshot 'ones'; there are ['one']" in unknown.err
    watch = CrashAt(lambda reached: reached == "after append pairs")
    with watched(watch), pytest.raises(Crash):
        call("run", *pools.words("had", "two"))
    refused = call("snapshots", "drop", "one", *pools.at("had"))
    assert refused.status == 2
    assert "the deduplication or matching of snapshot two was interrupted; finish it first" in refused.err
    assert call("snapshots", "drop", "two", *pools.at("had")).status == 0
    pools.run("only", ["one"])
    assert_same(pool_state(spark, pools.root / "had"), pool_state(spark, pools.root / "only"))
