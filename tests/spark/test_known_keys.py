"""Deduplication in key prefixes: the same pairs for any number of them, in key order, after one shuffle and one sort.

A Bloom filter drops keys of earlier crawls before they are moved. `sightings` has the pairs of every snapshot.
"""

from __future__ import annotations

from hashlib import blake2b

import pytest
from pyspark.sql import functions as F

from metaclip_spark.core.hashing.key_prefix import prefixes
from metaclip_spark.schemas import EXTRACTED
from metaclip_spark.spark.broadcast import Broadcast
from metaclip_spark.stages.dedup import dedup, sightings
from metaclip_spark.stages.known_keys import filter_shards, keys_in_filter

pytestmark = pytest.mark.spark


def key(number: int) -> bytes:
    """Return the 16 bytes of a pair's id, evenly distributed like a hash."""
    return blake2b(number.to_bytes(8, "little"), digest_size=16).digest()


def staged(spark, numbers, snapshot: str = "new"):
    """Return rows of `extracted`, one pair per number."""
    rows = [(snapshot, "m", "pair", key(number).hex(), "a", number) for number in numbers]
    frame = spark.createDataFrame(
        rows, "snapshot string, metadata_id string, kind string, pair_id string, source_path string, position bigint"
    )
    columns = {column.name: column.type for column in EXTRACTED.columns}
    return frame.select(
        *[name if name in frame.columns else F.lit(None).cast(columns[name]).alias(name) for name in EXTRACTED.names]
    )


def keys_of(spark, numbers):
    """Return keys, as the stages take known keys."""
    return spark.createDataFrame([(key(number),) for number in numbers], "pair_key binary")


def plan_of(df) -> str:
    """Return the physical plan."""
    return df._jdf.queryExecution().executedPlan().toString()


@pytest.mark.parametrize(("shards", "of"), [(1, 1), pytest.param(4, 1, marks=pytest.mark.slow), (2, 2)])
def test_dedup_against_the_filtered_keys_equals_dedup_against_all_keys(spark, shards, of):
    """The filter keeps every known key that a new pair has, and fewer than 100 of the other 4,900."""
    extracted, known = staged(spark, range(400)), keys_of(spark, range(300, 5_300))
    ids = [key(number).hex() for number in range(300, 5_300)]
    of_the_input = ["own id", key(300).hex().upper(), key(301).hex()[:31] + "g", key(302).hex() + "0"]
    stored = spark.createDataFrame([(one,) for one in [*ids, *of_the_input]], "pair_id string")
    kept, found = set(), set()
    for prefix in prefixes(of):
        built = {row["shard"]: bytes(row["bits"]) for row in filter_shards(extracted, shards, prefix).collect()}
        assert sorted(built) == list(range(shards))
        sent = {number: Broadcast.of(spark, bits) for number, bits in built.items()}
        filtered = keys_in_filter(stored, sent, shards, prefix).cache()
        kept |= {bytes(row["pair_key"]) for row in filtered.collect()}
        part = {row["pair_id"] for row in dedup(extracted, filtered, prefix, 3).collect()}
        assert part == {row["pair_id"] for row in dedup(extracted, known, prefix, 3).collect()}
        found |= part
    assert {key(number) for number in range(300, 400)} <= kept
    assert 100 <= len(kept) < 200
    assert found == {key(number).hex() for number in range(300)}


@pytest.mark.parametrize("of", [1, 4])
def test_pairs_lie_in_key_order_and_each_partition_has_a_range(spark, of):
    """Every partition is sorted, none is empty, and its keys are smaller than those of the next bucket."""
    extracted = staged(spark, [*range(500), *range(100)]).repartition(3)
    found = []
    for prefix in prefixes(of):
        rows = dedup(extracted, keys_of(spark, range(50)), prefix, 5).withColumn("at", F.spark_partition_id()).collect()
        parts = {}
        for row in rows:
            parts.setdefault(row["at"], []).append(row["pair_id"])
        assert all(ids == sorted(ids) for ids in parts.values())
        assert len(parts) == 5
        ordered = [parts[at] for at in sorted(parts)]
        assert all(one[-1] < other[0] for one, other in zip(ordered, ordered[1:], strict=False))
        found += [pair_id for ids in ordered for pair_id in ids]
    assert found == sorted(key(number).hex() for number in range(50, 500))


def test_wide_rows_are_moved_once_and_sorted_once(spark):
    """Spark adds no second shuffle for the window, and no sort and no limit of the groups below the shuffle."""
    for rows in (
        dedup(staged(spark, range(10)), keys_of(spark, range(5)), buckets=3),
        sightings(staged(spark, range(10)), keys_of(spark, range(5)), buckets=3),
    ):
        plan = plan_of(rows)
        assert plan.count("Exchange ") == 1, plan
        assert plan.count("Sort [") == 1, plan
        before_the_shuffle = plan[plan.index("Exchange ") :]
        assert "Sort" not in before_the_shuffle
        assert "WindowGroupLimit" not in before_the_shuffle


def test_no_constant_goes_through_a_shuffle(spark):
    """The id of the list has 64 characters, and all rows have it. Only the key passes for `sightings`."""
    for rows in (dedup(staged(spark, [1]), None, buckets=2), sightings(staged(spark, [1]), None, buckets=2)):
        lines = plan_of(rows).splitlines()
        moved = lines[[("Exchange " in line) for line in lines].index(True) + 1]
        assert "Project [" in moved
        assert "pair_key" in moved
        for name in ("metadata_id", "snapshot", "batch_id"):
            assert name not in moved


def test_sightings_are_each_pair_of_the_snapshot_once_and_not_those_stored_before(spark):
    """The snapshot's stored pairs are not repeated. A prefix has the sightings of its own keys."""
    extracted = staged(spark, [1, 1, 2, 3])
    found = sightings(extracted, keys_of(spark, [3]))
    assert found.schema.simpleString() == "struct<pair_key:binary>"
    assert sorted(bytes(row[0]) for row in found.collect()) == sorted([key(1), key(2)])
    parts = [sightings(extracted, keys_of(spark, []), prefix) for prefix in prefixes(4)]
    assert [bytes(row[0]) for part in parts for row in part.collect()] == sorted(key(number) for number in (1, 2, 3))
