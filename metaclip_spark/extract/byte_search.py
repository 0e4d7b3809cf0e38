"""Search bytes in bytes, 128 at a time, by compiled loops that become vector instructions."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from metaclip_spark.core.jit import bytes_of, count_trailing_zeros, kernel, load_word

BLOCK = 128
_ONES, _HIGHS = np.uint64(0x0101010101010101), np.uint64(0x8080808080808080)


@kernel
def find_in(raw: np.ndarray, pattern: np.ndarray, a: int, b: int, at: int, stop: int) -> int:
    """Return the first position of `pattern` in [at, stop), or -1.

    Args:
        raw, pattern: (.,) uint8.
        a, b: two positions in `pattern` that are compared first; choose bytes that are rare together.
        at, stop: bounds.
    """
    stop -= len(pattern) - 1
    one, other = pattern[a], pattern[b]
    while at < stop:
        end = min(at + BLOCK, stop)
        if end - at == BLOCK:
            first, later = raw[at + a : end + a], raw[at + b : end + b]
            hit = False
            for offset in range(BLOCK):
                hit |= (first[offset] == one) & (later[offset] == other)
            if not hit:
                at = end
                continue
        for start in range(at, end):
            if raw[start + a] == one and starts_with(raw, start, pattern):
                return start
        at = end
    return -1


@kernel
def _contains(raw: np.ndarray, word: np.ndarray) -> bool:
    """Return whether a lower-case word occurs, in upper or lower case."""
    size, middle, at = len(word), len(word) // 2, 0
    a, b, c, low = word[0], word[middle], word[-1], np.uint8(32)
    while at + size <= len(raw):
        stop = min(at + BLOCK, len(raw) - size + 1)
        if stop - at == BLOCK:
            first, later, last = raw[at:stop], raw[at + middle : stop + middle], raw[at + size - 1 : stop + size - 1]
            hit = False
            for offset in range(BLOCK):  # `| low` also turns a few other characters into a letter or a hyphen
                hit |= (first[offset] | low == a) & (later[offset] | low == b) & (last[offset] | low == c)
            if not hit:
                at = stop
                continue
        for start in range(at, stop):
            same = 0
            while same < size and lower(raw[start + same]) == word[same]:
                same += 1
            if same == size:
                return True
        at = stop
    return False


@kernel
def contains_any(raw: np.ndarray, words: np.ndarray) -> bool:
    """Return whether any of the words occurs, in upper or lower case.

    Args:
        raw: (n,) uint8.
        words: (k, m) uint8, lower-case ASCII letters and hyphens, padded with zeros.
    """
    for index in range(len(words)):
        size = 0
        while size < words.shape[1] and words[index, size]:
            size += 1
        if _contains(raw, words[index, :size]):
            return True
    return False


@kernel
def is_ascii(raw: np.ndarray) -> bool:
    """Return whether all bytes are ASCII."""
    largest = np.uint8(0)
    for char in raw:
        largest = max(largest, char)
    return largest < 128


@kernel
def count_of(raw: np.ndarray, byte: int) -> int:
    """Count the occurrences of a byte."""
    value, count, at = np.uint8(byte), 0, 0
    while at < len(raw):
        in_block = np.uint8(0)
        for char in raw[at : at + BLOCK]:
            in_block += np.uint8(char == value)
        count += in_block
        at += BLOCK
    return count


@kernel
def find_byte(raw: np.ndarray, at: int, byte: int) -> int:
    """Return the first position of a byte from `at` on; without one, the array's length, or `at` if that is beyond."""
    pattern = np.uint64(byte) * _ONES
    while at + 8 <= len(raw):
        word = load_word(raw, at) ^ pattern
        hits = (word - _ONES) & ~word & _HIGHS  # its lowest bit is right: a borrow only goes up
        if hits:
            return at + (count_trailing_zeros(hits) >> 3)
        at += 8
    while at < len(raw) and raw[at] != byte:
        at += 1
    return at


@kernel
def last_image(raw: np.ndarray, end: int) -> int:
    """Return the position of the last `<im`, in upper or lower case, that ends before `end`, or -1."""
    stop = end - 2
    while stop > 0:
        at = max(0, stop - BLOCK)
        if stop - at == BLOCK:
            first, second, third = raw[at:stop], raw[at + 1 : stop + 1], raw[at + 2 : stop + 2]
            hit = np.uint8(0)
            for offset in range(BLOCK):
                same = (first[offset] == 60) & (second[offset] | 32 == 105) & (third[offset] | 32 == 109)
                hit = max(hit, np.uint8(same))
            if not hit:
                stop = at
                continue
        for start in range(stop - 1, at - 1, -1):
            if raw[start] == 60 and raw[start + 1] | 32 == 105 and raw[start + 2] | 32 == 109:
                return start
        stop = at
    return -1


@kernel
def lower(char: int) -> int:
    """Return an ASCII letter in lower case, and any other byte unchanged."""
    return char + 32 if 65 <= char <= 90 else char


@kernel
def starts_with(raw: np.ndarray, at: int, expected: np.ndarray) -> bool:
    """Return whether `expected` is at `at`; `at` may lie outside the array."""
    if at < 0 or at + len(expected) > len(raw):
        return False
    for offset in range(len(expected)):  # noqa: SIM110 - this is compiled
        if raw[at + offset] != expected[offset]:
            return False
    return True


@functools.cache
def padded(words: tuple[str, ...]) -> npt.NDArray[np.uint8]:
    """Return ASCII words as the rows of a (k, m) array, padded with zeros."""
    width = max(map(len, words), default=1)
    return bytes_of(b"".join(word.encode().ljust(width, b"\0") for word in words)).reshape(len(words), width)


@kernel
def is_one_of(raw: np.ndarray, start: int, end: int, words: np.ndarray) -> bool:
    """Return whether the bytes in [start, end) are one of the words, in upper or lower case.

    Args:
        raw: (n,) uint8.
        words: (k, m) uint8, in lower case, padded with zeros.
    """
    width = words.shape[1]
    if end - start > width or end > len(raw):
        return False
    for index in range(len(words)):
        same = 0
        while same < end - start and words[index, same] and lower(raw[start + same]) == words[index, same]:
            same += 1
        if same == end - start and (same == width or words[index, same] == 0):
            return True
    return False
