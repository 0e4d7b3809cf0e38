"""Hash many short strings at once: the parts that BLAKE2b, SHA-224, SHA-256 and MD5 share.

A call of the standard library's hash costs several times as much as the hashing of a url itself. These kernels hash one
string per lane, side by side, from Arrow's buffers to hexadecimal digits. The result equals `hashlib`'s bit for bit.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metaclip_spark.core.jit import kernel

_DIGITS = np.frombuffer(bytes(range(256)).hex().encode(), np.uint16)  # by byte, two digits each

LANES = 16
"""Number of strings that are hashed side by side; the loops over lanes become vector instructions.

The working array is (rows, lanes), flat. A row is named by its start: 8 rows of state, 8 or 16 working rows of a block,
and rows of the block's words: 64 for SHA-224 and SHA-256, 16 for MD5.
"""
STATE, WORK = 0, 8 * LANES


def fractions(roots: int, count: int, bits: int) -> list[int]:
    """Return the first `bits` bits of the fractional parts of the roots of the first `count` primes.

    Args:
        roots: 2 for square roots, 3 for cube roots.
        count: number of primes.
        bits: number of bits.
    """
    primes = [n for n in range(2, 500) if all(n % d for d in range(2, n))][:count]
    parts = []
    for prime in primes:
        low, high = 0, prime << bits
        while high - low > 1:  # the largest whole number whose power is at most prime * 2 ** (roots * bits)
            middle = (low + high) // 2
            low, high = (middle, high) if middle**roots <= prime << roots * bits else (low, middle)
        parts.append(low % (1 << bits))
    return parts


@kernel
def digits_of(word: int, byte: int) -> int:
    """Return the two hexadecimal digits of one byte of a word; byte 0 is the lowest."""
    return _DIGITS[np.uint64(word) >> np.uint64(8 * byte) & np.uint64(255)]


@kernel
def next_strings(
    at: npt.NDArray[np.int64], starts: npt.NDArray[np.int64], rows: npt.NDArray[np.int64], assigned: int
) -> int:
    """Assign the next strings to the lanes that are done.

    Args:
        at: (lanes,) int64, the next block of a lane; a lane is done when this is behind its string's last block.
        starts: (n + 1,) int64, the first block of each string.
        rows: (lanes,) int64, the string of a lane; -1 for none.
        assigned: the number of strings that were assigned before.

    Returns:
        The number of strings that are assigned now.
    """
    for lane in range(LANES):
        if rows[lane] >= 0 and at[lane] == starts[rows[lane] + 1]:
            rows[lane] = -1
        if rows[lane] < 0 and assigned < len(starts) - 1:
            rows[lane], at[lane] = assigned, starts[assigned]
            assigned += 1
    return assigned


@kernel
def load_blocks(v, words, content, at, starts, rows, start):
    """Load the next block of each lane's string, and the initial state before its first; return whether there is one.

    Args:
        v: the working array; the state of a string that begins is written.
        words: (16 * lanes,), the words of the blocks, written.
        content: (16 * blocks,), the words of all blocks of all strings.
        at: (lanes,) int64, the next block of each lane, counted up.
        starts, rows: see `next_strings`.
        start: the words of the initial state.
    """
    busy = False
    for lane in range(LANES):
        row = rows[lane]
        if row < 0:
            continue
        busy = True
        if at[lane] == starts[row]:
            for index in range(len(start)):
                v[STATE + index * LANES + lane] = start[index]
        for word in range(16):
            words[word * LANES + lane] = content[16 * at[lane] + word]
        at[lane] += 1
    return busy


@kernel
def write_digits(v, at, starts, rows, size, highest_first, digits):
    """Write the hexadecimal digits of the strings whose last block was compressed.

    Args:
        v: the working array, of which the state is read.
        at, starts, rows: see `next_strings`.
        size: the number of words of the state that are written.
        highest_first: whether the highest byte of a word is its first.
        digits: uint16, two digits each, written.
    """
    width = v.itemsize
    for lane in range(LANES):
        row = rows[lane]
        if row >= 0 and at[lane] == starts[row + 1]:
            for index in range(size):
                for byte in range(width):
                    shown = width - 1 - byte if highest_first else byte
                    digits[width * (size * row + index) + byte] = digits_of(v[STATE + index * LANES + lane], shown)


@kernel
def close_string(raw: npt.NDArray[np.uint8], first: int, end: int) -> int:
    """Write the bit that ends a string of SHA-2 or MD5; return its number of blocks of 64 bytes, its size included.

    Args:
        raw: the padded strings, zero after this string.
        first, end: the first byte of the string, and the byte after its last.
    """
    raw[end] = 128
    return (end - first + 8) // 64 + 1
