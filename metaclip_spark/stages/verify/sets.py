"""Check sets of rows: keys that are there twice, keys of one table that another lacks, and who is drawn.

Differences are rows of `found.as_differences`, so that those of several tables are found in one job.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from metaclip_spark.core.entry_lists import list_layout, running_products
from metaclip_spark.core.hashing.key_prefix import KeyPrefix
from metaclip_spark.core.weights.pairs import PairWeights
from metaclip_spark.spark.broadcast import Broadcast
from metaclip_spark.stages.choose import smallest_of
from metaclip_spark.stages.columns import draw, pair_id_of
from metaclip_spark.stages.dedup import of_prefix
from metaclip_spark.stages.verify.found import as_differences
from metaclip_spark.stages.weights import WEIGHT_COLUMNS, weight_columns, weights_in

KEY = "key"
"""The column with the key of a row, a string."""


def repeated(rows: DataFrame, table: str, keys: Sequence[str]) -> DataFrame:
    """Return the keys that several rows have. Rows: n:1. Shuffle: the keys.

    Args:
        keys: the columns that together name one row.
    """
    several = rows.select(*keys).groupBy(*keys).agg(F.count("*").alias("n")).where("n > 1")
    name = F.concat_ws(" ", *[_as_text(key) for key in reversed(keys)])
    return as_differences(several, table, name, F.lit("1 row"), F.concat(F.col("n").cast("string"), F.lit(" rows")))


def _as_text(key: str) -> Column:
    return pair_id_of(key) if key == "pair_key" else F.col(key).cast("string")


def compared(
    expected: DataFrame, got: DataFrame, field: str, missing: Sequence[str], extra: Sequence[str]
) -> DataFrame:
    """Return the keys that only one side has. Rows: n:1 per key. Shuffle: the keys of both sides.

    Args:
        expected, got: one column, the key. Repeats make no difference.
        missing, extra: (expected, got) in words, for a key that only `expected`, or only `got`, has.
    """
    sides = expected.toDF(KEY).withColumn("wanted", F.lit(1)).withColumn("there", F.lit(0))
    sides = sides.unionByName(got.toDF(KEY).withColumn("wanted", F.lit(0)).withColumn("there", F.lit(1)))
    keys = sides.groupBy(KEY).agg(F.max("wanted").alias("wanted"), F.max("there").alias("there"))
    odd = keys.where("wanted <> there")
    is_missing = F.col("wanted") == 1
    in_words = [F.when(is_missing, F.lit(a)).otherwise(F.lit(b)) for a, b in zip(missing, extra, strict=True)]
    return as_differences(odd, field, F.col(KEY), *in_words)


def lacking(wanted: DataFrame, there: DataFrame, field: str, expected: str, got: str) -> DataFrame:
    """Return the keys of `wanted` that `there` has not. Rows: n:1 per key. Shuffle: the keys of both.

    Args:
        wanted, there: the columns of the key; of two columns, the second one is the snapshot.
    """
    names = wanted.columns
    sides = wanted.withColumn("there", F.lit(0)).unionByName(there.toDF(*names).withColumn("there", F.lit(1)))
    keys = sides.groupBy(*names).agg(F.min("there").alias("least"), F.max("there").alias("most"))
    return as_differences(
        keys.where("least = 0 AND most = 0"), field, F.concat_ws(" of snapshot ", *names), F.lit(expected), F.lit(got)
    )


def drawn(
    pool: DataFrame,
    probabilities: Broadcast[npt.NDArray[np.float64]],
    seed: int,
    unit: str,
    prefix: KeyPrefix,
    weights: PairWeights | None = None,
) -> DataFrame:
    """Return the ids of the pairs of a pool that the draw keeps, from their entry ids alone.

    Reads: pair_id, entry_ids; with unit `image` also image_id. Rows: subset. Shuffle: none; with unit `image` one.

    Args:
        probabilities: float64 by entry id; NaN for an entry that was not counted: such a pair is not drawn.
        prefix: the pairs, or with unit `image` the images, whose id is in it.
        weights: the factors of the pairs' probabilities; None: every pair weighs 1.
    """
    weight = weight_columns(weights)
    if unit == "image":
        narrow = of_prefix(pool, prefix, "image_id").select("image_id", "pair_id", "entry_ids", *weight)
        narrow = smallest_of(narrow.where(F.size("entry_ids") > 0), F.col("image_id"), F.col("pair_id"), seed)
        weight = [F.col(name) for name in WEIGHT_COLUMNS[: len(weight)]]
        rows = narrow.select("pair_id", "entry_ids", draw("image_id", seed).alias("u"), *weight)
    else:
        rows = of_prefix(pool, prefix).select("pair_id", "entry_ids", draw("pair_id", seed).alias("u"), *weight)

    def keep(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            p = running_products(*list_layout(batch.column(1)), probabilities.value)
            factor = weights_in(batch, weights)
            p = p if factor is None else p * factor
            kept = batch.column(2).to_numpy(zero_copy_only=False) < p
            yield pa.record_batch({KEY: batch.column(0).filter(pa.array(kept))})

    return rows.mapInArrow(keep, f"{KEY} string")
