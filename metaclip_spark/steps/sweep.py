"""Choose t by a target size: compute the expected sizes of many t over the counted pool."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from pyspark.sql import DataFrame

from metaclip_spark.core.threshold_search import smallest_threshold
from metaclip_spark.errors import ConfigError
from metaclip_spark.stages.sweep import expected_sums
from metaclip_spark.steps.context import Context


def threshold_for_size(ctx: Context, pairs: DataFrame, counts: npt.NDArray[np.int64], size: int) -> int:
    """Return the smallest t whose expected subset has at least `size` pairs.

    The search takes three or four passes over entry_ids, each for 32 values of t.

    Args:
        counts: int64, by entry id.

    Raises:
        ConfigError: fewer than `size` pairs match an entry.
    """
    matched = 0
    passes = 0

    def sizes(thresholds: Sequence[int]) -> list[int]:
        nonlocal matched, passes
        sums = expected_sums(pairs, counts, thresholds, by_group=False).to_pylist()
        exact = {row["threshold"]: (int(row["expected_high"]) << 27) + int(row["expected_low"]) for row in sums}
        matched, passes = max((int(row["matched"]) for row in sums), default=0), passes + 1
        return [exact.get(threshold, 0) for threshold in thresholds]

    threshold = smallest_threshold(size, max(1, int(counts.max(initial=0))), sizes)
    if threshold is None:
        raise ConfigError(
            f"target_size {size:,} is more than the {matched:,} pairs of the pool that match an entry. "
            "Give a smaller --target-size, or add input."
        )
    ctx.reporter.say(f"t = {threshold:,} is the smallest whose expected size reaches {size:,} (passes: {passes}).")
    return threshold
