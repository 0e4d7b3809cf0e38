"""Check the JSON of records without white space, by compiled loops.

What is accepted here is JSON to every parser. What is not may be JSON all the same: with white space between its
tokens, with fractions, with halves of surrogate pairs. Such a record is left to a parser.
"""

from __future__ import annotations

import numpy as np

from metaclip_spark.core.jit import count_trailing_zeros, kernel, load_word, part
from metaclip_spark.extract.byte_masks import BLOCK, not_ascii, string_ends
from metaclip_spark.extract.wat.json_strings import ESCAPED, hex_number

PADDING = 2 * BLOCK
"""Bytes that an array needs after the JSON that is checked in it."""

_ONE, _QUOTE = np.uint64(0xFF), np.uint64(34)
_FOUR = np.uint64(0xFFFFFFFF)
_FIVE = np.uint64(0xFFFFFFFFFF)
_NULL, _TRUE, _FALSE = (np.uint64(int.from_bytes(word, "little")) for word in (b"null", b"true", b"false"))
_MAX_DIGITS = 18  # every parser reads such a number as an integer of 64 bits


@kernel
def _after_escape(raw: np.ndarray, at: int) -> int:
    """Return the position after the escape whose backslash is at `at`, or -1 if it is none, or half of a pair."""
    if raw[at + 1] != 117:
        return at + 2 if ESCAPED[raw[at + 1]] else -1
    point = hex_number(raw, at + 2, at + 6)
    return -1 if point < 0 or 0xD800 <= point < 0xE000 else at + 6


@kernel
def _end_of_string(raw: np.ndarray, at: int, stop: int) -> int:
    """Return what `end_of_string` returns."""
    escaped = 0
    while at < stop:
        found = string_ends(raw, at)
        if found == 0:
            at += BLOCK
            continue
        at += count_trailing_zeros(found)
        char = raw[at]
        if char == 34:
            return 2 * at + escaped if at < stop else -1
        if char != 92:
            return -1
        escaped = 1
        at = _after_escape(raw, at)
        if at < 0:
            return -1
    return -1


@part
def end_of_string(raw: np.ndarray, at: int, stop: int) -> int:
    """Return the position of the quote that ends the string whose first character is at `at`, times two.

    One is added if the string has escapes. The result is -1 if no quote before `stop` ends the string, or if it has a
    control or an invalid escape. The byte at `stop` is a control. Whether the string is UTF-8 is not checked.
    """
    end: int = at + count_trailing_zeros(string_ends(raw, at))
    if load_word(raw, end) & _ONE == _QUOTE:  # of the first 65 bytes, only the last is a quote, backslash or control
        return 2 * end
    end = _end_of_string(raw, at, stop)
    return end


@kernel
def after_scalar(raw: np.ndarray, at: int) -> int:
    """Return the position after a number, true, false or null at `at`; -1 for anything else, and for fractions."""
    word = load_word(raw, at)
    if word & _FOUR == _NULL or word & _FOUR == _TRUE:
        return at + 4
    if word & _FIVE == _FALSE:
        return at + 5
    at += raw[at] == 45
    start = at
    while 48 <= raw[at] <= 57 and at - start <= _MAX_DIGITS:
        at += 1
    if at == start or at - start > _MAX_DIGITS or (raw[start] == 48 and at - start > 1):
        return -1
    return at


@kernel
def is_utf8(raw: np.ndarray, at: int, stop: int) -> bool:
    """Return whether the bytes at [at, stop) are UTF-8."""
    while at < stop:
        found = not_ascii(raw, at)
        if found == 0:
            at += BLOCK
            continue
        at += count_trailing_zeros(found)
        while at < stop and raw[at] >= 128:
            lead, second = raw[at], raw[at + 1]
            size = 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
            if lead < 0xC2 or lead > 0xF4 or at + size > stop or second & 0xC0 != 0x80:
                return False
            if size > 2 and raw[at + 2] & 0xC0 != 0x80:
                return False
            if size > 3 and raw[at + 3] & 0xC0 != 0x80:
                return False
            if (lead == 0xE0 and second < 0xA0) or (lead == 0xED and second > 0x9F):  # overlong; a surrogate
                return False
            if (lead == 0xF0 and second < 0x90) or (lead == 0xF4 and second > 0x8F):  # overlong; beyond U+10FFFF
                return False
            at += size
    return True
