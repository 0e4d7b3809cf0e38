"""Group entry ids, found in any order, by text: ascending and distinct."""

from __future__ import annotations

import numpy as np

from metaclip_spark.core.jit import borrowed, kernel, part

MAX_RANKED = 64
"""Maximum number of a text's ids that are sorted by comparing each id with every other."""
RANKED = 3 * MAX_RANKED
"""The length of the buffer for sorting: ids in order, ids, and their ranks."""
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
        ranked: (RANKED,) int32, a buffer.
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
    return _write_distinct(_by_digits(ids[start:stop]), n, out, at)


@part
def _by_rank(ids, start, n, lanes, ranked, out, at):
    """Sort ids by rank, the number of smaller ids: comparisons without branches, `lanes` at once."""
    values, ranks = MAX_RANKED, 2 * MAX_RANKED
    for i in range(lanes):
        ranked[i] = -1
        ranked[values + i] = ids[start + i] if i < n else _LAST
        ranked[ranks + i] = 0
    for j in range(values, values + lanes, 4):
        a, b, c, d = ranked[j], ranked[j + 1], ranked[j + 2], ranked[j + 3]
        for i in range(lanes):
            value = ranked[values + i]
            ranked[ranks + i] += np.int32(a < value) + np.int32(b < value) + np.int32(c < value) + np.int32(d < value)
    for i in range(lanes):
        ranked[ranked[ranks + i]] = ranked[values + i]
    return _write_distinct(ranked, n, out, at)


@kernel
def _by_digits(ids):
    """Return ids in ascending order, sorted by one digit of seven bits after the other, the lowest first."""
    n, highest = len(ids), np.int32(0)
    for value in ids:
        highest = max(highest, value)
    ordered, other = np.empty(n, np.int32), np.empty(n, np.int32)
    for i in range(n):
        ordered[i] = ids[i]
    starts, shift = np.empty(129, np.int64), 0
    while highest >> shift:
        for digit in range(129):
            starts[digit] = 0
        for value in ordered:
            starts[((value >> shift) & 127) + 1] += 1
        for digit in range(128):
            starts[digit + 1] += starts[digit]
        for value in ordered:
            digit = (value >> shift) & 127
            other[starts[digit]] = value
            starts[digit] += 1
        ordered, other, shift = other, ordered, shift + 7
    return ordered


@part
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
    grouped, ranked, out = borrowed(grouped), borrowed(ranked), borrowed(out)  # one call per row
    start = 0
    for row in range(n_rows):
        if ends[row] > start:
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
