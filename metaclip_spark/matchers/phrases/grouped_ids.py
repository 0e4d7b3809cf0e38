"""Put entries that were found in any order together by text, ascending and distinct."""

from __future__ import annotations

import numpy as np

from metaclip_spark.core.jit import inline, kernel

MOST_RANKED = 64
"""Ids of a text that are put in order by comparing each with each."""
_LAST = np.iinfo(np.int32).max


@kernel
def group(rows, ids, m, n_rows, starts, grouped):
    """Put ids together by row; `starts[r]` becomes where row r ends."""
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
    """Write ids, ascending and distinct, and return how many.

    Args:
        ids: int32; what stands behind `stop`, up to the next multiple of 64, is looked at and left out.
        ranked: (128,) int32, room to work in.
    """
    n = stop - start
    if n <= 8:
        return _by_rank(ids, start, n, 8, ranked, out, at)
    if n <= 16:
        return _by_rank(ids, start, n, 16, ranked, out, at)
    if n <= 32:
        return _by_rank(ids, start, n, 32, ranked, out, at)
    if n <= MOST_RANKED:
        return _by_rank(ids, start, n, MOST_RANKED, ranked, out, at)
    return _without_repeats(np.sort(ids[start:stop]), n, out, at)


@inline
def _by_rank(ids, start, n, lanes, ranked, out, at):
    """Put each id where as many smaller ones stand before it: comparisons without branches, `lanes` at once."""
    for i in range(lanes):
        ranked[i] = -1
        ranked[MOST_RANKED + i] = ids[start + i]
    for i in range(n, lanes):
        ranked[MOST_RANKED + i] = _LAST
    for j in range(n):
        value, rank = ids[start + j], np.int32(0)
        for i in range(lanes):
            rank += np.int32(ranked[MOST_RANKED + i] < value)
        ranked[rank] = value
    return _without_repeats(ranked, n, out, at)


@inline
def _without_repeats(ordered, n, out, at):
    """Write what ascends; a repeat, or a gap that repeats left, is written over."""
    count, before = 0, np.int32(-1)
    for i in range(n):
        value = ordered[i]
        out[at + count] = value
        count += np.int64(value > before)
        before = max(value, before)
    return count


@kernel
def write_rows(grouped, ends, n_rows, ranked, out, total, out_ends):
    """Write the ids of the first rows, and behind which each ends; return how many ids are written in all.

    Args:
        grouped, ends: see `group`.
        out, total: int32 ids, and how many stand there already.
        out_ends: (n_rows,) int32.
    """
    start = 0
    for row in range(n_rows):
        total += distinct_sorted(grouped, start, ends[row], ranked, out, total)
        out_ends[row] = total
        start = ends[row]
    return total


@kernel
def with_room(array, size):
    """Return the array, or one that starts with it and has room for so many, at least twice as many as it had."""
    if len(array) >= size:
        return array
    wider = np.empty(max(size, 2 * len(array)), array.dtype)
    wider[: len(array)] = array
    return wider
