"""More input adds pairs to the same snapshot. Another snapshot gets only the new pairs."""

from __future__ import annotations

import shutil
from collections import Counter

import pytest
import reference
from e2e_world import ENTRIES, OVER_CRAWLS, call, counts_over, flag_words, row, rows_of, write_parquet

pytestmark = pytest.mark.spark


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_more_input_adds_pairs_and_another_snapshot_gets_only_the_new_ones(spark, world, undisturbed):
    """A finished snapshot gets more files, then a second snapshot repeats some of its pairs.

    No stored row is erased, and counts are per snapshot. The subset over both equals the reference's over all files.
    """
    warehouse, tables = world.root / "warehouse", flag_words(warehouse=world.root / "warehouse")
    shutil.copytree(undisturbed.warehouse, warehouse)
    old = {name: rows_of(spark, warehouse, name) for name in ("pairs", "sources", "rejects")}
    added = [row("d", n, "cat") for n in range(3)]
    more = write_parquet(world.root / "more" / "d.parquet", [*added, row("b", 0, "cat")])
    later = [row("e", n, "cow") for n in range(4)]
    other = write_parquet(world.root / "later" / "e.parquet", [*later, added[0], row("a", 0), row("b", 0, "cat")])

    # The first snapshot gets its own files again, and a new one.
    pool = undisturbed.world.pool
    ended = call("extract", *world.words(input=[pool, more], threshold=None))
    assert ended.status == 0, ended.err
    assert "4 sources" in ended.err
    assert "3 done already" in ended.err
    assert call("dedup", *tables, "--metadata", world.metadata).status == 0
    for name, rows in old.items():
        assert set(rows) <= set(rows_of(spark, warehouse, name)), name
    urls = {url for (url,) in rows_of(spark, warehouse, "pairs", ("url",))}
    assert urls - {pair[4] for pair in old["pairs"]} == {url for url, *_ in added}

    before = rows_of(spark, warehouse, "pairs")
    ended = call("run", *world.words(input=other, snapshot="second"))
    assert ended.status == 0, ended.err
    assert rows_of(spark, warehouse, "pairs", condition="snapshot = 'default'") == before
    new = rows_of(spark, warehouse, "pairs", ("url",), condition="snapshot = 'second'")
    assert new == [(url,) for url, *_ in later]

    # `sightings` has every pair of every snapshot once, also if another snapshot had it first.
    sightings = rows_of(spark, warehouse, "sightings", ("snapshot", "pair_key"))
    assert len(sightings) == len(set(sightings))
    assert sorted(Counter(name for name, _ in sightings).items()) == [
        ("default", len(before)),
        ("second", len(later) + 3),
    ]

    # A repeated pair counts only in the snapshot that had it first.
    per_snapshot = {
        (name, entry): count
        for name, entry, count in rows_of(spark, warehouse, "entry_counts", ("snapshot", "entry", "count"))
    }
    assert per_snapshot["default", "photo of"] == len(before) - 1  # all but the pair of the tail entry
    assert per_snapshot["second", "photo of"] == len(later)
    assert ("second", "cat") not in per_snapshot

    files = [*sorted(pool.iterdir()), more, other]
    wanted = reference.curate(reference.read_pool(files), ENTRIES, threshold=2)
    assert counts_over(spark, warehouse) == {ENTRIES[i]: count for i, count in wanted.counts.items()}
    kept = rows_of(spark, warehouse, "curated_pairs", OVER_CRAWLS, condition=f"run_id <> '{undisturbed.run_id}'")
    assert kept == sorted(
        (
            (
                pair,
                wanted.pairs[pair].url,
                wanted.pairs[pair].text,
                "und",
                tuple(wanted.entry_ids[pair]),
                p,
                u,
            )
            for pair, (p, u) in wanted.kept.items()
        ),
        key=repr,
    )
