"""Download: the outcome of each image in what img2dataset wrote, and the pairs of a pool with these outcomes."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from metaclip_spark.core.survival.origins import ages, domains
from metaclip_spark.errors import InputError
from metaclip_spark.export.failures import NO_STATUS, NOT_TRIED, OPTED_OUT, RESIZE, SUCCESS
from metaclip_spark.stages.survive import GROUP, image_id_of, key_of, keyed, with_images_of

OUTCOME = "outcome"
"""The column of an image's outcome: img2dataset's `status`, `http_NNN`, or another name of `export.failures`."""

_TRIED_DDL = "domain string, age string, tried bigint, got bigint"
_FIRST = (SUCCESS, OPTED_OUT, RESIZE)
"""The outcomes that an image has if any of its rows has them, in this order. Others follow by name."""
_RANKED = r"^\d+ "


def outcomes_of(table: DataFrame) -> DataFrame:
    """Return the outcome of each image in img2dataset's tables, one row per key.

    An image may have rows in several folders, or several rows in one. It is a success if one of them is.

    Reads: status, error_message if present, and pair_id, image_id or url. Writes: nothing. Rows: n:1 per key.
    Shuffle: one, by key.

    Returns:
        One column, pair_id or image_id, and `group`, which `with_outcomes` reads.

    Raises:
        InputError: the table has no status, or none of the columns that identify an image.
    """
    if "status" not in table.columns:
        raise InputError(
            f"--failed-of expects the Parquet files that img2dataset writes, with the column status; got "
            f"{table.columns}."
        )
    key_of(table)
    return keyed(table, _ranked(_outcome(table)))


def with_outcomes(pairs: DataFrame, outcomes: DataFrame, exported: DataFrame | None = None) -> DataFrame:
    """Return the pairs with the outcome of their image, NOT_TRIED where it has none.

    Reads: pairs, and the result of `outcomes_of`. Writes: nothing. Rows: 1:1. Shuffle: one, by the outcomes' key.

    Args:
        exported: see `stages.survive.surviving`.
    """
    if exported is not None:
        outcomes = with_images_of(outcomes, exported)
    joined = pairs.join(outcomes, on=key_of(outcomes), how="left")
    outcome = F.coalesce(F.regexp_replace(GROUP, _RANKED, ""), F.lit(NOT_TRIED))
    return joined.withColumn(OUTCOME, outcome).drop(GROUP)


def images_by_outcome(pairs: DataFrame) -> DataFrame:
    """Count the images of each outcome.

    Reads: the result of `with_outcomes`. Writes: nothing. Rows: outcome, images; n:1. Shuffle: one row per image.
    """
    return pairs.select("image_id", OUTCOME).distinct().groupBy(OUTCOME).agg(F.count("*").alias("images"))


def download_by_origin(table: DataFrame) -> DataFrame:
    """Count the images that a download tried and got, by domain and age.

    An image may have several rows. It is on disk if one of them is a success.

    Reads: url, status; snapshot if present. Writes: nothing. Rows: domain, age, tried, got; n:1.
    Shuffle: one, by url, and one row per domain, age and task.

    Raises:
        InputError: the table has no url or no status.
    """
    missing = [name for name in ("url", "status") if name not in table.columns]
    if missing:
        raise InputError(
            "--survival expects the Parquet files that img2dataset writes, with the columns url and status; got "
            f"{table.columns}."
        )
    snapshot = F.col("snapshot") if "snapshot" in table.columns else F.lit(None)
    rows = table.where(F.col("url").isNotNull()).select(
        "url", (F.col("status") == SUCCESS).cast("int").alias("got"), snapshot.cast("string").alias("snapshot")
    )
    images = rows.groupBy("url").agg(F.max("got").alias("got"), F.max("snapshot").alias("snapshot"))

    def partial(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            got = pc.fill_null(batch.column("got"), 0).cast(pa.int64())
            origin = domains(batch.column("url")), ages(batch.column("snapshot"))
            found = pa.table([*origin, got], ["domain", "age", "got"])
            sums = found.group_by(["domain", "age"]).aggregate([("got", "count"), ("got", "sum")])
            columns = [sums[name] for name in ("domain", "age", "got_count", "got_sum")]
            yield from pa.table(columns, ["domain", "age", "tried", "got"]).to_batches()

    summed = images.select("url", "got", "snapshot").mapInArrow(partial, _TRIED_DDL)
    return summed.groupBy("domain", "age").agg(F.sum("tried").alias("tried"), F.sum("got").alias("got"))


def with_snapshots(table: DataFrame, pairs: DataFrame) -> DataFrame:
    """Return the rows of a download with the last snapshot in which the image was seen; null for an unknown image.

    Reads: url, and image_id if present; of pairs image_id, snapshot. Writes: nothing. Rows: 1:1.
    Shuffle: one, by image, of ids and the rows of the download.
    """
    if "image_id" not in table.columns:
        table = table.withColumn("image_id", image_id_of(F.col("url")))
    return table.join(pairs.groupBy("image_id").agg(F.max("snapshot").alias("snapshot")), on="image_id", how="left")


def _outcome(table: DataFrame) -> Column:
    """Return the name of a row's outcome; of a failed download, the HTTP status if its error has one."""
    status = F.coalesce(F.col("status"), F.lit(NO_STATUS))
    if "error_message" not in table.columns:
        return status
    error = F.coalesce(F.col("error_message").cast("string"), F.lit(""))
    code = F.regexp_extract(error, r"^HTTP Error (\d{3})\b", 1)
    failed = status != SUCCESS
    return (
        F.when(failed & error.contains("X-Robots-Tag"), F.lit(OPTED_OUT))
        .when(failed & (code != ""), F.concat(F.lit("http_"), code))
        .otherwise(status)
    )


def _ranked(outcome: Column) -> Column:
    """Return a text whose smallest value among an image's rows has the outcome of the image."""
    rank = F.lit(f"{len(_FIRST)} ")
    for at, name in enumerate(_FIRST):
        rank = F.when(outcome == name, F.lit(f"{at} ")).otherwise(rank)
    return F.concat(rank, outcome)
