"""Decode the commonest character references of urls and texts by a compiled loop: `&amp;` and `&#038;`.

The other references are rare. `metaclip_spark.core.references.decode_references` decodes those, and defines the rules.
"""

from __future__ import annotations

import numpy as np

from metaclip_spark.core.jit import kernel

LONGEST_OLD_NAME = 6
"""Bytes of the longest name that is decoded without `;`; the shortest has two."""

_ALNUM = np.isin(np.arange(256), list(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"))
_AMP = np.frombuffer(b"amp;", np.uint8)
_MAX_DIGITS = 7


@kernel
def _reference(value: np.ndarray, at: int) -> tuple[int, int]:
    """Read the reference that may start with the ampersand at `at`.

    Returns:
        (bytes of the reference, the ASCII character that it means). The first is 0 if no reference starts there, and
        -1 if only `decode_references` can decode it.
    """
    size, start = len(value), at + 1
    end = start
    if start >= size:
        return 0, 0
    if value[start] == 35:  # "#"
        start += 1
        if start < size and value[start] | 32 == 120:  # "x"
            return -1, 0
        number, end = 0, start
        while end < size and 48 <= value[end] <= 57 and end - start <= _MAX_DIGITS:
            number = 10 * number + value[end] - 48
            end += 1
        if end == start:
            return 0, 0
        if end - start > _MAX_DIGITS or not 32 < number < 127:
            return -1, 0
        end += end < size and value[end] == 59
        return end - at, number
    while end < size and _ALNUM[value[end]]:
        end += 1
    if end == start or value[start] <= 57:
        return 0, 0
    if end < size and value[end] == 59:
        is_amp = end - start == 3
        for offset in range(4):
            is_amp = is_amp and value[start + offset] == _AMP[offset]
        return (5, 38) if is_amp else (-1, 0)
    if end < size and value[end] == 61:
        return 0, 0
    return (-1 if 2 <= end - start <= LONGEST_OLD_NAME else 0), 0


@kernel
def decode_in_place(value: np.ndarray) -> int:
    """Decode the references of a value in place.

    Args:
        value: (n,) uint8.

    Returns:
        The number of bytes after decoding, or -1 if only `decode_references` can decode it; then nothing is changed.
    """
    size, found = len(value), np.uint8(0)
    for char in value:  # this loop becomes vector instructions
        found = max(found, np.uint8(char == 38))
    if not found:
        return size
    for at in range(size):
        if value[at] == 38 and _reference(value, at)[0] < 0:
            return -1
    at = to = 0
    while at < size:
        value[to] = value[at]
        if value[at] == 38:
            length, char = _reference(value, at)
            if length:
                value[to] = char
                at += length - 1
        at += 1
        to += 1
    return to
