"""Sweep: the expected sizes of the curated subset for many t, in one pass over the pool."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from metaclip_spark.core.expected_size import EXPECTED_DDL, ExpectedSums, Thresholds
from metaclip_spark.core.survival.origins import UNKNOWN, ages, domains
from metaclip_spark.core.weights.pairs import PairWeights
from metaclip_spark.core.worldwide.thresholds import LanguageThresholds
from metaclip_spark.spark.broadcast import Broadcast
from metaclip_spark.stages.columns import need_columns
from metaclip_spark.stages.weights import weight_columns, weights_in

_KEYS = ("text_source", "lang", "threshold")
_BY = ("text_source", "lang")
_EXACT = "decimal(38,0)"
_SIZES_DDL = "domain string, images bigint"


def sweep(
    pairs: DataFrame, thresholds: Broadcast[Thresholds], by_group: bool = True, weights: PairWeights | None = None
) -> DataFrame:
    """Compute exact sums of p and p(1 - p) over the pool at each t, as rows of `EXPECTED_DDL`.

    Reads: pairs (entry_ids; text_source and lang if `by_group`). Writes: nothing.
    Rows: n:1 per group and t. Shuffle: partial sums, at most one row per group, t and task.
    Source: paper, section 3.4.

    Args:
        thresholds: the t, and the entry counts.
        by_group: compute sums per text source and language. Otherwise there is one group, for which both are null.
        weights: the factors of the pairs' probabilities; None: every pair weighs 1.
    """
    columns = ["entry_ids", *(_BY if by_group else ())]
    need_columns(pairs, "sweep", columns, "Run extract with --metadata, or match, first.")

    def partial_sums(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        sums = ExpectedSums(thresholds.value)
        for batch in batches:
            sums.add(**{name: batch.column(name) for name in columns}, weights=weights_in(batch, weights))
        yield sums.to_arrow()

    return total(pairs.select(*columns, *weight_columns(weights)).mapInArrow(partial_sums, EXPECTED_DDL))


def total(partial: DataFrame) -> DataFrame:
    """Sum rows of `EXPECTED_DDL` by group and t. The sums are decimals: those of 2**37 pairs would not fit bigint.

    Rows: n:1 per group and t. Shuffle: the rows.
    """
    summed = [name for name in partial.columns if name not in _KEYS]
    return partial.groupBy(*_KEYS).agg(*[F.sum(F.col(name).cast(_EXACT)).alias(name) for name in summed])


def images_of(pairs: DataFrame) -> DataFrame:
    """Return one row per image, with the entries of all of its pairs: an entry of two pairs is there twice.

    Each pair has a draw of its own, so an image is missed with the product of its pairs' 1 - p, which is the product
    over these entries.

    Reads: image_id, url, snapshot, entry_ids. Writes: nothing. Rows: n:1 per image. Shuffle: one, by image.
    """
    return pairs.groupBy("image_id").agg(
        F.array_sort(F.flatten(F.collect_list("entry_ids"))).alias("entry_ids"),
        F.min("url").alias("url"),
        F.max("snapshot").alias("snapshot"),
    )


def expected_by_origin(
    images: DataFrame, thresholds: Broadcast[Thresholds], named: Collection[str], weights: PairWeights | None = None
) -> DataFrame:
    """Compute exact sums of p and p(1 - p) of images at each t, as rows of `EXPECTED_DDL` by domain and age.

    `text_source` is the domain, UNKNOWN for domains that are not named; `lang` is the age.

    Reads: entry_ids, url, snapshot; `weight_columns`. Writes: nothing. Rows: n:1 per named domain, age and t.
    Shuffle: partial sums, at most one row per group, t and task.
    """
    names = frozenset(named)

    def partial_sums(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        sums = ExpectedSums(thresholds.value)
        for batch in batches:
            origin = domains(batch.column("url"), names), ages(batch.column("snapshot"))
            sums.add(batch.column("entry_ids"), *origin, weights=weights_in(batch, weights))
        yield sums.to_arrow()

    columns = "entry_ids", "url", "snapshot"
    return total(images.select(*columns, *weight_columns(weights)).mapInArrow(partial_sums, EXPECTED_DDL))


def other_domains(images: DataFrame, named: Collection[str]) -> DataFrame:
    """Sum the images of the domains that are not named, and the squares of each domain's images.

    Reads: url. Writes: nothing. Rows: images, squares; one row. Shuffle: one row per domain and task.
    """
    names = frozenset(named)

    def partial(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            counts = domains(batch.column("url")).value_counts()
            found = [(one["values"], one["counts"]) for one in counts.to_pylist() if one["values"] not in names]
            yield pa.record_batch(
                {
                    "domain": pa.array([name for name, _ in found], pa.string()),
                    "images": pa.array([number for _, number in found], pa.int64()),
                }
            )

    sizes = images.select("url").mapInArrow(partial, _SIZES_DDL).groupBy("domain").agg(F.sum("images").alias("images"))
    size = F.col("images").cast("double")
    return sizes.where(F.col("domain") != UNKNOWN).agg(F.sum(size).alias("images"), F.sum(size * size).alias("squares"))


def expected_sums(
    pairs: DataFrame,
    counts: npt.NDArray[np.int64],
    thresholds: Sequence[int],
    by_group: bool = True,
    by_section: Sequence[LanguageThresholds] | None = None,
    weights: PairWeights | None = None,
) -> pa.Table:
    """Run a sweep in one pass over the pool; return one row of `EXPECTED_DDL` per group and t, with decimal sums.

    Args:
        pairs: the pool.
        counts: int64 by entry id, zeros included.
        by_group: compute sums per text source and language.
        by_section: see `Thresholds`.
        weights: see `sweep`.
    """
    broadcast = Broadcast.of(pairs.sparkSession, Thresholds(counts, thresholds, by_section))
    try:
        return sweep(pairs, broadcast, by_group, weights).toArrow()
    finally:
        broadcast.release()
