"""Probabilities, thresholds and the keyed draw: the arithmetic of balancing, without Spark.

Source: "Demystifying CLIP Data" (arXiv 2309.16671), section 3.4 and algorithm 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from metaclip_spark.core.entry_lists import list_layout, running_products
from metaclip_spark.errors import InputError

TAIL_FRACTION = 0.06
"""Share of all counts in tail entries; about 6% for both of the paper's sets."""

LOW_THRESHOLD = 20
"""Below this t a warning is given: balancing keeps almost nothing of the head."""

DRAW_SCALE = 2.0**-53

_TOP, _LIMB_BITS = "_top", 40
_IN_ONE_LIMB = 1 << 62
WEIGHT_SCALE = 1 << 20
"""Weights of drawn pairs are multiples of one over this; their sums stay below 2**63 up to 8 * 10**12 pairs."""


def draw_key(seed: int, purpose: str) -> str:
    """Return the key of a decision. Different decisions about a pair must use different purposes.

    The 64-bit hash of a pair is `h = XXH64(pair_id, seed=XXH64(key, seed=42))` over UTF-8 bytes, which is Spark's
    `xxhash64(key, pair_id)`, and the draw is `u = (h >> 11) * 2**-53`, in [0, 1).
    """
    return f"{purpose}:{seed}"


