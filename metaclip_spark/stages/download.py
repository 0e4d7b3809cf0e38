"""Download: the outcome of each image in what img2dataset wrote, and the pairs of a pool with these outcomes."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from metaclip_spark.errors import InputError
from metaclip_spark.export.failures import NO_STATUS, NOT_TRIED, OPTED_OUT, RESIZE, SUCCESS
from metaclip_spark.stages.survive import GROUP, key_of, keyed, with_images_of

OUTCOME = "outcome"
"""The column of an image's outcome: img2dataset's `status`, `http_NNN`, or another name of `export.failures`."""

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
