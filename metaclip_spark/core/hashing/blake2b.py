"""Hash many short strings at once with BLAKE2b. Source: RFC 7693."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metaclip_spark.core.hashing.lanes import LANES, STATE, WORK, fractions, load_blocks, next_strings, write_digits
from metaclip_spark.core.jit import borrowed, copy_bytes, kernel, part

_IV = np.array(fractions(2, 8, 64), np.uint64)
_ORDER = np.array(
    [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
        [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
        [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
        [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
        [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
        [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
        [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
        [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
        [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
        [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
    ]
)
_ORDER = np.concatenate([_ORDER, _ORDER[:2]])
_START = _IV ^ np.array([0x01010000 ^ 16, *[0] * 7], np.uint64)  # no key, one leaf, 16 bytes
_WORDS, _ROWS = 24 * LANES, 40


@part
def _mix(v: npt.NDArray[np.uint64], a: int, b: int, c: int, d: int, x: int) -> None:
    """Apply BLAKE2b's function G on all lanes to the working rows a, b, c and d, with the words x and x + 1."""
    a, b, c, d = WORK + LANES * a, WORK + LANES * b, WORK + LANES * c, WORK + LANES * d
    x, y = _WORDS + LANES * x, _WORDS + LANES * (x + 1)
    for i in range(LANES):
        one = v[a + i] + v[b + i] + v[x + i]
        four = v[d + i] ^ one
        four = four >> np.uint64(32) | four << np.uint64(32)
        three = v[c + i] + four
        two = v[b + i] ^ three
        two = two >> np.uint64(24) | two << np.uint64(40)
        one = one + two + v[y + i]
        four = four ^ one
        four = four >> np.uint64(16) | four << np.uint64(48)
        three = three + four
        two = two ^ three
        v[a + i], v[c + i], v[d + i] = one, three, four
        v[b + i] = two >> np.uint64(63) | two << np.uint64(1)


@kernel
def _compress(
    v: npt.NDArray[np.uint64],
    words: npt.NDArray[np.uint64],
    done: npt.NDArray[np.uint64],
    last: npt.NDArray[np.uint64],
) -> None:
    """Compress one block on all lanes.

    Args:
        v: (rows * lanes,) uint64; the state is read and written.
        words: (16 * lanes,) uint64, the block.
        done: (lanes,) uint64, the bytes of the string up to the end of this block.
        last: (lanes,) uint64, all ones where the block is the last of its string.
    """
    size = LANES
    for i in range(8 * size):
        v[WORK + i] = v[STATE + i]
        v[WORK + 8 * size + i] = _IV[i // size]
    for i in range(size):
        v[WORK + 12 * size + i] ^= done[i]
        v[WORK + 14 * size + i] ^= last[i]
    for round_ in range(len(_ORDER)):
        for word in range(16):  # in the order of the round, so that `_mix` gets constant positions
            source = LANES * _ORDER[round_, word]
            for i in range(size):
                v[_WORDS + word * size + i] = words[source + i]
        _mix(v, 0, 4, 8, 12, 0)
        _mix(v, 1, 5, 9, 13, 2)
        _mix(v, 2, 6, 10, 14, 4)
        _mix(v, 3, 7, 11, 15, 6)
        _mix(v, 0, 5, 10, 15, 8)
        _mix(v, 1, 6, 11, 12, 10)
        _mix(v, 2, 7, 8, 13, 12)
        _mix(v, 3, 4, 9, 14, 14)
    for i in range(8 * size):
        v[STATE + i] ^= v[WORK + i] ^ v[WORK + 8 * size + i]


@kernel
def blake2b_of_pairs(firsts, first_ends, seconds, second_ends, out):
    """Write the hexadecimal digits of BLAKE2b (16 bytes) of each pair of strings.

    The hash is over the length of the first string (8 bytes, little-endian), the first, and the second string.

    Args:
        firsts, seconds: (bytes,) uint8, the bytes of the strings.
        first_ends, second_ends: (n + 1,) int32, the start of the first string, and the end of each.
        out: (32 n,) uint8, written.
    """
    firsts, seconds = borrowed(firsts), borrowed(seconds)
    count = len(first_ends) - 1
    starts, sizes = np.zeros(count + 1, np.int64), np.empty(count, np.int64)
    for row in range(count):
        sizes[row] = 8 + first_ends[row + 1] - first_ends[row] + second_ends[row + 1] - second_ends[row]
        starts[row + 1] = starts[row] + (sizes[row] + 127) // 128
    content = np.zeros(16 * starts[count], np.uint64)
    raw = content.view(np.uint8)
    for row in range(count):
        content[16 * starts[row]] = np.uint64(first_ends[row + 1] - first_ends[row])
        to = copy_bytes(firsts[first_ends[row] : first_ends[row + 1]], raw, 128 * starts[row] + 8)
        copy_bytes(seconds[second_ends[row] : second_ends[row + 1]], raw, to)
    v, words = np.zeros(_ROWS * LANES, np.uint64), np.zeros(16 * LANES, np.uint64)
    at, rows, assigned, digits = np.zeros(LANES, np.int64), np.full(LANES, -1), 0, out.view(np.uint16)
    done, last = np.zeros(LANES, np.uint64), np.zeros(LANES, np.uint64)
    while True:
        assigned = next_strings(at, starts, rows, assigned)
        if not load_blocks(v, words, content, at, starts, rows, _START):
            break
        for lane in range(LANES):
            row = rows[lane]
            if row >= 0:
                ends = at[lane] == starts[row + 1]
                done[lane] = sizes[row] if ends else 128 * (at[lane] - starts[row])
                last[lane] = ~np.uint64(0) if ends else np.uint64(0)
        _compress(v, words, done, last)
        write_digits(v, at, starts, rows, 2, False, digits)
