"""Tokenize texts, a window of bytes at a time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from metaclip_spark.core.jit import count_trailing_zeros, kernel, load_word, part

WINDOW = 1 << 14
"""Bytes of text per window; the buffers of a window stay in the processor's cache."""
ROWS = 1 << 11
"""Texts per window."""
_GROUP = 64

_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_ONE, _ZERO = np.uint64(1), np.uint64(0)
_PACK = np.uint64(0x0102040810204080)
_PACKED = np.uint64(56)
_SPACE = np.uint8(32)


class Buffers(NamedTuple):
    """The buffers of a window.

    Attributes:
        ends: uint8, one per byte: whether a token ends there.
        bits: uint64, the same as `ends`, one bit per byte.
        start: int64, the start of each token in the data.
        size: int32, the bytes of each token; -1 for the separator between two texts.
        row: int32, the text of each token, counted from the window's first text.
        slot: int64, the slot of each token in the token table.
        filters: uint64, the filter of the tokens that may follow each token.
        at: int64, the first token of each active phrase.
        state: int64, the state of each active phrase.
        keys: uint64, the key that is looked up for each active phrase.
    """

    ends: npt.NDArray[np.uint8]
    bits: npt.NDArray[np.uint64]
    start: npt.NDArray[np.int64]
    size: npt.NDArray[np.int32]
    row: npt.NDArray[np.int32]
    slot: npt.NDArray[np.int64]
    filters: npt.NDArray[np.uint64]
    at: npt.NDArray[np.int64]
    state: npt.NDArray[np.int64]
    keys: npt.NDArray[np.uint64]


def new_buffers(max_depth: int) -> Buffers:
    """Return buffers for the tokens of a window and the tokens that are carried over from the window before."""
    # A byte of punctuation can end two tokens. Each text adds a last token and a separator.
    tokens = 2 * WINDOW + 2 * ROWS + max_depth + 4
    return Buffers(
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
def tokenize(data, offsets, valid, row, n, at, begin, inside, s, window):
    """Tokenize the next window.

    Args:
        data, offsets, valid: the texts; see `scan`.
        row: the next text, or the text in which the last window ended (`inside`).
        n: the number of tokens that are in the buffers already.
        at: the next byte.
        begin: the start of the token that continues at `at`.
        inside: whether the last window ended inside a text.
        s: the buffers.
        window: bytes per window.

    Returns:
        row, n, at, begin, inside: the arguments of the next call; `row` is the first text that is not complete.
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
            n, begin = tokenize_range(data, base, begin, at, end, row - first, s, n)
            s.start[n], s.size[n], s.row[n] = begin, end - begin, row - first
            at, n = end, n + 1
        elif row > first:
            break
        else:
            n, begin = tokenize_range(data, base, begin, at, stop, row - first, s, n)
            return row, n, stop, begin, True
        s.start[n], s.size[n], s.row[n] = at, -1, row - first
        row, n, begin = row + 1, n + 1, at
    return row, n, at, begin, False


@kernel
def carry(whole, n, s):
    """Move the tokens from `whole` on to the front, for the next window, and return their number."""
    for i in range(n - whole):
        s.start[i], s.size[i], s.row[i] = s.start[whole + i], s.size[whole + i], 0
    return n - whole


@part
def mark_ends(data, start, stop, ends, bits):
    """Set `ends` and `bits` for each byte that ends a token."""
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
            # This packs eight bytes of 0 or 1 into eight bits.
            word |= ((load_word(ends, _GROUP * group + 8 * byte) * _PACK) >> _PACKED) << np.uint64(8 * byte)
        bits[group] = word


@part
def tokenize_range(data, base, begin, start, stop, row, s, n):
    """Tokenize the bytes in [start, stop); return the number of tokens, and the start of the next token."""
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
            # Punctuation is a token, too. The token of a space is overwritten by the next.
            starts[n + 1], sizes[n + 1], rows[n + 1] = end, 1, row
            n += 1 + np.int64(data[end] > _SPACE)
            begin = end + 1
        if group == last:
            return n, begin
        group += 1
        word = bits[group]
