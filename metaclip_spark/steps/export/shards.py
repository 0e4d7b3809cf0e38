"""The export step: read a run's pairs, assign them to shards, and let tasks write the shards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from metaclip_spark.core.wording import agrees
from metaclip_spark.errors import ConfigError, WarehouseError
from metaclip_spark.export.shards import WRITTEN_DDL, write_shards
from metaclip_spark.spark.arrow_udf import settled
from metaclip_spark.spark.broadcast import Broadcast
from metaclip_spark.stages.balance import pair_probability
from metaclip_spark.stages.export import PAIR, in_shards
from metaclip_spark.steps.context import stored_pairs
from metaclip_spark.steps.run_probabilities import drawn_with
from metaclip_spark.warehouse.runs import Run
from metaclip_spark.warehouse.tables import Warehouse, filter_equal

COUNTED_IMAGES = 10_000_000
"""Maximum number of images, roughly, that are counted to choose the number of shards."""
TEXTS_AN_IMAGE = 1_000
"""Maximum number of pairs of an image that are exported."""


@dataclass(frozen=True)
class File:
    """A file of an export.

    Attributes:
        rows, pairs, bytes: what it has.
        sha256: of its bytes, as hex digits.
    """

    rows: int
    pairs: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Written:
    """The files of an export.

    Attributes:
        files: name -> its `File`, ordered by name.
        over_limit: number of pairs skipped because their image has more than TEXTS_AN_IMAGE.
        missing: number of pairs of the earlier run that this run does not have.
        rewritten: number of rows whose url differs from the url as found.
        refused: number of rows whose url the URL Standard refuses; it stays as found.
    """

    files: Mapping[str, File]
    over_limit: int
    missing: int
    rewritten: int
    refused: int

    @property
    def rows(self) -> int:
        """Number of rows in all files."""
        return sum(file.rows for file in self.files.values())

    @property
    def pairs(self) -> int:
        """Number of pairs in all files."""
        return sum(file.pairs for file in self.files.values())


def curated_of(warehouse: Warehouse, run: Run, version: int | None = None) -> DataFrame:
    """Return the curated subset of a run, with the probability that each pair was drawn with."""
    return filter_equal(warehouse.read("curated_pairs", version), run_id=run.run_id)


def pool_of(warehouse: Warehouse, run: Run) -> DataFrame:
    """Return the matched pairs of the pool that a run counted, each with its sampling probability in the run.

    Raises:
        ConfigError: the run was drawn from a part of the pool, or its pool is gone.
    """
    if run.is_thinned:
        raise ConfigError(
            f"run {run.run_id} was drawn from a part of the pool, whose counts say nothing of the rest. "
            "Export its --stage curated, or --stage pairs of a run over the whole pool (--run-id)."
        )
    if run.gone:
        raise ConfigError(
            f"the pool of run {run.run_id} is gone: {' and '.join(run.gone)} {agrees(len(run.gone), 'was', 'were')} "
            "dropped or replaced since. Export its --stage curated, or balance again and export that run."
        )
    (metadata_id,) = run.metadata_ids
    # Pairs that were taken down are not exported: they are in the latest version no more.
    pairs = stored_pairs(warehouse, metadata_id, run.pools)
    matched = pairs.where(F.size("entry_ids") > 0)
    if run.has_other_counts:
        counted = filter_equal(warehouse.read("entry_counts"), metadata_id=metadata_id)
        by_entry = drawn_with(warehouse, run.run_id, 1.0, 1 + counted.select(F.max("entry_id")).collect()[0][0])
    else:
        by_entry = drawn_with(warehouse, run.run_id)
    probability = pair_probability(Broadcast.of(warehouse.spark, by_entry), run.weights)
    return settled(matched.withColumn("sampling_probability", probability))


def shards_for(pairs: DataFrame, rows_per_shard: int) -> int:
    """Return the number of shards of about `rows_per_shard` images each.

    The images are counted exactly, or, of a large subset, in a sample of them by their hash: about COUNTED_IMAGES. So
    the number is a function of the rows alone, on every engine.
    """
    parts = max(1, pairs.count() // COUNTED_IMAGES)
    images = pairs.select("image_id").where(F.pmod(F.xxhash64("image_id"), F.lit(parts)) == 0).distinct().count()
    return max(1, round(images * parts / rows_per_shard))


def write(pairs: DataFrame, earlier: DataFrame | None, folder: str, format: str, shards: int, run: Run) -> Written:
    """Write a run's pairs as shards into a folder.

    Args:
        pairs: with the columns of `stages.export.PAIR`.
        earlier: pairs of an earlier run, which are not exported; None: all pairs are exported.
        format: `parquet` or `webdataset-index`.

    Raises:
        WarehouseError: Spark spread a shard over several tasks.
    """
    image = run.unit == "image"
    # With unit image the first text of an image is the one that is drawn. The others have no probability.
    placed = in_shards(pairs.select(*PAIR), shards, run.seed, 1 if image else TEXTS_AN_IMAGE, earlier)

    def write_task(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from write_shards(batches, folder, format)

    written = placed.mapInArrow(write_task, WRITTEN_DDL).toArrow().to_pylist()
    of_files = [row for row in written if row["file"] is not None]
    files = {row["file"]: File(row["rows"], row["pairs"], row["bytes"], row["sha256"]) for row in of_files}
    if len(files) < len(of_files):
        raise written_twice("shard", "rows")
    over_limit = 0 if image else sum(row["over_limit"] for row in written)
    missing, rewritten, refused = (sum(row[name] for row in written) for name in ("missing", "rewritten", "refused"))
    return Written(dict(sorted(files.items())), over_limit, missing, rewritten, refused)


def written_twice(file: str, content: str) -> WarehouseError:
    """Return the error that two tasks wrote the same file, a shard or a part, so that what one wrote is lost."""
    return WarehouseError(
        f"two tasks wrote the same {file}, so the {content} of one task are lost: Spark spread a {file} over "
        "partitions. Leave spark.sql.requireAllClusterKeysForDistribution at its default (false)."
    )
