"""`balance` after download, on the survivors of the pool or of a subset, and at a higher t with frozen counts."""

from __future__ import annotations

import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from e2e_world import OVER_CRAWLS, World, call, flag_words, row, rows_of, write_parquet

pytestmark = pytest.mark.spark

ROWS = 120
PAIR = OVER_CRAWLS[:5]


@pytest.fixture(scope="module")
def first_run(spark, tmp_path_factory) -> tuple[World, dict]:
    """Curate one pool at t = 20; return the world and the closing numbers of the run."""
    world = World(tmp_path_factory.mktemp("downloaded"))
    path = write_parquet(world.root / "pairs.parquet", [row("d", number) for number in range(ROWS)])
    return world, balanced("run", *world.words("warehouse", "--json", input=path, threshold=20))


def balanced(*words: object) -> dict:
    ended = call(*words)
    assert ended.status == 0, ended.err
    return json.loads(ended.out)


def again(world: World, *words: object) -> dict:
    return balanced("balance", *flag_words(warehouse=world.root / "warehouse"), "--json", *words)


def subset(spark, world: World, run: dict, *columns: str) -> list[tuple]:
    where = f"run_id = '{run['run_id']}'"
    return rows_of(spark, world.root / "warehouse", "curated_pairs", columns or OVER_CRAWLS, condition=where)


