"""SHA-224 of many short strings at once. Source: FIPS 180-4."""

from __future__ import annotations

import numpy as np

from metaclip_spark.core.hashing.lanes import LANES, STATE, WORK, digits_of, fractions, next_strings
from metaclip_spark.core.jit import copied, kernel

# SHA-224 starts from the second 32 bits of the fractions of the square roots of the 9th to 16th primes.
_START = np.array([value & 0xFFFFFFFF for value in fractions(2, 16, 64)[8:]], np.uint32)
_ADDED = np.array(fractions(3, 64, 32), np.uint32)
_WORDS, _ROWS = 16 * LANES, 80


@kernel
def _turned(value: np.uint32, bits: int) -> np.uint32:
    return np.uint32(value >> np.uint32(bits) | value << np.uint32(32 - bits))


@kernel
def _turn(v: np.ndarray, a: int, b: int, c: int, d: int, e: int, f: int, g: int, h: int, word: int, added: int) -> None:
    """One round on all lanes: what becomes of d and h; the other six only change their names."""
    for i in range(LANES):
        one, five = v[a + i], v[e + i]
        mixed = _turned(five, 6) ^ _turned(five, 11) ^ _turned(five, 25)
        first = v[h + i] + mixed + (five & v[f + i] ^ ~five & v[g + i])
        first = np.uint32(first + added + v[word + i])
        second = (_turned(one, 2) ^ _turned(one, 13) ^ _turned(one, 22)) + (
            one & v[b + i] ^ one & v[c + i] ^ v[b + i] & v[c + i]
        )
        v[d + i] = np.uint32(v[d + i] + first)
        v[h + i] = np.uint32(first + second)


@kernel
def _take_in(v: np.ndarray) -> None:
    """Take in one block on all lanes: (rows * lanes,) uint32, of which state and the first 16 words are set."""
    size = LANES
    for word in range(16, 64):
        to = _WORDS + word * size
        for i in range(size):
            low, high = v[to - 15 * size + i], v[to - 2 * size + i]
            first = _turned(low, 7) ^ _turned(low, 18) ^ low >> np.uint32(3)
            second = _turned(high, 17) ^ _turned(high, 19) ^ high >> np.uint32(10)
            v[to + i] = np.uint32(v[to - 16 * size + i] + first + v[to - 7 * size + i] + second)
    for i in range(8 * size):
        v[WORK + i] = v[STATE + i]
    a, b, c, d = WORK, WORK + size, WORK + 2 * size, WORK + 3 * size
    e, f, g, h = WORK + 4 * size, WORK + 5 * size, WORK + 6 * size, WORK + 7 * size
    for turn in range(0, 64, 8):
        word = _WORDS + turn * size
        _turn(v, a, b, c, d, e, f, g, h, word, _ADDED[turn])
        _turn(v, h, a, b, c, d, e, f, g, word + size, _ADDED[turn + 1])
        _turn(v, g, h, a, b, c, d, e, f, word + 2 * size, _ADDED[turn + 2])
        _turn(v, f, g, h, a, b, c, d, e, word + 3 * size, _ADDED[turn + 3])
        _turn(v, e, f, g, h, a, b, c, d, word + 4 * size, _ADDED[turn + 4])
        _turn(v, d, e, f, g, h, a, b, c, word + 5 * size, _ADDED[turn + 5])
        _turn(v, c, d, e, f, g, h, a, b, word + 6 * size, _ADDED[turn + 6])
        _turn(v, b, c, d, e, f, g, h, a, word + 7 * size, _ADDED[turn + 7])
    for i in range(8 * size):
        v[STATE + i] += v[WORK + i]


@kernel
def _without_blanks(url: np.ndarray, out: np.ndarray, to: int) -> int:
    """Write a string without its tabs and spaces; returns the place behind it. No more is written than it has."""
    blanks = np.uint8(0)
    for char in url:
        blanks = max(blanks, np.uint8((char == 32) | (char == 9)))
    if not blanks:
        return copied(url, out, to)
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
def sha224_of_urls(urls, ends, out):
    """Write the first 24 hexadecimal digits of SHA-224 over each string without its tabs and spaces.

    Args:
        urls: (.,) uint8, the bytes of the strings.
        ends: (n + 1,) int32, where they end; the first value is where the first one starts.
        out: (24 n,) uint8, written.
    """
    count = len(ends) - 1
    starts = np.zeros(count + 1, np.int64)
    words = np.zeros(16 * ((ends[count] - ends[0]) // 64 + 2 * count), np.uint32)
    raw = words.view(np.uint8)
    for row in range(count):
        start = 64 * starts[row]
        size = _without_blanks(urls[ends[row] : ends[row + 1]], raw, start) - start
        raw[start + size] = 128
        starts[row + 1] = starts[row] + (size + 8) // 64 + 1
        for byte in range(8):
            raw[64 * starts[row + 1] - 1 - byte] = 8 * size >> 8 * byte & 255
    v = np.zeros(_ROWS * LANES, np.uint32)
    at, rows, given, pairs = np.zeros(LANES, np.int64), np.full(LANES, -1), 0, out.view(np.uint16)
    while True:
        given = next_strings(at, starts, rows, given)
        busy = False
        for lane in range(LANES):
            row = rows[lane]
            if row < 0:
                continue
            busy = True
            if at[lane] == starts[row]:
                for index in range(8):
                    v[STATE + index * LANES + lane] = _START[index]
            for word in range(16):
                v[_WORDS + word * LANES + lane] = _swapped(words[16 * at[lane] + word])
            at[lane] += 1
        if not busy:
            break
        _take_in(v)
        for lane in range(LANES):
            row = rows[lane]
            if row >= 0 and at[lane] == starts[row + 1]:
                for index in range(3):
                    for byte in range(4):
                        pairs[12 * row + 4 * index + byte] = digits_of(v[STATE + index * LANES + lane], 3 - byte)
