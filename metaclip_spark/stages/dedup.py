"""Deduplicate: one row per pair_id of a snapshot, without the pairs of earlier crawls.

Every stage here works on one prefix of the keys. Its rows come sorted by their key, and of the rows of a key the first
one is kept. Known keys are narrow rows that come before all others, so a known key keeps none of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from metaclip_spark.core.hashing.first_rows import rows_of_first
from metaclip_spark.core.hashing.key_prefix import LEADING_DIGITS, WHOLE, KeyPrefix
from metaclip_spark.schemas import PAIRS, REJECTS, SOURCES
from metaclip_spark.spark.embedded import is_embedded
from metaclip_spark.stages.columns import in_partition, need_columns, pair_id_of

ORDER = ("source_path", "page_url", "text_source", "position")
"""The columns that order the rows of a pair: dedup keeps the first row. The position makes the order total."""

CONSTANT = ("metadata_id", "snapshot", "batch_id")
"""Columns with one value in all pairs of a deduplication. No row carries them through a shuffle."""

_NEW = "new"
"""A column that is null in known keys."""

_MAPS = ("rejected", "list_texts", "list_matched")
"""Columns of outcomes whose maps are summed by key."""


def staged_pairs(extracted: DataFrame, prefix: KeyPrefix = WHOLE) -> DataFrame:
    """Return the rows of kind pair whose pair_id is in a prefix. With `--no-dedup`, they are stored as they are."""
    return of_prefix(extracted.where("kind = 'pair'"), prefix)


def of_prefix(rows: DataFrame, prefix: KeyPrefix, key: str = "pair_id") -> DataFrame:
    """Return the rows whose key is in a prefix. Statistics of files on the key answer most of the question.

    Args:
        key: `pair_key` (bytes), or a column of hexadecimal digits.
    """

    def value(digits: str) -> Column:
        return F.lit(bytes.fromhex(digits)) if key == "pair_key" else F.lit(digits)

    if prefix.first is not None:
        rows = rows.where(F.col(key) >= value(prefix.first))
    if prefix.end is not None:
        rows = rows.where(F.col(key) < value(prefix.end))
    return rows


def dedup(
    extracted: DataFrame,
    known: DataFrame | None,
    prefix: KeyPrefix = WHOLE,
    buckets: int = 1,
    constants: Mapping[str, str] = {},
) -> DataFrame:
    """Return the new pairs of a prefix: the columns of `pairs` but CONSTANT, and those of `constants`.

    Reads: extracted (rows of kind pair), known keys (pair_key). Writes: nothing.
    Rows: subset, in the order of their keys; on Spark in `buckets` partitions, in the order of their keys, too.
    Shuffle: the wide rows and the known keys once, by the bucket of the key. They are sorted once, after that. Skew is
    bounded: extraction drops a repeat inside a source, unless its (page_url, text_source) sorts before the earlier one,
    so a pair occurs at most a few times per source.

    Args:
        known: None: no key is known.
        constants: column -> its value in all rows.
    """
    need_columns(extracted, "dedup", ["kind", "pair_id", *ORDER], "Run extract first.")
    kept = [name for name in PAIRS.names if name not in (*CONSTANT, "pair_id")]
    rows = staged_pairs(extracted, prefix).select(_key(), *kept, "position")
    return _first_and_new(rows, known, ORDER, prefix, buckets, ["pair_id", *kept], constants)


def sightings(
    extracted: DataFrame,
    seen: DataFrame | None,
    prefix: KeyPrefix = WHOLE,
    buckets: int = 1,
    constants: Mapping[str, str] = {},
) -> DataFrame:
    """Return the keys (pair_key) of a prefix of the snapshot's pairs, new or not, that are not in `seen`.

    Rows: n:1 per pair, in the order of `dedup`. Shuffle: keys of one snapshot, 16 bytes per row.

    Args:
        seen: the sightings (pair_key) that are stored for the snapshot; None: there are none.
        constants: column -> its value in all rows.
    """
    keys = staged_pairs(extracted, prefix).select(_key(), F.lit(True).alias(_NEW))
    return _first_and_new(keys, seen, (_NEW,), prefix, buckets, ["pair_key"], constants)


def bucket(digits: Column, prefix: KeyPrefix, buckets: int) -> Column:
    """Return the bucket of a key of a prefix (int); see `buckets_of`.

    Args:
        digits: the key's hexadecimal digits, at least the first eight.
    """
    leading = F.conv(F.substring(digits, 1, LEADING_DIGITS), 16, 10).cast("bigint")
    within = leading.bitwiseAND(F.lit((1 << prefix.rest) - 1).cast("bigint"))
    return F.shiftright(within * F.lit(buckets).cast("bigint"), prefix.rest).cast("int")


def _key() -> Column:
    return F.unhex("pair_id").alias("pair_key")


def _first_and_new(
    rows: DataFrame,
    known: DataFrame | None,
    order: Sequence[str],
    prefix: KeyPrefix,
    buckets: int,
    columns: Sequence[str],
    constants: Mapping[str, str],
) -> DataFrame:
    """Return the first row of each pair_key that is not in `known`, in the order of the keys.

    A row carries the 16 bytes of its key through the shuffle, and gets the 32 digits of its pair_id back after it.

    Args:
        order: columns that order the rows of a key. The first of them is null in no row.
        columns: those to return: of `rows`, and pair_id.
        constants: column -> its value in all rows.
    """
    if known is not None:
        nulls = [F.lit(None).cast(kind).alias(name) for name, kind in rows.dtypes if name != "pair_key"]
        rows = rows.unionByName(known.select("pair_key", *nulls))
    if is_embedded(rows.sparkSession):
        return _first_in_arrow(rows, order, columns, constants)
    # The window asks for rows that are clustered by (pair_key, _bucket); rows that are clustered by _bucket are. So it
    # adds no shuffle of its own. It sorts by pair_key first, whose leading bytes sort as integers.
    number = bucket(F.hex(F.substring("pair_key", 1, LEADING_DIGITS // 2)), prefix, buckets)
    rows = rows.withColumn("_bucket", in_partition(number, buckets))
    first = Window.partitionBy("pair_key", "_bucket").orderBy(*order)
    ranked = rows.repartition(buckets, "_bucket").withColumn("_rank", F.row_number().over(first))
    kept = ranked.where((F.col("_rank") == 1) & F.col(order[0]).isNotNull())
    named = [pair_id_of().alias(name) if name == "pair_id" else F.col(name) for name in columns]
    return kept.select(*named, *[F.lit(value).alias(name) for name, value in constants.items()])


def _first_in_arrow(
    rows: DataFrame, order: Sequence[str], columns: Sequence[str], constants: Mapping[str, str]
) -> DataFrame:
    """Return the same rows from a function of batches that sorts keys alone, and holds all rows.

    The embedded engine would sort whole rows, which takes most of the time and of the memory of deduplication. It would
    also divide the rows again, and lose their order, for an expression of columns after the function.
    """
    names = rows.columns
    types = {**dict(rows.dtypes), "pair_id": "string"}
    ddl = [f"{name} {types[name]}" for name in columns] + [f"{name} string" for name in constants]

    def keep(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return rows_of_first(batches, names, "pair_key", order, columns, constants)

    return rows.repartition(1, "pair_key").mapInArrow(keep, ", ".join(ddl))


def rejects(extracted: DataFrame) -> DataFrame:
    """Return the sampled rejects. Rows: subset. Shuffle: none."""
    return extracted.where("kind = 'reject'").select(*REJECTS.names)


def sources(outcomes: DataFrame) -> DataFrame:
    """Merge the outcomes of splits into the outcome of each source.

    Reads: outcomes. Rows: n:1 per source. Shuffle: the outcomes (one row per split). A source is done if all its splits
    are done, failed if all its splits failed, and partial otherwise.
    """
    statuses = F.collect_set("status")
    sums = ["records_read", "texts_read", "texts_matched", "pairs_written", "bytes_read"]
    merged = outcomes.groupBy("snapshot", "source_path", "metadata_id").agg(
        F.first("format").alias("format"),
        F.when(F.size(statuses) == 1, statuses[0]).otherwise("partial").alias("status"),
        F.array_join(F.array_sort(F.collect_set("reason")), "; ").alias("reason"),
        F.max("etag").alias("etag"),
        F.max("extract_id").alias("extract_id"),
        F.max("batch_id").alias("batch_id"),
        *[F.flatten(F.collect_list(F.map_entries(name))).alias(name) for name in _MAPS],
        *[F.sum(name).cast("bigint").alias(name) for name in sums],
    )
    maps = {name: _summed_map(name) for name in _MAPS}
    for name in _MAPS[1:]:  # null where one list is used for all texts, as in tables of earlier releases
        maps[name] = F.when(F.size(name) > 0, maps[name])
    return merged.withColumns({"reason": F.expr("nullif(reason, '')"), **maps}).select(*SOURCES.names)


def _summed_map(entries: str) -> Column:
    """Sum (key, value) structs by key into a map, in the order of the keys."""
    keys = F.array_sort(F.array_distinct(F.transform(entries, lambda e: e["key"])))

    def total(key: Column) -> Column:
        of_key = F.filter(entries, lambda e: e["key"] == key)
        return F.aggregate(of_key, F.lit(0).cast("bigint"), lambda acc, e: acc + e["value"])

    return F.map_from_arrays(keys, F.transform(keys, total))
