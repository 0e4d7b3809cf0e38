"""Find the known keys that a deduplication needs: those of the pool that may be among the new keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from metaclip_spark.core.hashing.bloom_filter import binary_keys, build_shard, key_array, keys_of_ids, may_hold
from metaclip_spark.core.hashing.key_prefix import WHOLE, KeyPrefix, buckets_of
from metaclip_spark.spark.broadcast import Broadcast
from metaclip_spark.stages.dedup import bucket, of_prefix, staged_pairs


def known_keys(pairs: DataFrame, prefix: KeyPrefix = WHOLE) -> DataFrame:
    """Return the keys (pair_key) of a prefix of the pool's pairs. Ids that the input itself defines are skipped.

    Rows: subset. Shuffle: none. Files of `pairs` whose statistics on pair_id lie outside of the prefix are not read.
    """
    return (
        of_prefix(pairs, prefix)
        .where(F.col("pair_id").rlike("^[0-9a-f]{32}$"))
        .select(F.unhex("pair_id").alias("pair_key"))
    )


def filter_shards(extracted: DataFrame, shards: int, prefix: KeyPrefix = WHOLE) -> DataFrame:
    """Build the shards of a Bloom filter of a prefix of the staged pairs' keys; return (shard int, bits binary).

    A shard has the keys of one bucket. Rows: n:1 per shard. Shuffle: keys, 16 bytes per row.
    """

    def build(table: pa.Table) -> pa.Table:
        bits = build_shard(key_array(table["pair_key"].combine_chunks()))
        return pa.table({"shard": table["shard"].slice(0, 1), "bits": pa.array([bits], pa.binary())})

    keys = staged_pairs(extracted, prefix).select(
        bucket(F.col("pair_id"), prefix, shards).alias("shard"), F.unhex("pair_id").alias("pair_key")
    )
    return keys.groupBy("shard").applyInArrow(build, "shard int, bits binary")


def keys_in_filter(
    pairs: DataFrame, shards: Mapping[int, Broadcast[bytes]], of: int, prefix: KeyPrefix = WHOLE
) -> DataFrame:
    """Return the `known_keys` that a Bloom filter reports as members: all that are, and a few false positives.

    Rows: subset. Shuffle: none. A task reads a shard when it meets a key of it: where `pairs` lies in key order, that
    is one shard or two. Ids are read as text, because Spark takes several times as long to test and decode them.

    Args:
        pairs: pair_id.
        shards: number of a shard -> its bytes; a missing shard has no keys.
        of: number of shards, those without keys included.
    """

    def keep(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            keys = keys_of_ids(batch.column(0))
            numbers = buckets_of(keys, prefix, of)
            found = np.zeros(len(keys), dtype=bool)
            for number in np.unique(numbers).tolist():
                if number in shards:
                    rows = np.flatnonzero(numbers == number)
                    found[rows] = may_hold(shards[number].value, keys[rows])
            yield pa.record_batch({"pair_key": binary_keys(keys[found])})

    return of_prefix(pairs, prefix).select("pair_id").mapInArrow(keep, "pair_key binary")
