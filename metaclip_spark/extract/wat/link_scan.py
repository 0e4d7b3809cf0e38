"""Check the array of links of a WAT record, and find the strings of its image links in the same pass."""

from __future__ import annotations

import numpy as np

from metaclip_spark.core.jit import kernel, load_word
from metaclip_spark.extract.wat.json_check import after_scalar, end_of_string

LATER = -1
"""The record is not as extractors write it, or is no JSON: what it is, a parser has to say."""
FULL = -2
"""The spans have too few rows."""


def _word(text: bytes) -> np.uint64:
    return np.uint64(int.from_bytes(text.ljust(8, b"\0"), "little"))


_BEFORE = _word(b'{"path":')
_IMAGE, _ANCHOR = _word(b"IMG@/src"), _word(b'A@/href"')
_URL, _ALT, _PATH, _TITLE = _word(b"url"), _word(b"alt"), _word(b"path"), _word(b"title")
_OG_TITLE = _word(b"og:title")
_URL_VALUE, _TEXT_VALUE = _word(b',"url":"'), _word(b',"text":')
_QUOTE, _BRACE, _COLON, _NEXT_KEY, _STRING = _word(b'"'), _word(b"}"), _word(b'":'), _word(b',"'), _word(b'":"')
_ONE, _TWO, _THREE = np.uint64(0xFF), np.uint64(0xFFFF), np.uint64(0xFFFFFF)
_BYTES = np.array([(1 << 8 * size) - 1 for size in range(9)], np.uint64)  # the first bytes of a word


@kernel
def _field(raw: np.ndarray, start: int, stop: int) -> int:
    """Return which string of a link the key at [start, stop) names: 0, 1 or 2 for url, alt or title; -1 for any other.

    Return -2 for a key that only a parser should read: a second path, or og:title.
    """
    if stop - start > 8:
        return -1
    key = load_word(raw, start) & _BYTES[stop - start]
    if key == _URL:
        return 0
    if key == _ALT:
        return 1
    if key == _TITLE:
        return 2
    if key == _PATH:
        return -2
    return -2 if key == _OG_TITLE else -1


@kernel
def _rest_of_image(raw: np.ndarray, at: int, stop: int, origin: int, spans: np.ndarray, row: int) -> int:
    """Read the rest of an image link's object from `at`, after its path; return the position after it, or `LATER`."""
    spans[row] = -1
    word = load_word(raw, at)
    while word & _TWO == _NEXT_KEY:
        start = at + 2
        end = end_of_string(raw, start, stop)
        if end < 0 or end & 1:
            return LATER
        end >>= 1
        word = load_word(raw, end)
        field = _field(raw, start, end)
        if field == -2 or word & _TWO != _COLON:
            return LATER
        at = end + 2
        if word & _THREE == _STRING:
            end = end_of_string(raw, at + 1, stop)
            if end < 0:
                return LATER
            end >>= 1
            if field >= 0:
                spans[row, 2 * field], spans[row, 2 * field + 1] = at + 1 - origin, end - origin
            at = end + 1
        else:
            if field >= 0:
                if raw[at] != 110:  # null
                    return LATER
                spans[row, 2 * field] = spans[row, 2 * field + 1] = -1
            at = after_scalar(raw, at)
            if at < 0:
                return LATER
        word = load_word(raw, at)
    return at + 1 if word & _ONE == _BRACE else LATER


@kernel
def _rest_of_other(raw: np.ndarray, at: int, stop: int) -> int:
    """Check the rest of the object of a link that is no image, as `_rest_of_image` does."""
    word = load_word(raw, at)
    while word & _TWO == _NEXT_KEY:
        if word == _URL_VALUE or (word == _TEXT_VALUE and load_word(raw, at + 8) & _ONE == _QUOTE):  # most keys
            end = end_of_string(raw, at + 8 + (word == _TEXT_VALUE), stop)
            if end < 0:
                return LATER
            at = (end >> 1) + 1
            word = load_word(raw, at)
            continue
        end = end_of_string(raw, at + 2, stop)
        if end < 0 or end & 1:
            return LATER
        end >>= 1
        if end - at == 6 and load_word(raw, at + 2) & _BYTES[4] == _PATH:
            return LATER
        word = load_word(raw, end)
        if word & _THREE == _STRING:
            end = end_of_string(raw, end + 3, stop)
            if end < 0:
                return LATER
            at = (end >> 1) + 1
        elif word & _TWO == _COLON:
            at = after_scalar(raw, end + 2)
            if at < 0:
                return LATER
        else:
            return LATER
        word = load_word(raw, at)
    return at + 1 if word & _ONE == _BRACE else LATER


@kernel
def scan_links(
    raw: np.ndarray, at: int, stop: int, origin: int, spans: np.ndarray, first: int, most: int
) -> tuple[int, int]:
    """Check an array of links, and find the strings of the image links that have a text.

    Args:
        raw: (n,) uint8, with `PADDING` bytes after `stop`, the first of them a control.
        at: the position after the bracket that opens the array.
        stop: the end of the record.
        origin: where the record begins; the spans count from there.
        spans: (m, SPANS) int64, written from row `first` on: one row per link, up to `most`, and one more.
        most: the maximum number of links to find; further ones are only counted.

    Returns:
        (position after the array, number of links). The position is `LATER` if a link is not written as extractors
        write it, and `FULL` if `spans` has too few rows.
    """
    links = 0
    if raw[at] == 93:
        return at + 1, 0
    while True:
        if load_word(raw, at) != _BEFORE or load_word(raw, at + 8) & _ONE != _QUOTE:
            return LATER, 0
        start = at + 9
        if load_word(raw, start) == _ANCHOR:
            end = start + 7
        else:
            end = end_of_string(raw, start, stop)
            if end < 0 or end & 1:
                return LATER, 0
            end >>= 1
        if end - start == 8 and load_word(raw, start) == _IMAGE:
            row = first + min(links, most)
            if row >= len(spans):
                return FULL, 0
            at = _rest_of_image(raw, end + 1, stop, origin, spans, row)
            if at < 0:
                return LATER, 0
            links += spans[row, 2] >= 0 or spans[row, 4] >= 0
        else:
            at = _rest_of_other(raw, end + 1, stop)
            if at < 0:
                return LATER, 0
        if raw[at] == 93:
            return at + 1, links
        if raw[at] != 44:
            return LATER, 0
        at += 1
