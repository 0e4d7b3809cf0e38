"""Choose: one matched text per image (`--unit image`), which is how MetaCLIP 2 handles several texts of one image."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from metaclip_spark.stages.columns import keyed_order, need_columns


def choose(pairs: DataFrame, seed: int) -> DataFrame:
    """Choose each image's matched pair with the smallest hash. The pair represents its image in balancing.

    Reads: pairs. Writes: nothing. Rows: subset, at most one per image. Shuffle: one, by image_id. Before it, each task
    drops all but its best pair of each image, so an image with a million texts causes no skew.

    Args:
        seed: the hash is a function of pair_id, keyed by (seed, "choose"). It is independent of the draw.
    """
    need_columns(pairs, "choose", ["image_id", "pair_id", "entry_ids"], "Run extract with --metadata, or match, first.")
    matched = pairs.where(F.size("entry_ids") > 0)
    return smallest_of(matched, F.col("image_id"), F.col("pair_id"), seed)


def smallest_of(df: DataFrame, image: Column, key: Column, seed: int) -> DataFrame:
    """Return each image's row whose key has the smallest hash. The key itself breaks ties."""
    first = Window.partitionBy(image).orderBy(keyed_order(key, seed, "choose"), key)
    return df.withColumn("_rank", F.row_number().over(first)).where("_rank = 1").drop("_rank")


def one_of_each_group(pairs: DataFrame, group: str, seed: int) -> DataFrame:
    """Keep the pairs of one image per group of duplicate images, and all pairs of images without a group.

    Reads: pairs (image_id, the group). Writes: nothing. Rows: subset. Shuffle: one, by group. Before it, each task
    drops the pairs of all images but its best one of each group.

    Args:
        group: the column whose value is equal for duplicate images, of any type that can be compared.
        seed: the hash is a function of image_id, keyed by (seed, "group"). The image with the smallest hash is kept.
    """
    need_columns(pairs, "group", ["image_id", group], "Name a column with one value for all duplicates of an image.")
    # An image without a group forms one by itself. A second column separates its id from all values of the group.
    same = Window.partitionBy(F.col(group), F.when(F.col(group).isNull(), F.col("image_id")))
    first = same.orderBy(keyed_order(F.col("image_id"), seed, "group"), "image_id")
    return pairs.withColumn("_rank", F.rank().over(first)).where("_rank = 1").drop("_rank")
