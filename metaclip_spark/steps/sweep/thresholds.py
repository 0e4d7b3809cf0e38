"""Choose t by a target size: compute the expected sizes of many t over the counted pool."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from pyspark.sql import DataFrame

from metaclip_spark.core.threshold_search import smallest_threshold
from metaclip_spark.core.weights.pairs import PairWeights
from metaclip_spark.core.worldwide.thresholds import FRACTION_STEPS, LanguageThresholds, for_tail_fraction
from metaclip_spark.errors import ConfigError
from metaclip_spark.stages.sweep import expected_sums
from metaclip_spark.steps.context import Context
from metaclip_spark.steps.sweep.survival import PoolOnDisk


def threshold_for_size(
    ctx: Context, pairs: DataFrame, counts: npt.NDArray[np.int64], size: int, on_disk: PoolOnDisk | None = None
) -> int:
    """Return the smallest t whose expected subset has at least `size` pairs.

    The search takes three or four passes over entry_ids, each for 32 values of t.

    Args:
        counts: int64, by entry id.
        on_disk: count images on disk instead of pairs.

    Raises:
        ConfigError: fewer than `size` pairs match an entry, or fewer images are expected on disk.
    """
    weights = ctx.settings.pair_weights
    highest = max(1, int(counts.max(initial=0)))
    threshold, most, passes = _smallest(pairs, counts, size, highest, weights, on_disk=on_disk)
    if threshold is None and on_disk is not None:
        raise ConfigError(_too_few_on_disk(size, most))
    if threshold is None:
        every = (
            "pairs of the pool that match an entry"
            if weights is None
            else "pairs that are expected with these weights at any t"
        )
        raise ConfigError(
            f"target_size {size:,} is more than the {most:,} {every}. Give a smaller --target-size, or add input."
        )
    what = "expected size reaches" if on_disk is None else "expected images on disk reach"
    ctx.reporter.say(f"t = {threshold:,} is the smallest whose {what} {size:,} (passes: {passes}).")
    return threshold


def _too_few_on_disk(size: int, most: int) -> str:
    return (
        f"target_size {size:,} is more than the {most:,} images that are expected on disk at any t with this "
        "--survival. Give a smaller --target-size, or add input."
    )


def fraction_for_size(
    ctx: Context,
    pairs: DataFrame,
    counts: npt.NDArray[np.int64],
    size: int,
    given: Mapping[str, int],
    on_disk: PoolOnDisk | None = None,
) -> LanguageThresholds:
    """Return the t of all languages at the smallest tail fraction whose expected subset has at least `size` pairs.

    Fractions are tried in steps of 1 / FRACTION_STEPS, about 32 in each pass over entry_ids.

    Args:
        counts: int64, by entry id.
        given: language -> t of languages for which the fraction does not decide.
        on_disk: count images on disk instead of pairs.

    Raises:
        ConfigError: no fraction gives `size` pairs.
    """
    sections = ctx.metadata.sections

    def at(step: int) -> LanguageThresholds:
        return for_tail_fraction(counts, sections, step / FRACTION_STEPS, given)

    step, most, passes = _smallest(pairs, counts, size, FRACTION_STEPS, ctx.settings.pair_weights, at, on_disk)
    if step is None and on_disk is not None:
        raise ConfigError(_too_few_on_disk(size, most))
    if step is None:
        raise ConfigError(
            f"target_size {size:,} is more than the {most:,} pairs that the largest tail fraction is expected to "
            "keep. Give a smaller --target-size, or add input."
        )
    what = "expected size reaches" if on_disk is None else "expected images on disk reach"
    ctx.reporter.say(
        f"a tail fraction of {step / FRACTION_STEPS} is the smallest whose {what} {size:,} (passes: {passes})."
    )
    return at(step)


def _smallest(
    pairs: DataFrame,
    counts: npt.NDArray[np.int64],
    size: int,
    highest: int,
    weights: PairWeights | None,
    at: Callable[[int], LanguageThresholds] | None = None,
    on_disk: PoolOnDisk | None = None,
) -> tuple[int | None, int, int]:
    """Search the smallest value, up to `highest`, whose expected subset has at least `size` pairs.

    Args:
        weights: see `stages.sweep`.
        at: returns the t of each language for a value; None: a value is the t of all entries.
        on_disk: count images on disk instead of pairs.

    Returns:
        The value, or None where none has so many; the expected pairs at the value with the most; the number of passes.
    """
    most, passes = 0, 0

    def sizes(values: Sequence[int]) -> list[int]:
        nonlocal most, passes
        by_section = None if at is None else [at(value) for value in values]
        if on_disk is not None:
            exact = on_disk.sizes(values, by_section)
        else:
            sums = expected_sums(pairs, counts, values, by_group=False, by_section=by_section, weights=weights)
            rows = sums.to_pylist()
            exact = {row["threshold"]: (int(row["expected_high"]) << 27) + int(row["expected_low"]) for row in rows}
        most, passes = max([most, *exact.values()]), passes + 1
        return [exact.get(value, 0) for value in values]

    return smallest_threshold(size, highest, sizes), most >> 53, passes
