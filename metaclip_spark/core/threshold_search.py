"""The smallest t whose expected subset is large enough: a search that asks for many t at once (no Spark)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

AT_ONCE = 32
"""How many t one pass over the pool is asked for: it costs about as much as one t."""

Sizes = Callable[[Sequence[int]], Sequence[int]]
"""Returns the expected size at each t, exactly, in units of 2**-53 pairs."""


def smallest_threshold(size: int, highest: int, sizes: Sizes, at_once: int = AT_ONCE) -> int | None:
    """Return the smallest t whose expected size reaches `size`; None where no t does.

    The expected size never falls as t grows (also in float64: each step of it rounds monotonically), so there is one
    answer, whatever is asked on the way to it. At the highest count every matched pair is kept.

    Args:
        size: wanted, in pairs, at least 1.
        highest: the highest entry count, at least 1.
        sizes: one call is one pass over the pool.
        at_once: how many t a pass is asked for, at least 4.
    """
    wanted = size << 53
    low, high, below, above = 0, highest, 0, None
    asked = sorted({*np.geomspace(1, highest, at_once).astype(np.int64).tolist(), highest})
    while asked:
        found = list(sizes(asked))
        if above is None and found[-1] < wanted:
            return None
        reached = next((at for at, value in enumerate(found) if value >= wanted), len(asked))
        if reached < len(asked):
            high, above = asked[reached], found[reached]
        if reached > 0:
            low, below = asked[reached - 1], found[reached - 1]
        asked = _between(low, high, (wanted - below) / (above - below), at_once)
    return high


def round_thresholds(highest: int) -> list[int]:
    """Return 1, 2, 5, 10, 20, 50, ... up to the first at or above the highest count, where all is kept.

    >>> round_thresholds(70)
    [1, 2, 5, 10, 20, 50, 100]
    """
    values = [1]
    while values[-1] < highest:
        power = 10 ** (len(values) // 3)
        values.append(power * (1, 2, 5)[len(values) % 3])
    return values


def _between(low: int, high: int, share: float, at_once: int) -> list[int]:
    """Return which t to ask for between two: half of them evenly, half ever closer around the interpolated one."""
    width = high - low
    if width - 1 <= at_once:
        return list(range(low + 1, high))
    half, sides = at_once // 2, at_once // 4
    even = [low + width * step // (half + 1) for step in range(1, half + 1)]
    guess = low + round(width * share)
    away = [round(width ** (step / sides)) for step in range(sides)]
    near = [guess + sign * distance for distance in away for sign in (-1, 1)]
    return sorted({t for t in (*even, *near) if low < t < high})
