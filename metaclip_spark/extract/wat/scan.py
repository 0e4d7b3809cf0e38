"""Read many WAT records in one compiled call: check their JSON, pass over requests, find pages and their image links.

Most records of a WAT describe no page, and most of a page are links that are no images. So no Python object is made for
either. A record is decided here only if it is written as extractors write it, and its JSON was checked to the last
byte. Any other, and a page that may opt out, is left to `PageReader`, which gives the same rows.
"""

from __future__ import annotations

import numpy as np

from metaclip_spark.core.jit import borrowed, count_trailing_zeros, kernel, load_word
from metaclip_spark.extract.byte_masks import BLOCK, backslashes
from metaclip_spark.extract.byte_search import contains_any, find_in
from metaclip_spark.extract.wat.json_check import PADDING, after_scalar, end_of_string, is_utf8
from metaclip_spark.extract.wat.link_scan import FULL, LATER, scan_links
from metaclip_spark.extract.wat.links import SPANS, hides

NOT_RESPONSE, NOT_PAGE, NO_IMAGE_TEXT, PAGE = 0, 1, 2, 3
"""What a record is; or `LATER`, if a parser has to say it."""
MAX_DEPTH = 64
"""JSON that is nested deeper is left to a parser."""

_MAX_URL_BYTES = 1 << 16

# The objects of a record that are looked into, from the outermost.
_OTHER, _ENVELOPE, _WARC, _PAYLOAD, _HTTP, _HTML, _HEAD, _ROOT = range(8)
# The values that are read.
_TYPE, _URI, _BASE, _LINKS, _ARC = range(8, 13)
_ARRAY = -1
_PATHS = [
    (_ROOT, b"Envelope", _ENVELOPE),
    (_ENVELOPE, b"WARC-Header-Metadata", _WARC),
    (_ENVELOPE, b"ARC-Header-Metadata", _ARC),
    (_ENVELOPE, b"Payload-Metadata", _PAYLOAD),
    (_WARC, b"WARC-Type", _TYPE),
    (_WARC, b"WARC-Target-URI", _URI),
    (_PAYLOAD, b"HTTP-Response-Metadata", _HTTP),
    (_HTTP, b"HTML-Metadata", _HTML),
    (_HTML, b"Links", _LINKS),
    (_HTML, b"Head", _HEAD),
    (_HEAD, b"Base", _BASE),
]
_PARENTS = [parent for parent, _, _ in _PATHS]
_FIRSTS = np.array([_PARENTS.index(parent) if parent in _PARENTS else 0 for parent in range(_ROOT + 1)])
_COUNTS = np.array([_PARENTS.count(parent) for parent in range(_ROOT + 1)])
_CHILDREN = np.array([child for _, _, child in _PATHS])
_WORDS = np.array([name for _, name, _ in _PATHS], "S24").view(np.uint64).reshape(-1, 3)
_SIZES = np.array([len(name) for _, name, _ in _PATHS])

# The bytes of a word that a name of each size has.
_MASKS = np.array([b"\xff" * size for size in range(25)], "S24").view(np.uint64).reshape(-1, 3)

# The columns of `found`: positions of the type, the url, the base and the links, and the number of links.
_FOUND_LINKS, _FOUND_NUMBER, FOUND = 6, 8, 9
PAGE_COLUMNS = 8

_TYPE_KEY = np.frombuffer(b'"WARC-Type":"', np.uint8)
_RESPONSE = np.uint64(int.from_bytes(b"response", "little"))


@kernel
def _child(raw: np.ndarray, start: int, stop: int, parent: int) -> int:
    """Return what the value of the key at [start, stop) is in an object that is looked into, `_OTHER` if nothing."""
    for index in range(_FIRSTS[parent], _FIRSTS[parent] + _COUNTS[parent]):
        size = _SIZES[index]
        if stop - start != size:
            continue
        same = True
        for word in range(3):
            same = same and load_word(raw, start + 8 * word) & _MASKS[size, word] == _WORDS[index, word]
        if same:
            child: int = _CHILDREN[index]
            return child
    return _OTHER


@kernel
def _walk(
    raw: np.ndarray,
    origin: int,
    stop: int,
    spans: np.ndarray,
    first: int,
    most: int,
    stack: np.ndarray,
    found: np.ndarray,
) -> tuple[int, int]:
    """Check the grammar of a record, and find what is read of it.

    Args:
        raw, origin, stop, spans, first, most: as for `_scan_record`.
        stack: (MAX_DEPTH,) int64, overwritten: what each open array or object is.
        found: (FOUND,) int64, written; -1 is missing.

    Returns:
        (0, the values seen as bits), or (`LATER` or `FULL`, 0).
    """
    found[:] = -1
    at, depth, is_key, value, seen = origin, 0, False, _ROOT, 0
    while at < stop:
        if is_key:
            if raw[at] != 34:
                return LATER, 0
            end = end_of_string(raw, at + 1, stop)
            escaped = end & 1
            end >>= 1
            if end < 0 or raw[end + 1] != 58:
                return LATER, 0
            value = _OTHER
            if stack[depth] != _OTHER:
                value = _child(raw, at + 1, end, stack[depth])
                if escaped or (value != _OTHER and seen >> value & 1):
                    return LATER, 0
                seen |= (value != _OTHER) << value
            at = end + 2
            is_key = False
        char = raw[at]
        if char == 34:
            end = end_of_string(raw, at + 1, stop)
            escaped = end & 1
            end >>= 1
            if end < 0:
                return LATER, 0
            if value != _OTHER:
                if value < _TYPE or value > _BASE or (escaped and value == _TYPE):
                    return LATER, 0
                found[2 * (value - _TYPE)], found[2 * (value - _TYPE) + 1] = at + 1, end
            at = end + 1
        elif char == 91 and value == _LINKS:
            after, links = scan_links(raw, at + 1, stop, origin, spans, first, most)
            if after < 0:
                return after, 0
            found[_FOUND_LINKS], found[_FOUND_LINKS + 1], found[_FOUND_NUMBER] = at, after, links
            at = after
        elif char == 123 or char == 91:
            depth += 1
            if depth == MAX_DEPTH or value > _ROOT or (char == 91 and value != _OTHER):
                return LATER, 0
            stack[depth] = value if char == 123 else _ARRAY
            at += 1
            if raw[at] != (125 if char == 123 else 93):
                is_key = char == 123
                value = _OTHER
                continue
        else:
            if value != _OTHER:
                return LATER, 0
            at = after_scalar(raw, at)
            if at < 0:
                return LATER, 0
        while depth and at < stop:  # a value ended at `at`
            char = raw[at]
            at += 1
            if char == 44:
                break
            if char != (93 if stack[depth] == _ARRAY else 125):
                return LATER, 0
            depth -= 1
        if depth == 0:
            return (0 if at == stop else LATER), seen
        is_key = stack[depth] != _ARRAY
        value = _OTHER
    return LATER, 0


