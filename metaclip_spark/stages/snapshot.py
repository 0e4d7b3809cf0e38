"""Snapshots: find the next owner of the pairs of a snapshot that is dropped."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from metaclip_spark.schemas import PAIRS

_HEX_ID = "^[0-9a-f]{32}$"


def moved(
    pairs: DataFrame, sightings: DataFrame, owned: DataFrame, order: Sequence[str], batches: Sequence[str]
) -> DataFrame:
    """Return the pairs of a dropped snapshot that other snapshots saw, each once, as rows of the first of these.

    Everything but the snapshot and the batch stays as it was stored: the page, the source and the kept columns are
    those of the sighting that came first. A pair that another snapshot has as a row of its own is left out, and so are
    ids that the input itself defines: no sighting has them.

    Reads: pairs (of the dropped snapshot), sightings (snapshot, pair_key) of the same list, pairs of the other
    snapshots (pair_id). Writes: nothing. Rows: subset. Shuffle: the keys of all three, and the rows once.

    Args:
        order: the other snapshots, by the time of their first deduplication.
        batches: the batch that the pairs get in each of them.
    """
    keyed = pairs.where(F.col("pair_id").rlike(_HEX_ID)).withColumn("pair_key", F.unhex("pair_id"))
    there = owned.where(F.col("pair_id").rlike(_HEX_ID)).select(F.unhex("pair_id").alias("pair_key"))
    places = [(name, at, batch) for at, (name, batch) in enumerate(zip(order, batches, strict=True))]
    ranks = pairs.sparkSession.createDataFrame(places, "next_owner string, place int, next_batch string")
    seen = sightings.select("pair_key", F.col("snapshot").alias("next_owner"))
    seen = seen.join(keyed.select("pair_key"), on="pair_key", how="left_semi")
    seen = seen.join(there, on="pair_key", how="left_anti").join(ranks, on="next_owner")
    first = seen.groupBy("pair_key").agg(F.min("place").alias("place")).join(ranks, on="place")
    rows = keyed.drop("snapshot", "batch_id").join(first, on="pair_key")
    renamed = rows.withColumn("snapshot", F.col("next_owner")).withColumn("batch_id", F.col("next_batch"))
    return renamed.select(*PAIRS.names)
