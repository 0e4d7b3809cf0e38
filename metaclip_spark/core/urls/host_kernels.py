"""Find the host in a url: compiled loops over Arrow's bytes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metaclip_spark.core.jit import copy_bytes, kernel

_SLASH, _QUESTION, _HASH, _BACKSLASH, _AT, _COLON, _OPEN, _CLOSE = b"/?#\\@:[]"


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