@kernel
def _may_hide(raw: np.ndarray, at: int, stop: int) -> bool:
    """Return whether an escape in [at, stop) may hide a word."""
    while at < stop:
        found = backslashes(raw, at)
        if found == 0:
            at += BLOCK
            continue
        at += count_trailing_zeros(found)
        if at < stop and hides(raw, at):
            return True
        at += 2
    return False


@kernel
def _scan_record(
    raw: np.ndarray,
    at: int,
    stop: int,
    spans: np.ndarray,
    first: int,
    most: int,
    words: np.ndarray,
    stack: np.ndarray,
    found: np.ndarray,
) -> int:
    """Return what the record at [at, stop) is, or `FULL` if `spans` has too few rows.

    The arguments are as for `scan_records`.
    """
    if stop + PADDING > len(raw) or raw[stop] >= 32:
        return LATER
    ended: int
    ended, seen = _walk(raw, at, stop, spans, first, most, stack, found)
    if ended < 0:
        return ended
    if found[0] < 0 or seen >> _ARC & 1 or not is_utf8(raw, at, stop):
        return LATER
    if found[1] - found[0] != 8 or load_word(raw, found[0]) != _RESPONSE:
        return NOT_RESPONSE
    if found[3] - found[2] > _MAX_URL_BYTES:
        return LATER
    if found[_FOUND_NUMBER] <= 0:
        # Where another object has the key, too, the parser decides which one counts.
        if find_in(raw, _TYPE_KEY, 1, 6, at, stop) + len(_TYPE_KEY) != found[0]:
            return LATER
        return NO_IMAGE_TEXT if seen >> _HTML & 1 else NOT_PAGE
    start, end = found[_FOUND_LINKS], found[_FOUND_LINKS + 1]
    if _may_hide(raw, at, start) or _may_hide(raw, end, stop):
        return LATER
    if contains_any(raw[at:start], words) or contains_any(raw[end:stop], words):
        return LATER
    return PAGE


@kernel
def scan_records(
    raw: np.ndarray,
    records: np.ndarray,
    at: int,
    spans: np.ndarray,
    most: int,
    words: np.ndarray,
    stack: np.ndarray,
    found: np.ndarray,
    kinds: np.ndarray,
    pages: np.ndarray,
) -> int:
    """Read records from number `at` on, until `spans` is full.

    Args:
        raw: (n,) uint8.
        records: (k, RECORD) int64, as `Members` has them.
        at: the number of the first record.
        spans: (m, SPANS) int64, written as `cut_links` does, for one page after the other.
        most: the maximum number of links of a page.
        words: as for `contains_any`; a page with one of them outside its links is left to a parser.
        stack: (MAX_DEPTH,) int64, overwritten.
        found: (FOUND,) int64, overwritten.
        kinds: (k,) int8, written: what each record is.
        pages: (k, PAGE_COLUMNS) int64, written for pages: the positions of the url and of the value of `<base>` (-1 is
            missing), the first row in `spans`, the number of links, of which those after `most` are only counted, and
            the bytes in JSON of the urls and of the texts of those before.

    Returns:
        The number of the first record that is not read.
    """
    raw, records, spans, words = borrowed(raw), borrowed(records), borrowed(spans), borrowed(words)
    stack, found, kinds, pages = borrowed(stack), borrowed(found), borrowed(kinds), borrowed(pages)
    first = 0
    for record in range(at, len(records)):
        kinds[record] = LATER
        if not records[record, 4]:
            continue
        kind = _scan_record(raw, records[record, 2], records[record, 3], spans, first, most, words, stack, found)
        if kind == FULL:
            return record
        kinds[record] = kind
        if kind == PAGE:
            number = found[_FOUND_NUMBER]
            last = first + min(number, most)
            for column in range(4):
                pages[record, column] = found[2 + column]
            pages[record, 4], pages[record, 5], pages[record, 6], pages[record, 7] = first, number, 0, 0
            for row in range(first, last):
                for column in range(0, SPANS, 2):
                    pages[record, 7 if column else 6] += spans[row, column + 1] - spans[row, column]
            first = last
    return len(records)
