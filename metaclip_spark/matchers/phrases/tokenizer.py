"""Cut texts into tokens, a window of bytes at a time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from metaclip_spark.core.jit import count_trailing_zeros, inline, kernel, load_word

WINDOW = 1 << 14
"""Bytes of texts that are worked on at a time: what is noted of them stays in the processor's cache."""
ROWS = 1 << 11
"""Texts that are worked on at a time."""
_GROUP = 64

_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_ONE, _ZERO = np.uint64(1), np.uint64(0)
_PACK = np.uint64(0x0102040810204080)
_PACKED = np.uint64(56)
_SPACE = np.uint8(32)


class Noted(NamedTuple):
    """What is noted of a window.

    Attributes:
        ends: uint8, by byte: whether a token ends there.
        bits: uint64, the same, a bit each.
        start: int64, where a token begins in the buffer.
        size: int32, a token's bytes; -1 for what stands between two texts.
        row: int32, a token's text, counted from the window's first.
        place: int64, a token's place in the table.
        filters: uint64, what may follow a token.
        at: int64, the tokens with which phrases begin that may go on.
        so_far: int64, the place of what was read of such a phrase.
        keys: uint64, what is looked up.
    """

    ends: np.ndarray
    bits: np.ndarray
    start: np.ndarray
    size: np.ndarray
    row: np.ndarray
    place: np.ndarray
    filters: np.ndarray
    at: np.ndarray
    so_far: np.ndarray
    keys: np.ndarray


def new_noted(depth: int) -> Noted:
    """Return room for a window's tokens, and those that are looked at again with the next window."""
    # A byte of punctuation can be two tokens, and each text has one more and what stands behind it.
    tokens = 2 * WINDOW + 2 * ROWS + depth + 4
    return Noted(
        np.zeros(WINDOW + 2 * _GROUP, np.uint8),
        np.zeros(WINDOW // _GROUP + 2, np.uint64),
        np.empty(tokens, np.int64),
        np.empty(tokens, np.int32),
        np.empty(tokens, np.int32),
        np.empty(tokens, np.int64),
        np.empty(tokens, np.uint64),
        np.empty(tokens, np.int64),
        np.empty(tokens, np.int64),
        np.empty(tokens, np.uint64),
    )


@kernel
def cut(data, offsets, valid, row, n, at, begin, inside, s, window):
    """Note the tokens of the next window.

    Args:
        row: the text that comes next, or in which the last window ended (`inside`).
        n: tokens that are noted already.
        at: the byte that comes next.
        begin: where the token begins that goes on there.

    Returns:
        row, n, at, begin, inside: the same, for the next call; `row` is the first text that did not end.
    """
    base, stop = at, min(at + window, offsets[-1])
    mark_ends(data, base, stop, s.ends, s.bits)
    first, texts = row, len(offsets) - 1
    while row < texts and row - first < ROWS:
        end = offsets[row + 1]
        if len(valid) and not valid[row]:
            if row > first and end > stop:
                break
            at = end
        elif end <= stop:
            n, begin = cut_range(data, base, begin, at, end, row - first, s, n)
            s.start[n], s.size[n], s.row[n] = begin, end - begin, row - first
            at, n = end, n + 1
        elif row > first:
            break
        else:
            n, begin = cut_range(data, base, begin, at, stop, row - first, s, n)
            return row, n, stop, begin, True
        s.start[n], s.size[n], s.row[n] = at, -1, row - first
        row, n, begin = row + 1, n + 1, at
    return row, n, at, begin, False


@kernel
def carry(whole, n, s):
    """Note the tokens from `whole` on as the first of the next window; return how many."""
    for i in range(n - whole):
        s.start[i], s.size[i], s.row[i] = s.start[whole + i], s.size[whole + i], 0
    return n - whole


@inline
def mark_ends(data, start, stop, ends, bits):
    """Set a bit for each byte that ends a token."""
    size = stop - start
    window = data[start:stop]
    for at in range(size):
        b = window[at]
        ends[at] = (
            (b == 32)
            | (b == 44)
            | (b == 46)
            | (b == 58)
            | (b == 59)
            | (b == 63)
            | (b == 33)
            | (b == 96)
            | (b == 9)
            | (b == 10)
            | (b == 13)
        )
    groups = size // _GROUP + 1
    for at in range(size, groups * _GROUP):
        ends[at] = 0
    for group in range(groups):
        word = _ZERO
        for byte in range(8):
            # Eight bytes that are 0 or 1 become eight bits.
            word |= ((load_word(ends, _GROUP * group + 8 * byte) * _PACK) >> _PACKED) << np.uint64(8 * byte)
        bits[group] = word


@inline
def cut_range(data, base, begin, start, stop, row, s, n):
    """Note the tokens that end in [start, stop); return how many are noted, and where the next token begins."""
    starts, sizes, rows, bits = s.start, s.size, s.row, s.bits
    group, last = (start - base) // _GROUP, (stop - base) // _GROUP
    word = bits[group] & (_ALL << np.uint64((start - base) % _GROUP))
    while True:
        if group == last:
            word &= (_ONE << np.uint64((stop - base) % _GROUP)) - _ONE
        while word != _ZERO:
            end = base + group * _GROUP + count_trailing_zeros(word)
            word &= word - _ONE
            starts[n], sizes[n], rows[n] = begin, end - begin, row
            # Punctuation is a token, too; what is noted of a space is written over.
            starts[n + 1], sizes[n + 1], rows[n + 1] = end, 1, row
            n += 1 + np.int64(data[end] > _SPACE)
            begin = end + 1
        if group == last:
            return n, begin
        group += 1
        word = bits[group]
