"""Find the strings of image links in the bytes of a WAT record.

A crawl has some 58 billion image links, so no Python object is created for a link. The functions here are compiled
(`metaclip_spark.core.jit`). They expect JSON that a parser has validated or will validate, and they read no byte
outside their arrays even if the bytes are not JSON.
"""

from __future__ import annotations

import numpy as np

from metaclip_spark.core.jit import copy_bytes, kernel
from metaclip_spark.extract.byte_search import BLOCK, contains_any, find_in, is_ascii, starts_with

STRINGS = (b"url", b"alt", b"title", b"og:title")
"""The strings of a link, in the order of the columns of its row of spans: [start, stop) each, -1 if it is missing."""
SPANS = 2 * len(STRINGS)

CUT = b"7142857142857"
"""A number that replaces the links in a record from which they were cut; no WAT has this number there."""

UNUSUAL = -1
FULL = HIDDEN = -2

_CUT = np.frombuffer(CUT, np.uint8)
_BEFORE = np.frombuffer(b'{"path":"', np.uint8)
_PATH = np.frombuffer(b'IMG@/src"', np.uint8)
_LINKS = np.frombuffer(b'"Links":[{"path":"', np.uint8)
_LINKS_KEY = 8
_LINKS_END = np.frombuffer(b'}],"Head":{', np.uint8)
_TYPE = np.frombuffer(b'"WARC-Type":"', np.uint8)
_RESPONSE = np.frombuffer(b'response"', np.uint8)
_NULL = np.frombuffer(b"null", np.uint8)
_KEYS = np.array([name.ljust(8) for name in (*STRINGS, b"path")], "S8").view(np.uint8).reshape(-1, 8)
_KEY_SIZES = np.array([len(name) for name in (*STRINGS, b"path")])
_IS_PATH = len(STRINGS)


@kernel
def hides(raw: np.ndarray, at: int) -> bool:
    r"""Return whether the backslash at `at` starts an escape that JSON does not require: `\/` after @, `\u006e`.

    Such escapes can hide a path or a word: `\u0049MG@\/src`.
    """
    if at + 1 < len(raw) and raw[at + 1] == 47:
        return at > 0 and raw[at - 1] == 64
    if at + 4 >= len(raw) or raw[at + 1] != 117 or raw[at + 2] != 48 or raw[at + 3] != 48:
        return False
    return 50 <= raw[at + 4] < 56


@kernel
def _next_path(raw: np.ndarray, at: int) -> int:
    """Return the next position of an image's path from `at` on, -1 if there is none, `HIDDEN` if one may be hidden."""
    backslash, first, slash = np.uint8(92), np.uint8(73), np.uint8(47)  # "I" and "/" of IMG@/src
    while at < len(raw):
        stop = at + BLOCK
        if stop + 4 <= len(raw):
            block, later = raw[at:stop], raw[at + 4 : stop + 4]
            hit = False  # this loop becomes vector instructions
            for offset in range(BLOCK):
                hit |= (block[offset] == backslash) | ((block[offset] == first) & (later[offset] == slash))
            if not hit:
                at = stop
                continue
        for start in range(at, min(stop, len(raw))):
            if raw[start] == first and starts_with(raw, start, _PATH):
                return start
            if raw[start] == backslash and hides(raw, start):
                return HIDDEN
        at = stop
    return -1


@kernel
def _end_of_string(raw: np.ndarray, at: int) -> int:
    """Return the position of the quote that ends the string whose first character is at `at`.

    Return -1 if no quote ends it, or if an escape may hide something.
    """
    size = len(raw)
    while at < size:
        while at + 16 <= size:
            block = raw[at : at + 16]
            hit = np.uint8(0)
            for offset in range(16):
                hit = max(hit, np.uint8((block[offset] == 34) | (block[offset] == 92)))
            if hit:
                break
            at += 16
        while at < size and raw[at] != 34 and raw[at] != 92:
            at += 1
        if at >= size:
            return -1
        if raw[at] == 34:
            return at
        if hides(raw, at):
            return -1
        at += 2
    return -1


@kernel
def _key(raw: np.ndarray, start: int, stop: int) -> int:
    """Return the index in `_KEYS` of the name at [start, stop); -1 for any other name, -2 if it has escapes."""
    size = stop - start
    for index in range(len(_KEYS)):
        if size == _KEY_SIZES[index] and raw[start] == _KEYS[index, 0] and starts_with(raw, start, _KEYS[index, :size]):
            return index
    for at in range(start, stop):
        if raw[at] == 92:
            return -2
    return -1


