"""Take down: find the rows of removed images and pages, and correct counts and sums."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from metaclip_spark.core.entry_lists import list_layout, running_products
from metaclip_spark.schemas import RUN_STATISTICS, TAKEN
from metaclip_spark.spark.arrow_udf import column_function
from metaclip_spark.spark.broadcast import Broadcast
from metaclip_spark.stages.choose import choose
from metaclip_spark.stages.statistics import image_statistics, statistics
from metaclip_spark.takedown.hashes import Takedowns, to_arrow

_NUMBERED = ("matches", "curated_matches", "curated_count")
"""Statistics with a key, which have no rows with the value 0."""
_HEX_ID = "^[0-9a-f]{32}$"


def taken(rows: DataFrame, takedowns: Broadcast[Takedowns]) -> DataFrame:
    """Return the rows whose image, page or pair was taken down.

    Reads: url, pair_id, and page_url if present. Writes: nothing. Rows: subset. Shuffle: none.
    """
    function = column_function(
        lambda urls, pages, keys: pa.array(takedowns.value.covers(urls, pages, keys)),
        "boolean",
        *[pa.string()] * 3,
    )
    return rows.where(F.col("url").isNotNull()).where(function(F.col("url"), _page_of(rows), F.col("pair_id")))


def listed_in(rows: DataFrame, takedowns: Broadcast[Takedowns]) -> DataFrame:
    """Return (kind, hash) of the listed hashes of urls and pair ids that some row has.

    Reads: url, pair_id, and page_url if present. Rows: n:1 per listed value. Shuffle: the listed values.
    """

    def look(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for kind, hashes in takedowns.value.listed_in(*(batch.column(at) for at in range(3))).items():
                kinds = pa.repeat(pa.scalar(kind, pa.string()), len(hashes))
                yield pa.record_batch({"kind": kinds, "hash": to_arrow(hashes)})

    columns = rows.select("url", _page_of(rows).alias("page_url"), "pair_id")
    return columns.mapInArrow(look, "kind string, hash binary").distinct()


def _page_of(rows: DataFrame) -> Column:
    return F.col("page_url") if "page_url" in rows.columns else F.lit(None).cast("string")


def taken_in_text(rows: DataFrame, takedowns: Broadcast[Takedowns], columns: Iterable[str]) -> DataFrame:
    """Return the rows in which the text of some column contains a url that was taken down.

    Reads: the columns. Writes: nothing. Rows: subset. Shuffle: none.
    """
    function = column_function(
        lambda texts: pa.array(takedowns.value.covers_any_url_in(texts.cast(pa.string()))), "boolean", pa.string()
    )
    found = F.lit(False)
    for column in columns:
        found = found | F.coalesce(function(F.col(column)), F.lit(False))
    return rows.where(found)


def staged(rows: DataFrame, origin: str, takedown_id: str) -> DataFrame:
    """Convert rows of a table to rows of `taken`. Columns that the table lacks are null. Rows: 1:1. Shuffle: none."""
    known = {"takedown_id": F.lit(takedown_id), "origin": F.lit(origin)}
    columns = []
    for column in TAKEN.columns:
        own = F.col(column.name) if column.name in rows.columns else F.lit(None)
        columns.append(known.get(column.name, own).cast(column.type).alias(column.name))
    return rows.select(*columns)


def keys_of(taken_pairs: DataFrame, columns: list[str]) -> DataFrame:
    """Return the distinct keys of taken pairs.

    `pair_key` is the 16 bytes of a pair_id. Ids that the input itself defines have no `pair_key`, and are skipped.

    Rows: n:1. Shuffle: the keys.
    """
    if "pair_key" not in columns:
        return taken_pairs.select(*columns).distinct()
    with_key = taken_pairs.where(F.col("pair_id").rlike(_HEX_ID)).withColumn("pair_key", F.unhex("pair_id"))
    return with_key.select(*columns).distinct()


def corrected_counts(before: DataFrame, now: DataFrame) -> DataFrame:
    """Return the rows of a snapshot's `entry_counts` whose count changed, with the new count (`now`), which may be 0.

    Reads: the old entry_counts of the snapshot, the new (entry_id, count). Rows: subset. Shuffle: one row per entry.
    """
    now = now.select("entry_id", F.col("count").alias("now"))
    joined = before.join(now, on="entry_id", how="left").withColumn("now", F.coalesce("now", F.lit(0)))
    return joined.where("now <> count").select("metadata_id", "snapshot", "lang", "entry_id", "now")


def counted(pairs: DataFrame, probabilities: Broadcast[npt.NDArray[np.float64]]) -> DataFrame:
    """Return the pairs whose entries all have a probability. Other pairs were not in the run's pool.

    Rows: subset. Shuffle: none.
    """

    def has_all(entry_ids: pa.ListArray) -> pa.Array:
        return pa.array(~np.isnan(running_products(*list_layout(entry_ids), probabilities.value)))

    return pairs.where(column_function(has_all, "boolean", pa.list_(pa.int32()))("entry_ids"))


def sums_of_taken(
    removed: DataFrame,
    pool: DataFrame,
    probabilities: Broadcast[npt.NDArray[np.float64]],
    seed: int,
    unit: str,
    run_id: str,
) -> DataFrame:
    """Compute the sums of taken pairs in a run's statistics, from the probabilities and draws of the run.

    Args:
        removed: the taken pairs that were in the run's pool.
        pool: the run's pool, taken pairs included. It is read only for unit "image", to find each image's chosen text.

    Reads: entry_ids, pair_id (and image_id). Rows: n:1 per name and key. Shuffle: that of `statistics`.
    """
    if unit != "image":
        return statistics(removed, probabilities, seed, run_id)
    of_images = pool.join(removed.select("image_id").distinct(), on="image_id", how="left_semi")
    chosen = choose(of_images, seed).join(removed.select("pair_id").distinct(), on="pair_id", how="left_semi")
    return image_statistics(removed, chosen, probabilities, seed, run_id)


def without(before: DataFrame, sums: DataFrame) -> DataFrame:
    """Subtract the sums of some pairs from a run's statistics. Rows: subset. Shuffle: a few rows per entry."""
    subtracted = sums.select("name", "key", F.col("value").alias("subtracted"))
    value = F.col("value") - F.coalesce(F.col("subtracted"), F.lit(0))
    rest = before.join(subtracted, on=["name", "key"], how="left").withColumn("value", value)
    return rest.where(~F.col("name").isin(*_NUMBERED) | (F.col("value") != 0)).select(*RUN_STATISTICS.names)
