"""Composition: one pass over the pool and the curated subset, for the data card."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from metaclip_spark.core.weights.pairs import PairWeights
from metaclip_spark.report.composition.merge import merge_rows
from metaclip_spark.report.composition.task_sums import PARTIAL_DDL, Plan, TaskSums
from metaclip_spark.spark.broadcast import Broadcast
from metaclip_spark.stages.columns import draw, need_columns
from metaclip_spark.stages.weights import weight_columns

_COLUMNS = ("url", "text", "lang", "text_source", "list_lang", "pair_id")


def composition(
    pairs: DataFrame,
    curated: DataFrame,
    plan: Broadcast[Plan],
    cuts: tuple[float, float],
    drawn_cuts: tuple[float, float],
    seed: int,
    key: str = "pair_id",
    weights: PairWeights | None = None,
) -> DataFrame:
    """Count languages, text sources and domains (overall, and per entry), and sample pairs and texts of entries.

    Reads: pairs, curated_pairs of one run (urls, texts, languages, text sources, ids; entry_ids).
    Writes: nothing. Rows: n:1. Shuffle: one row per domain and task, and about 100 rows of (entry, domain) per entry
    at most, however large the pool is, and about 80 texts of each entry with texts. Each pair has one hash, and an
    entry's domains are counted in the pairs whose hash is below the entry's share.

    Args:
        plan: the shares and cuts of the hash.
        cuts: `cuts` of the plan. Texts and ids of pairs above them do not reach Python.
        drawn_cuts: `cut_kept` and `cut_dropped` of the plan: below them, a pair may be shown with its draw.
        key: the column that keyed the draw.
        weights: those of the plan.

    Returns:
        Rows of `PARTIAL`.
    """
    need_columns(pairs, "report", [*_COLUMNS, key, "entry_ids"], "Run extract with --metadata, or match, first.")
    of_pool, of_subset = cuts
    dropped, most = drawn_cuts[1], max(drawn_cuts)
    s = draw("pair_id", seed, "sample")
    entry_ids = F.col("entry_ids")
    before = _inputs(pairs, s, of_pool, dropped, F.lit(False), entry_ids, F.lit(None), draw(key, seed), weights)
    entry_ids = F.when(F.col("s") < F.lit(of_subset), entry_ids)
    p, u = F.col("sampling_probability"), F.col("draw")
    after = _inputs(curated, s, of_subset, most, F.lit(True), entry_ids, p, u, weights)

    def partial(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        sums = TaskSums(plan.value)
        for batch in batches:
            yield from sums.add(batch)
        yield from sums.rows()

    found = before.unionByName(after).mapInArrow(partial, PARTIAL_DDL)
    return found.repartition("kind", "value").mapInArrow(merge_rows, PARTIAL_DDL)


def _inputs(
    df: DataFrame,
    s: Column,
    cut: float,
    drawn_cut: float,
    curated: Column,
    entry_ids: Column,
    p: Column,
    u: Column,
    weights: PairWeights | None,
) -> DataFrame:
    """Return the columns that `TaskSums.add` takes. Columns that only shown pairs need are null for all others."""
    df = df.withColumn("s", s)
    shown, drawn = F.col("s") < F.lit(cut), F.col("s") < F.lit(drawn_cut)
    return df.select(
        curated.alias("curated"),
        "s",
        "url",
        "lang",
        "text_source",
        "list_lang",
        entry_ids.alias("entry_ids"),
        F.when(shown, F.col("pair_id")).alias("pair_id"),
        F.when(shown, F.col("text")).alias("text"),
        F.when(drawn, p.cast("double")).alias("p"),
        F.when(drawn, u).alias("u"),
        *[F.when(drawn, column).alias("weight_text") for column in weight_columns(weights)[:1]],
    )
