"""Hash many strings at once with XXH64. Source: the specification of xxHash, "XXH64 algorithm description".

A call of the library for each pair id takes several times as long as the loop over Arrow's buffers. The result equals
the library's bit for bit.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metaclip_spark.core.jit import borrowed, kernel, load_word, part

_P1, _P2, _P3 = np.uint64(0x9E3779B185EBCA87), np.uint64(0xC2B2AE3D27D4EB4F), np.uint64(0x165667B19E3779F9)
_P4, _P5 = np.uint64(0x85EBCA77C2B2AE63), np.uint64(0x27D4EB2F165667C5)
_STRIPE, _WORD, _HALF = 32, 8, 4


@part
def _rotated(word, bits):
    """Return a word rotated to the left by `bits`."""
    return word << np.uint64(bits) | word >> np.uint64(64 - bits)


@part
def _round(lane, word):
    """Return a lane after the next word."""
    return _rotated(lane + word * _P2, 31) * _P1


@part
def _merged(hashed, lane):
    """Return the hash after a lane is merged into it."""
    return (hashed ^ _round(np.uint64(0), lane)) * _P1 + _P4


@kernel
def xxh64_of(content, ends, seed, out):
    """Write the XXH64 of each string.

    Args:
        content: (bytes,) uint8, the bytes of the strings.
        ends: (n + 1,) int32, the start of the first string, and the end of each.
        seed: uint64.
        out: (n,) uint64, written.
    """
    content = borrowed(content)
    for row in range(len(out)):
        at, end = np.int64(ends[row]), np.int64(ends[row + 1])
        size = np.uint64(end - at)
        if end - at >= _STRIPE:
            a, b, c, d = seed + _P1 + _P2, seed + _P2, seed, seed - _P1
            while at + _STRIPE <= end:
                a = _round(a, load_word(content, at))
                b = _round(b, load_word(content, at + _WORD))
                c = _round(c, load_word(content, at + 2 * _WORD))
                d = _round(d, load_word(content, at + 3 * _WORD))
                at += _STRIPE
            hashed = _rotated(a, 1) + _rotated(b, 7) + _rotated(c, 12) + _rotated(d, 18)
            hashed = _merged(_merged(_merged(_merged(hashed, a), b), c), d)
        else:
            hashed = seed + _P5
        hashed += size
        while at + _WORD <= end:
            hashed = _rotated(hashed ^ _round(np.uint64(0), load_word(content, at)), 27) * _P1 + _P4
            at += _WORD
        if at + _HALF <= end:
            half = np.uint64(0)
            for byte in range(_HALF):
                half |= np.uint64(content[at + byte]) << np.uint64(8 * byte)
            hashed = _rotated(hashed ^ half * _P1, 23) * _P2 + _P3
            at += _HALF
        while at < end:
            hashed = _rotated(hashed ^ np.uint64(content[at]) * _P5, 11) * _P1
            at += 1
        hashed = (hashed ^ hashed >> np.uint64(33)) * _P2
        hashed = (hashed ^ hashed >> np.uint64(29)) * _P3
        out[row] = hashed ^ hashed >> np.uint64(32)


def xxh64(content: npt.NDArray[np.uint8], ends: npt.NDArray[np.int32], seed: int) -> npt.NDArray[np.uint64]:
    """Return the XXH64 of each string, uint64: strings as `buffers_of` returns them."""
    out = np.empty(len(ends) - 1, np.uint64)
    xxh64_of(content, ends, np.uint64(seed), out)
    return out
