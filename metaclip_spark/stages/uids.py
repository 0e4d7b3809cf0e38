"""Uids: DataComp's sample ids of pairs, sorted, in parts of even size."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from metaclip_spark.spark.arrow_udf import sorted_for_python
from metaclip_spark.spark.embedded import is_embedded
from metaclip_spark.stages.columns import in_partition, need_columns

DIGITS = 32
_WRITTEN = r"^[0-9a-fA-F]{1,32}$"
_PREFIX = 8
"""Hex digits that decide the part of a uid. Uids are hashes, so parts by their prefix are even."""


def count_uids(pairs: DataFrame, name: str) -> DataFrame:
    """Count pairs, those with a value in the kept column, and those whose value is a uid.

    Reads: extra. Writes: nothing. Rows: one, with pairs, with_uid and valid. Shuffle: three numbers per task.
    """
    written = _written(pairs, name)
    return pairs.agg(
        F.count("*").alias("pairs"), F.count(written).alias("with_uid"), F.count(_bytes(written)).alias("valid")
    )


def sorted_uids(pairs: DataFrame, name: str, parts: int) -> DataFrame:
    """Return the uids of pairs in ascending order, as 16 bytes. All uids of a part are in one partition.

    Part k of N has the uids whose first digits are in [k/N, (k+1)/N), so the parts follow each other.

    Reads: extra. Writes: nothing. Rows: subset, the pairs with a uid. Shuffle: one, by part.

    Args:
        name: the kept column with uids of up to 32 hex digits.
        parts: N.

    Returns:
        part int, uid binary, and what `sorted_for_python` adds.
    """
    uid = _bytes(_written(pairs, name))
    prefix = F.conv(F.substring(F.hex("uid"), 1, _PREFIX), 16, 10).cast("bigint")
    part = F.shiftright(prefix * parts, 4 * _PREFIX).cast("int")
    rows = pairs.select(uid.alias("uid")).where(F.col("uid").isNotNull()).withColumn("part", part)
    task = F.col("part") if is_embedded(pairs.sparkSession) else in_partition(F.col("part"), parts)
    placed = rows.withColumn("_task", task).repartition(parts, "_task")
    ordered = sorted_for_python(placed, "part", "uid", within="part")
    return ordered.select("part", "uid", *ordered.columns[len(placed.columns) :])


def _written(pairs: DataFrame, name: str) -> Column:
    need_columns(pairs, "export", ["extra"], "Export reads pairs or curated_pairs as this package writes them.")
    return F.col("extra")[name]


def _bytes(written: Column) -> Column:
    """Return the 16 bytes of a uid; null if the text is none."""
    return F.when(written.rlike(_WRITTEN), F.unhex(F.lpad(written, DIGITS, "0")))
