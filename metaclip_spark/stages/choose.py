"""Choose: one matched text of each image (`--unit image`; MetaCLIP 2's way with several texts on one image)."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from metaclip_spark.stages.columns import keyed_order, need_columns


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
    first = Window.partitionBy(image).orderBy(keyed_order(key, seed, "choose"), key)
    return df.withColumn("_rank", F.row_number().over(first)).where("_rank = 1").drop("_rank")


def one_of_each_group(pairs: DataFrame, group: str, seed: int) -> DataFrame:
    """Return the pairs of one image of each group of images that are the same; of an image without a group, all.

    Reads: pairs (image_id, the group). Writes: nothing. Rows: subset. Shuffle: one, by group; Spark drops in every task
    what a smaller image of the same task beats.

    Args:
        group: a column of what equal images have in common, of any type that can be compared.
        seed: the image with the smallest hash of image_id stays, keyed by (seed, "group").
    """
    need_columns(pairs, "group", ["image_id", group], "It groups images that are the same.")
    # An image without a group is a group of its own, and no value can be taken for its id.
    same = Window.partitionBy(F.col(group), F.when(F.col(group).isNull(), F.col("image_id")))
    first = same.orderBy(keyed_order(F.col("image_id"), seed, "group"), "image_id")
    return pairs.withColumn("_rank", F.rank().over(first)).where("_rank = 1").drop("_rank")
