"""Take down: which rows hold an image or a page that goes, and what follows for counts and sums."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from metaclip_spark.core.entry_lists import laid_out, running_products
from metaclip_spark.schemas import RUN_STATISTICS, TAKEN
from metaclip_spark.spark.arrow_udf import column_function
from metaclip_spark.spark.broadcast import Broadcast
from metaclip_spark.stages.choose import choose
from metaclip_spark.stages.statistics import image_statistics, statistics

_NUMBERED = ("matches", "curated_matches", "curated_count")
"""Statistics with a key: one that is 0 has no row."""
_OUR_ID = "^[0-9a-f]{32}$"


def taken(rows: DataFrame, takedowns: Broadcast) -> DataFrame:
    """Return the rows whose image or page was taken down.

    Reads: url, and page_url where there is one. Writes: nothing. Rows: subset. Shuffle: none.
    """
    function = column_function(
        lambda urls, pages: pa.array(takedowns.value.takes(urls, pages)), "boolean", pa.string(), pa.string()
    )
    page = F.col("page_url") if "page_url" in rows.columns else F.lit(None).cast("string")
    return rows.where(F.col("url").isNotNull()).where(function(F.col("url"), page))


def taken_in_words(rows: DataFrame, takedowns: Broadcast, columns: Iterable[str]) -> DataFrame:
    """Return the rows of which one of the columns is or holds a url that was taken down.

    Reads: the columns, of texts. Writes: nothing. Rows: subset. Shuffle: none.
    """
    function = column_function(
        lambda texts: pa.array(takedowns.value.takes_any_in(texts.cast(pa.string()))), "boolean", pa.string()
    )
    found = F.lit(False)
    for column in columns:
        found = found | F.coalesce(function(F.col(column)), F.lit(False))
    return rows.where(found)


def staged(rows: DataFrame, origin: str, takedown_id: str, arrived: Column | None = None) -> DataFrame:
    """Return taken rows of a table as rows of `taken`; what the table does not have is null. Rows: 1:1."""
    given = {"takedown_id": F.lit(takedown_id), "origin": F.lit(origin)}
    given["arrived"] = arrived if arrived is not None else F.lit(None)
    columns = []
    for column in TAKEN.columns:
        there = F.col(column.name) if column.name in rows.columns else F.lit(None)
        columns.append(given.get(column.name, there).cast(column.type).alias(column.name))
    return rows.select(*columns)


def keys_of(taken_pairs: DataFrame, columns: list[str]) -> DataFrame:
    """Return the distinct keys of taken pairs; `pair_key` is the 16 bytes of a pair_id that is ours.

    Rows: n:1. Shuffle: the keys.
    """
    if "pair_key" not in columns:
        return taken_pairs.select(*columns).distinct()
    ours = taken_pairs.where(F.col("pair_id").rlike(_OUR_ID)).withColumn("pair_key", F.unhex("pair_id"))
    return ours.select(*columns).distinct()


def corrected_counts(before: DataFrame, now: DataFrame) -> DataFrame:
    """Return the rows of `entry_counts` of one snapshot whose count is another now; 0: nothing matches any more.

    Reads: entry_counts of the snapshot before, (entry_id, count) now. Rows: subset. Shuffle: a row an entry.
    """
    now = now.select("entry_id", F.col("count").alias("now"))
    joined = before.join(now, on="entry_id", how="left").withColumn("now", F.coalesce("now", F.lit(0)))
    return joined.where("now <> count").select("metadata_id", "snapshot", "lang", "entry_id", "now")


def counted(pairs: DataFrame, probabilities: Broadcast) -> DataFrame:
    """Return the pairs all of whose entries have a probability: others were not in the run's pool.

    Rows: subset. Shuffle: none.
    """

    def has_all(entry_ids: pa.ListArray) -> pa.Array:
        return pa.array(~np.isnan(running_products(*laid_out(entry_ids), probabilities.value)))

    return pairs.where(column_function(has_all, "boolean", pa.list_(pa.int32()))("entry_ids"))


def sums_of_taken(
    gone: DataFrame, pool: DataFrame, probabilities: Broadcast, seed: int, unit: str, run_id: str
) -> DataFrame:
    """Return what taken pairs added to the statistics of a run, by its own probabilities and draws.

    Args:
        gone: the taken pairs that were in the run's pool.
        pool: the run's pool with them in it; read with unit "image" alone, for which text stood for an image.

    Reads: entry_ids, pair_id (and image_id). Rows: n:1 per name and key. Shuffle: as `statistics`.
    """
    if unit != "image":
        return statistics(gone, probabilities, seed, run_id)
    of_images = pool.join(gone.select("image_id").distinct(), on="image_id", how="left_semi")
    stood = choose(of_images, seed).join(gone.select("pair_id").distinct(), on="pair_id", how="left_semi")
    return image_statistics(gone, stood, probabilities, seed, run_id)


def without(before: DataFrame, sums: DataFrame) -> DataFrame:
    """Return statistics of a run less those of a part of its pool. Rows: subset. Shuffle: some rows an entry."""
    less = sums.select("name", "key", F.col("value").alias("less"))
    value = F.col("value") - F.coalesce(F.col("less"), F.lit(0))
    left = before.join(less, on=["name", "key"], how="left").withColumn("value", value)
    return left.where(~F.col("name").isin(*_NUMBERED) | (F.col("value") != 0)).select(*RUN_STATISTICS.names)