@kernel
def _link(raw: np.ndarray, at: int, spans: np.ndarray) -> int:
    """Read the rest of a link's object after its path.

    Args:
        raw: (n,) uint8.
        at: the first byte after the quote that ends the path.
        spans: (SPANS,) int64, written.

    Returns:
        The position after the object, or `UNUSUAL` for white space, nested values, names with escapes, and values
        other than a string or null where a string is expected.
    """
    size = len(raw)
    spans[:] = -1
    while at < size:
        if raw[at] == 125:
            return at + 1
        if raw[at] != 44 or at + 1 >= size or raw[at + 1] != 34:
            return UNUSUAL
        start = at + 2
        stop = _end_of_string(raw, start)
        if stop < 0 or stop + 2 >= size or raw[stop + 1] != 58:
            return UNUSUAL
        key = _key(raw, start, stop)
        if key == -2 or key == _IS_PATH:
            return UNUSUAL
        at = stop + 2
        if raw[at] == 34:
            stop = _end_of_string(raw, at + 1)
            if stop < 0:
                return UNUSUAL
            if key >= 0:
                spans[2 * key], spans[2 * key + 1] = at + 1, stop
            at = stop + 1
        elif starts_with(raw, at, _NULL):
            if key >= 0:
                spans[2 * key] = spans[2 * key + 1] = -1
            at += 4
        elif key >= 0 or raw[at] == 123 or raw[at] == 91:
            return UNUSUAL
        else:
            while at < size and raw[at] != 44 and raw[at] != 125:
                at += 1
    return UNUSUAL


@kernel
def cut_links(raw: np.ndarray, spans: np.ndarray, most: int) -> tuple[int, int, int]:
    """Find the strings of the image links that have a text.

    Args:
        raw: (n,) uint8, a record's JSON.
        spans: (m, SPANS) int64; the first rows are written: one per link, up to `most`, and one more.
        most: the maximum number of links to find; further ones are only counted.

    Returns:
        (number of links, position of the first image link's path or -1, position after the last image link). The
        number of links is `UNUSUAL` if escapes may hide a path, or if a link is not written as extractors write it, and
        `FULL` if `spans` has too few rows.
    """
    links, first = 0, _next_path(raw, 0)
    at = end = first
    while at >= 0:
        if not starts_with(raw, at - len(_BEFORE), _BEFORE):
            return UNUSUAL, first, at
        found = min(links, most)
        if found == len(spans):
            return FULL, first, at
        row = spans[found]
        end = _link(raw, at + len(_PATH), row)
        if end < 0:
            return UNUSUAL, first, at
        if row[2] >= 0 or row[4] >= 0 or row[6] >= 0:
            links += 1
        at = _next_path(raw, end)
    return UNUSUAL if at == HIDDEN else links, first, end


@kernel
def _end_of_links(raw: np.ndarray, at: int) -> int:
    """Return the position after the array of links whose last image link ends at `at`, or 0 if no end is found."""
    end = find_in(raw, _LINKS_END, 1, 4, at - 1, len(raw))
    if end >= 0:
        return end + 2
    for last in range(len(raw) - 2, at - 2, -1):
        if raw[last] == 125 and raw[last + 1] == 93:
            return last + 2
    return 0


@kernel
def _is_no_response(raw: np.ndarray) -> int:
    """Return 1 if the first `WARC-Type` of a record is there, and is not `response`; else 0."""
    at = find_in(raw, _TYPE, 1, 6, 0, len(raw))
    return 0 if at < 0 or starts_with(raw, at + len(_TYPE), _RESPONSE) else 1


@kernel
def cut_page(
    raw: np.ndarray, at: int, stop: int, spans: np.ndarray, most: int, outside: np.ndarray, words: np.ndarray
) -> tuple[int, int, int, int, bool]:
    """Find the strings of a record's image links as `cut_links` does, and write the record without its links.

    Args:
        raw: (n,) uint8, with a record's JSON at [at, stop).
        at, stop: the record's bounds; all returned positions count from `at`.
        spans, most: as for `cut_links`.
        outside: (n + len(CUT),) uint8 at least, written; `CUT` replaces the links.
        words: as for `contains_any`.

    Returns:
        (number of links as `cut_links` returns it, start of the links, their stop, number of bytes written to
        `outside`, whether all of these are ASCII). The stop is 0 if there is no image link; then the start is 1 if the
        record is known to be no response. The number of links is `UNUSUAL` also if the array of links is not found, or
        if a word occurs outside the links.
    """
    raw = raw[at:stop]
    links, first, end = cut_links(raw, spans, most)
    if links < 0 or first < 0:
        return links, _is_no_response(raw) if links == 0 else 0, 0, 0, True
    # A quote after a comma or brace, with a letter after it, can only be a quote that starts a string.
    start = find_in(raw, _LINKS, 1, 8, 0, first)
    stop = _end_of_links(raw, end)
    if start < 1 or stop == 0 or (raw[start - 1] != 44 and raw[start - 1] != 123):
        return UNUSUAL, 0, 0, 0, True
    start += _LINKS_KEY
    if contains_any(raw[:start], words) or contains_any(raw[stop:], words):
        return UNUSUAL, 0, 0, 0, True
    size = copy_bytes(raw[stop:], outside, copy_bytes(_CUT, outside, copy_bytes(raw[:start], outside, 0)))
    return links, start, stop, size, is_ascii(outside[:size])
