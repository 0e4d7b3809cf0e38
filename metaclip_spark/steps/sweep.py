"""Choose t by a target size: compute the expected sizes of many t over the counted pool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from pyspark.sql import DataFrame

from metaclip_spark.core.threshold_search import smallest_threshold
from metaclip_spark.core.worldwide.thresholds import FRACTION_STEPS, LanguageThresholds, for_tail_fraction
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


def fraction_for_size(
    ctx: Context, pairs: DataFrame, counts: npt.NDArray[np.int64], size: int, given: Mapping[str, int]
) -> LanguageThresholds:
    """Return the t of all languages at the smallest tail fraction whose expected subset has at least `size` pairs.

    Fractions are tried in steps of 1 / FRACTION_STEPS, about 32 in each pass over entry_ids.

    Args:
        counts: int64, by entry id.
        given: language -> t of languages for which the fraction does not decide.

    Raises:
        ConfigError: no fraction gives `size` pairs.
    """
    sections = ctx.metadata.sections
    most, passes = 0, 0

    def at(step: int) -> LanguageThresholds:
        return for_tail_fraction(counts, sections, step / FRACTION_STEPS, given)

    def sizes(steps: Sequence[int]) -> list[int]:
        nonlocal most, passes
        chosen = [at(step) for step in steps]
        sums = expected_sums(pairs, counts, steps, by_group=False, by_section=chosen).to_pylist()
        exact = {row["threshold"]: (int(row["expected_high"]) << 27) + int(row["expected_low"]) for row in sums}
        most, passes = max([most, *exact.values()]), passes + 1
        return [exact.get(step, 0) for step in steps]

    step = smallest_threshold(size, FRACTION_STEPS, sizes)
    if step is None:
        raise ConfigError(
            f"target_size {size:,} is more than the {most >> 53:,} pairs that the largest tail fraction is expected to "
            "keep. Give a smaller --target-size, or add input."
        )
    ctx.reporter.say(
        f"a tail fraction of {step / FRACTION_STEPS} is the smallest whose expected size reaches {size:,} "
        f"(passes: {passes})."
    )
    return at(step)
