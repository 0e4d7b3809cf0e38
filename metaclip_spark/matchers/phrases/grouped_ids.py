"""Group entry ids, found in any order, by text: ascending and distinct."""

from __future__ import annotations

import numpy as np

from metaclip_spark.core.jit import inline, kernel

MAX_RANKED = 64
"""Maximum number of a text's ids that are sorted by comparing each id with every other."""
_LAST = np.iinfo(np.int32).max


@kernel
def group(rows, ids, m, n_rows, starts, grouped):
    """Group ids by row; on return `starts[r]` is the end of row r."""
    for r in range(n_rows + 1):
        starts[r] = 0
    for j in range(m):
        starts[rows[j] + 1] += 1
    for r in range(n_rows):
        starts[r + 1] += starts[r]
    for j in range(m):
        r = rows[j]
        grouped[starts[r]] = ids[j]
        starts[r] += 1


@kernel
def distinct_sorted(ids, start, stop, ranked, out, at):
    """Write ids, ascending and distinct, and return their number.

    Args:
        ids: int32; the elements after `stop`, up to the next multiple of 64, are read and ignored.
        start, stop: the bounds of the ids.
        ranked: (128,) int32, a buffer.
        out, at: the output, and the position of the first id in it.
    """
    n = stop - start
    if n <= 8:
        return _by_rank(ids, start, n, 8, ranked, out, at)
    if n <= 16:
        return _by_rank(ids, start, n, 16, ranked, out, at)
    if n <= 32:
        return _by_rank(ids, start, n, 32, ranked, out, at)
    if n <= MAX_RANKED:
        return _by_rank(ids, start, n, MAX_RANKED, ranked, out, at)
    return _write_distinct(np.sort(ids[start:stop]), n, out, at)


@inline
def _by_rank(ids, start, n, lanes, ranked, out, at):
    """Sort ids by rank, the number of smaller ids: comparisons without branches, `lanes` at once."""
    for i in range(lanes):
        ranked[i] = -1
        ranked[MAX_RANKED + i] = ids[start + i]
    for i in range(n, lanes):
        ranked[MAX_RANKED + i] = _LAST
    for j in range(n):
        value, rank = ids[start + j], np.int32(0)
        for i in range(lanes):
            rank += np.int32(ranked[MAX_RANKED + i] < value)
        ranked[rank] = value
    return _write_distinct(ranked, n, out, at)


@inline
def _write_distinct(ordered, n, out, at):
    """Write the ascending ids. A repeat, or the gap that a repeat left, is overwritten."""
    count, before = 0, np.int32(-1)
    for i in range(n):
        value = ordered[i]
        out[at + count] = value
        count += np.int64(value > before)
        before = max(value, before)
    return count


@kernel
def write_rows(grouped, ends, n_rows, ranked, out, total, out_ends):
    """Write the ids of the first rows and the end of each row; return the total number of ids.

    Args:
        grouped, ends: see `group`.
        n_rows: the number of rows.
        ranked: see `distinct_sorted`.
        out, total: the output, int32, and the number of ids in it.
        out_ends: (n_rows,) int32, written.
    """
    start = 0
    for row in range(n_rows):
        total += distinct_sorted(grouped, start, ends[row], ranked, out, total)
        out_ends[row] = total
        start = ends[row]
    return total


@kernel
def with_capacity(array, size):
    """Return the array, or a copy with capacity for `size` elements and at least twice the old capacity."""
    if len(array) >= size:
        return array
    wider = np.empty(max(size, 2 * len(array)), array.dtype)
    for i in range(len(array)):  # an assignment to a slice compiles the message of its error, too
        wider[i] = array[i]
    return wider
