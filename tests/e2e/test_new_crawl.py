"""`balance` reads an earlier subset and a new crawl instead of the old pool, with the result of the whole pool."""

from __future__ import annotations

import json

import pytest
from e2e_world import OVER_CRAWLS, World, call, counts_over, flag_words, row, rows_of, write_parquet
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.spark

ROWS = 40
OLD, NEW = 4000, 1000


def crawl(world: World, name: str, numbers: range) -> object:
    """Write a crawl with rows of one family, so that crawls can overlap."""
    return write_parquet(world.root / f"{name}.parquet", [row("shared", number) for number in numbers])


def curated(spark, warehouse, run_id: str) -> list[tuple]:
    return rows_of(spark, warehouse, "curated_pairs", OVER_CRAWLS, condition=f"run_id = '{run_id}'")


def add(world: World, warehouse: str, name: str, path: object, *more: object) -> tuple[dict, str]:
    """Run one crawl into a warehouse; return the closing numbers, and the messages on stderr."""
    ended = call("run", *world.words(warehouse, "--json", *more, input=path, snapshot=name))
    assert ended.status == 0, ended.err
    return json.loads(ended.out), ended.err


def rows_scanned(spark, work) -> int:
    """Return the number of rows that Spark read from files while the work ran."""
    jvm, store = spark.sparkContext._jvm, spark.sparkContext._jsc.sc().statusStore()
    none, quantiles = jvm.java.util.ArrayList(), spark.sparkContext._gateway.new_array(jvm.double, 0)

    def stages() -> dict[tuple[int, int], int]:
        listed = store.stageList(none, False, False, quantiles, none)
        return {(s.stageId(), s.attemptId()): s.inputRecords() for s in map(listed.apply, range(listed.size()))}

    before = stages().keys()
    work()
    return sum(records for stage, records in stages().items() if stage not in before)


def assert_same_pool(spark, warehouse, one: dict, other: dict) -> None:
    """Compare the subsets of two runs, and the numbers of the pools that they were drawn from."""
    assert curated(spark, warehouse, one["run_id"]) == curated(spark, warehouse, other["run_id"])
    same = ("curated_size", "unique_pairs", "threshold", "tail_fraction", "head_share_of_counts", "entries_head")
    assert {name: one[name] for name in same} == {name: other[name] for name in same}
    exact = "NOT name LIKE 'expected%' AND NOT name LIKE 'variance%'"
    sums = [
        rows_of(spark, warehouse, "run_statistics", ("name", "key", "value"), condition=f"{exact} AND run_id = '{run}'")
        for run in (one["run_id"], other["run_id"])
    ]
    assert sums[0] == sums[1]


def test_a_new_crawl_is_balanced_without_the_old_pool_and_equals_from_scratch(spark, world):
    """The earlier subset is read instead of the old pool, with a message. Subset, counts and sums are the same."""
    warehouse = world.root / "warehouse"
    first, messages = add(world, warehouse, "one", crawl(world, "one", range(ROWS)))
    assert "balance reads" not in messages
    grown, messages = add(world, warehouse, "two", crawl(world, "two", range(ROWS - 10, 2 * ROWS)))
    assert f"balance reads the subset of run {first['run_id']}, and of the pool only two." in messages
    assert grown["curated_size"] < grown["unique_pairs"] == 2 * ROWS
    ended = call("balance", *flag_words(warehouse=warehouse, threshold=2), "--whole-pool", "--json")
    assert (ended.status, "balance reads" in ended.err) == (0, False), ended.err
    scratch = json.loads(ended.out)
    assert_same_pool(spark, warehouse, grown, scratch)
    assert (
        0 < grown["expected_sd"] < scratch["expected_sd"]
    )  # the first draw is known, so only the second one is uncertain


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_what_is_read_is_the_earlier_subset_and_the_new_crawl(spark, world, remote):
    """Spark's metrics show which rows were read. If t rose, the whole pool is read, with a message."""
    if remote is not None:
        pytest.skip("Spark Connect shows no metrics of tasks")
    warehouse = world.root / "warehouse"
    at = ["balance", *flag_words(warehouse=warehouse), "--json"]
    first, _ = add(world, warehouse, "one", crawl(world, "one", range(OLD)))
    second, _ = add(world, warehouse, "two", crawl(world, "two", range(OLD - 10, OLD + NEW)))
    higher = call(*at, "--threshold", 3)
    reason = f"the subset of run {second['run_id']} cannot replace it: t was 2 and is 3."
    assert f"balance reads the whole pool; {reason}" in higher.err
    # Either run could replace both snapshots.
    assert call("runs", "prune", second["run_id"], json.loads(higher.out)["run_id"], *at[1:-1]).status == 0
    ended = {}
    at += ["--threshold", 2]
    reads = {
        flags: rows_scanned(spark, lambda flags=flags: ended.update({flags: call(*at, *flags)}))
        for flags in (("--snapshots", "one,two"), ("--whole-pool",))
    }
    assert [one.status for one in ended.values()] == [0, 0], ended
    assert_same_pool(spark, warehouse, *(json.loads(one.out) for one in ended.values()))
    # Two passes, and one more over the new pairs; the rest (counts, statistics, Delta's log) is some hundred rows.
    grown_rows, scratch_rows = reads.values()
    assert grown_rows == pytest.approx(2 * (first["curated_size"] + NEW) + NEW, abs=NEW)
    assert scratch_rows >= 2 * (OLD + NEW)


