"""Search the smallest t whose expected subset is large enough, with many t per pass (no Spark)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

THRESHOLDS_PER_PASS = 32
"""Number of t per pass over the pool. A pass of this many costs about as much as a pass of one."""

Sizes = Callable[[Sequence[int]], Sequence[int]]
"""A function that returns the expected size at each t, exactly, in units of 2**-53 pairs."""


def smallest_threshold(size: int, highest: int, sizes: Sizes, per_pass: int = THRESHOLDS_PER_PASS) -> int | None:
    """Return the smallest t whose expected size reaches `size`; None where no t does.

    The expected size never falls as t grows, also in float64: each of its operations rounds monotonically. So there is
    one answer, and it does not depend on the t that are tried. At t = `highest`, every matched pair is kept.

    Args:
        size: the wanted size in pairs, at least 1.
        highest: the highest entry count, at least 1.
        sizes: computes the expected sizes; one call is one pass over the pool.
        per_pass: the number of t per pass, at least 4.
    """
    wanted = size << 53
    # The answer is above `low` and at most `high`; `below` and `above` are the sizes there.
    low, high, below = 0, highest, 0
    above: int | None = None
    candidates = sorted({*np.geomspace(1, highest, per_pass).astype(np.int64).tolist(), highest})
    while candidates:
        found = list(sizes(candidates))
        first = next((at for at, value in enumerate(found) if value >= wanted), len(candidates))
        if first < len(candidates):
            high, above = candidates[first], found[first]
        if above is None:
            return None
        if first > 0:
            low, below = candidates[first - 1], found[first - 1]
        candidates = _between(low, high, (wanted - below) / (above - below), per_pass)
    return high


def round_thresholds(highest: int) -> list[int]:
    """Return 1, 2, 5, 10, 20, 50, ... up to the first at or above the highest count, which keeps every matched pair.

    >>> round_thresholds(70)
    [1, 2, 5, 10, 20, 50, 100]
    """
    values = [1]
    while values[-1] < highest:
        power = 10 ** (len(values) // 3)
        values.append(power * (1, 2, 5)[len(values) % 3])
    return values


def _between(low: int, high: int, share: float, per_pass: int) -> list[int]:
    """Return the t to try between `low` and `high`.

    Half of them are evenly spaced. The other half are at geometrically growing distances from the interpolated t.
    """
    width = high - low
    if width - 1 <= per_pass:
        return list(range(low + 1, high))
    half, sides = per_pass // 2, per_pass // 4
    even = [low + width * step // (half + 1) for step in range(1, half + 1)]
    guess = low + round(width * share)
    distances = [round(width ** (step / sides)) for step in range(sides)]
    near = [guess + sign * distance for distance in distances for sign in (-1, 1)]
    return sorted({t for t in (*even, *near) if low < t < high})
