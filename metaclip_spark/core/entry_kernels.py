"""Compiled loops over lists of entry ids; see `entry_lists`, which says what they return."""

from __future__ import annotations

import numpy as np

from metaclip_spark.core.jit import kernel


@kernel
def add_counts(ids: np.ndarray, sums: np.ndarray) -> None:
    """Add one to the sum of each id."""
    for entry in ids:
        sums[entry] += 1


@kernel
def running_products(offsets: np.ndarray, ids: np.ndarray, by_entry: np.ndarray) -> np.ndarray:
    """Return 1 - prod(1 - p(entry)) over each pair's ids."""
    p = np.empty(len(offsets) - 1, np.float64)
    for pair in range(len(p)):
        product = 1.0
        for at in range(offsets[pair], offsets[pair + 1]):
            entry = ids[at]
            product *= 1.0 - by_entry[entry] if entry < len(by_entry) else np.nan
        p[pair] = 1.0 - product
    return p
