"""Read a run's pairs, spread them over shards, and have tasks write them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from metaclip_spark.errors import ConfigError, WarehouseError
from metaclip_spark.export.shards import WRITTEN_DDL, write_shards
from metaclip_spark.spark.broadcast import Broadcast
from metaclip_spark.stages.balance import pair_probability
from metaclip_spark.stages.export import PAIR, in_shards
from metaclip_spark.steps.run_probabilities import drawn_with
from metaclip_spark.warehouse.runs import Run
from metaclip_spark.warehouse.tables import Warehouse, filter_equal

TEXTS_AN_IMAGE = 1_000
"""Pairs of an image that are exported at most."""


@dataclass(frozen=True)
class Written:
    """What tasks wrote.

    Attributes:
        files: name -> (rows, pairs, bytes), by name.
        over_limit: pairs left out because their image had so many.
        missing: pairs of the earlier run that this one does not hold.
    """

    files: Mapping[str, tuple[int, int, int]]
    over_limit: int
    missing: int

    @property
    def rows(self) -> int:
        """Rows of all files."""
        return sum(rows for rows, _, _ in self.files.values())

    @property
    def pairs(self) -> int:
        """Pairs of all files."""
        return sum(pairs for _, pairs, _ in self.files.values())


def curated_of(warehouse: Warehouse, run: Run, version: int | None = None) -> DataFrame:
    """Return a run's curated subset, with the probabilities that it was drawn by."""
    return filter_equal(warehouse.read("curated_pairs", version), run_id=run.run_id)


def pool_of(warehouse: Warehouse, run: Run) -> DataFrame:
    """Return the pool of a run as it was counted, each matched pair with the probability that the run gives it.

    Raises:
        ConfigError: the run was not drawn from the pool as the table `pairs` has it.
    """
    if run.is_thinned:
        raise ConfigError(
            f"run {run.run_id} was drawn from a part of the pool, whose counts say nothing of the rest. "
            "Export its --stage curated, or --stage pairs of a run over the whole pool (--run-id)."
        )
    (metadata_id,) = run.metadata_ids
    # After a takedown that is the pool of now: what was taken out is not exported.
    version = warehouse.readable_version("pairs", run.versions["pairs"])
    pairs = filter_equal(warehouse.read("pairs", version), metadata_id=metadata_id, snapshot=run.snapshots)
    matched = pairs.where(F.size("entry_ids") > 0)
    if run.config.get("freeze_counts"):  # an entry that frozen counts lack is a tail entry
        counted = filter_equal(warehouse.read("entry_counts"), metadata_id=metadata_id)
        by_entry = drawn_with(warehouse, run.run_id, 1.0, 1 + counted.select(F.max("entry_id")).first()[0])
    else:
        by_entry = drawn_with(warehouse, run.run_id)
    probability = pair_probability(Broadcast.of(warehouse.spark, by_entry))
    return matched.withColumn("sampling_probability", probability("entry_ids"))


def shards_for(pairs: DataFrame, rows_per_shard: int) -> int:
    """Return how many shards hold about so many images each: from one pass over image_id, estimated to a percent."""
    images = pairs.select(F.approx_count_distinct("image_id", 0.01)).first()[0]
    return max(1, round(images / rows_per_shard))


def write(pairs: DataFrame, earlier: DataFrame | None, folder: str, format: str, shards: int, run: Run) -> Written:
    """Write a run's pairs as shards into a folder.

    Args:
        pairs: with the columns of `stages.export.PAIR`.
        earlier: pairs that are left out, and asked for.

    Raises:
        WarehouseError: a shard was not whole in one task.
    """
    image = run.unit == "image"
    # With unit image the first text of an image is the one that is drawn: the others have no probability.
    placed = in_shards(pairs.select(*PAIR), shards, run.seed, 1 if image else TEXTS_AN_IMAGE, earlier)

    def write_task(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from write_shards(batches, folder, format)

    told = placed.mapInArrow(write_task, WRITTEN_DDL).toArrow().to_pylist()
    files = {row["file"]: (row["rows"], row["pairs"], row["bytes"]) for row in told if row["file"] is not None}
    if len(files) < sum(row["file"] is not None for row in told):
        raise WarehouseError(
            "a shard was written by two tasks, so one of them is lost: Spark spread a shard over partitions. "
            "Leave spark.sql.requireAllClusterKeysForDistribution at its default (false)."
        )
    over_limit = 0 if image else sum(row["over_limit"] for row in told)
    return Written(dict(sorted(files.items())), over_limit, sum(row["missing"] for row in told))
