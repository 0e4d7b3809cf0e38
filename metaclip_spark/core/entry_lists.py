"""Lists of entry ids in Arrow's layout: the inner loops of counting and balancing, without Spark.

Large batches go through compiled loops (`entry_kernels`). Small batches go through numpy, so that a table of some
thousand pairs needs no compilation. Both give the same bits.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

SMALL = 1 << 14
"""Number of ids below which numpy processes a batch."""


def list_layout(entry_ids: pa.ListArray) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Return the offsets and the ids of a list array, ids without a copy; a null is an empty list.

    Returns:
        Offsets, int64, shape (pairs + 1,), from 0; and ids, int32.
    """
    if entry_ids.null_count:
        # Arrow may store ids beneath a null. They belong to no pair.
        lengths = entry_ids.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
        offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
        np.cumsum(lengths, out=offsets[1:])
    else:
        offsets = entry_ids.offsets.to_numpy().astype(np.int64)
        offsets -= offsets[0]
    return offsets, entry_ids.flatten().to_numpy(zero_copy_only=False).astype(np.int32, copy=False)


def by_entry(
    ids: npt.NDArray[np.integer[Any]], values: npt.NDArray[Any], missing: float, n_entries: int = 0
) -> npt.NDArray[Any]:
    """Return values as an array by entry id, of the values' dtype.

    Args:
        ids: distinct, in any order.
        values: one per id.
        missing: the value of an entry without an id.
        n_entries: the smallest length of the array; larger ids extend it.

    >>> by_entry(np.array([2, 0]), np.array([0.5, 0.25]), missing=1.0, n_entries=4).tolist()
    [0.25, 1.0, 0.5, 1.0]
    """
    array = np.full(max(n_entries, int(ids.max(initial=-1)) + 1), missing, dtype=values.dtype)
    array[ids] = values
    return array


def add_counts(ids: npt.NDArray[np.int32], sums: npt.NDArray[np.int64]) -> None:
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


def running_products(
    offsets: npt.NDArray[np.int64], ids: npt.NDArray[np.int32], by_entry: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return 1 - prod(1 - p(entry)) over the ids of each pair; 0 for a pair without ids.

    The product runs over the ids in their order, one after the other. So the result does not depend on the batches.

    Args:
        offsets: int64, shape (pairs + 1,).
        ids: int32; the ids of pair i are `ids[offsets[i]:offsets[i + 1]]`.
        by_entry: float64, p(entry) by entry id; an id beyond its end gives NaN.

    Returns:
        float64, shape (pairs,).
    """
    if not _is_small(ids):
        from metaclip_spark.core.entry_kernels import running_products as products

        p: npt.NDArray[np.float64] = products(offsets, ids, by_entry)
        return p
    lengths = np.diff(offsets)
    factors = np.where(ids < len(by_entry), 1.0 - by_entry[np.minimum(ids, len(by_entry) - 1)], np.nan)
    product = np.ones(len(lengths), dtype=np.float64)
    rows = np.flatnonzero(lengths > 0)
    at = 0
    while len(rows):
        product[rows] *= factors[offsets[rows] + at]
        at += 1
        rows = rows[lengths[rows] > at]
    return 1.0 - product


def _is_small(ids: npt.NDArray[np.int32]) -> bool:
    return len(ids) < SMALL or find_spec("numba") is None
