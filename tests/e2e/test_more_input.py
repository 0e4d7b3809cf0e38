"""More input: for the same snapshot it adds, for another one it brings only what is new."""

from __future__ import annotations

import pytest
from e2e_world import OVER_CRAWLS, TAIL, call, counts_over, rows_of

pytestmark = pytest.mark.spark


def staged(world, inputs: list, snapshot: str) -> None:
    """Extract and deduplicate these files."""
    words = world.words(input=inputs, snapshot=snapshot, threshold=None)
    assert call("extract", *words).status == 0
    dedup = call(
        "dedup", "--warehouse", world.root / "warehouse", "--metadata", world.metadata, "--snapshot", snapshot
    )
    assert dedup.status == 0, dedup.err


@pytest.mark.timeout(900)
def test_more_input_adds_and_another_snapshot_brings_only_what_is_new(spark, world, undisturbed):
    """Half of a snapshot, its rest, then a second snapshot that repeats it: balanced over both, the result is
    that of one run over all; nothing that was there is erased, and counts are per snapshot."""
    warehouse = world.root / "warehouse"
    staged(world, [world.pool / "a.parquet"], "one")
    first = rows_of(spark, warehouse, "pairs")
    first_sources = rows_of(spark, warehouse, "sources")
    assert len(first) == 13

    staged(world, [world.pool / "b.tsv"], "one")
    both = rows_of(spark, warehouse, "pairs")
    assert set(first) < set(both)
    assert set(first_sources) < set(rows_of(spark, warehouse, "sources"))
    assert len(both) == 13 + 8

    ended = call("run", *world.words(snapshot="two"))
    assert ended.status == 0, ended.err
    assert rows_of(spark, warehouse, "pairs", condition="snapshot = 'one'") == both
    new = rows_of(spark, warehouse, "pairs", ("url",), condition="snapshot = 'two'")
    assert new == [(f"http://example.org/c/{n}.jpg",) for n in range(6)] + [(TAIL[0],)]

    # Counts are of pairs, so a repeat counts in the snapshot that brought it first.
    per_snapshot = {
        (name, entry): count
        for name, entry, count in rows_of(spark, warehouse, "entry_counts", ("snapshot", "entry", "count"))
    }
    assert per_snapshot["one", "photo of"] == 21
    assert per_snapshot["two", "photo of"] == 6
    assert ("two", "cat") not in per_snapshot

    one_run = undisturbed.warehouse
    assert counts_over(spark, warehouse) == counts_over(spark, one_run)
    assert rows_of(spark, warehouse, "curated_pairs", OVER_CRAWLS) == rows_of(
        spark, one_run, "curated_pairs", OVER_CRAWLS
    )
    assert "pairs kept" in ended.err
