"""Sweep: expected sizes of the curated subset for many t, in one pass over the matched entries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from metaclip_spark.core.expected_size import EXPECTED_DDL, ExpectedSums, Thresholds
from metaclip_spark.spark.broadcast import Broadcast
from metaclip_spark.stages.columns import need_columns

_KEYS = ("text_source", "lang", "threshold")
_BY = ("text_source", "lang")


def sweep(pairs: DataFrame, thresholds: Broadcast, by_group: bool = True) -> DataFrame:
    """Return exact sums of p and p(1 - p) over the pool at each t, as `expectations.EXPECTED_DDL` has them.

    Reads: pairs (entry_ids; text_source and lang where sums are kept apart by them). Writes: nothing.
    Rows: n:1 per group and t. Shuffle: partial sums, at most one row per group, t and task.
    Source: paper, section 3.4.

    Args:
        thresholds: `expectations.Thresholds`.
        by_group: keep sums apart by text source and language; otherwise both are null in the one group.
    """
    columns = ["entry_ids", *(_BY if by_group else ())]
    need_columns(pairs, "sweep", columns, "Run extract with --metadata, or match, first.")

    def partial_sums(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        sums = ExpectedSums(thresholds.value)
        for batch in batches:
            sums.add(*batch.columns)
        yield sums.to_arrow()

    partial = pairs.select(*columns).mapInArrow(partial_sums, EXPECTED_DDL)
    summed = [name for name in partial.columns if name not in _KEYS]
    return partial.groupBy(*_KEYS).agg(*[F.sum(name).alias(name) for name in summed])


def expected_sums(pairs: DataFrame, counts: np.ndarray, thresholds: Sequence[int], by_group: bool = True) -> pa.Table:
    """Return `expectations.EXPECTED_DDL` rows, a row for each group and t, from one pass over the pool, made now.

    Args:
        pairs: what is drawn from.
        counts: int64, by entry id, zeros included.
        by_group: keep sums apart by text source and language.
    """
    broadcast = Broadcast.of(pairs.sparkSession, Thresholds(counts, thresholds))
    try:
        return sweep(pairs, broadcast, by_group).toArrow()
    finally:
        broadcast.release()
