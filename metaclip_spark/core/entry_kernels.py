"""Compiled loops over lists of entry ids; `entry_lists` documents the same functions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metaclip_spark.core.jit import kernel


@kernel
def add_counts(ids: npt.NDArray[np.int32], sums: npt.NDArray[np.int64]) -> None:
    """Add one to the sum of each id."""
    for entry in ids:
        sums[entry] += 1


@kernel
def running_products(
    offsets: npt.NDArray[np.int64], ids: npt.NDArray[np.int32], by_entry: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return 1 - prod(1 - p(entry)) over the ids of each pair."""
    p = np.empty(len(offsets) - 1, np.float64)
    for pair in range(len(p)):
        product = 1.0
        for at in range(offsets[pair], offsets[pair + 1]):
            entry = ids[at]
            product *= 1.0 - by_entry[entry] if entry < len(by_entry) else np.nan
        p[pair] = 1.0 - product
    return p
