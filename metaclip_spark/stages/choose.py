"""Choose: one matched text of each image (`--unit image`; MetaCLIP 2's way with several texts on one image)."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from metaclip_spark.sampling import draw_key
from metaclip_spark.stages.columns import need_columns

_LOWEST = -(2**63)


def choose(pairs: DataFrame, seed: int) -> DataFrame:
    """Return the matched pair of each image whose hash is smallest: what is balanced in the image's stead.

    Reads: pairs. Writes: nothing. Rows: subset, one an image at most. Shuffle: one, by image_id; Spark drops all but
    the best of each image in every task before it, so an image with a million texts is no skew.

    Args:
        seed: the hash is a function of pair_id, keyed by (seed, "choose"): another than the draw's.
    """
    need_columns(pairs, "choose", ["image_id", "pair_id", "entry_ids"], "Run extract with --metadata, or match, first.")
    matched = pairs.where(F.size("entry_ids") > 0)
    return smallest_of(matched, F.col("image_id"), F.col("pair_id"), seed)


def smallest_of(df: DataFrame, image: Column, key: Column, seed: int) -> DataFrame:
    """Return the row of each image whose key has the smallest hash; equal hashes by the key itself."""
    h = F.xxhash64(F.lit(draw_key(seed, "choose")), key)
    # As an unsigned number: Spark's are signed, and the sign bit turned over has the same order.
    first = Window.partitionBy(image).orderBy(h.bitwiseXOR(F.lit(_LOWEST)), key)
    return df.withColumn("_rank", F.row_number().over(first)).where("_rank = 1").drop("_rank")
