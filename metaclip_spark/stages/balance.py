"""Balance: the second pass, which scans and filters the pool once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from metaclip_spark.core.sampling import batch_probability
from metaclip_spark.core.weights.pairs import PairWeights
from metaclip_spark.core.worldwide.thresholds import LanguageThresholds
from metaclip_spark.metadata import Metadata
from metaclip_spark.schemas import CURATED_PAIRS, ENTRY_PROBABILITIES, PAIRS
from metaclip_spark.spark.arrow_udf import column_function, computed_once, settled
from metaclip_spark.spark.broadcast import Broadcast
from metaclip_spark.stages.choose import smallest_of
from metaclip_spark.stages.columns import draw, need_columns
from metaclip_spark.stages.weights import weight_columns

_HINT = "Run extract with --metadata, or match, first."


def pair_probability(probabilities: Broadcast[npt.NDArray[np.float64]], weights: PairWeights | None = None) -> Column:
    """Return the sampling probability of each pair, from `entry_ids` and the columns of its weight.

    Args:
        probabilities: see `balance`.
        weights: see `balance`.
    """

    def work(ids: pa.ListArray, *columns: pa.Array) -> pa.Array:
        p = batch_probability(ids, probabilities.value)
        return pa.array(p if weights is None else p * weights.of(*columns))

    given = weight_columns(weights)
    function = column_function(work, "double", pa.list_(pa.int32()), *[pa.string()] * len(given))
    return computed_once(function)("entry_ids", *given)


def entry_probabilities(
    counts: npt.NDArray[np.int64], metadata: Metadata, chosen: LanguageThresholds, run_id: str
) -> pa.Table:
    """Compute the probability t / max(count, t) of each counted entry, as rows of `entry_probabilities`.

    Source: paper, section 3.4.

    Args:
        counts: int64, by entry id, summed over the snapshots; an entry with count 0 gets no row.
        metadata: the entry list.
        chosen: the t of each section of the list.
    """
    rows = chosen.probabilities(counts)
    constant = {"run_id": run_id, "metadata_id": metadata.metadata_id}
    columns = {name: pa.repeat(pa.scalar(value, pa.string()), len(rows)) for name, value in constant.items()}
    columns |= {"entry": metadata.entries_of(rows["entry_id"].to_numpy())}
    columns |= dict(zip(rows.column_names, rows.columns, strict=True))
    return pa.table(columns).select(ENTRY_PROBABILITIES.names).cast(ENTRY_PROBABILITIES.arrow)


def balance(
    pairs: DataFrame,
    probabilities: Broadcast[npt.NDArray[np.float64]],
    seed: int,
    run_id: str,
    key: str = "pair_id",
    within: str | None = None,
    weights: PairWeights | None = None,
) -> DataFrame:
    """Sample the curated subset: the pairs whose draw is below their sampling probability.

    Reads: pairs. Writes: nothing. Rows: subset. Shuffle: none; no join.

    Args:
        probabilities: float64 by entry id; NaN for an entry that was not counted.
        seed: seed of the draw. The draw is a function of the key and the seed alone.
        key: the column that keys the draw; image_id if each image has one pair.
        within: the column of the earlier sampling probabilities, if an earlier run sampled the pairs by the same draw;
            null for a pair that it did not sample. The new probability is capped at the earlier one, because the
            earlier run dropped the pairs whose draws lie between the two.
        weights: the factors of the pairs' probabilities; None: every pair weighs 1.
    """
    need_columns(pairs, "balance", [key, "entry_ids", *([] if within is None else [within])], _HINT)
    # Only entry ids go to Python: sending the other columns would cost many times as much as the balancing.
    p = pair_probability(probabilities, weights)
    drawn = pairs.withColumns(
        {
            "run_id": F.lit(run_id),
            "sampling_probability": p if within is None else F.least(p, F.col(within)),
            "draw": draw(key, seed),
        }
    )
    return settled(drawn).where(F.col("draw") < F.col("sampling_probability")).select(*CURATED_PAIRS.names)


def balance_images(
    pairs: DataFrame,
    probabilities: Broadcast[npt.NDArray[np.float64]],
    seed: int,
    run_id: str,
    weights: PairWeights | None = None,
) -> DataFrame:
    """Sample the curated subset of `--unit image`: the same rows as `balance(choose(pairs, seed), ..., "image_id")`.

    Reads: pairs. Writes: nothing. Rows: subset, at most one per image. Shuffle: one, by image_id. A pair is drawn
    before the shuffle, because the draw depends on its image alone: only pairs that their draw keeps carry their texts
    and urls through it. The others only compete to be the text of their image, whatever they weigh.
    """
    need_columns(pairs, "balance", ["image_id", "pair_id", "entry_ids"], _HINT)
    drawn = pairs.where(F.size("entry_ids") > 0).withColumns(
        {"sampling_probability": pair_probability(probabilities, weights), "draw": draw("image_id", seed)}
    )
    kept = F.col("draw") < F.col("sampling_probability")
    known = ("image_id", "pair_id")
    wide = [F.when(kept, F.col(name)).alias(name) for name in PAIRS.names if name not in known]
    narrow = settled(drawn).select(*known, "sampling_probability", "draw", *wide)
    chosen = smallest_of(narrow, F.col("image_id"), F.col("pair_id"), seed)
    return chosen.where(kept).withColumn("run_id", F.lit(run_id)).select(*CURATED_PAIRS.names)