def entry_probability(counts: npt.NDArray[np.int64], threshold: int | npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return t / max(count, t) for each entry.

    Args:
        counts: int64, shape (entries,).
        threshold: t, at least 1: one for all entries, or one for each.

    >>> entry_probability(np.array([0, 10, 20, 40]), 20).tolist()
    [1.0, 1.0, 1.0, 0.5]
    """
    probabilities: npt.NDArray[np.float64] = threshold / np.maximum(counts, threshold).astype(np.float64)
    return probabilities


def pair_probability(
    offsets: npt.NDArray[np.integer[Any]], ids: npt.NDArray[np.int32], entry_probabilities: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return p(pair) = 1 - prod(1 - p(entry)) over each pair's matched entries; 0 where none matched.

    Args:
        offsets: int, shape (pairs + 1,); the ids of pair i are `ids[offsets[i]:offsets[i + 1]]`.
        ids: int32, ascending within a pair.
        entry_probabilities: float64, by entry id; NaN for an entry that was never counted.

    Returns:
        float64, shape (pairs,). The product runs over ascending ids, one after the other. So the result does not depend
        on the batches.
    """
    # A running product, not a sum of logs: log(1 - 1) is -inf for a tail entry, and prefix sums change with
    # the batch.
    return running_products(
        np.asarray(offsets, np.int64), np.asarray(ids, np.int32), _at_least_one(entry_probabilities)
    )


def threshold_for_tail_fraction(counts: npt.NDArray[np.int64], fraction: float) -> int:
    """Return the t whose tail fraction is nearest to `fraction`: the inverse of `tail_fraction`.

    Counts are sorted ascending, with the zeros of entries that never matched. t is the count at the index where the
    cumulative share is nearest, and at least 1. Upstream's code can return 0, which drops every pair.

    Args:
        counts: int64, shape (entries,), zeros included.
        fraction: in (0, 1).
    """
    return max(1, count_at_tail_fraction(counts, fraction))


def count_at_tail_fraction(counts: npt.NDArray[np.int64], fraction: float) -> int:
    """Return the count at which the cumulative share is nearest to `fraction`, which may be 0; 0 without counts.

    See `threshold_for_tail_fraction`.
    """
    ordered = np.sort(np.asarray(counts, dtype=np.int64))
    total = int(ordered.sum())
    if total == 0:
        return 0
    share = np.cumsum(ordered) / total
    return int(ordered[int(np.argmin(np.abs(share - fraction)))])


def tail_fraction(counts: npt.NDArray[np.int64], threshold: int | npt.NDArray[np.int64]) -> float:
    """Return the share of all counts that belongs to entries with count < t; 0 where all counts are 0.

    Args:
        counts: int64, shape (entries,).
        threshold: t: one for all entries, or one for each.
    """
    counts = np.asarray(counts, dtype=np.int64)
    total = int(counts.sum())
    return float(int(counts[counts < threshold].sum()) / total) if total else 0.0


def weights_of(within: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Return the weight of each pair of a drawn subset, in units of 1 / WEIGHT_SCALE pairs (Horvitz-Thompson).

    The sum of 1 / p' over the drawn pairs that match an entry is an unbiased estimate of its count before the draw.

    Args:
        within: float64 in (0, 1], p' of each pair: the sampling probability of the run that drew it.

    Returns:
        int64: 1 / p', rounded to a multiple of 1 / WEIGHT_SCALE, so that sums are order-independent.
    """
    return np.rint(WEIGHT_SCALE / within).astype(np.int64)


def weighted_counts(sums: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the entry counts, int64, of sums of weights: rounded to whole pairs, at least 1 where any pair matched."""
    return np.where(sums > 0, np.maximum(1, (sums + WEIGHT_SCALE // 2) // WEIGHT_SCALE), 0)


def drawn_again(probability: npt.NDArray[np.float64], within: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the probability that the draw u of a pair is below p, given that it is below p': min(1, p / p').

    Args:
        probability: float64, p of each pair.
        within: float64, p' of each pair in the run that drew it; NaN for a pair that no run drew, which gives p.
    """
    return np.minimum(1.0, probability / np.where(np.isnan(within), 1.0, within))


def fixed_point(values: npt.NDArray[np.float64]) -> tuple[int, int]:
    """Return the sum of float64 values in [0, 1] as two integers: order-independent, and exact to 2**-53 per value.

    The sum is `(high * 2**27 + low) * 2**-53`; both parts stay below 2**63 up to 2**36 values. Sums over
    more values are added as integers of any size, and stored by `limbs`.
    """
    scaled = np.rint(values * 2.0**53).astype(np.int64)
    return int((scaled >> 27).sum()), int((scaled & ((1 << 27) - 1)).sum())


def limbs(name: str, total: int) -> dict[str, int]:
    """Return a sum by name in parts that fit int64: itself, or from 2**62 on its lower 40 bits and the part above them.

    >>> limbs("expected_high", 5), limbs("expected_high", 2**62 + 3)
    ({'expected_high': 5}, {'expected_high': 3, 'expected_high_top': 4194304})
    """
    if abs(total) < _IN_ONE_LIMB:
        return {name: total}
    return {name: total & ((1 << _LIMB_BITS) - 1), f"{name}{_TOP}": total >> _LIMB_BITS}


def joined(sums: Mapping[str, int]) -> dict[str, int]:
    """Return sums by name, of any size, from parts that `limbs` returned; parts may have been added or subtracted."""
    return {
        name: value + (sums.get(f"{name}{_TOP}", 0) << _LIMB_BITS)
        for name, value in sums.items()
        if not name.endswith(_TOP)
    }


def from_fixed_point(high: int, low: int) -> float:
    """Return the float64 nearest to a sum of `fixed_point`."""
    return ((high << 27) + low) / 2**53


def batch_probability(entry_ids: pa.ListArray, by_entry: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return p(pair) for an Arrow list<int32> array, float64; 0 for a null.

    Args:
        by_entry: float64, entry probabilities by entry id; NaN where an entry was not counted.

    Raises:
        InputError: a pair matches an entry that was never counted.
    """
    p = running_products(*list_layout(entry_ids), _at_least_one(by_entry))
    if np.isnan(p).any():
        raise InputError("a pair matches an entry that was never counted: pairs and counts differ; run count again")
    return p


def _at_least_one(by_entry: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the entry probabilities, or that of one entry that was never counted, where nothing was counted."""
    return by_entry if len(by_entry) else np.full(1, np.nan)
