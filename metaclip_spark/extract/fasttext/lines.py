"""Prepare a text: write the line that a model reads, eight bytes at a time where they are ASCII."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from metaclip_spark.core.jit import count_trailing_zeros, load_word, part
from metaclip_spark.extract.fasttext.vectors import store_word

SLACK = 40
"""Bytes of a line after its characters: spaces that end it, and room to load and store words of eight bytes."""

_HIGH = np.uint64(0x8080808080808080)
"""The highest bit of each byte: set where a byte is not ASCII."""
_ONES = np.uint64(0x0101010101010101)
SPACES = np.uint64(0x2020202020202020)
_FROM_UPPER_A, _AFTER_UPPER_Z = np.uint64(0x3F3F3F3F3F3F3F3F), np.uint64(0x2525252525252525)
"""Added to ASCII bytes, these set the highest bit of bytes from A on, and of bytes after Z."""
_FROM_LOWER_A, _AFTER_LOWER_Z = np.uint64(0x1F1F1F1F1F1F1F1F), np.uint64(0x0505050505050505)
_FROM_SPACE = np.uint64(0x6060606060606060)
_ALL, _NONE, _TWO = np.uint64(0xFFFFFFFFFFFFFFFF), np.uint64(0), np.uint64(2)

Bytes = npt.NDArray[np.uint8]


@part
def write_line(
    text: Bytes,
    start: int,
    stop: int,
    max_chars: int,
    lowers: bool,
    lower: npt.NDArray[np.uint32],
    has_case: Bytes,
    letters: Bytes,
    line: Bytes,
) -> Any:
    """Write the line that a model reads of `text[start:stop]`; return its bytes, and whether it has a letter.

    Every white space at which fastText separates words becomes a space. Eight spaces follow the line.

    Args:
        max_chars: number of characters to read.
        lowers: whether to lower-case them.
        lower, has_case, letters: see `letters`.
        line: 4 * max_chars + SLACK bytes.
    """
    at, end, chars, has_letter, size = start, 0, 0, False, len(text)
    while at < stop and chars < max_chars:
        if at + 8 <= size and chars + 8 <= max_chars:
            word = load_word(text, at)
            high = word & _HIGH
            count = min(stop - at, 8 if high == _NONE else count_trailing_zeros(high) >> 3)
            if count > 0:
                has_letter |= _write_ascii(word, count, lowers, line, end)
                at += count
                chars += count
                end += count
                if at == stop or count == 8:
                    continue
        first = np.uint32(text[at])
        length = 1 if first < 0x80 else (2 if first < 0xE0 else (3 if first < 0xF0 else 4))
        last = min(at + length, stop)
        point = first & np.uint32(0x7F if length == 1 else 0xFF >> (length + 1))
        for follow in range(at + 1, last):
            point = (point << np.uint32(6)) | np.uint32(text[follow] & 0x3F)
        at = last
        chars += 1
        if not has_letter and point < len(letters) << 3:
            has_letter = letters[point >> np.uint32(3)] >> (point & np.uint32(7)) & 1 > 0
        if lowers and point < len(lower) and has_case[point >> np.uint32(8)] > 0:
            point = lower[point]
        if point <= 13 and (point >= 9 or point == 0):
            point = np.uint32(32)
        end = _write(point, line, end)
    store_word(line, end, SPACES)
    return end, has_letter


@part
def _write_ascii(word: np.uint64, count: int, lowers: bool, line: Bytes, end: int) -> bool:
    """Write the first `count` bytes of a word, which are ASCII, and any others; return whether one is a letter."""
    used = _ALL if count == 8 else (np.uint64(1) << np.uint64(count << 3)) - np.uint64(1)
    word = (word & used) | (SPACES & ~used)
    capitals = (word + _FROM_UPPER_A) & ~(word + _AFTER_UPPER_Z) & _HIGH
    lowered = word | capitals >> _TWO
    is_letter = (lowered + _FROM_LOWER_A) & ~(lowered + _AFTER_LOWER_Z) & _HIGH
    store_word(line, end, lowered if lowers else word)
    if ~(word + _FROM_SPACE) & _HIGH:
        for place in range(end, end + count):
            if line[place] == 0 or 9 <= line[place] <= 13:
                line[place] = 32
    return bool(is_letter > _NONE)


@part
def spaces_in(word: np.uint64) -> np.uint64:
    """Return a word whose lowest set bit is in the first byte that is a space; 0 if none is one."""
    others = word ^ SPACES
    return np.uint64((others - _ONES) & ~others & _HIGH)


@part
def _write(point: np.uint32, line: Bytes, end: int) -> int:
    """Write a code point as UTF-8, and return the position after it."""
    if point < 0x80:
        line[end] = point
        return end + 1
    if point < 0x800:
        line[end] = 0xC0 | point >> np.uint32(6)
        line[end + 1] = 0x80 | point & np.uint32(0x3F)
        return end + 2
    if point < 0x10000:
        line[end] = 0xE0 | point >> np.uint32(12)
        line[end + 1] = 0x80 | (point >> np.uint32(6)) & np.uint32(0x3F)
        line[end + 2] = 0x80 | point & np.uint32(0x3F)
        return end + 3
    line[end] = 0xF0 | (point >> np.uint32(18)) & np.uint32(7)
    line[end + 1] = 0x80 | (point >> np.uint32(12)) & np.uint32(0x3F)
    line[end + 2] = 0x80 | (point >> np.uint32(6)) & np.uint32(0x3F)
    line[end + 3] = 0x80 | point & np.uint32(0x3F)
    return end + 4
