"""Lists of entry ids as Arrow lays them out: the inner part of counting and of balancing, without Spark.

Large batches go through compiled loops (`entry_kernels`). Small ones do not: nothing has to be compiled for a table of
some thousand pairs. Both give the same bits.
"""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pyarrow as pa

SMALL = 1 << 14
"""Ids of a batch that numpy alone handles."""


def laid_out(entry_ids: pa.ListArray) -> tuple[np.ndarray, np.ndarray]:
    """Return offsets, (pairs + 1,) int64, from 0, and ids, int32, without a copy; a null is an empty list."""
    if entry_ids.null_count:
        # Beneath a null there may be ids, which belong to no pair.
        lengths = entry_ids.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
        offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
        np.cumsum(lengths, out=offsets[1:])
    else:
        offsets = entry_ids.offsets.to_numpy().astype(np.int64)
        offsets -= offsets[0]
    return offsets, entry_ids.flatten().to_numpy(zero_copy_only=False).astype(np.int32, copy=False)


def by_entry(ids: np.ndarray, values: np.ndarray, missing: float, n_entries: int = 0) -> np.ndarray:
    """Return values laid out by entry id, of the values' dtype; `missing` where an entry has none.

    Args:
        ids: distinct, in any order.
        n_entries: the length wanted; ids beyond it make it longer.

    >>> by_entry(np.array([2, 0]), np.array([0.5, 0.25]), missing=1.0, n_entries=4).tolist()
    [0.25, 1.0, 0.5, 1.0]
    """
    found = np.full(max(n_entries, int(ids.max(initial=-1)) + 1), missing, dtype=values.dtype)
    found[ids] = values
    return found


def add_counts(ids: np.ndarray, sums: np.ndarray) -> None:
    """Add one to the sum of each id.

    Args:
        ids: int32.
        sums: int64, longer than the largest id.
    """
    if _is_small(ids):
        np.add.at(sums, ids, 1)
        return
    from metaclip_spark.core.entry_kernels import add_counts as add

    add(ids, sums)


def running_products(offsets: np.ndarray, ids: np.ndarray, by_entry: np.ndarray) -> np.ndarray:
    """Return 1 - prod(1 - p(entry)) over each pair's ids, (pairs,) float64; 0 for a pair without any.

    The product runs over the ids in their order, one after the other, so that it is the same for any cut into batches.

    Args:
        offsets: (pairs + 1,) int64.
        ids: int32; the ids of pair i are `ids[offsets[i]:offsets[i + 1]]`.
        by_entry: float64, p(entry) by entry id; an id beyond it gives NaN.
    """
    if not _is_small(ids):
        from metaclip_spark.core.entry_kernels import running_products as products

        return products(offsets, ids, by_entry)
    lengths = np.diff(offsets)
    missed = np.where(ids < len(by_entry), 1.0 - by_entry[np.minimum(ids, len(by_entry) - 1)], np.nan)
    dropped = np.ones(len(lengths), dtype=np.float64)
    rows = np.flatnonzero(lengths > 0)
    step = 0
    while len(rows):
        dropped[rows] *= missed[offsets[rows] + step]
        step += 1
        rows = rows[lengths[rows] > step]
    return 1.0 - dropped


def _is_small(ids: np.ndarray) -> bool:
    return len(ids) < SMALL or find_spec("numba") is None
