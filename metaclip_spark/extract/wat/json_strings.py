"""Decode JSON strings to UTF-8, by a compiled loop."""

from __future__ import annotations

import numpy as np

from metaclip_spark.core.jit import kernel

MAX_STRING_BYTES = 1 << 20
"""Bytes of a url or text in JSON that are decoded at most. A longer text is over any sensible maximum of characters; no
browser requests a longer url."""
_SHOWN_BYTES = 300  # of a string that is rejected for its length, or of a data: url

ESCAPED = np.zeros(256, np.uint8)
"""Byte after a backslash in JSON -> the byte that the escape means, 0 if there is no such escape."""
ESCAPED[list(b'"\\/bfnrt')] = list(b'"\\/\b\f\n\r\t')


@kernel
def hex_number(raw: np.ndarray, at: int, stop: int) -> int:
    """Return the number that the four hexadecimal digits at `at` make, or -1 if they are not digits."""
    if at + 4 > stop:
        return -1
    value = 0
    for digit in raw[at : at + 4]:
        if 48 <= digit <= 57:
            value = 16 * value + digit - 48
        elif 97 <= digit | 32 <= 102:
            value = 16 * value + (digit | 32) - 87
        else:
            return -1
    return value


@kernel
def _utf8(point: int, out: np.ndarray, to: int) -> int:
    """Write a character; return the position after it."""
    if point < 0x80:
        out[to] = point
        return to + 1
    if point < 0x800:
        out[to] = 0xC0 | point >> 6
        out[to + 1] = 0x80 | point & 63
        return to + 2
    if point < 0x10000:
        out[to] = 0xE0 | point >> 12
        out[to + 1] = 0x80 | point >> 6 & 63
        out[to + 2] = 0x80 | point & 63
        return to + 3
    out[to] = 0xF0 | point >> 18
    out[to + 1] = 0x80 | point >> 12 & 63
    out[to + 2] = 0x80 | point >> 6 & 63
    out[to + 3] = 0x80 | point & 63
    return to + 4


@kernel
def decode(raw: np.ndarray, at: int, stop: int, out: np.ndarray, to: int) -> int:
    """Write the string at [at, stop) to `out` from `to` on; return the position after it.

    A lone surrogate becomes U+FFFD. The decoded string never has more bytes than its JSON.
    """
    source, copy, escaped = raw[at:stop], out[to : to + stop - at], np.uint8(0)
    for offset in range(len(source)):  # this loop becomes vector instructions
        copy[offset] = source[offset]
        escaped = max(escaped, np.uint8(source[offset] == 92))
    if not escaped:
        return to + stop - at
    while at < stop:
        while at + 16 <= stop:
            block, copy = raw[at : at + 16], out[to : to + 16]
            hit = False
            for offset in range(16):
                hit |= block[offset] == 92
                copy[offset] = block[offset]
            if hit:
                break
            at += 16
            to += 16
        if at == stop:
            break
        char = raw[at]
        if char != 92:
            out[to] = char
            to += 1
            at += 1
            continue
        if at + 1 >= stop:
            return to
        if raw[at + 1] != 117:
            out[to] = ESCAPED[raw[at + 1]]
            to += 1
            at += 2
            continue
        point = hex_number(raw, at + 2, stop)
        at += 6
        if 0xD800 <= point < 0xDC00 and at + 1 < stop and raw[at] == 92 and raw[at + 1] == 117:
            low = hex_number(raw, at + 2, stop)
            if 0xDC00 <= low < 0xE000:
                point = 0x10000 + (point - 0xD800 << 10) + low - 0xDC00
                at += 6
        if point < 0 or 0xD800 <= point < 0xE000:
            point = 0xFFFD
        to = _utf8(point, out, to)
    return to


@kernel
def start_of(raw: np.ndarray, start: int, stop: int, out: np.ndarray, to: int) -> int:
    """Write the start of the string at [start, stop), up to its first byte that is not ASCII; return its end."""
    end = decode(raw, start, min(stop, start + _SHOWN_BYTES), out, to)
    while to < end and out[to] < 128:
        to += 1
    return to
