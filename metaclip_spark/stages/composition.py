"""Composition: one pass over the pool and the curated subset, for what the data card shows beside the sums of a run."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from metaclip_spark.report.composition.merge import meet
from metaclip_spark.report.composition.task_sums import PARTIAL_DDL, TaskSums
from metaclip_spark.spark.broadcast import Broadcast
from metaclip_spark.stages.columns import draw, need_columns

_EVERY = ("url", "text", "lang", "text_source", "pair_id")


def composition(
    pairs: DataFrame, curated: DataFrame, plan: Broadcast, cuts: tuple[float, float], seed: int, key: str = "pair_id"
) -> DataFrame:
    """Return languages, text sources, domains (in all, and by entry) and a sample of pairs, as `composing` has them.

    Reads: pairs, curated_pairs of one run (urls, texts, languages, text sources, ids; entry_ids of pairs).
    Writes: nothing. Rows: n:1. Shuffle: a row a domain and task, and at most about 100 (entry, domain) an entry,
    however large the pool: each pair has one hash, and an entry looks at those whose hash is below its share.

    Args:
        plan: `composing.Plan`.
        cuts: its `cut_kept` and `cut_dropped`; texts and ids of other pairs do not reach Python.
        key: the column that keyed the draw.
    """
    need_columns(pairs, "report", [*_EVERY, key, "entry_ids"], "Run extract with --metadata, or match, first.")
    kept, dropped = cuts
    none = F.lit(None)
    s = draw("pair_id", seed, "sample")
    of_pool = _looked_at(pairs, s, dropped, F.lit(False), F.col("entry_ids"), none, draw(key, seed))
    of_subset = _looked_at(
        curated, s, max(cuts), F.lit(True), none.cast("array<int>"), F.col("sampling_probability"), F.col("draw")
    )

    def partial(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        sums = TaskSums(plan.value)
        for batch in batches:
            yield from sums.add(batch)
        yield from sums.rows()

    found = of_pool.unionByName(of_subset).mapInArrow(partial, PARTIAL_DDL)
    return found.repartition("kind", "value").mapInArrow(meet, PARTIAL_DDL)


def _looked_at(df: DataFrame, s, cut: float, curated, entry_ids, p, u) -> DataFrame:
    """Return the columns that `TaskSums.add` takes; what only shown pairs need is null of the others."""
    df = df.withColumn("s", s)
    shown = F.col("s") < F.lit(cut)
    return df.select(
        curated.alias("curated"),
        "s",
        "url",
        "lang",
        "text_source",
        entry_ids.alias("entry_ids"),
        F.when(shown, F.col("pair_id")).alias("pair_id"),
        F.when(shown, F.col("text")).alias("text"),
        F.when(shown, p.cast("double")).alias("p"),
        F.when(shown, u).alias("u"),
    )
