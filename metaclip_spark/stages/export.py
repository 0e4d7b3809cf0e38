"""Export: spread pairs over shards in a shuffled order, with the pairs of an image together."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.window import WindowSpec

from metaclip_spark.core.sampling import DRAW_SCALE, draw_key
from metaclip_spark.spark.arrow_udf import sorted_for_python
from metaclip_spark.spark.embedded import is_embedded
from metaclip_spark.stages.columns import in_partition, keyed_order, need_columns

PAIR = ("image_id", "pair_id", "url", "text", "lang", "entry_ids", "sampling_probability", "extra")
_HINT = "Export reads pairs or curated_pairs as this package writes them."


def in_shards(pairs: DataFrame, shards: int, seed: int, texts: int, earlier: DataFrame | None = None) -> DataFrame:
    """Assign the pairs to shards. All pairs of a shard are in one partition, in the order of the export.

    On Spark, a partition has exactly one shard: no task writes several while others have none.

    Images are ordered by u, the draw of image_id for the purpose "shard". Shard k has the images with u in
    [k/N, (k+1)/N), so the order of all images is the same for any number of shards. The pairs of an image are ordered
    as `--unit image` chooses: the first pair is the one that it would choose.

    Reads: pairs (columns `PAIR`), earlier (image_id, pair_id). Writes: nothing.
    Rows: subset, and one row per pair of `earlier` that `pairs` lacks. Shuffle: one, by shard, of both inputs together.
    The two rows of a pair become neighbours, so finding the new pairs needs no join.

    Args:
        shards: N.
        texts: maximum number of pairs per image. The first pairs are exported. (A logo may have a million texts.)
        earlier: pairs that are not exported again.

    Returns:
        `PAIR`, and: shard int; known, whether `earlier` has the image; missing, true for a pair of `earlier` that
        `pairs` lacks (its other columns are null); over_limit bigint, in an image's first row: how many of its pairs
        exceed the maximum.
    """
    need_columns(pairs, "export", list(PAIR), _HINT)
    rows = pairs.select(*PAIR, F.lit(True).alias("current"))
    if earlier is not None:
        need_columns(earlier, "export", ["image_id", "pair_id"], _HINT)
        ids = earlier.select("image_id", "pair_id", F.lit(False).alias("current"))
        rows = rows.unionByName(ids, allowMissingColumns=True)
    # Every window is partitioned by `_task` and more, so Spark does not shuffle the rows again. All windows have the
    # order of the result, so Spark sorts once.
    order = [F.col(name) for name in ("choice", "pair_id", "current")]
    neighbours = Window.partitionBy("at", "_task", "image_id").orderBy(*order)
    image = neighbours.rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
    compared = _without_common(_placed(rows, shards, seed), neighbours, image)
    current = F.col("current").cast("bigint")
    counted = compared.withColumns({"rank": F.sum(current).over(neighbours), "texts": F.sum(current).over(image)})
    first = F.col("current") & (F.col("rank") == 1)
    over = F.when(first, F.greatest(F.col("texts") - texts, F.lit(0))).otherwise(0).cast("bigint")
    placed = counted.where(~F.col("current") | (F.col("rank") <= texts)).withColumns(
        {"missing": ~F.col("current"), "over_limit": over}
    )
    ordered = sorted_for_python(placed, "at", "_task", "image_id", *order, within="shard")
    return ordered.select("shard", "known", "missing", "over_limit", *PAIR, *ordered.columns[len(placed.columns) :])


def _placed(rows: DataFrame, shards: int, seed: int) -> DataFrame:
    """Add each image's position in the order (at, the 53 bits of its draw), its shard, and the key of its partition.

    The rows are repartitioned by that key (_task): one partition per shard.
    """
    h = F.xxhash64(F.lit(draw_key(seed, "shard")), "image_id")
    at = F.shiftrightunsigned(h, 11)  # an integer sorts without conversion
    # Rounding could make u * N equal N if u is close to one.
    shard = F.least(F.floor(F.col("at").cast("double") * DRAW_SCALE * shards), F.lit(shards - 1)).cast("int")
    placed = rows.withColumns({"at": at, "choice": keyed_order("pair_id", seed, "choose")})
    placed = placed.withColumn("shard", shard)
    task = F.col("shard") if is_embedded(rows.sparkSession) else in_partition(F.col("shard"), shards)
    return placed.withColumn("_task", task).repartition(shards, "_task")


def _without_common(placed: DataFrame, neighbours: WindowSpec, image: WindowSpec) -> DataFrame:
    """Drop the pairs that both inputs have, and mark the images of earlier pairs (known)."""
    columns = {
        "known": F.max(~F.col("current")).over(image),
        "before": F.lag("pair_id").over(neighbours),
        "after": F.lead("pair_id").over(neighbours),
    }
    # Each input has a pair once, so two equal neighbours come from different inputs, the earlier one first.
    neighbour = F.when(F.col("current"), F.col("before")).otherwise(F.col("after"))
    both = F.coalesce(neighbour == F.col("pair_id"), F.lit(False))
    return placed.withColumns(columns).where(~both).drop("before", "after")
