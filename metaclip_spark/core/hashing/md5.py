"""Hash many short strings at once with MD5, which lists of urls use as a name. Source: RFC 1321."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from metaclip_spark.core.hashing.lanes import LANES, STATE, WORK, close_string, load_blocks, next_strings, write_digits
from metaclip_spark.core.jit import borrowed, copy_bytes, kernel

_START = np.array([0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476], np.uint32)
_CONSTANTS = np.array([int(abs(math.sin(at + 1)) * 2**32) for at in range(64)], np.uint32)
_SHIFTS = np.array([(7, 12, 17, 22), (5, 9, 14, 20), (4, 11, 16, 23), (6, 10, 15, 21)], np.uint32)
_WORDS, _ROWS = 16 * LANES, 32


@kernel
def _compress(v: npt.NDArray[np.uint32]) -> None:
    """Compress one block on all lanes.

    Args:
        v: (rows * lanes,) uint32; the state and the 16 words are read, and the state is written.
    """
    size = LANES
    for i in range(4 * size):
        v[WORK + i] = v[STATE + i]
    for at in range(64):
        kind = at // 16
        a, b, c, d = (
            WORK + (-at % 4) * size,
            WORK + ((1 - at) % 4) * size,
            WORK + ((2 - at) % 4) * size,
            WORK + ((3 - at) % 4) * size,
        )
        word = (at, 5 * at + 1, 3 * at + 5, 7 * at)[kind] % 16
        source, added, shift = _WORDS + word * size, _CONSTANTS[at], _SHIFTS[kind, at % 4]
        for i in range(size):
            two, three, four = v[b + i], v[c + i], v[d + i]
            if kind == 0:
                mixed = two & three | ~two & four
            elif kind == 1:
                mixed = two & four | three & ~four
            elif kind == 2:
                mixed = two ^ three ^ four
            else:
                mixed = three ^ (two | ~four)
            total = np.uint32(v[a + i] + mixed + added + v[source + i])
            v[a + i] = np.uint32(two + (total << shift | total >> np.uint32(np.uint32(32) - shift)))
    for i in range(4 * size):
        v[STATE + i] += v[WORK + i]


@kernel
def md5_of_strings(strings, ends, out):
    """Write the 32 hexadecimal digits of MD5 of each string.

    Args:
        strings: (bytes,) uint8, the bytes of the strings.
        ends: (n + 1,) int32, the start of the first string, and the end of each.
        out: (32 n,) uint8, written.
    """
    strings = borrowed(strings)
    count = len(ends) - 1
    starts = np.zeros(count + 1, np.int64)
    words = np.zeros(16 * ((ends[count] - ends[0]) // 64 + 2 * count), np.uint32)
    raw = words.view(np.uint8)
    for row in range(count):
        first = 64 * starts[row]
        end = copy_bytes(strings[ends[row] : ends[row + 1]], raw, first)
        starts[row + 1] = starts[row] + close_string(raw, first, end)
        for byte in range(8):
            raw[64 * starts[row + 1] - 8 + byte] = 8 * (end - first) >> 8 * byte & 255
    v = np.zeros(_ROWS * LANES, np.uint32)
    at, rows, assigned, digits = np.zeros(LANES, np.int64), np.full(LANES, -1), 0, out.view(np.uint16)
    while True:
        assigned = next_strings(at, starts, rows, assigned)
        if not load_blocks(v, v[_WORDS:], words, at, starts, rows, _START):
            break
        _compress(v)
        write_digits(v, at, starts, rows, 4, False, digits)
