"""Hashes of many short strings at once: what BLAKE2b and SHA-224 share.

The standard library's hashes take their time per call, not per byte: for a url it is several times what the hashing
itself takes. These hash as many strings side by side as there are lanes, from Arrow's buffers to hexadecimal digits,
and equal `hashlib`'s bit for bit.
"""

from __future__ import annotations

import numpy as np

from metaclip_spark.core.jit import kernel

_DIGITS = np.frombuffer(bytes(range(256)).hex().encode(), np.uint16)  # by byte, both at once

LANES = 16
"""How many strings are hashed side by side: the loops over them become vector instructions.

What they work on is one array, (rows, lanes) laid out flat, and rows are named by where they start in it: 8 of the
state, 8 or 16 that a block is worked on in, and for SHA-224 64 of the block's words.
"""
STATE, WORK = 0, 8 * LANES


def fractions(roots: int, count: int, bits: int) -> list[int]:
    """Return the first `bits` bits of the fractions of the roots (square or cube) of the first `count` primes."""
    primes = [n for n in range(2, 500) if all(n % d for d in range(2, n))][:count]
    found = []
    for prime in primes:
        low, high = 0, prime << bits
        while high - low > 1:  # the largest whole number whose power is at most prime * 2 ** (roots * bits)
            middle = (low + high) // 2
            low, high = (middle, high) if middle**roots <= prime << roots * bits else (low, middle)
        found.append(low % (1 << bits))
    return found


@kernel
def digits_of(word: int, byte: int) -> int:
    """Return the digits of one byte of a word, of which byte 0 is the lowest."""
    return _DIGITS[np.uint64(word) >> np.uint64(8 * byte) & np.uint64(255)]


@kernel
def next_strings(at: np.ndarray, starts: np.ndarray, rows: np.ndarray, given: int) -> int:
    """Give lanes that are done the next strings, in turn.

    Args:
        at: (lanes,) int64, the block that a lane is at; it is done where its string's last was the one before.
        starts: (n + 1,) int64, the blocks with which the strings start.
        rows: (lanes,) int64, the string that a lane has, -1 for none.
        given: how many strings were given out.

    Returns:
        How many are now.
    """
    for lane in range(LANES):
        if rows[lane] >= 0 and at[lane] == starts[rows[lane] + 1]:
            rows[lane] = -1
        if rows[lane] < 0 and given < len(starts) - 1:
            rows[lane], at[lane] = given, starts[given]
            given += 1
    return given
