"""Make the urls of image links absolute by compiled loops, if they have one of the usual forms."""

from __future__ import annotations

import numpy as np

from metaclip_spark.core.jit import copy_bytes, kernel
from metaclip_spark.core.urls.host_kernels import end_of_usual_host
from metaclip_spark.extract.byte_masks import BLOCK, ampersands, copy_block, unclean
from metaclip_spark.extract.byte_search import starts_with
from metaclip_spark.extract.wat.json_strings import MAX_STRING_BYTES, decode, start_of
from metaclip_spark.extract.wat.references import decode_in_place

JOINED, TO_JOIN, TO_DECODE, DATA, LONG_URL = 0, 1, 2, 3, 4
"""The status of a row's url: it is absolute; it needs `Resolver.absolute`; it needs `decode_references` first; it is a
`data:` url, or a url of more than `MAX_STRING_BYTES`. Only the start of the latter two was copied."""
OF_URL = 7
"""The bits of a row's status that are those of its url."""

_MAX_SHORT = 8 * BLOCK
_HTTP = np.frombuffer(b"http://", np.uint8)
_HTTPS = np.frombuffer(b"https://", np.uint8)
_DATA = np.frombuffer(b"data", np.uint8)


@kernel
def _is_data(raw: np.ndarray, at: int, stop: int) -> bool:
    """Return whether the url at [at, stop), in JSON or not, is a `data:` url."""
    while at < stop and raw[at] == 32:
        at += 1
    if at + 5 > stop or raw[at + 4] != 58:
        return False
    is_data = True
    for offset in range(4):
        is_data = is_data and raw[at + offset] | 32 == _DATA[offset]
    return is_data


@kernel
def write_folder(base: np.ndarray, out: np.ndarray) -> tuple[int, int, int]:
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
    host = end_of_usual_host(base, scheme + 2)
    if host < 0 or (host < len(base) and base[host] == 92):
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
        base: (m,) uint8, as `write_folder` writes it.
        scheme, host: the base's bytes of the scheme, and of scheme and host, as `write_folder` returns them.
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
            stop = end_of_usual_host(url, 2)
            if stop < 0 or (stop < size and url[stop] == 92):
                return -1
            return copy_bytes(url, out, copy_bytes(base[:scheme], out, to))
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
def _write_url(
    url: np.ndarray, base: np.ndarray, scheme: int, host: int, encoded: bool, out: np.ndarray, to: int
) -> tuple[int, int]:
    """Write a link's url, decoded if it is encoded; return the position after it, and the url's status.

    The other arguments are as for `_join`.
    """
    if encoded:
        decoded = decode_in_place(url)
        if decoded < 0:
            return copy_bytes(url, out, to), TO_DECODE
        url = url[:decoded]
    size = len(url)
    if size == 0 or url[0] < 33 or url[0] > 126 or url[-1] < 33 or url[-1] > 126:
        return copy_bytes(url, out, to), TO_JOIN
    https = starts_with(url, 0, _HTTPS)
    if https or starts_with(url, 0, _HTTP):
        usual = end_of_usual_host(url, 8 if https else 7) >= 0
        return copy_bytes(url, out, to), JOINED if usual else TO_JOIN
    end = _join(url, base, scheme, host, out, to)
    if end >= 0:
        return end, JOINED
    return copy_bytes(url, out, to), TO_JOIN


@kernel
def _copy_absolute(raw: np.ndarray, start: int, stop: int, encoded: bool, urls: np.ndarray, to: int) -> int:
    """Write the url at [start, stop) if it is absolute and clean; return the position after it, or -1."""
    size = stop - start
    if size > _MAX_SHORT or start + _MAX_SHORT > len(raw) or to + _MAX_SHORT > len(urls):
        return -1
    https = starts_with(raw, start, _HTTPS)
    if not https and not starts_with(raw, start, _HTTP):
        return -1
    at = 0
    while at < size:
        found = unclean(raw, start + at)
        if encoded:
            found |= ampersands(raw, start + at)
        if size - at < BLOCK:
            found <<= np.uint64(BLOCK - size + at)
        if found:
            return -1
        copy_block(raw, start + at, urls, to + at)
        at += BLOCK
    if raw[stop - 1] == 32 or end_of_usual_host(urls[to : to + size], 8 if https else 7) < 0:
        return -1
    return to + size


@kernel
def add_url(
    raw: np.ndarray,
    start: int,
    stop: int,
    folder: np.ndarray,
    scheme: int,
    host: int,
    encoded: bool,
    urls: np.ndarray,
    to: int,
    gap: int,
) -> tuple[int, int]:
    """Write the url at [start, stop) of `raw`; return the position after it, and its status.

    Args:
        raw: (n,) uint8, JSON; a negative `start` is a missing url.
        folder, scheme, host: the base, as `write_folder` writes it.
        encoded: as for `add_rows`.
        urls: (.,) uint8, written.
        to: the position in `urls` to write to.
        gap: the distance from there to room for the undecoded url.
    """
    if start < 0:
        return to, TO_JOIN
    end = _copy_absolute(raw, start, stop, encoded, urls, to)
    if end >= 0:
        return end, JOINED
    if _is_data(raw, start, stop):
        return start_of(raw, start, stop, urls, to), DATA
    if stop - start > MAX_STRING_BYTES:
        return start_of(raw, start, stop, urls, to), LONG_URL
    url = urls[to + gap : decode(raw, start, stop, urls, to + gap)]
    return _write_url(url, folder, scheme, host, encoded, urls, to)
