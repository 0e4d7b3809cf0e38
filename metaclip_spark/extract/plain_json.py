"""Whether bytes are JSON, for the short records that describe no page: two of three in a WAT.

Only what is ASCII, not deeply nested and without long numbers is ever said to be; `json` takes all of that. The rest is
for a parser to tell.
"""

from __future__ import annotations

import numpy as np

from metaclip_spark.extract.record_heads import starts
from metaclip_spark.kernels import kernel

_LEVELS = 60
_DIGITS = 300
_TRUE, _FALSE, _NULL = (np.frombuffer(word, np.uint8) for word in (b"true", b"false", b"null"))
# By byte, what may follow a backslash, but for the u.
_ESCAPED = np.isin(np.arange(256), list(b'"\\/bfnrt'))
_HEX = np.isin(np.arange(256), list(b"0123456789abcdefABCDEF"))


@kernel
def _blank(raw: np.ndarray, at: int, stop: int) -> int:
    """Return the place of the next byte that is no white space."""
    while at < stop and (raw[at] == 32 or raw[at] == 9 or raw[at] == 10 or raw[at] == 13):
        at += 1
    return at


@kernel
def _string(raw: np.ndarray, at: int, stop: int) -> int:
    """Return the place behind the string that begins at `at` with its quote; -1 where none does."""
    if at >= stop or raw[at] != 34:
        return -1
    at += 1
    while at < stop:
        char = raw[at]
        if char == 34:
            return at + 1
        if char < 32 or char > 126:
            return -1
        at += 1
        if char == 92:
            if at >= stop:
                return -1
            if raw[at] == 117:
                if at + 4 >= stop:
                    return -1
                for place in range(at + 1, at + 5):
                    if not _HEX[raw[place]]:
                        return -1
                at += 5
            elif _ESCAPED[raw[at]]:
                at += 1
            else:
                return -1
    return -1


@kernel
def _digits(raw: np.ndarray, at: int, stop: int) -> int:
    while at < stop and 48 <= raw[at] <= 57:
        at += 1
    return at


@kernel
def _number(raw: np.ndarray, at: int, stop: int) -> int:
    """Return the place behind the number that begins at `at`; -1 where none does."""
    start = at
    if raw[at] == 45:
        at += 1
    end = _digits(raw, at, stop)
    if end == at or (raw[at] == 48 and end > at + 1):
        return -1
    at = end
    if at < stop and raw[at] == 46:
        end = _digits(raw, at + 1, stop)
        if end == at + 1:
            return -1
        at = end
    if at < stop and raw[at] | 32 == 101:
        at += 1
        if at < stop and (raw[at] == 43 or raw[at] == 45):
            at += 1
        end = _digits(raw, at, stop)
        if end == at:
            return -1
        at = end
    return at if at - start <= _DIGITS else -1


@kernel
def _scalar(raw: np.ndarray, at: int, stop: int) -> int:
    """Return the place behind the string, number or word that begins at `at`; -1 where none does."""
    char = raw[at]
    if char == 34:
        return _string(raw, at, stop)
    if char == 45 or 48 <= char <= 57:
        return _number(raw, at, stop)
    if char == 116:
        return at + 4 if starts(raw[:stop], at, _TRUE) else -1
    if char == 102:
        return at + 5 if starts(raw[:stop], at, _FALSE) else -1
    return at + 4 if starts(raw[:stop], at, _NULL) else -1


@kernel
def _name(raw: np.ndarray, at: int, stop: int) -> int:
    """Return the place behind the name and the colon that stand at `at`; -1 where none do."""
    at = _string(raw, _blank(raw, at, stop), stop)
    if at < 0:
        return -1
    at = _blank(raw, at, stop)
    return at + 1 if at < stop and raw[at] == 58 else -1


@kernel
def is_plain_json(raw: np.ndarray, at: int, stop: int) -> bool:
    """Return True only if `raw[at:stop]` is JSON, and for nearly all JSON in ASCII.

    Args:
        raw: (n,) uint8.
        at, stop: the part that is looked at.
    """
    depth, objects = 0, np.int64(0)  # of each level, a bit that says whether it is an object
    while True:
        at = _blank(raw, at, stop)
        if at >= stop or depth > _LEVELS:
            return False
        opened = raw[at]
        if opened == 123 or opened == 91:
            depth += 1
            objects = objects << 1 | (1 if opened == 123 else 0)
            inner = _blank(raw, at + 1, stop)
            if inner < stop and raw[inner] == opened + 2:
                at = inner
            elif opened == 123:
                at = _name(raw, inner, stop)
                if at < 0:
                    return False
                continue
            else:
                at = inner
                continue
        else:
            at = _scalar(raw, at, stop)
            if at < 0:
                return False
        while True:
            at = _blank(raw, at, stop)
            if depth == 0:
                return at == stop
            if at >= stop:
                return False
            if raw[at] == (125 if objects & 1 else 93):
                depth -= 1
                objects >>= 1
                at += 1
                continue
            if raw[at] != 44:
                return False
            at += 1
            if objects & 1:
                at = _name(raw, at, stop)
                if at < 0:
                    return False
            break
