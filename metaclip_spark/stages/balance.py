"""Balance: the second pass, one scan and one filter over the pool."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from metaclip_spark.batches import batch_probability
from metaclip_spark.schemas import CURATED_PAIRS, ENTRY_PROBABILITIES
from metaclip_spark.stages.columns import draw, need_columns
from metaclip_spark.stages.shipping import Shipped

_HINT = "Run extract with --metadata, or match, first."


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


def balance(pairs: DataFrame, probabilities: Shipped, seed: int, run_id: str) -> DataFrame:
    """Return the curated subset: the pairs whose draw is below their sampling probability.

    Reads: pairs. Writes: nothing. Rows: subset. Shuffle: none; no join.

    Args:
        probabilities: float64 array by entry id; NaN where an entry was not counted.
        seed: of the draw, which is a function of pair_id and the seed alone.
    """
    need_columns(pairs, "balance", ["pair_id", "entry_ids"], _HINT)
    schema = CURATED_PAIRS
    columns = [name for name in schema.names if name not in ("run_id", "sampling_probability", "draw")]

    def keep(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        by_entry = probabilities()
        for batch in batches:
            p = batch_probability(batch.column("entry_ids"), by_entry)
            kept = pa.array(batch.column("draw").to_numpy() < p)
            rows = batch.append_column("sampling_probability", pa.array(p)).filter(kept)
            yield rows.select([*columns, "sampling_probability", "draw"])

    ddl = ", ".join(f"{c.name} {c.type}" for c in schema.columns if c.name != "run_id")
    drawn = pairs.select(*columns, draw("pair_id", seed).alias("draw"))
    return drawn.mapInArrow(keep, ddl).select(F.lit(run_id).alias("run_id"), "*")
