"""Represent tokens for the compiled list: two words of eight bytes, a size, and the bytes beyond sixteen.

A token is the part of a spaced text between two spaces; it may be empty. Nearly all tokens have up to sixteen bytes.
Their two words and their size identify them without any other bytes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metaclip_spark.core.jit import load_word, part
from metaclip_spark.matchers.phrases.slots import mix

WORD = 8
SHORT = 16
"""Bytes of a token in its two words."""
_MASKS = np.array([(1 << 8 * min(size, WORD)) - 1 for size in range(SHORT + 1)], np.uint64)
_LATER_MASKS = np.array([(1 << 8 * max(size - WORD, 0)) - 1 for size in range(SHORT + 1)], np.uint64)


@part
def words_of(raw: npt.NDArray[np.uint8], start: int, size: int) -> tuple[np.uint64, np.uint64]:
    """Return the first and the second eight bytes of a token, uint64, with zeros beyond its end.

    The buffer must have sixteen bytes from the token's start.
    """
    size_in_words = min(size, SHORT)
    return load_word(raw, start) & _MASKS[size_in_words], load_word(raw, start + WORD) & _LATER_MASKS[size_in_words]


@part
def short_hash(first: np.uint64, second: np.uint64, size: int, seed: np.uint64) -> np.uint64:
    """Return the hash of a token of at most sixteen bytes, uint64."""
    return mix(first, second ^ (np.uint64(size) << np.uint64(56)), seed)


@part
def words_anywhere(raw: npt.NDArray[np.uint8], start: int, size: int) -> tuple[np.uint64, np.uint64]:
    """Return the words of `words_of`, also near the end of the buffer."""
    size_in_words = min(size, SHORT)
    return _word(raw, start, min(size_in_words, WORD)), _word(raw, start + WORD, size_in_words - WORD)


@part
def _word(raw: npt.NDArray[np.uint8], start: int, size: int) -> np.uint64:
    """Return the word of at most eight bytes; a size below one gives 0."""
    if size > 0 and start + WORD <= len(raw):
        return load_word(raw, start) & _MASKS[size]
    word = np.uint64(0)
    for at in range(size):
        word |= np.uint64(raw[start + at]) << np.uint64(8 * at)
    return word


@part
def hash_of(raw: npt.NDArray[np.uint8], start: int, size: int, seed: int) -> np.uint64:
    """Return the hash of any token, uint64."""
    first, second = words_anywhere(raw, start, size)
    h = short_hash(first, second, size, np.uint64(seed))
    if size > SHORT:
        h = mix(h, np.uint64(size), np.uint64(0))
    for at in range(start + SHORT, start + size, WORD):
        h = mix(h, _word(raw, at, min(WORD, start + size - at)), np.uint64(0))
    return h


@part
def same_bytes(raw: npt.NDArray[np.uint8], start: int, other: npt.NDArray[np.uint8], at: int, size: int) -> bool:
    """Return whether `size` bytes of both buffers are equal."""
    for i in range(0, size, WORD):
        bytes_here = min(WORD, size - i)
        if _word(raw, start + i, bytes_here) != _word(other, at + i, bytes_here):
            return False
    return True
