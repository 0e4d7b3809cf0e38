"""The image links in the bytes of a WAT record: where their strings stand.

A crawl has some 58 billion of them, so no Python object is made of one. The functions here are compiled
(`metaclip_spark.core.jit`); they expect JSON that has been, or will be, held against its grammar, and read no byte
outside of what they are given even where it is not JSON.
"""

from __future__ import annotations

import numpy as np

from metaclip_spark.core.jit import copied, kernel
from metaclip_spark.extract.byte_search import BLOCK, find_in, is_ascii, mentions_any, starts

STRINGS = (b"url", b"alt", b"title", b"og:title")
"""The strings of a link, in the order of the columns of its row of spans: [start, stop) each, -1 where it has none."""
SPANS = 2 * len(STRINGS)

CUT = b"7142857142857"
"""A number that stands for the links where they were cut out; no WAT has it there."""

UNUSUAL = -1
FULL = HIDDEN = -2

_CUT = np.frombuffer(CUT, np.uint8)
_BEFORE = np.frombuffer(b'{"path":"', np.uint8)
_PATH = np.frombuffer(b'IMG@/src"', np.uint8)
_LINKS = np.frombuffer(b'"Links":[{"path":"', np.uint8)
_LINKS_KEY = 8
_LINKS_END = np.frombuffer(b'}],"Head":{', np.uint8)
_NULL = np.frombuffer(b"null", np.uint8)
_KEYS = np.array([name.ljust(8) for name in (*STRINGS, b"path")], "S8").view(np.uint8).reshape(-1, 8)
_KEY_SIZES = np.array([len(name) for name in (*STRINGS, b"path")])
_IS_PATH = len(STRINGS)


@kernel
def _hides(raw: np.ndarray, at: int) -> bool:
    r"""Return whether the backslash at `at` begins an escape that none needs: `\/` after @, `\u006e`.

    With these a path or a word may be hidden: `\u0049MG@\/src`.
    """
    if at + 1 < len(raw) and raw[at + 1] == 47:
        return at > 0 and raw[at - 1] == 64
    if at + 4 >= len(raw) or raw[at + 1] != 117 or raw[at + 2] != 48 or raw[at + 3] != 48:
        return False
    return 50 <= raw[at + 4] < 56


@kernel
def _next_path(raw: np.ndarray, at: int) -> int:
    """Return where the path of images stands next, from `at` on; -1 where it does not, `HIDDEN` where it may."""
    backslash, first, slash = np.uint8(92), np.uint8(73), np.uint8(47)  # the latter of IMG@/src
    while at < len(raw):
        stop = at + BLOCK
        if stop + 4 <= len(raw):
            block, later = raw[at:stop], raw[at + 4 : stop + 4]
            hit = False  # this loop becomes vector instructions
            for place in range(BLOCK):
                hit |= (block[place] == backslash) | ((block[place] == first) & (later[place] == slash))
            if not hit:
                at = stop
                continue
        for place in range(at, min(stop, len(raw))):
            if raw[place] == first and starts(raw, place, _PATH):
                return place
            if raw[place] == backslash and _hides(raw, place):
                return HIDDEN
        at = stop
    return -1


@kernel
def _end_of_string(raw: np.ndarray, at: int) -> int:
    """Return the place of the quote that ends the string whose first character stands at `at`.

    -1 where none does, or where something may be hidden.
    """
    size = len(raw)
    while at < size:
        while at + 16 <= size:
            block = raw[at : at + 16]
            hit = np.uint8(0)
            for place in range(16):
                hit = max(hit, np.uint8((block[place] == 34) | (block[place] == 92)))
            if hit:
                break
            at += 16
        while at < size and raw[at] != 34 and raw[at] != 92:
            at += 1
        if at >= size:
            return -1
        if raw[at] == 34:
            return at
        if _hides(raw, at):
            return -1
        at += 2
    return -1


