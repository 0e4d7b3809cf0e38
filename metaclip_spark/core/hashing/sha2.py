"""Hash many short strings at once with SHA-224 and SHA-256. Source: FIPS 180-4."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metaclip_spark.core.hashing.lanes import (
    LANES,
    STATE,
    WORK,
    close_string,
    fractions,
    load_blocks,
    next_strings,
    write_digits,
)
from metaclip_spark.core.jit import borrowed, copy_bytes, kernel

# The initial state of SHA-224 is the second 32 bits of the fractional parts of the square roots of the 9th to 16th
# primes, that of SHA-256 the first 32 bits of those of the first 8 primes.
_START_224 = np.array([value & 0xFFFFFFFF for value in fractions(2, 16, 64)[8:]], np.uint32)
_START_256 = np.array(fractions(2, 8, 32), np.uint32)
_CONSTANTS = np.array(fractions(3, 64, 32), np.uint32)
_WORDS, _ROWS = 16 * LANES, 80


@kernel
def _rotated_right(value: np.uint32, bits: int) -> np.uint32:
    return np.uint32(value >> np.uint32(bits) | value << np.uint32(32 - bits))


@kernel
def _round(
    v: npt.NDArray[np.uint32], a: int, b: int, c: int, d: int, e: int, f: int, g: int, h: int, word: int, added: int
) -> None:
    """Run one round on all lanes. A round changes rows d and h; the other six rows only change their names."""
    for i in range(LANES):
        one, five = v[a + i], v[e + i]
        mixed = _rotated_right(five, 6) ^ _rotated_right(five, 11) ^ _rotated_right(five, 25)
        first = v[h + i] + mixed + (five & v[f + i] ^ ~five & v[g + i])
        first = np.uint32(first + added + v[word + i])
        second = (_rotated_right(one, 2) ^ _rotated_right(one, 13) ^ _rotated_right(one, 22)) + (
            one & v[b + i] ^ one & v[c + i] ^ v[b + i] & v[c + i]
        )
        v[d + i] = np.uint32(v[d + i] + first)
        v[h + i] = np.uint32(first + second)


@kernel
def _compress(v: npt.NDArray[np.uint32]) -> None:
    """Compress one block on all lanes.

    Args:
        v: (rows * lanes,) uint32; the state and the first 16 words are read, and the state is written.
    """
    size = LANES
    for word in range(16, 64):
        to = _WORDS + word * size
        for i in range(size):
            low, high = v[to - 15 * size + i], v[to - 2 * size + i]
            first = _rotated_right(low, 7) ^ _rotated_right(low, 18) ^ low >> np.uint32(3)
            second = _rotated_right(high, 17) ^ _rotated_right(high, 19) ^ high >> np.uint32(10)
            v[to + i] = np.uint32(v[to - 16 * size + i] + first + v[to - 7 * size + i] + second)
    for i in range(8 * size):
        v[WORK + i] = v[STATE + i]
    a, b, c, d = WORK, WORK + size, WORK + 2 * size, WORK + 3 * size
    e, f, g, h = WORK + 4 * size, WORK + 5 * size, WORK + 6 * size, WORK + 7 * size
    for first_round in range(0, 64, 8):
        word = _WORDS + first_round * size
        _round(v, a, b, c, d, e, f, g, h, word, _CONSTANTS[first_round])
        _round(v, h, a, b, c, d, e, f, g, word + size, _CONSTANTS[first_round + 1])
        _round(v, g, h, a, b, c, d, e, f, word + 2 * size, _CONSTANTS[first_round + 2])
        _round(v, f, g, h, a, b, c, d, e, word + 3 * size, _CONSTANTS[first_round + 3])
        _round(v, e, f, g, h, a, b, c, d, word + 4 * size, _CONSTANTS[first_round + 4])
        _round(v, d, e, f, g, h, a, b, c, word + 5 * size, _CONSTANTS[first_round + 5])
        _round(v, c, d, e, f, g, h, a, b, word + 6 * size, _CONSTANTS[first_round + 6])
        _round(v, b, c, d, e, f, g, h, a, word + 7 * size, _CONSTANTS[first_round + 7])
    for i in range(8 * size):
        v[STATE + i] += v[WORK + i]


@kernel
def _without_blanks(url: npt.NDArray[np.uint8], out: npt.NDArray[np.uint8], to: int) -> int:
    """Write a string without its tabs and spaces to `out[to:]`, and return the position after it."""
    blanks = np.uint8(0)
    for char in url:
        blanks = max(blanks, np.uint8((char == 32) | (char == 9)))
    if not blanks:
        return copy_bytes(url, out, to)
    for char in url:
        if char != 32 and char != 9:
            out[to] = char
            to += 1
    return to


@kernel
def _swapped(word: np.uint32) -> np.uint32:
    ends = word << np.uint32(24) | word >> np.uint32(24)
    return np.uint32(ends | (word & np.uint32(0xFF00)) << np.uint32(8) | (word >> np.uint32(8)) & np.uint32(0xFF00))


@kernel
def _sha2_of(strings, ends, start, skips_blanks, out):
    """Write hexadecimal digits of the hash of each string, as many as `out` has room for.

    Args:
        strings, ends: see `sha224_of_urls`.
        start: (8,) uint32, the initial state.
        skips_blanks: whether tabs and spaces are left out.
        out: (8 words n,) uint8, written.
    """
    count = len(ends) - 1
    starts = np.zeros(count + 1, np.int64)
    words = np.zeros(16 * ((ends[count] - ends[0]) // 64 + 2 * count), np.uint32)
    raw = words.view(np.uint8)
    for row in range(count):
        string, first = strings[ends[row] : ends[row + 1]], 64 * starts[row]
        end = _without_blanks(string, raw, first) if skips_blanks else copy_bytes(string, raw, first)
        starts[row + 1] = starts[row] + close_string(raw, first, end)
        for byte in range(8):
            raw[64 * starts[row + 1] - 1 - byte] = 8 * (end - first) >> 8 * byte & 255
    for word in range(len(words)):
        words[word] = _swapped(words[word])
    v = np.zeros(_ROWS * LANES, np.uint32)
    at, rows, assigned, digits = np.zeros(LANES, np.int64), np.full(LANES, -1), 0, out.view(np.uint16)
    written = len(digits) // max(4 * count, 1)
    while True:
        assigned = next_strings(at, starts, rows, assigned)
        if not load_blocks(v, v[_WORDS:], words, at, starts, rows, start):
            break
        _compress(v)
        write_digits(v, at, starts, rows, written, True, digits)


@kernel
def sha224_of_urls(urls, ends, out):
    """Write the first 24 hexadecimal digits of SHA-224 of each string without its tabs and spaces.

    Args:
        urls: (bytes,) uint8, the bytes of the strings.
        ends: (n + 1,) int32, the start of the first string, and the end of each.
        out: (24 n,) uint8, written.
    """
    _sha2_of(borrowed(urls), ends, _START_224, True, out)


@kernel
def sha256_of_strings(strings, ends, out):
    """Write the 64 hexadecimal digits of SHA-256 of each string.

    Args:
        strings, ends: see `sha224_of_urls`.
        out: (64 n,) uint8, written.
    """
    _sha2_of(borrowed(strings), ends, _START_256, False, out)
