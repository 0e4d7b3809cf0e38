"""Keys of earlier crawls: those that cannot matter are left out of the join, and every snapshot's pairs are noted."""

from __future__ import annotations

from hashlib import blake2b

import pytest
from pyspark.sql import functions as F

from metaclip_spark.core.hashing.bloom_filter import BloomFilter
from metaclip_spark.schemas import EXTRACTED, SIGHTINGS
from metaclip_spark.spark.broadcast import Broadcast
from metaclip_spark.stages.dedup import dedup, filter_shards, sightings, that_may_matter

pytestmark = pytest.mark.spark

NO_KEYS = "metadata_id string, snapshot string, pair_key binary"


def key(number: int) -> bytes:
    """The 16 bytes of a pair's id, spread as hashes are."""
    return blake2b(number.to_bytes(8, "little"), digest_size=16).digest()


def staged(spark, numbers, snapshot: str = "new"):
    """Rows of `extracted`: one pair a number."""
    rows = [(snapshot, "m", "pair", key(number).hex(), "a", number) for number in numbers]
    given = spark.createDataFrame(
        rows, "snapshot string, metadata_id string, kind string, pair_id string, source_path string, position bigint"
    )
    columns = {column.name: column.type for column in EXTRACTED.columns}
    return given.select(
        *[name if name in given.columns else F.lit(None).cast(columns[name]).alias(name) for name in EXTRACTED.names]
    )


def keys_of(spark, numbers, snapshot: str = "old"):
    """Rows of `pair_keys`, or of `sightings`."""
    return spark.createDataFrame([("m", snapshot, key(number)) for number in numbers], NO_KEYS)


@pytest.mark.parametrize("shard_bits", [0, 2])
def test_dedup_against_the_keys_that_may_matter_equals_dedup_against_all(spark, shard_bits):
    """The filter keeps every known key that a new pair has, and of 5,000 others fewer than 100."""
    extracted, known = staged(spark, range(400)), keys_of(spark, range(300, 5_300))
    new_keys = extracted.select(F.unhex("pair_id").alias("pair_key"))
    shards = {row["shard"]: bytes(row["bits"]) for row in filter_shards(new_keys, shard_bits).collect()}
    assert sorted(shards) == list(range(2**shard_bits))
    left = that_may_matter(known, Broadcast.of(spark, BloomFilter(shards, shard_bits))).cache()
    kept = {bytes(row["pair_key"]) for row in left.collect()}
    assert {key(number) for number in range(300, 400)} <= kept
    assert 100 <= len(kept) < 200
    found = {row["pair_id"] for row in dedup(extracted, left).collect()}
    assert found == {row["pair_id"] for row in dedup(extracted, known).collect()}
    assert found == {key(number).hex() for number in range(300)}


def test_sightings_are_each_pair_of_the_snapshot_once_and_not_those_noted_before(spark):
    """A pair that an earlier crawl brought is seen again; what the same snapshot noted before is not noted twice."""
    extracted = staged(spark, [1, 1, 2, 3])
    seen = keys_of(spark, [3], "new").union(keys_of(spark, [1], "old"))
    found = sightings(extracted, seen)
    assert found.schema.simpleString() == f"struct<{','.join(f'{c.name}:{c.type}' for c in SIGHTINGS.columns)}>"
    rows = [tuple(row.values()) for row in found.toArrow().to_pylist()]
    assert sorted(rows) == sorted([("m", "new", key(1)), ("m", "new", key(2))])