@kernel
def _key(raw: np.ndarray, start: int, stop: int) -> int:
    """Return the index in `_KEYS` of the name that stands at [start, stop); -1 for none, -2 if it has escapes."""
    size = stop - start
    for index in range(len(_KEYS)):
        if size == _KEY_SIZES[index] and raw[start] == _KEYS[index, 0] and starts(raw, start, _KEYS[index, :size]):
            return index
    for place in range(start, stop):
        if raw[place] == 92:
            return -2
    return -1


@kernel
def _link(raw: np.ndarray, at: int, spans: np.ndarray) -> int:
    """Read the rest of a link's object, from behind its path on.

    Args:
        raw: (n,) uint8.
        at: the first byte behind the quote that ends the path.
        spans: (SPANS,) int64, written.

    Returns:
        The place behind the object, or `UNUSUAL`: white space, nested values, names with escapes, values that are
        neither a string nor null where a string is meant.
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
        elif starts(raw, at, _NULL):
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
def cut_links(raw: np.ndarray, spans: np.ndarray) -> tuple[int, int, int]:
    """Find the strings of the image links that have a text.

    Args:
        raw: (n,) uint8, a record's JSON.
        spans: (m, SPANS) int64, of which the first rows are written.

    Returns:
        How many rows; where the first image link's path stands, -1 without any; and the place behind the last image
        link. Instead of the first, `UNUSUAL` where a path may be hidden by escapes, or a link is not written as
        extractors write it, `FULL` where there are more than m.
    """
    links, first = 0, _next_path(raw, 0)
    at = end = first
    while at >= 0:
        if not starts(raw, at - len(_BEFORE), _BEFORE):
            return UNUSUAL, first, at
        if links == len(spans):
            return FULL, first, at
        row = spans[links]
        end = _link(raw, at + len(_PATH), row)
        if end < 0:
            return UNUSUAL, first, at
        if row[2] >= 0 or row[4] >= 0 or row[6] >= 0:
            links += 1
        at = _next_path(raw, end)
    return UNUSUAL if at == HIDDEN else links, first, end


@kernel
def _end_of_links(raw: np.ndarray, at: int) -> int:
    """Return the place behind the array of links, in which the last image link ends at `at`; 0 where none is found."""
    found = find_in(raw, _LINKS_END, 1, 4, at - 1, len(raw))
    if found >= 0:
        return found + 2
    for place in range(len(raw) - 2, at - 2, -1):
        if raw[place] == 125 and raw[place + 1] == 93:
            return place + 2
    return 0


@kernel
def cut_page(raw, at, stop, spans, outside, words):
    """Find the strings of a record's image links as `cut_links` does, and write the record without its links.

    Args:
        raw: (n,) uint8, which holds a record's JSON at [at, stop).
        at, stop: its bounds; all places that are returned are counted from `at`.
        spans: (m, SPANS) int64, of which the first rows are written.
        outside: (n + len(CUT),) uint8 at least, written; `CUT` stands for the links.
        words: as for `mentions_any`.

    Returns:
        How many rows, as of `cut_links`; [start, stop) of the links, `stop` is 0 where there is no image link; how
        many bytes of `outside` were written, and whether all of them are ASCII. `UNUSUAL` in the place of the first,
        too, where the links are not found, or any word stands outside them.
    """
    raw = raw[at:stop]
    links, first, end = cut_links(raw, spans)
    if links < 0 or first < 0:
        return links, 0, 0, 0, True
    # A quote after a comma or brace, with a letter after it, can only be one that begins a string.
    start = find_in(raw, _LINKS, 1, 8, 0, first)
    stop = _end_of_links(raw, end)
    if start < 1 or stop == 0 or (raw[start - 1] != 44 and raw[start - 1] != 123):
        return UNUSUAL, 0, 0, 0, True
    start += _LINKS_KEY
    size = copied(raw[stop:], outside, copied(_CUT, outside, copied(raw[:start], outside, 0)))
    if mentions_any(outside[:size], words):
        return UNUSUAL, 0, 0, 0, True
    return links, start, stop, size, is_ascii(outside[:size])
