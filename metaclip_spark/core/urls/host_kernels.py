"""Find the host in a url: compiled loops over Arrow's bytes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metaclip_spark.core.jit import copy_bytes, kernel

_SLASH, _QUESTION, _HASH, _BACKSLASH, _AT, _COLON, _OPEN, _CLOSE = b"/?#\\@:[]"
_LETTER, _DIGIT, _DOT = 1, 2, 3
# By byte: its class in a usual host; 0 if a usual host cannot have it.
_CLASS = np.zeros(256, np.uint8)
_CLASS[list(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-")] = _LETTER
_CLASS[list(b"0123456789")] = _DIGIT
_CLASS[ord(".")] = _DOT
_MAX_PORT_DIGITS = 4
_HTTP = np.frombuffer(b"http", np.uint8)


@kernel
def host_spans(
    data: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int32],
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
) -> None:
    """Find the host of each url: after "//" and the last "@", up to the port or the path; with its brackets, if any.

    A backslash ends the host, too: browsers read it as a slash.

    Args:
        data: uint8, the bytes of all urls.
        offsets: int32, (n + 1,); the bytes of url i are `data[offsets[i]:offsets[i + 1]]`.
        starts, ends: int64, (n,), written: the bounds of the host's bytes; equal where a url has no host.
    """
    for i in range(len(starts)):
        at, end = offsets[i], offsets[i + 1]
        starts[i] = ends[i] = at
        while at < end and not _ends_host(data[at]):
            at += 1
        if at + 1 >= end or data[at] != _SLASH or data[at + 1] != _SLASH:
            continue
        start = stop = at + 2
        while stop < end and not _ends_host(data[stop]):
            if data[stop] == _AT:
                start = stop + 1
            stop += 1
        last = start
        if start < stop and data[start] == _OPEN:
            while last < stop and data[last] != _CLOSE:
                last += 1
            last = last + 1 if last < stop else start
        if last == start:
            while last < stop and data[last] != _COLON:
                last += 1
        starts[i], ends[i] = start, last


@kernel
def _ends_host(byte: int) -> bool:
    return byte in (_SLASH, _QUESTION, _HASH, _BACKSLASH)


@kernel
def gather(
    data: npt.NDArray[np.uint8],
    starts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    out: npt.NDArray[np.uint8],
) -> None:
    """Copy the bytes between starts and ends, one after the other, into `out`: uint8, of their total length."""
    to = 0
    for i in range(len(starts)):
        to = copy_bytes(data[starts[i] : ends[i]], out, to)


@kernel
def end_of_usual_host(url: npt.NDArray[np.uint8], at: int) -> int:
    """Return the position after the host at `at` and its port, or -1 if only a parser can tell whether it is a host.

    A usual host consists of labels of ASCII letters, digits, "_" and "-", and its last label does not begin with a
    digit, as that of an IPv4 address does. Its port has at most four digits. No browser refuses such a host.
    """
    size, first, start = len(url), 0, at
    while at < size and _CLASS[url[at]]:
        if _CLASS[url[at]] == _DOT:
            if first == 0:
                return -1
            first = 0
        elif first == 0:
            first = _CLASS[url[at]]
        at += 1
    if at == start or first != _LETTER:
        return -1
    if at < size and url[at] == _COLON:
        port = at + 1
        at = port
        while at < size and _CLASS[url[at]] == _DIGIT:
            at += 1
        if at == port or at > port + _MAX_PORT_DIGITS:
            return -1
    return at if at == size or _ends_host(url[at]) else -1


@kernel
def unusual_hosts(data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int32], unusual: npt.NDArray[np.bool_]) -> None:
    """Find the http(s) urls whose host is not a usual one.

    Args:
        data, offsets: as for `host_spans`.
        unusual: bool, (n,), written; False for a url with another scheme or none.
    """
    for i in range(len(unusual)):
        url = data[offsets[i] : offsets[i + 1]]
        unusual[i] = False
        at = 0
        while at < len(url) and url[at] <= 32:
            at += 1
        if at + 5 > len(url):
            continue
        same = True
        for offset in range(4):
            same = same and url[at + offset] | 32 == _HTTP[offset]
        at += 4
        at += url[at] | 32 == 115  # "s"
        if not same or at >= len(url) or url[at] != _COLON:
            continue
        slashes = at + 2 < len(url) and url[at + 1] == _SLASH and url[at + 2] == _SLASH
        unusual[i] = not slashes or end_of_usual_host(url, at + 3) < 0
