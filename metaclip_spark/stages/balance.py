"""Balance: the second pass, one scan and one filter over the pool."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from metaclip_spark.core.sampling import batch_probability
from metaclip_spark.schemas import CURATED_PAIRS, ENTRY_PROBABILITIES
from metaclip_spark.spark.arrow_udf import column_function, computed_once
from metaclip_spark.spark.broadcast import Broadcast
from metaclip_spark.stages.columns import draw, need_columns

_HINT = "Run extract with --metadata, or match, first."


def pair_probability(probabilities: Broadcast) -> Callable[..., Column]:
    """Return the function of a column of entry ids that gives p(pair); `probabilities` as `balance` takes them."""
    return computed_once(
        column_function(
            lambda ids: pa.array(batch_probability(ids, probabilities.value)), "double", pa.list_(pa.int32())
        )
    )


def entry_probabilities(counts: DataFrame, threshold: int, run_id: str) -> DataFrame:
    """Return each counted entry's probability t / max(count, t).

    Reads: entry_counts, any number of snapshots. Writes: nothing. Rows: n:1 per entry (counts add up).
    Shuffle: at most one row per entry and snapshot. Source: paper, section 3.4.
    """
    t = F.lit(threshold).cast("bigint")
    return (
        counts.groupBy("metadata_id", "lang", "entry_id", "entry")
        .agg(F.sum("count").alias("count"))
        .withColumns(
            {
                "run_id": F.lit(run_id),
                "threshold": t,
                "probability": t.cast("double") / F.greatest("count", t).cast("double"),
            }
        )
        .select(*ENTRY_PROBABILITIES.names)
    )


def balance(
    pairs: DataFrame, probabilities: Broadcast, seed: int, run_id: str, key: str = "pair_id", within: str | None = None
) -> DataFrame:
    """Return the curated subset: the pairs whose draw is below their sampling probability.

    Reads: pairs. Writes: nothing. Rows: subset. Shuffle: none; no join.

    Args:
        probabilities: float64 array by entry id; NaN where an entry was not counted.
        seed: of the draw, which is a function of the key and the seed alone.
        key: the column that keys the draw; image_id where each image is one of the pairs.
        within: the column of the probabilities that pairs were drawn with before, by the same draw; null where they
            were not. None of them is kept with more than that: it would have been drawn without it.
    """
    need_columns(pairs, "balance", [key, "entry_ids", *([] if within is None else [within])], _HINT)
    # Entry ids alone go to Python: the other columns would cost many times the balancing.
    p = pair_probability(probabilities)("entry_ids")
    drawn = pairs.withColumns(
        {
            "run_id": F.lit(run_id),
            "sampling_probability": p if within is None else F.least(p, F.col(within)),
            "draw": draw(key, seed),
        }
    )
    return drawn.where(F.col("draw") < F.col("sampling_probability")).select(*CURATED_PAIRS.names)
