"""Choose a batch of candidates that shares out the entries: a greedy choice with lazy gains.

Source of the lazy gains: Minoux, "Accelerated greedy algorithms for maximizing submodular set functions", 1978.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metaclip_spark.core.jit import kernel

ONE = 1 << 32
"""A gain of 1, in the fixed point of the gains: sums of integers do not depend on the order of the entries."""


@kernel
def gain_of(candidate, offsets, ids, counts):
    """Return the mean over a candidate's entries of 1 / (1 + the entry's count in the batch), 0 without an entry."""
    gain, entries = np.int64(0), offsets[candidate + 1] - offsets[candidate]
    for at in range(offsets[candidate], offsets[candidate + 1]):
        gain += np.int64(ONE) // np.int64(1 + counts[ids[at]])
    return gain // max(entries, np.int64(1))


@kernel
def sift_down(heap, gains, offsets, at, size):
    """Move the candidate at a place of the heap down, to where no candidate below it comes before it."""
    moved = heap[at]
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        if child + 1 < size and comes_before(heap[child + 1], heap[child], gains, offsets):
            child += 1
        if not comes_before(heap[child], moved, gains, offsets):
            break
        heap[at] = heap[child]
        at = child
    heap[at] = moved


@kernel
def comes_before(one, other, gains, offsets):
    """Return whether a candidate is chosen before another: by the larger gain, more entries, the earlier place."""
    if gains[one] != gains[other]:
        return gains[one] > gains[other]
    more = (offsets[one + 1] - offsets[one]) - (offsets[other + 1] - offsets[other])
    return more > 0 or (more == 0 and one < other)


@kernel
def most_diverse(
    offsets: npt.NDArray[np.int64], ids: npt.NDArray[np.int32], size: int, counts: npt.NDArray[np.int32]
) -> npt.NDArray[np.int64]:
    """Return `size` candidates in the order in which they are chosen, each with the largest gain of those left.

    A gain falls while the batch grows. So a candidate whose gain is still as large as when it was computed last, and
    that is first by those gains, is first by the gains of now.

    Args:
        offsets, ids: int64, shape (candidates + 1,), and int32; the entries of candidate i are
            `ids[offsets[i]:offsets[i + 1]]`.
        size: at most the number of candidates.
        counts: int32, longer than the largest id, zeros; zeros again afterwards.
    """
    left = len(offsets) - 1
    gains, heap = np.empty(left, np.int64), np.arange(left)
    for candidate in range(left):
        gains[candidate] = gain_of(candidate, offsets, ids, counts)
    for at in range(left // 2 - 1, -1, -1):
        sift_down(heap, gains, offsets, at, left)
    chosen, n = np.empty(size, np.int64), 0
    while n < size:
        candidate = heap[0]
        gain = gain_of(candidate, offsets, ids, counts)
        if gain == gains[candidate]:
            chosen[n] = candidate
            n += 1
            for at in range(offsets[candidate], offsets[candidate + 1]):
                counts[ids[at]] += 1
            left -= 1
            heap[0] = heap[left]
        gains[candidate] = gain
        sift_down(heap, gains, offsets, 0, left)
    for candidate in chosen:
        for at in range(offsets[candidate], offsets[candidate + 1]):
            counts[ids[at]] = 0
    return chosen
