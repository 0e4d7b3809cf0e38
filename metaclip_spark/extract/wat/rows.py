"""The strings of image links -> rows: texts decoded, urls joined, and a note on those that plain Python has to see."""

from __future__ import annotations

import numpy as np

from metaclip_spark.core.jit import copied, kernel
from metaclip_spark.extract.byte_search import starts
from metaclip_spark.extract.wat.json_strings import decoded

JOINED, TO_JOIN, DATA = 0, 1, 2
"""What became of a row's url: absolute now; as found, for `Resolver.absolute` to see to; a `data:` url, of which the
start is copied."""
TO_CLEAN, EMPTY = 4, 8
"""Added to it: the row's text has something that `clean_text` may change; it is empty."""

_HTTP = np.frombuffer(b"http://", np.uint8)
_HTTPS = np.frombuffer(b"https://", np.uint8)
_DATA = np.frombuffer(b"data:", np.uint8)
_SHOWN = 300  # bytes of a data: url, which may have a million
# By byte: may stand in the host of a url that `urljoin` keeps as it is.
_IN_HOST = np.isin(np.arange(256), list(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:@%~-"))


@kernel
def _may_be_space(text: np.ndarray, at: int) -> bool:
    """Return whether the character that starts at `at` may be white space to `str.strip`; `False` is certain.

    Of the characters with more than a byte U+0085, U+00A0, U+1680, U+2000 to U+205F and U+3000 are.
    """
    lead = text[at]
    if lead < 128:
        return lead < 33 or lead == 127
    second = text[at + 1] if at + 1 < len(text) else 0
    return (
        lead == 0xC2
        or (lead == 0xE1 and second == 0x9A)
        or (lead == 0xE2 and second <= 0x81)
        or (lead == 0xE3 and second == 0x80)
    )


@kernel
def _is_unclean(text: np.ndarray) -> bool:
    """Return whether `clean_text` may change a text that is not empty: entities, controls, white space around it."""
    last = len(text) - 1
    while last > 0 and 128 <= text[last] < 192:
        last -= 1
    if _may_be_space(text, 0) or _may_be_space(text, last):
        return True
    unclean = np.uint8(0)
    for char in text:  # as many as may be at once
        unclean = max(unclean, np.uint8((char == 38) | (char == 0) | (char == 9) | (char == 10) | (char == 13)))
    return unclean > 0


@kernel
def _cleaned(texts: np.ndarray, at: int, end: int) -> tuple[int, int]:
    """Take the spaces from around the text at [at, end), in its place; nothing else of `clean_text`.

    Returns:
        Where it ends; and 0, `EMPTY`, or `TO_CLEAN`: with either of these it is as it was.
    """
    start, stop = at, end
    while start < stop and texts[start] == 32:
        start += 1
    while stop > start and texts[stop - 1] == 32:
        stop -= 1
    if start == stop:
        return end, EMPTY
    if _is_unclean(texts[start:stop]):
        return end, TO_CLEAN
    return (stop if start == at else copied(texts[start:stop], texts, at)), 0


@kernel
def _start(base: np.ndarray, out: np.ndarray) -> tuple[int, int, int]:
    """Write a base up to the last slash of its path, as `Resolver` takes it apart.

    Args:
        base: (n,) uint8.
        out: (n + 1,) uint8.

    Returns:
        How much of it is the scheme (`http:`), how much scheme and host, and how much was written. Where only `urljoin`
        can tell what the host is, 0 for all; where it can tell the folder, the host alone is written.
    """
    scheme = 6 if starts(base, 0, _HTTPS) else 5 if starts(base, 0, _HTTP) else 0
    if scheme == 0:
        return 0, 0, 0
    for char in base:
        if char < 32 or char > 126 or char == 59:
            return 0, 0, 0
    host = scheme + 2
    while host < len(base) and base[host] != 47 and base[host] != 63 and base[host] != 35:
        if not _IN_HOST[base[host]]:
            return 0, 0, 0
        host += 1
    if host == scheme + 2:
        return 0, 0, 0
    end, plain, at = host, True, host
    while at < len(base) and base[at] != 63 and base[at] != 35:
        if base[at] == 47:
            end = at + 1
        at += 1
    for place in range(host, end - 1):
        plain = plain and not (base[place] == 47 and (base[place + 1] == 47 or base[place + 1] == 46))
    written = copied(base[:end] if plain else base[:host], out, 0)
    if end == host:
        out[written] = 47
        written += 1
    return scheme, host, written


@kernel
def _joined(url: np.ndarray, base: np.ndarray, scheme: int, host: int, out: np.ndarray, to: int) -> int:
    """Write what `Resolver.absolute` makes of a relative url in its usual forms; arguments as for `add_rows`.

    Returns:
        The place behind it, or -1 where `Resolver` has to be asked; then `url` is still as it was.
    """
    size = len(url)
    if host == 0:
        return -1
    path = size
    unusual = np.uint8(0)
    for char in url:  # not printable, or a fragment
        unusual = max(unusual, np.uint8((char < 32) | (char > 126) | (char == 35)))
    if unusual:
        return -1
    for place in range(size):
        if url[place] == 63:
            path = place
            break
        if url[place] == 59 or (url[place] == 58 and url[0] != 47):
            return -1
    if path == 0 or path == size - 1:  # nothing but a query, or an empty one
        return -1
    start, end = 0, len(base) - host  # the folder ends at base[host + end]
    if url[0] == 47:
        if path > 1 and url[1] == 47:
            stop = 2
            while stop < path and url[stop] != 47:
                if not _IN_HOST[url[stop]]:
                    return -1
                stop += 1
            return -1 if stop == 2 else copied(url, out, copied(base[:scheme], out, to))
        end = 0
    elif end == 0:
        return -1
    while start + 2 < path and url[start] == 46 and url[start + 1] == 46 and url[start + 2] == 47 and end > 1:
        start += 3
        end -= 1
        while base[host + end - 1] != 47:
            end -= 1
    if start + 1 < path and url[start] == 46 and url[start + 1] == 47:
        start += 2
    if start >= path or url[start] == 46 or (end and url[start] == 47):
        return -1
    for place in range(start, path - 1):
        if url[place] == 47 and (url[place + 1] == 47 or url[place + 1] == 46):
            return -1
    return copied(url[start:], out, copied(base[: host + end], out, to))


@kernel
def _with_url(url: np.ndarray, base: np.ndarray, scheme: int, host: int, out: np.ndarray, to: int):
    """Write a link's url; returns the place behind it, and what became of it."""
    size = len(url)
    if size == 0 or url[0] < 33 or url[0] > 126 or url[-1] < 33 or url[-1] > 126:
        return copied(url, out, to), TO_JOIN
    https = starts(url, 0, _HTTPS)
    if https or starts(url, 0, _HTTP):
        lines = np.uint8(0)
        for char in url:
            lines = max(lines, np.uint8(char == 10))
        plain = size > (8 if https else 7) and not lines
        return copied(url, out, to), JOINED if plain else TO_JOIN
    if size >= 5 and url[4] == 58:
        is_data = True
        for place in range(5):
            is_data = is_data and (url[place] | 32 if place < 4 else url[place]) == _DATA[place]
        if is_data:
            place = 0
            while place < min(size, _SHOWN) and url[place] < 128:
                place += 1
            return copied(url[:place], out, to), DATA
    end = _joined(url, base, scheme, host, out, to)
    if end >= 0:
        return end, JOINED
    return copied(url, out, to), TO_JOIN


@kernel
def add_rows(raw, spans, links, page, wanted, base, rows, urls, texts, ends, about):
    """Write one row for every text of some links, in their order, an alt before its title.

    Args:
        raw: (n,) uint8, what the spans are of.
        spans: (m, SPANS) int64 of `cut_links`.
        links: how many of them.
        page: the number that the rows get as their page's.
        wanted: bits, the first for alt, then title and og:title.
        base: (.,) uint8, where relative urls start.
        rows: how many rows there are already.
        urls, texts: (.,) uint8, the bytes of all rows' urls and texts, one after the other.
        ends: (2, .) int32; [0, i + 1] is where row i's url ends, [1, i + 1] its text; the first column is 0.
        about: (3, .) int32; [0, i] is the index of row i's text in FIELDS, [1, i] its page, [2, i] `JOINED` and so on.

    Returns:
        How many rows there are now, and the bytes of their urls and texts. There has to be room for three rows a link,
        as many bytes in `texts` as the links' texts have in JSON, and in `urls` for each of their rows its url's and
        three times the base's and four.
    """
    gap = 2 * len(base) + 2
    folder = np.empty(len(base) + 1, np.uint8)
    scheme, host, end = _start(base, folder)
    folder = folder[:end]
    for link in range(links):
        span = spans[link]
        first = -1
        for field in range(3):
            start, stop = span[2 * field + 2], span[2 * field + 3]
            if start < 0 or not wanted >> field & 1:
                continue
            url_at, text_at = ends[0, rows], ends[1, rows]
            text_end, state_of_text = _cleaned(texts, text_at, decoded(raw, start, stop, texts, text_at))
            empty = state_of_text == EMPTY
            state, url_end = JOINED, url_at
            if not empty and first < 0:
                url = urls[url_at + gap : url_at + gap]
                if span[0] >= 0:
                    url = urls[url_at + gap : decoded(raw, span[0], span[1], urls, url_at + gap)]
                url_end, state = _with_url(url, folder, scheme, host, urls, url_at)
                first = rows
            elif not empty:
                url_end = copied(urls[ends[0, first] : ends[0, first + 1]], urls, url_at)
                state = about[2, first] & 3
            ends[0, rows + 1], ends[1, rows + 1] = url_end, text_end
            about[0, rows] = field
            about[1, rows] = page
            about[2, rows] = state + state_of_text
            rows += 1
    return rows, ends[0, rows], ends[1, rows]
