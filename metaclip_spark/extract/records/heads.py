"""Read the header of a WARC record that is alone in its gzip member, without a Python object for each line."""

from __future__ import annotations

import numpy as np

from metaclip_spark.core.jit import kernel
from metaclip_spark.extract.byte_search import lower, starts_with

_VERSION = np.frombuffer(b"WARC/", np.uint8)
_LENGTH = np.frombuffer(b"content-length:", np.uint8)
_TYPE = np.frombuffer(b"content-type:", np.uint8)
_WARC_TYPE = np.frombuffer(b"warc-type:", np.uint8)
_JSON = np.frombuffer(b"application/json", np.uint8)
_RESPONSE = np.frombuffer(b"response", np.uint8)
_MAX_HEAD_BYTES = 1 << 16
_MAX_DIGITS = 8


@kernel
def _is_field(raw: np.ndarray, at: int, name: np.ndarray) -> bool:
    """Return whether the line at `at` has this field name, then exactly one space, then a value."""
    if at + len(name) + 2 > len(raw) or raw[at + len(name)] != 32 or raw[at + len(name) + 1] <= 32:
        return False
    for offset in range(len(name)):  # noqa: SIM110 - this is compiled
        if lower(raw[at + offset]) != name[offset]:
            return False
    return True


@kernel
def only_record(raw: np.ndarray) -> tuple[int, int, bool]:
    """Read the header of the record that `raw` consists of.

    Args:
        raw: (n,) uint8.

    Returns:
        (end of the header, end of the content block, whether the record is known to be no response and to hold JSON).
        The block starts four bytes after the end of the header. The first is -1 unless `raw` is exactly one record
        with a short header in the usual form and two line ends after its block.
    """
    size, at, length, warc_types, content_types = len(raw), 0, -1, 0, 0
    response = json = False
    if not starts_with(raw, 0, _VERSION):
        return -1, 0, False
    while True:
        while at < size and raw[at] != 10:
            at += 1
        at += 1
        if at + 1 >= size or at > _MAX_HEAD_BYTES or raw[at - 2] != 13:
            return -1, 0, False
        if raw[at] == 13:
            break
        first = lower(raw[at])
        if first == 99 and _is_field(raw, at, _LENGTH):
            if length >= 0:
                return -1, 0, False
            start = at + len(_LENGTH) + 1
            length = 0
            at = start
            while at < size and 48 <= raw[at] <= 57:
                length = 10 * length + raw[at] - 48
                at += 1
            if at - start > _MAX_DIGITS or at >= size or raw[at] != 13:
                return -1, 0, False
        elif first == 99 and _is_field(raw, at, _TYPE):
            content_types += 1
            json = starts_with(raw, at + len(_TYPE) + 1, _JSON)
        elif first == 119 and _is_field(raw, at, _WARC_TYPE):
            warc_types += 1
            response = starts_with(raw, at + len(_WARC_TYPE) + 1, _RESPONSE)
    start = at + 2
    stop = start + length
    if length < 0 or raw[at + 1] != 10 or stop != size - 4:
        return -1, 0, False
    if raw[stop] != 13 or raw[stop + 1] != 10 or raw[stop + 2] != 13 or raw[stop + 3] != 10:
        return -1, 0, False
    return at - 2, stop, json and content_types == 1 and warc_types == 1 and not response
