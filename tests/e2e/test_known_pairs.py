"""A pair is in the pool of a list once, also where a deduplication died, or `match` stored the earlier pairs."""

from __future__ import annotations

import contextlib
import json

import pytest
from crashing import Crash, CrashAt, watched
from e2e_world import World, call, commits, flag_words, row, rows_of, write_parquet

pytestmark = pytest.mark.spark


def run_of(world: World, snapshot: str, rows: list[tuple], *more: object, **instead: object) -> list[object]:
    """Return the words of a run over some rows as a snapshot."""
    pool = write_parquet(world.root / snapshot / f"{snapshot}.parquet", rows).parent
    return ["run", *world.words("wh", "--snapshot", snapshot, *more, input=pool, **instead)]


def done(*words: object) -> None:
    """Run a command that ends well."""
    ended = call(*words)
    assert ended.status == 0, ended.err


def pair_ids(spark, world: World) -> list[str]:
    """Return the ids of the pool."""
    return [pair_id for (pair_id,) in rows_of(spark, world.root / "wh", "pairs", ("pair_id",))]


@pytest.mark.slow
def test_pairs_of_a_deduplication_that_died_are_known_to_the_next_snapshot(spark, world):
    """The first snapshot dies right after the commit of its pairs. The second one brings half of them, and others."""
    first = run_of(world, "first", [row("x", number) for number in range(8)])
    watch = CrashAt(lambda point: point == "after append pairs")
    with watched(watch), contextlib.suppress(Crash):
        call(*first)
    assert watch.crashed is not None
    done(*run_of(world, "second", [row("x", number) for number in range(4, 12)]))
    done(*first)
    found = pair_ids(spark, world)
    assert len(found) == len(set(found)) == 12


def test_pairs_that_match_stored_are_known_to_the_next_crawl(spark, world):
    """A pool is matched with a new list. A crawl that is read with that list brings the same pairs, and one more."""
    rows = [row("x", number) for number in range(8)]
    done(*run_of(world, "first", rows))
    other = world.root / "other.json"
    other.write_text(json.dumps(["a", "cat", "dog", "cow"]))
    done("match", *flag_words(warehouse=world.root / "wh", metadata=other))
    done(*run_of(world, "second", [*rows, row("x", 8)], metadata=other))
    lists = rows_of(spark, world.root / "wh", "pairs", ("metadata_id",), condition="snapshot = 'second'")
    (list_of_other,) = {name for (name,) in lists}
    found = rows_of(spark, world.root / "wh", "pairs", ("pair_id",), condition=f"metadata_id = '{list_of_other}'")
    assert len(found) == len(set(found)) == 9


def test_files_of_pairs_have_ranges_of_ids_that_do_not_overlap(spark, world, monkeypatch):
    """The log tells which file may have a pair, so `explain --pair-id` and a takedown read one file of a snapshot."""
    monkeypatch.setattr("metaclip_spark.steps.dedup.PAIRS_PER_PREFIX", 20)
    done(*run_of(world, "first", [row("x", number) for number in range(100)]))
    logged = [line for file in commits(world.root / "wh", "pairs") for line in file.read_text().splitlines()]
    actions = [json.loads(line) for line in logged]
    stats = [json.loads(action["add"]["stats"]) for action in actions if "add" in action]
    ranges = sorted((one["minValues"]["pair_id"], one["maxValues"]["pair_id"]) for one in stats)
    assert len(ranges) == 8
    assert all(one[1] < other[0] for one, other in zip(ranges, ranges[1:], strict=False))
    assert sum(one["numRecords"] for one in stats) == 100
