"""Write the strings of image links as rows: texts decoded, urls joined, and flags on rows that need plain Python."""

from __future__ import annotations

import numpy as np

from metaclip_spark.core.jit import copy_bytes, kernel
from metaclip_spark.extract.byte_search import starts_with
from metaclip_spark.extract.wat.json_strings import decode

JOINED, TO_JOIN, DATA = 0, 1, 2
"""The status of a row's url: it is absolute; it is unchanged and needs `Resolver.absolute`; it is a `data:` url, and
only its start was copied."""
TO_CLEAN, EMPTY = 4, 8
"""The status of a row's text, added to that of its url: `clean_text` may change the text; the text is empty."""

_HTTP = np.frombuffer(b"http://", np.uint8)
_HTTPS = np.frombuffer(b"https://", np.uint8)
_DATA = np.frombuffer(b"data:", np.uint8)
_SHOWN_BYTES = 300  # copied from a data: url, which may have a million
# By byte: whether it may be in the host of a url that `urljoin` keeps unchanged.
_IN_HOST = np.isin(np.arange(256), list(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:@%~-"))


@kernel
def _may_be_space(text: np.ndarray, at: int) -> bool:
    """Return whether the character that starts at `at` may be white space to `str.strip`; `False` is certain.

    The white space of more than one byte is U+0085, U+00A0, U+1680, U+2000 to U+205F and U+3000.
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
    """Return whether `clean_text` may change a nonempty text: it has entities, controls, or white space around it."""
    last = len(text) - 1
    while last > 0 and 128 <= text[last] < 192:
        last -= 1
    if _may_be_space(text, 0) or _may_be_space(text, last):
        return True
    unclean = np.uint8(0)
    for char in text:  # this loop becomes vector instructions
        unclean = max(unclean, np.uint8((char == 38) | (char == 0) | (char == 9) | (char == 10) | (char == 13)))
    return unclean > 0


@kernel
def _strip(texts: np.ndarray, at: int, end: int) -> tuple[int, int]:
    """Strip the spaces around the text at [at, end) in place; this is the only part of `clean_text` done here.

    Returns:
        (end of the text, its status: 0, `EMPTY` or `TO_CLEAN`). With the latter two the text is unchanged.
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
    return (stop if start == at else copy_bytes(texts[start:stop], texts, at)), 0


@kernel
def _write_folder(base: np.ndarray, out: np.ndarray) -> tuple[int, int, int]:
    """Write a base up to the last slash of its path, split as `Resolver` splits it.

    Args:
        base: (n,) uint8.
        out: (n + 1,) uint8.

    Returns:
        (bytes of the scheme `http:`, bytes of scheme and host, bytes written). All are 0 if only `urljoin` can
        determine the host. If only `urljoin` can determine the folder, just scheme and host are written.
    """
    scheme = 6 if starts_with(base, 0, _HTTPS) else 5 if starts_with(base, 0, _HTTP) else 0
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
    for at in range(host, end - 1):
        plain = plain and not (base[at] == 47 and (base[at + 1] == 47 or base[at + 1] == 46))
    written = copy_bytes(base[:end] if plain else base[:host], out, 0)
    if end == host:
        out[written] = 47
        written += 1
    return scheme, host, written


@kernel
def _join(url: np.ndarray, base: np.ndarray, scheme: int, host: int, out: np.ndarray, to: int) -> int:
    """Write the absolute url that `Resolver.absolute` makes of a relative url in one of the usual forms.

    Args:
        url: (n,) uint8, after the part of `out` that is written.
        base: (m,) uint8, as `_write_folder` writes it.
        scheme, host: the base's bytes of the scheme, and of scheme and host, as `_write_folder` returns them.
        out: (.,) uint8.
        to: the position in `out` to write to.

    Returns:
        The position after the url, or -1 if only `Resolver` can join it; then nothing is written.
    """
    size = len(url)
    if host == 0:
        return -1
    path = size
    unusual = np.uint8(0)
    for char in url:  # a byte is not printable, or starts a fragment
        unusual = max(unusual, np.uint8((char < 32) | (char > 126) | (char == 35)))
    if unusual:
        return -1
    for at in range(size):
        if url[at] == 63:
            path = at
            break
        if url[at] == 59 or (url[at] == 58 and url[0] != 47):
            return -1
    if path == 0 or path == size - 1:  # the url is only a query, or ends in an empty query
        return -1
    start, end = 0, len(base) - host  # the folder ends at base[host + end]
    if url[0] == 47:
        if path > 1 and url[1] == 47:
            stop = 2
            while stop < path and url[stop] != 47:
                if not _IN_HOST[url[stop]]:
                    return -1
                stop += 1
            return -1 if stop == 2 else copy_bytes(url, out, copy_bytes(base[:scheme], out, to))
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
    for at in range(start, path - 1):
        if url[at] == 47 and (url[at + 1] == 47 or url[at + 1] == 46):
            return -1
    return copy_bytes(url[start:], out, copy_bytes(base[: host + end], out, to))


@kernel
def _write_url(url: np.ndarray, base: np.ndarray, scheme: int, host: int, out: np.ndarray, to: int) -> tuple[int, int]:
    """Write a link's url, arguments as for `_join`; return the position after it, and the url's status."""
    size = len(url)
    if size == 0 or url[0] < 33 or url[0] > 126 or url[-1] < 33 or url[-1] > 126:
        return copy_bytes(url, out, to), TO_JOIN
    https = starts_with(url, 0, _HTTPS)
    if https or starts_with(url, 0, _HTTP):
        lines = np.uint8(0)
        for char in url:
            lines = max(lines, np.uint8(char == 10))
        plain = size > (8 if https else 7) and not lines
        return copy_bytes(url, out, to), JOINED if plain else TO_JOIN
    if size >= 5 and url[4] == 58:
        is_data = True
        for at in range(5):
            is_data = is_data and (url[at] | 32 if at < 4 else url[at]) == _DATA[at]
        if is_data:
            shown = 0
            while shown < min(size, _SHOWN_BYTES) and url[shown] < 128:
                shown += 1
            return copy_bytes(url[:shown], out, to), DATA
    end = _join(url, base, scheme, host, out, to)
    if end >= 0:
        return end, JOINED
    return copy_bytes(url, out, to), TO_JOIN


@kernel
def add_rows(
    raw: np.ndarray,
    spans: np.ndarray,
    links: int,
    page: int,
    wanted: int,
    base: np.ndarray,
    rows: int,
    urls: np.ndarray,
    texts: np.ndarray,
    ends: np.ndarray,
    about: np.ndarray,
) -> tuple[int, int, int]:
    """Write one row per text of the links, in the links' order, an alt before its title.

    The buffers need room for three rows per link. `texts` needs as many bytes as the links' texts have in JSON.
    `urls` needs, per row, the bytes of its url in JSON, three times those of the base, and four.

    Args:
        raw: (n,) uint8, the bytes that the spans refer to.
        spans: (m, SPANS) int64, as `cut_links` writes them.
        links: the number of links.
        page: the number of their page.
        wanted: one bit per field: the lowest for alt, then title and og:title.
        base: (.,) uint8, the base of relative urls.
        rows: the number of rows that were written before.
        urls, texts: (.,) uint8, the bytes of all rows' urls and texts, one after the other.
        ends: (2, .) int32; [0, i + 1] is the end of row i's url, [1, i + 1] of its text; the first column is 0.
        about: (3, .) int32; [0, i] is the index of row i's field in FIELDS, [1, i] its page, [2, i] the statuses of
            its url and text, added.

    Returns:
        (number of rows, bytes of their urls, bytes of their texts).
    """
    gap = 2 * len(base) + 2
    folder = np.empty(len(base) + 1, np.uint8)
    scheme, host, end = _write_folder(base, folder)
    folder = folder[:end]
    for link in range(links):
        span = spans[link]
        first = -1
        for field in range(3):
            start, stop = span[2 * field + 2], span[2 * field + 3]
            if start < 0 or not wanted >> field & 1:
                continue
            url_at, text_at = ends[0, rows], ends[1, rows]
            text_end, text_status = _strip(texts, text_at, decode(raw, start, stop, texts, text_at))
            empty = text_status == EMPTY
            url_status, url_end = JOINED, url_at
            if not empty and first < 0:
                url = urls[url_at + gap : url_at + gap]
                if span[0] >= 0:
                    url = urls[url_at + gap : decode(raw, span[0], span[1], urls, url_at + gap)]
                url_end, url_status = _write_url(url, folder, scheme, host, urls, url_at)
                first = rows
            elif not empty:
                url_end = copy_bytes(urls[ends[0, first] : ends[0, first + 1]], urls, url_at)
                url_status = about[2, first] & 3
            ends[0, rows + 1], ends[1, rows + 1] = url_end, text_end
            about[0, rows] = field
            about[1, rows] = page
            about[2, rows] = url_status + text_status
            rows += 1
    return rows, ends[0, rows], ends[1, rows]
