"""Tokens as the compiled list sees them: two words of eight bytes, a length, and the bytes beyond sixteen.

A token is what stands between two spaces of a spaced text; it may be empty. Its first sixteen bytes and its length tell
tokens of up to sixteen bytes apart without looking anywhere else, which is nearly all of them.
"""

from __future__ import annotations

import numpy as np

from metaclip_spark.core.jit import inline, kernel, load_word
from metaclip_spark.matchers.phrases.slots import mixed

WORD = 8
SHORT = 16
"""Bytes of a token that its two words hold."""
_MASKS = np.array([(1 << 8 * min(size, WORD)) - 1 for size in range(SHORT + 1)], np.uint64)
_LATER_MASKS = np.array([(1 << 8 * max(size - WORD, 0)) - 1 for size in range(SHORT + 1)], np.uint64)


@inline
def words_of(raw: np.ndarray, start: int, size: int) -> tuple[int, int]:
    """Return the first and the second eight bytes of a token, zeros beyond its end, uint64.

    Sixteen bytes from its start have to be there.
    """
    held = min(size, SHORT)
    return load_word(raw, start) & _MASKS[held], load_word(raw, start + WORD) & _LATER_MASKS[held]


@inline
def short_hash(first: int, second: int, size: int, seed: int) -> int:
    """Return the hash of a token of at most sixteen bytes, uint64."""
    return mixed(first, second ^ (np.uint64(size) << np.uint64(56)), seed)


@kernel
def words_anywhere(raw: np.ndarray, start: int, size: int) -> tuple[int, int]:
    """Return what `words_of` does, also where sixteen bytes are not there."""
    held = min(size, SHORT)
    return _word(raw, start, min(held, WORD)), _word(raw, start + WORD, held - WORD)


@kernel
def _word(raw: np.ndarray, start: int, size: int) -> int:
    """Put a word together byte by byte."""
    word = np.uint64(0)
    for at in range(size):
        word |= np.uint64(raw[start + at]) << np.uint64(8 * at)
    return word


@kernel
def hash_of(raw: np.ndarray, start: int, size: int, seed: int) -> int:
    """Return the hash of any token, uint64."""
    first, second = words_anywhere(raw, start, size)
    h = short_hash(first, second, size, np.uint64(seed))
    if size > SHORT:
        h = mixed(h, np.uint64(size), np.uint64(0))
    for at in range(start + SHORT, start + size, WORD):
        h = mixed(h, _word(raw, at, min(WORD, start + size - at)), np.uint64(0))
    return h


@kernel
def same_bytes(raw: np.ndarray, start: int, other: np.ndarray, at: int, size: int) -> bool:
    """Return whether so many bytes are the same."""
    for place in range(size):  # noqa: SIM110 - numba has no generators here
        if raw[start + place] != other[at + place]:
            return False
    return True
