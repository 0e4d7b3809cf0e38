"""Deduplicate: one row per pair_id of a snapshot, without the pairs of earlier crawls."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from metaclip_spark.core.hashing.bloom_filter import KEY_BYTES, BloomFilter, build_shard
from metaclip_spark.schemas import PAIRS, REJECTS, SIGHTINGS, SOURCES
from metaclip_spark.spark.arrow_udf import column_function, computed_once
from metaclip_spark.spark.broadcast import Broadcast
from metaclip_spark.stages.columns import need_columns

ORDER = ("source_path", "page_url", "text_source", "position")
"""The columns that order the rows of a pair: dedup keeps the first row. The position makes the order total."""

Hashes = Broadcast[npt.NDArray[np.int64]]
"""Sorted hashes of keys (int64), broadcast to the workers."""


def dedup(extracted: DataFrame, pair_keys: DataFrame, suspects: Hashes | None = None) -> DataFrame:
    """Return the new pairs of a snapshot.

    Reads: extracted (rows of kind pair), pair_keys. Writes: nothing.
    Rows: subset. Shuffle: the wide rows once, by the 16 bytes of pair_id. The anti-join moves only keys, and uses the
    same partitioning. Skew is bounded: extraction drops a repeat inside a source, unless its (page_url,
    text_source) sorts before the earlier one, so a pair occurs at most a few times per source. With `suspects`, only
    the rows of suspects are moved and sorted.

    Args:
        suspects: int64, sorted: the hashes of `suspect_hashes`; None: every row is a suspect.
    """
    need_columns(extracted, "dedup", ["kind", "pair_id", *ORDER], "Run extract first.")
    rows = staged_pairs(extracted).withColumn("pair_key", F.unhex("pair_id"))
    if suspects is None:
        return _first_and_new(rows, pair_keys)
    marked = _marked(rows, suspects)
    others = marked.where(~F.col("suspect")).select(*PAIRS.names)
    return others.unionByName(_first_and_new(marked.where("suspect"), pair_keys))


def _marked(rows: DataFrame, suspects: Hashes) -> DataFrame:
    """Add the column `suspect`: whether the hash of the pair_key is among `suspects`."""
    is_suspect = computed_once(column_function(lambda hashes: is_member(hashes, suspects.value), "boolean", pa.int64()))
    return rows.withColumn("suspect", is_suspect(F.xxhash64("pair_key")))


def _first_and_new(rows: DataFrame, pair_keys: DataFrame) -> DataFrame:
    """Return the first row of each pair_key that is not in `pair_keys`."""
    first = Window.partitionBy("pair_key").orderBy(*ORDER)
    return (
        rows.withColumn("rank", F.row_number().over(first))
        .where("rank = 1")
        .join(pair_keys.select("pair_key"), on="pair_key", how="left_anti")
        .select(*PAIRS.names)
    )


def suspect_hashes(extracted: DataFrame, pair_keys: DataFrame) -> DataFrame:
    """Return the hashes (hash bigint) of the keys that more than one staged row has, or that are known already.

    Two different keys may have one hash. Then they are suspects without need, which changes no result.

    Rows: n:1 per hash. Shuffle: hashes, eight bytes per row of both.
    """
    new = staged_pairs(extracted).select(F.xxhash64(F.unhex("pair_id")).alias("hash"), F.lit(1).alias("new"))
    known = pair_keys.select(F.xxhash64("pair_key").alias("hash"), F.lit(0).alias("new"))
    numbers = new.unionByName(known).groupBy("hash").agg(F.count("new").alias("rows"), F.max("new").alias("new"))
    return numbers.where("rows > 1 and new = 1").select("hash")


def is_member(values: pa.Array, of: npt.NDArray[np.int64]) -> pa.Array:
    """Return for each value (int64, none of them null) whether it is in a sorted array.

    >>> is_member(pa.array([3, 4, 9]), np.array([3, 5])).to_pylist()
    [True, False, False]
    """
    wanted = values.to_numpy(zero_copy_only=False)
    if not len(of):
        return pa.array(np.zeros(len(wanted), dtype=bool))
    places = np.minimum(np.searchsorted(of, wanted), len(of) - 1)
    return pa.array(of[places] == wanted)


def staged_pairs(extracted: DataFrame) -> DataFrame:
    """Return all rows of kind pair. With `--no-dedup`, these are stored as they are."""
    return extracted.where("kind = 'pair'")


def sightings(extracted: DataFrame, seen: DataFrame, suspects: Hashes | None = None) -> DataFrame:
    """Return the keys of the snapshot's pairs, new or not, that are not in `seen` (the sightings stored so far).

    Rows: n:1 per pair. Shuffle: keys of one snapshot, 16 bytes per row; with `suspects`, as in `dedup`, those of
    suspects, and those of all rows only where `seen` has rows.
    """
    keys = staged_pairs(extracted).select("metadata_id", "snapshot", F.unhex("pair_id").alias("pair_key"))
    if suspects is None:
        distinct = keys.distinct()
    else:
        marked = _marked(keys, suspects)
        once = marked.where(~F.col("suspect")).drop("suspect")
        distinct = once.unionByName(marked.where("suspect").drop("suspect").distinct())
    return distinct.join(seen, on=["metadata_id", "snapshot", "pair_key"], how="left_anti").select(*SIGHTINGS.names)


def filter_shards(keys: DataFrame, shard_bits: int) -> DataFrame:
    """Build one shard of a Bloom filter per leading bits of `pair_key`; return (shard int, bits binary).

    Rows: n:1 per shard. Shuffle: keys, 16 bytes per row. See metaclip_spark.core.hashing.bloom_filter.
    """

    def build(table: pa.Table) -> pa.Table:
        bits = build_shard(_key_array(table["pair_key"].combine_chunks()))
        return pa.table({"shard": table["shard"].slice(0, 1), "bits": pa.array([bits], pa.binary())})

    # The embedded engine takes a substring of text only, not of bytes.
    first_byte = F.conv(F.substring(F.hex("pair_key"), 1, 2), 16, 10).cast("int")
    shard = F.shiftright(first_byte, 8 - shard_bits)
    return keys.select(shard.alias("shard"), "pair_key").groupBy("shard").applyInArrow(build, "shard int, bits binary")


def keys_in_filter(pair_keys: DataFrame, key_filter: Broadcast[BloomFilter]) -> DataFrame:
    """Return the keys that a Bloom filter reports as members: all that are, and a few false positives.

    Rows: subset. Shuffle: none. Without the filter, the join would move the keys of every earlier crawl.
    """

    def keep(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        bloom = key_filter.value
        for batch in batches:
            yield batch.filter(pa.array(bloom.may_hold(_key_array(batch.column(0)))))

    return pair_keys.select("pair_key").mapInArrow(keep, "pair_key binary")


def _key_array(keys: pa.Array) -> npt.NDArray[np.uint8]:
    """Return binary keys, none of them null, as uint8[n, 16]."""
    fixed = keys.cast(pa.binary(KEY_BYTES))
    raw = np.frombuffer(fixed.buffers()[1], dtype=np.uint8) if len(fixed) else np.zeros(0, dtype=np.uint8)
    return raw.reshape(-1, KEY_BYTES)[fixed.offset : fixed.offset + len(fixed)]


def missing_keys(pairs: DataFrame, pair_keys: DataFrame) -> DataFrame:
    """Return the keys of pairs that are not yet in `pair_keys`. Ids that the input itself defines are skipped.

    Rows: subset. Shuffle: keys of one snapshot.
    """
    keys = pairs.where(F.col("pair_id").rlike("^[0-9a-f]{32}$")).select(
        "metadata_id", "snapshot", F.unhex("pair_id").alias("pair_key")
    )
    return keys.join(pair_keys, on=["metadata_id", "snapshot", "pair_key"], how="left_anti")


def rejects(extracted: DataFrame) -> DataFrame:
    """Return the sampled rejects. Rows: subset. Shuffle: none."""
    return extracted.where("kind = 'reject'").select(*REJECTS.names)


def sources(extracted: DataFrame) -> DataFrame:
    """Merge the outcomes of splits into the outcome of each source.

    Rows: n:1 per source. Shuffle: the outcomes (one row per split). A source is done if all its splits are done, failed
    if all its splits failed, and partial otherwise.
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


def _summed_map(entries: str) -> Column:
    """Sum (key, value) structs by key into a map, in the order of the keys."""
    keys = F.array_sort(F.array_distinct(F.transform(entries, lambda e: e["key"])))

    def total(key: Column) -> Column:
        of_key = F.filter(entries, lambda e: e["key"] == key)
        return F.aggregate(of_key, F.lit(0).cast("bigint"), lambda acc, e: acc + e["value"])

    return F.map_from_arrays(keys, F.transform(keys, total))
