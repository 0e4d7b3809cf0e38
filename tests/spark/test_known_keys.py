"""A Bloom filter drops keys of earlier crawls before the join, and `sightings` has the pairs of every snapshot."""

from __future__ import annotations

from hashlib import blake2b

import pytest
from pyspark.sql import functions as F

from metaclip_spark.core.hashing.bloom_filter import BloomFilter
from metaclip_spark.schemas import EXTRACTED, SIGHTINGS
from metaclip_spark.spark.broadcast import Broadcast
from metaclip_spark.stages.dedup import dedup, filter_shards, keys_in_filter, sightings

pytestmark = pytest.mark.spark

NO_KEYS = "metadata_id string, snapshot string, pair_key binary"


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


def keys_of(spark, numbers, snapshot: str = "old"):
    """Return rows of `pair_keys`, or of `sightings`."""
    return spark.createDataFrame([("m", snapshot, key(number)) for number in numbers], NO_KEYS)


@pytest.mark.parametrize("shard_bits", [0, 2])
def test_dedup_against_the_filtered_keys_equals_dedup_against_all_keys(spark, shard_bits):
    """The filter keeps every known key that a new pair has, and fewer than 100 of the other 4,900."""
    extracted, known = staged(spark, range(400)), keys_of(spark, range(300, 5_300))
    new_keys = extracted.select(F.unhex("pair_id").alias("pair_key"))
    shards = {row["shard"]: bytes(row["bits"]) for row in filter_shards(new_keys, shard_bits).collect()}
    assert sorted(shards) == list(range(2**shard_bits))
    filtered = keys_in_filter(known, Broadcast.of(spark, BloomFilter(shards, shard_bits))).cache()
    kept = {bytes(row["pair_key"]) for row in filtered.collect()}
    assert {key(number) for number in range(300, 400)} <= kept
    assert 100 <= len(kept) < 200
    found = {row["pair_id"] for row in dedup(extracted, filtered).collect()}
    assert found == {row["pair_id"] for row in dedup(extracted, known).collect()}
    assert found == {key(number).hex() for number in range(300)}


def test_sightings_are_each_pair_of_the_snapshot_once_and_not_those_stored_before(spark):
    """A pair of an earlier crawl is stored again for this snapshot. The snapshot's stored pairs are not repeated."""
    extracted = staged(spark, [1, 1, 2, 3])
    stored = keys_of(spark, [3], "new").union(keys_of(spark, [1], "old"))
    found = sightings(extracted, stored)
    assert found.schema.simpleString() == f"struct<{','.join(f'{c.name}:{c.type}' for c in SIGHTINGS.columns)}>"
    rows = [tuple(row.values()) for row in found.toArrow().to_pylist()]
    assert sorted(rows) == sorted([("m", "new", key(1)), ("m", "new", key(2))])
