"""Read the characters of spaced texts from the bytes of texts, and find entries from each of them.

Spaces that spacing would add are read as characters that no byte stands for, so no text is copied. In all functions,
`data` is the texts' bytes, `c` the compiled phrases of `EdgeTables`, and `s` the buffers. `n` is the number of
characters in the buffers, and `m` the number of entries that were found.
"""

from __future__ import annotations

import numpy as np

from metaclip_spark.core.jit import kernel, part
from metaclip_spark.core.text import PADDED
from metaclip_spark.matchers.edges.tables import PAGE, PAGE_BITS
from metaclip_spark.matchers.phrases.compiled_list import NO_ENTRY, TOKEN_WORDS
from metaclip_spark.matchers.phrases.grouped_ids import with_capacity
from metaclip_spark.matchers.phrases.lookup import look_up_longer
from metaclip_spark.matchers.phrases.tokenizer import ROWS, Buffers

WINDOW = 1 << 12
"""Characters per window; the buffers of a window stay in the processor's cache."""
MARGIN = 8
"""Characters by which a window may exceed its limit: those of a padded character, and of a text's end."""

_PADS = np.zeros(128, np.bool_)
_PADS[[ord(char) for char in PADDED]] = True
_NO_ENTRY = np.uint64(NO_ENTRY)


def new_character_buffers(max_depth: int) -> Buffers:
    """Return buffers for the characters of a window and those that are carried over from the window before.

    They are the buffers of the phrase matcher, so that its kernels are compiled once; `ends`, `bits`, `start` and
    `size` are not used.
    """
    size = WINDOW + max_depth + MARGIN
    return Buffers(
        np.zeros(0, np.uint8),
        np.zeros(0, np.uint64),
        np.zeros(0, np.int64),
        np.zeros(0, np.int32),
        np.empty(size, np.int32),
        np.empty(size, np.int64),
        np.empty(size, np.uint64),
        np.empty(size, np.int64),
        np.empty(size, np.int64),
        np.empty(size, np.uint64),
    )


@kernel
def read_characters(data, offsets, valid, row, first, at, inside, n, limit, pages, slots, anchors, none, s):
    """Read characters until `limit` of them are in the buffers, or `ROWS` texts; pass over texts without an anchor.

    Args:
        data, offsets, valid: the texts; see `scan_edges`.
        row: the next text, or the text in which the last window ended (`inside`).
        first: the text that counts as row 0 in `s.row`.
        at: the next byte of a text in which the last window ended.
        inside: whether the last window ended inside a text.
        n: the number of characters that are in the buffers already.
        limit: the number of characters that end a window.
        pages, slots, anchors: see `EdgeTables`.
        none: the slot of a character of no entry.
        s: the buffers.

    Returns:
        row, at, inside, n: the arguments of the next call; `row` is the first text that is not complete.
    """
    texts, slot, rows = len(offsets) - 1, s.slot, s.row
    space = np.int64(slots[PAGE + 32])
    while row < texts and row - first < ROWS and n < limit:
        if not inside:
            at = offsets[row]
            if (len(valid) and not valid[row]) or not _has_anchor(data, at, offsets[row + 1], anchors):
                row += 1
                continue
            slot[n], rows[n] = space, row - first
            n += 1
        end = offsets[row + 1]
        while at < end and n < limit:
            b = np.int64(data[at])
            if b < 128:
                p = np.int64(slots[PAGE + b])
                if _PADS[b]:
                    slot[n], slot[n + 1], slot[n + 2] = space, p, space
                    rows[n], rows[n + 1], rows[n + 2] = row - first, row - first, row - first
                    n += 3
                else:
                    slot[n], rows[n] = p, row - first
                    n += 1
                at += 1
            else:
                where, size = _wide_character(data, at, end, pages)
                slot[n], rows[n] = slots[where], row - first
                n += 1
                at += size
        if at < end:
            return row, at, True, n
        # No match may cross from one text into the next.
        slot[n], slot[n + 1] = space, none
        rows[n], rows[n + 1] = row - first, row - first
        row, n, inside = row + 1, n + 2, False
    return row, at, inside, n


@part
def _has_anchor(data, start, end, anchors):
    """Return whether a text has a byte of `anchors`."""
    at = start
    while at < end and not anchors[data[at]]:
        at += 1
    return at < end


@part
def _wide_character(data, at, end, pages):
    """Return the position of a character of several bytes in `slots`, and its size.

    A byte that begins no valid character of UTF-8 is a character of no entry by itself.
    """
    b = np.int64(data[at])
    where, size = np.int64(0), np.int64(1)
    if 0xE0 <= b < 0xF0:
        if at + 2 < end:
            x, y = np.int64(data[at + 1]) ^ 0x80, np.int64(data[at + 2]) ^ 0x80
            code = (b & 0xF) << 12 | x << 6 | y
            if x < 64 and y < 64 and code >= 0x800:
                where, size = np.int64(pages[code >> PAGE_BITS]) << PAGE_BITS | code & (PAGE - 1), np.int64(3)
    elif 0xC2 <= b < 0xE0:
        if at + 1 < end:
            x = np.int64(data[at + 1]) ^ 0x80
            code = (b & 0x1F) << 6 | x
            if x < 64:
                where, size = np.int64(pages[code >> PAGE_BITS]) << PAGE_BITS | code & (PAGE - 1), np.int64(2)
    elif 0xF0 <= b < 0xF5 and at + 3 < end:
        x, y = np.int64(data[at + 1]) ^ 0x80, np.int64(data[at + 2]) ^ 0x80
        z = np.int64(data[at + 3]) ^ 0x80
        code = (b & 0x7) << 18 | x << 12 | y << 6 | z
        if x < 64 and y < 64 and z < 64 and 0x10000 <= code < 0x110000:
            where, size = np.int64(pages[code >> PAGE_BITS]) << PAGE_BITS | code & (PAGE - 1), np.int64(4)
    return where, size


@kernel
def find_from_characters(whole, n, c, s, rows, ids, m):
    """Append the entries that begin at the first `whole` of n characters, in any order.

    Returns:
        The number of entries; and `rows` and `ids`, replaced by larger arrays where their capacity did not suffice.
    """
    rows, ids = with_capacity(rows, m + n), with_capacity(ids, m + n)
    return look_up_longer(whole, n, c, s, rows, ids, _single_characters(whole, n, c, s, rows, ids, m))


@part
def _single_characters(whole, n, c, s, rows, ids, m):
    """Load the filter of each character, and append the entries of one character."""
    tokens, slot, filters, row = c.tokens, s.slot, s.filters, s.row
    for i in range(n):
        p = TOKEN_WORDS * slot[i]
        filters[i] = tokens[p + 2]
        entry = tokens[p + 3] & _NO_ENTRY
        ids[m], rows[m] = np.int32(entry), row[i]
        m += np.int64(entry != _NO_ENTRY) & np.int64(i < whole)
    return m


@kernel
def keep_last(whole, n, s):
    """Move the characters from `whole` on to the front, for the next window, and return their number."""
    for i in range(n - whole):
        s.slot[i], s.row[i] = s.slot[whole + i], s.row[whole + i]
    return n - whole
