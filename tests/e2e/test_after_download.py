"""Balance again: what is left of the pool or of a subset after download, and a higher t at frozen counts."""

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
def made(spark, tmp_path_factory) -> tuple[World, dict]:
    """One pool, curated at t = 20, and the closing numbers of that run."""
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
    """Writes what img2dataset would: two of three images are there, some of them small, some the same."""
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
def test_survivors_of_the_pool_are_balanced_as_a_pool_of_their_own(spark, made):
    """Recounted and drawn: pairs, probabilities, draws and counts of a fresh run on the survivors alone."""
    world, first = made
    urls = [f"http://example.org/d/{number}.jpg" for number in range(ROWS)]
    images = downloaded(world, urls)
    left = again(world, "--survivors", images, "--drawn-from", "pool", "--where", "width >= 110", "--threshold", 15)
    kept = [number for number in range(ROWS) if number % 3 != 2 and number >= 10]
    (world.root / "alone").mkdir()
    alone = World(world.root / "alone")
    path = write_parquet(world.root / "alone.parquet", [row("d", number) for number in kept])
    fresh = balanced("run", *alone.words("warehouse", "--json", input=path, threshold=15))
    assert subset(spark, world, left) == subset(spark, alone, fresh)
    assert 0 < left["curated_size"] < left["unique_pairs"] == len(kept) == fresh["unique_pairs"]
    for name in ("expected_size", "expected_sd", "tail_fraction", "entries_head", "head_share_of_counts"):
        assert left[name] == fresh[name]
    counts = ("entry", "count", "probability")
    of = [
        rows_of(spark, where.root / "warehouse", "entry_probabilities", counts, condition=f"run_id = '{run['run_id']}'")
        for where, run in ((world, left), (alone, fresh))
    ]
    assert of[0] == of[1]
    assert rows_of(spark, world.root / "warehouse", "survivors") == []
    assert not list((world.root / "warehouse" / "survivors").rglob("run_id=*/*.parquet"))
    # The next plain balance takes the first run's subset, and knows that this one is no part of the pool.
    plain = call("balance", *flag_words(warehouse=world.root / "warehouse", threshold=14), "--json")
    assert f"balance reads the subset of run {first['run_id']}, and nothing of the pool." in plain.err


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_survivors_of_a_subset_stand_for_others_and_the_draw_is_nested(spark, made):
    """Every pair kept was kept before, with its draw; probabilities never rise; capped pairs are counted."""
    world, first = made
    before = {pair[0]: pair[-2:] for pair in subset(spark, world, first)}
    images = downloaded(world, [url for (url,) in subset(spark, world, first, "url")])
    words = ("--survivors", images, "--drawn-from", first["run_id"])
    left = again(world, *words, "--threshold", 5)
    after = {pair[0]: pair[-2:] for pair in subset(spark, world, left)}
    assert 0 < len(after) < left["unique_pairs"] == len(before) - len(before) // 3
    for pair, (probability, draw) in after.items():
        assert (probability <= before[pair][0], draw) == (True, before[pair][1])
    assert left["capped"] == 0
    higher = again(world, *words, "--threshold", 60)
    assert 0 < higher["capped"] <= higher["curated_size"] == left["unique_pairs"]
    why = call(
        "explain",
        *flag_words(warehouse=world.root / "warehouse", run_id=higher["run_id"]),
        "--json",
        "--pair-id",
        min(before.keys() - {pair[0] for pair in subset(spark, world, higher)}),
    )
    assert json.loads(why.out)[0]["verdict"] == (
        f"dropped: it is not among what is left of the subset of run {first['run_id']}, which this run drew from"
    )
    grouped = again(world, *words, "--threshold", 60, "--group", "phash")
    groups = {number // 10 for number in range(len(before)) if number % 3 != 2}
    assert grouped["curated_size"] == len(groups)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_more_is_drawn_at_frozen_counts_and_nothing_is_lost(spark, made):
    """A higher t keeps every pair of the run whose counts are frozen, though a crawl came that thins them."""
    world, first = made
    path = write_parquet(world.root / "more.parquet", [row("e", number) for number in range(ROWS)])
    more = balanced("run", *world.words("warehouse", "--json", input=path, threshold=25, snapshot="more"))
    kept = {name: {pair[:5] for pair in subset(spark, world, run)} for name, run in (("run", first), ("more", more))}
    assert kept["run"] - kept["more"]  # paid for, and lost
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


def test_what_cannot_be_balanced_is_said_and_nothing_is_drawn(spark, undisturbed, tmp_path):
    """An origin that is not said, another seed, an unknown run or column, and survivors of something else."""
    warehouse = shutil.copytree(undisturbed.warehouse, tmp_path / "warehouse")
    at = ["balance", *flag_words(warehouse=warehouse, threshold=5)]
    path = tmp_path / "ids.parquet"
    pq.write_table(pa.table({"pair_id": ["0" * 32], "w": [1]}), path)
    drawn = ["--survivors", path, "--drawn-from"]
    run = undisturbed.run_id
    said = {
        ("--survivors", path): (2, "--survivors are left of what? --drawn-from pool: of the whole matched pool, "),
        (*drawn, "feed"): (2, "--drawn-from names run 'feed', which holds no curated subset here; there are ["),
        ("--freeze-counts", run, "--seed", 4): (2, f"seed must be 0, that of run {run} (--freeze-counts), got 4: "),
        (*drawn, "pool"): (2, f"{path} leaves no matched pair of the pool; expected pair ids, image ids or urls"),
        (*drawn, run): (2, f"{path} leaves no matched pair of run {run}; expected pair ids"),
        (*drawn, "pool", "--where", "wide > 1"): (2, "--where cannot be used: [UNRESOLVED_COLUMN"),
        (*drawn, "pool", "--group", "w +"): (2, "--group cannot be used: "),
        ("--where", "lang = 'xx'"): (2, "--where \"lang = 'xx'\" leaves no matched pair of the pool"),
    }
    before = rows_of(spark, warehouse, "curated_pairs")
    for words, (status, sentence) in said.items():
        ended = call(*at, *words)
        assert (ended.status, sentence in ended.err) == (status, True), (words, ended.err)
    assert rows_of(spark, warehouse, "curated_pairs") == before