def downloaded(world: World, urls: list[str]) -> object:
    """Write the files of img2dataset: two of three images were downloaded, some are small, and some are the same."""
    folder = world.root / f"images-{len(urls)}"
    folder.mkdir()
    for shard in range(2):
        part = [(number, url) for number, url in enumerate(urls) if number % 2 == shard]
        table = {
            "url": [url for _, url in part],
            "status": ["failed_to_download" if number % 3 == 2 else "success" for number, _ in part],
            "width": pa.array([None if number % 3 == 2 else 100 + number for number, _ in part], pa.int32()),
            "phash": [f"{number // 10}" for number, _ in part],
        }
        pq.write_table(pa.table(table), folder / f"{shard:05}.parquet")
    return folder


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_survivors_of_the_pool_are_balanced_as_a_separate_pool(spark, first_run):
    """Pairs, probabilities, draws and counts equal those of a fresh run on only the survivors."""
    world, first = first_run
    urls = [f"http://example.org/d/{number}.jpg" for number in range(ROWS)]
    images = downloaded(world, urls)
    words = ["--survivors", images, "--drawn-from", "pool", "--where", "width >= 110", "--threshold", 15]
    survivors = again(world, *words)
    kept = [number for number in range(ROWS) if number % 3 != 2 and number >= 10]
    (world.root / "alone").mkdir()
    alone = World(world.root / "alone")
    path = write_parquet(world.root / "alone.parquet", [row("d", number) for number in kept])
    fresh = balanced("run", *alone.words("warehouse", "--json", input=path, threshold=15))
    assert subset(spark, world, survivors) == subset(spark, alone, fresh)
    assert 0 < survivors["curated_size"] < survivors["unique_pairs"] == len(kept) == fresh["unique_pairs"]
    for name in ("expected_size", "expected_sd", "tail_fraction", "entries_head", "head_share_of_counts"):
        assert survivors[name] == fresh[name]
    counts = ("entry", "count", "probability")
    of = [
        rows_of(spark, where.root / "warehouse", "entry_probabilities", counts, condition=f"run_id = '{run['run_id']}'")
        for where, run in ((world, survivors), (alone, fresh))
    ]
    assert of[0] == of[1]
    assert rows_of(spark, world.root / "warehouse", "survivors") == []
    assert not list((world.root / "warehouse" / "survivors").rglob("run_id=*/*.parquet"))
    # The next plain balance reads the first run's subset, because this subset was not drawn from the whole pool.
    plain = call("balance", *flag_words(warehouse=world.root / "warehouse", threshold=14), "--json")
    assert f"balance reads the subset of run {first['run_id']}, and nothing of the pool." in plain.err


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_survivors_of_a_subset_are_counted_with_weights_and_the_draw_is_nested(spark, first_run):
    """Every kept pair was kept before, with the same draw. Probabilities never rise. Capped pairs are counted."""
    world, first = first_run
    before = {pair[0]: pair[-2:] for pair in subset(spark, world, first)}
    images = downloaded(world, [url for (url,) in subset(spark, world, first, "url")])
    words = ("--survivors", images, "--drawn-from", first["run_id"])
    lower = again(world, *words, "--threshold", 5)
    after = {pair[0]: pair[-2:] for pair in subset(spark, world, lower)}
    assert 0 < len(after) < lower["unique_pairs"] == len(before) - len(before) // 3
    for pair, (probability, draw) in after.items():
        assert (probability <= before[pair][0], draw) == (True, before[pair][1])
    assert lower["capped"] == 0
    higher = again(world, *words, "--threshold", 60)
    assert 0 < higher["capped"] <= higher["curated_size"] == lower["unique_pairs"]
    why = call(
        "explain",
        *flag_words(warehouse=world.root / "warehouse", run_id=higher["run_id"]),
        "--json",
        "--pair-id",
        min(before.keys() - {pair[0] for pair in subset(spark, world, higher)}),
    )
    assert json.loads(why.out)[0]["verdict"] == (
        f"dropped: it is not among the survivors of the subset of run {first['run_id']}, which this run drew from"
    )
    grouped = again(world, *words, "--threshold", 60, "--group", "phash")
    groups = {number // 10 for number in range(len(before)) if number % 3 != 2}
    assert grouped["curated_size"] == len(groups)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_more_is_drawn_at_frozen_counts_and_nothing_is_lost(spark, first_run):
    """A higher t keeps every pair of the run with the frozen counts, although a later crawl would drop some."""
    world, first = first_run
    path = write_parquet(world.root / "more.parquet", [row("e", number) for number in range(ROWS)])
    more = balanced("run", *world.words("warehouse", "--json", input=path, threshold=25, snapshot="more"))
    kept = {name: {pair[:5] for pair in subset(spark, world, run)} for name, run in (("run", first), ("more", more))}
    assert kept["run"] - kept["more"]  # without frozen counts, downloaded pairs are lost
    top_up = again(world, "--freeze-counts", first["run_id"], "--threshold", 25, "--snapshots", "default")
    found = {pair[:5] for pair in subset(spark, world, top_up)}
    assert kept["run"] < found
    counts = [
        rows_of(
            spark,
            world.root / "warehouse",
            "entry_probabilities",
            ("entry", "count"),
            condition=f"run_id = '{run['run_id']}'",
        )
        for run in (first, top_up)
    ]
    assert counts[0] == counts[1]


def test_wrong_flags_of_balance_are_refused_and_nothing_is_drawn(spark, undisturbed, tmp_path):
    """A missing origin, another seed, an unknown run or column, and survivors of another pool are refused."""
    warehouse = shutil.copytree(undisturbed.warehouse, tmp_path / "warehouse")
    at = ["balance", *flag_words(warehouse=warehouse, threshold=5)]
    path = tmp_path / "ids.parquet"
    pq.write_table(pa.table({"pair_id": ["0" * 32], "w": [1]}), path)
    drawn = ["--survivors", path, "--drawn-from"]
    run = undisturbed.run_id
    refusals = {
        ("--survivors", path): (
            2,
            "--survivors needs --drawn-from. With --drawn-from pool, the survivors are a part of the whole matched "
            "pool, ",
        ),
        (*drawn, "feed"): (2, "--drawn-from names run 'feed', which holds no curated subset here; there are ["),
        ("--freeze-counts", run, "--seed", 4): (2, f"seed must be 0, that of run {run} (--freeze-counts), got 4: "),
        (*drawn, "pool"): (2, f"{path} leaves no matched pair of the pool; expected pair ids, image ids or urls"),
        (*drawn, run): (2, f"{path} leaves no matched pair of run {run}; expected pair ids"),
        (*drawn, "pool", "--where", "wide > 1"): (2, "--where cannot be used: "),
        (*drawn, "pool", "--group", "w +"): (2, "--group cannot be used: "),
        ("--where", "lang = 'xx'"): (2, "--where \"lang = 'xx'\" leaves no matched pair of the pool"),
    }
    before = rows_of(spark, warehouse, "curated_pairs")
    for words, (status, sentence) in refusals.items():
        ended = call(*at, *words)
        assert (ended.status, sentence in ended.err) == (status, True), (words, ended.err)
    assert rows_of(spark, warehouse, "curated_pairs") == before
