"""Where the host stands in a url: compiled loops over Arrow's bytes."""

from __future__ import annotations

import numpy as np

from metaclip_spark.core.jit import copied, kernel

_SLASH, _QUESTION, _HASH, _BACKSLASH, _AT, _COLON, _OPEN, _CLOSE = b"/?#\\@:[]"


@kernel
def host_spans(data: np.ndarray, offsets: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> None:
    """Find each url's host: behind "//" and the last "@", up to the port or the path; one in brackets with them.

    Browsers take a backslash for a slash, so that one ends the host, too.

    Args:
        data: uint8, the bytes of all urls.
        offsets: int32, (n + 1,); the bytes of url i are `data[offsets[i]:offsets[i + 1]]`.
        starts, ends: int64, (n,), written: the host's bytes; equal where a url has none.
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
def gather(data: np.ndarray, starts: np.ndarray, ends: np.ndarray, out: np.ndarray) -> None:
    """Copy the bytes between starts and ends, one after the other, into `out` (uint8, as long as they are)."""
    place = 0
    for i in range(len(starts)):
        place = copied(data[starts[i] : ends[i]], out, place)
