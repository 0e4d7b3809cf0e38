"""Export: pairs spread over shards in a shuffled order, the pairs of an image together."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.window import WindowSpec

from metaclip_spark.core.sampling import DRAW_SCALE, draw_key
from metaclip_spark.stages.columns import keyed_order, need_columns

PAIR = ("image_id", "pair_id", "url", "text", "lang", "entry_ids", "sampling_probability", "extra")
_HINT = "Export reads pairs or curated_pairs as this package writes them."


def in_shards(pairs: DataFrame, shards: int, seed: int, texts: int, earlier: DataFrame | None = None) -> DataFrame:
    """Return the pairs in the order of the export, each shard whole in one partition.

    Images are ordered by u, the draw of image_id for the purpose "shard"; shard k holds those in [k/N, (k+1)/N), so the
    order of all images is the same for any number of shards. The pairs of an image stand in the order in which
    `--unit image` chooses one of them: the first is the one that it would draw.

    Reads: pairs (columns `PAIR`), earlier (image_id, pair_id). Writes: nothing.
    Rows: subset; and a row for each pair of `earlier` that is not there. Shuffle: one, by shard, of both together: what
    is new is seen where a pair's two rows lie side by side, without a join.

    Args:
        shards: N.
        texts: pairs of an image that are taken at most, the first ones; a logo has a million texts.
        earlier: pairs that are left out.

    Returns:
        `PAIR`, and: shard int; known, whether `earlier` holds the image; missing, true for a pair of `earlier` that
        `pairs` lacks (its other columns are null); over_limit bigint, with an image's first pair: how many pairs of it
        were left out.
    """
    need_columns(pairs, "export", list(PAIR), _HINT)
    rows = pairs.select(*PAIR, F.lit(True).alias("current"))
    if earlier is not None:
        need_columns(earlier, "export", ["image_id", "pair_id"], _HINT)
        ids = earlier.select("image_id", "pair_id", F.lit(False).alias("current"))
        rows = rows.unionByName(ids, allowMissingColumns=True)
    # Columns of a window are a shard's and more, so what is spread by shard alone stays where it is; and all windows
    # have one order, which is the result's: Spark sorts once.
    order = [F.col(name) for name in ("choice", "pair_id", "current")]
    side_by_side = Window.partitionBy("at", "shard", "image_id").orderBy(*order)
    image = side_by_side.rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
    compared = _compared(_placed(rows, shards, seed), side_by_side, image)
    taken = F.col("current").cast("bigint")
    counted = compared.withColumns({"rank": F.sum(taken).over(side_by_side), "taken": F.sum(taken).over(image)})
    first = F.col("current") & (F.col("rank") == 1)
    over = F.when(first, F.greatest(F.col("taken") - texts, F.lit(0))).otherwise(0).cast("bigint")
    return (
        counted.where(~F.col("current") | (F.col("rank") <= texts))
        .withColumns({"missing": ~F.col("current"), "over_limit": over})
        .sortWithinPartitions("at", "shard", "image_id", *order)
        .select("shard", "known", "missing", "over_limit", *PAIR)
    )


def _placed(rows: DataFrame, shards: int, seed: int) -> DataFrame:
    """Add each image's place in the order (at, the 53 bits of its draw), and spread the rows by shard."""
    h = F.xxhash64(F.lit(draw_key(seed, "shard")), "image_id")
    at = F.shiftrightunsigned(h, 11)  # an integer, which sorts as it is
    # Rounding could make u * N equal N where u is next to one.
    shard = F.least(F.floor(F.col("at").cast("double") * DRAW_SCALE * shards), F.lit(shards - 1)).cast("int")
    placed = rows.withColumns({"at": at, "choice": keyed_order("pair_id", seed, "choose")})
    return placed.withColumn("shard", shard).repartition(shards, "shard")


def _compared(placed: DataFrame, side_by_side: WindowSpec, image: WindowSpec) -> DataFrame:
    """Leave out the pairs that both have, and say which images the earlier ones have (known)."""
    neighbours = {
        "known": F.max(~F.col("current")).over(image),
        "before": F.lag("pair_id").over(side_by_side),
        "after": F.lead("pair_id").over(side_by_side),
    }
    # A pair stands once in each, so equal neighbours are one of each, the earlier one first.
    beside = F.when(F.col("current"), F.col("before")).otherwise(F.col("after"))
    both = F.coalesce(beside == F.col("pair_id"), F.lit(False))
    return placed.withColumns(neighbours).where(~both).drop("before", "after")
