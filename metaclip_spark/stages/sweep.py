"""Sweep: the expected sizes of the curated subset for many t, in one pass over the pool."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from metaclip_spark.core.expected_size import EXPECTED_DDL, ExpectedSums, Thresholds
from metaclip_spark.core.weights.pairs import PairWeights
from metaclip_spark.core.worldwide.thresholds import LanguageThresholds
from metaclip_spark.spark.broadcast import Broadcast
from metaclip_spark.stages.columns import need_columns
from metaclip_spark.stages.weights import weight_columns, weights_in

_KEYS = ("text_source", "lang", "threshold")
_BY = ("text_source", "lang")
_EXACT = "decimal(38,0)"


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