@pytest.mark.slow
def test_the_order_in_which_crawls_come_changes_nothing(spark, world):
    """In both orders, two crawls give the same pairs, probabilities, draws and summed counts."""
    paths = {"one": crawl(world, "one", range(ROWS)), "two": crawl(world, "two", range(ROWS - 10, 2 * ROWS))}
    found = []
    for order in (("one", "two"), ("two", "one")):
        warehouse = world.root / "-".join(order)
        add(world, warehouse, order[0], paths[order[0]])
        last, _ = add(world, warehouse, order[1], paths[order[1]])
        found.append((curated(spark, warehouse, last["run_id"]), counts_over(spark, warehouse)))
    assert found[0] == found[1]


@pytest.mark.slow
def test_why_the_whole_pool_is_read_is_reported(spark, world):
    """A higher t, a missing snapshot and a grown snapshot are noticed and reported, and the result is right."""
    one, two = crawl(world, "one", range(ROWS)), crawl(world, "two", range(ROWS, 2 * ROWS))
    first, _ = add(world, "warehouse", "one", one)
    second, _ = add(world, "warehouse", "two", two)
    warehouse = world.root / "warehouse"
    at = flag_words(warehouse=warehouse)
    reason = f"balance reads the whole pool; the subset of run {second['run_id']} cannot replace it: "
    assert reason + "t was 2 and is 5." in call("balance", *at, "--threshold", 5).err
    lower = call("balance", *at, "--threshold", 1, "--json")
    assert "and nothing of the pool." in lower.err
    whole = call("balance", *at, "--threshold", 1, "--whole-pool", "--json")
    runs = [json.loads(ended.out)["run_id"] for ended in (lower, whole)]
    assert curated(spark, warehouse, runs[0]) == curated(spark, warehouse, runs[1])
    third, messages = add(world, "warehouse", "two", crawl(world, "more", range(2 * ROWS, 3 * ROWS)))
    assert f"balance reads the subset of run {first['run_id']}, and of the pool only two." in messages
    without_two = call("balance", *at, "--threshold", 2, "--snapshots", "one", "--json")
    assert without_two.status == 0, without_two.err
    assert curated(spark, warehouse, json.loads(without_two.out)["run_id"]) == curated(
        spark, warehouse, first["run_id"]
    )
    (world.root / "scratch").mkdir()
    scratch = World(world.root / "scratch")
    paths = [world.root / f"{name}.parquet" for name in ("one", "two", "more")]
    wanted, _ = add(scratch, "warehouse", "all", paths)
    assert curated(spark, warehouse, third["run_id"]) == curated(spark, scratch.root / "warehouse", wanted["run_id"])


@pytest.mark.slow
@pytest.mark.timeout(3600)
@settings(max_examples=8, suppress_health_check=list(HealthCheck))
@given(
    crawls=st.lists(st.tuples(st.integers(0, 40), st.integers(1, 40), st.integers(1, 12)), min_size=1, max_size=4),
    seed=st.integers(0, 3),
)
def test_any_sequence_of_crawls_equals_from_scratch(spark, tmp_path_factory, crawls, seed):
    """For any overlaps, repeats and values of t, the last subset equals that of the whole pool."""
    root = tmp_path_factory.mktemp("crawls")
    world = World(root)
    for number, (first, size, threshold) in enumerate(crawls):
        path = crawl(world, f"crawl{number}", range(first, first + size))
        flags = ["--threshold", threshold, "--seed", seed]
        grown, _ = add(world, "warehouse", f"crawl{number}", path, *flags)
    at = flag_words(warehouse=root / "warehouse", threshold=threshold, seed=seed)
    whole = call("balance", *at, "--whole-pool", "--json")
    assert whole.status == 0, whole.err
    runs = [grown["run_id"], json.loads(whole.out)["run_id"]]
    assert curated(spark, root / "warehouse", runs[0]) == curated(spark, root / "warehouse", runs[1])
