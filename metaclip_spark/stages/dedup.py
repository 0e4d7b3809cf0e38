"""Deduplicate: one row per pair_id in a snapshot, none that an earlier crawl brought."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from metaclip_spark.core.hashing.bloom_filter import KEY_BYTES, build_shard
from metaclip_spark.schemas import PAIRS, REJECTS, SIGHTINGS, SOURCES
from metaclip_spark.spark.broadcast import Broadcast
from metaclip_spark.stages.columns import need_columns

ORDER = ("source_path", "page_url", "text_source", "position")
"""The smallest of these keeps a pair; the position makes the order total."""


def dedup(extracted: DataFrame, pair_keys: DataFrame) -> DataFrame:
    """Return the new pairs of a snapshot.

    Reads: extracted (rows of kind pair), pair_keys. Writes: nothing.
    Rows: subset. Shuffle: the wide rows once, by the 16 bytes of pair_id; the anti-join moves keys alone and
    uses the same partitioning. Skew is bounded: repeats inside a source are gone already, but for those that
    stand on a smaller page, so a pair occurs a few times a source at most.
    """
    need_columns(extracted, "dedup", ["kind", "pair_id", *ORDER], "Run extract first.")
    first = Window.partitionBy("pair_key").orderBy(*ORDER)
    return (
        staged_pairs(extracted)
        .withColumn("pair_key", F.unhex("pair_id"))
        .withColumn("rank", F.row_number().over(first))
        .where("rank = 1")
        .join(pair_keys.select("pair_key"), on="pair_key", how="left_anti")
        .select(*PAIRS.names)
    )


def staged_pairs(extracted: DataFrame) -> DataFrame:
    """Return the rows of kind pair (all of them: what `--no-dedup` stores)."""
    return extracted.where("kind = 'pair'")


def sightings(extracted: DataFrame, seen: DataFrame) -> DataFrame:
    """Return which pairs the snapshot holds, new or not, but for those in `seen` (the snapshot's own so far).

    Rows: n:1 per pair. Shuffle: keys of one snapshot, 16 bytes a row.
    """
    keys = staged_pairs(extracted).select("metadata_id", "snapshot", F.unhex("pair_id").alias("pair_key")).distinct()
    return keys.join(seen, on=["metadata_id", "snapshot", "pair_key"], how="left_anti").select(*SIGHTINGS.names)


def filter_shards(keys: DataFrame, shard_bits: int) -> DataFrame:
    """Return (shard int, bits binary): filters that between them know every `pair_key`.

    Rows: n:1 per shard. Shuffle: keys, 16 bytes a row. What they are: metaclip_spark.core.hashing.bloom_filter.
    """

    def build(table: pa.Table) -> pa.Table:
        bits = build_shard(_key_array(table["pair_key"].combine_chunks()))
        return pa.table({"shard": table["shard"].slice(0, 1), "bits": pa.array([bits], pa.binary())})

    first_byte = F.conv(F.hex(F.substring("pair_key", 1, 1)), 16, 10).cast("int")
    shard = F.shiftright(first_byte, 8 - shard_bits)
    return keys.select(shard.alias("shard"), "pair_key").groupBy("shard").applyInArrow(build, "shard int, bits binary")


def that_may_matter(pair_keys: DataFrame, key_filter: Broadcast) -> DataFrame:
    """Return the keys that may be among those the filter was built from: all that are, and few others.

    Rows: subset. Shuffle: none; this is what keeps the join from moving the keys of every earlier crawl.
    """

    def keep(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        known = key_filter.value
        for batch in batches:
            yield batch.filter(pa.array(known.may_hold(_key_array(batch.column(0)))))

    return pair_keys.select("pair_key").mapInArrow(keep, "pair_key binary")


def _key_array(keys: pa.Array) -> np.ndarray:
    """Return binary keys, none null, as uint8[n, 16]."""
    fixed = keys.cast(pa.binary(KEY_BYTES))
    raw = np.frombuffer(fixed.buffers()[1], dtype=np.uint8) if len(fixed) else np.zeros(0, dtype=np.uint8)
    return raw.reshape(-1, KEY_BYTES)[fixed.offset : fixed.offset + len(fixed)]


def missing_keys(pairs: DataFrame, pair_keys: DataFrame) -> DataFrame:
    """Return the keys of pairs that are not yet among `pair_keys`; ids of the pool's own are left out.

    Rows: subset. Shuffle: keys of one snapshot.
    """
    keys = pairs.where(F.col("pair_id").rlike("^[0-9a-f]{32}$")).select(
        "metadata_id", "snapshot", F.unhex("pair_id").alias("pair_key")
    )
    return keys.join(pair_keys, on=["metadata_id", "snapshot", "pair_key"], how="left_anti")


def rejects(extracted: DataFrame) -> DataFrame:
    """Return the sample of rejects. Rows: subset. Shuffle: none."""
    return extracted.where("kind = 'reject'").select(*REJECTS.names)


def sources(extracted: DataFrame) -> DataFrame:
    """Return the outcome of each source, its splits summed up.

    Rows: n:1 per source. Shuffle: the outcomes (one row a split). A source is done when all its splits are, failed when
    all failed, else partial.
    """
    outcomes = extracted.where("kind = 'source'")
    statuses = F.collect_set("status")
    sums = ["records_read", "texts_read", "texts_matched", "pairs_written", "bytes_read"]
    merged = outcomes.groupBy("snapshot", "source_path", "metadata_id").agg(
        F.first("format").alias("format"),
        F.when(F.size(statuses) == 1, statuses[0]).otherwise("partial").alias("status"),
        F.array_join(F.array_sort(F.collect_set("reason")), "; ").alias("reason"),
        F.max("etag").alias("etag"),
        F.max("extract_id").alias("extract_id"),
        F.max("batch_id").alias("batch_id"),
        F.flatten(F.collect_list(F.map_entries("rejected"))).alias("rejected"),
        *[F.sum(name).cast("bigint").alias(name) for name in sums],
    )
    return merged.withColumns({"reason": F.expr("nullif(reason, '')"), "rejected": _summed_map("rejected")}).select(
        *SOURCES.names
    )


def _summed_map(entries: str) -> F.Column:
    """Sum (key, value) structs by key into a map, keys in order."""
    keys = F.array_sort(F.array_distinct(F.transform(entries, lambda e: e["key"])))

    def total(key: F.Column) -> F.Column:
        mine = F.filter(entries, lambda e: e["key"] == key)
        return F.aggregate(mine, F.lit(0).cast("bigint"), lambda acc, e: acc + e["value"])

    return F.map_from_arrays(keys, F.transform(keys, total))
