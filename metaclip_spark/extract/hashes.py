"""BLAKE2b and SHA-224 of many short strings at once.

The standard library's hashes take their time per call, not per byte: for a url it is several times what the hashing
itself takes. These take Arrow's buffers and give hexadecimal digits; they equal `hashlib`'s bit for bit.

Sources: RFC 7693 (BLAKE2b), FIPS 180-4 (SHA-224).
"""

from __future__ import annotations

import numpy as np

from metaclip_spark.kernels import kernel

_DIGITS = np.frombuffer(b"0123456789abcdef", np.uint8)


def _fractions(roots: int, count: int, bits: int) -> list[int]:
    """Return the first `bits` bits of the fractions of the roots (square or cube) of the first `count` primes."""
    primes = [n for n in range(2, 500) if all(n % d for d in range(2, n))][:count]
    found = []
    for prime in primes:
        low, high = 0, prime << bits
        while high - low > 1:  # the largest whole number whose power is at most prime * 2 ** (roots * bits)
            middle = (low + high) // 2
            low, high = (middle, high) if middle**roots <= prime << roots * bits else (low, middle)
        found.append(low % (1 << bits))
    return found


_BLAKE_IV = np.array(_fractions(2, 8, 64), np.uint64)
_BLAKE_ORDER = np.array(
    [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
        [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
        [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
        [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
        [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
        [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
        [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
        [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
        [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
        [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
    ]
)
_BLAKE_ORDER = np.concatenate([_BLAKE_ORDER, _BLAKE_ORDER[:2]])
_BLAKE_START = tuple(_BLAKE_IV)
_BLAKE_BLOCK = 128

# SHA-224 starts from the second 32 bits of the fractions of the square roots of the 9th to 16th primes.
_SHA_START = np.array([value & 0xFFFFFFFF for value in _fractions(2, 16, 64)[8:]], np.uint32)
_SHA_ADDED = np.array(_fractions(3, 64, 32), np.uint32)
_SHA_BLOCK = 64


@kernel
def _mixed(a: int, b: int, c: int, d: int, x: int, y: int) -> tuple[int, int, int, int]:
    a = a + b + x
    d ^= a
    d = d >> np.uint64(32) | d << np.uint64(32)
    c += d
    b ^= c
    b = b >> np.uint64(24) | b << np.uint64(40)
    a = a + b + y
    d ^= a
    d = d >> np.uint64(16) | d << np.uint64(48)
    c += d
    b ^= c
    return a, b >> np.uint64(63) | b << np.uint64(1), c, d


@kernel
def _blake_block(state: np.ndarray, message: np.ndarray, done: int, last: bool) -> None:
    v0, v1, v2, v3, v4, v5, v6, v7 = (
        state[0], state[1], state[2], state[3], state[4], state[5], state[6], state[7]
    )
    v8, v9, v10, v11, v12, v13, v14, v15 = _BLAKE_START
    v12 ^= np.uint64(done)
    if last:
        v14 = ~v14
    for turn in range(len(_BLAKE_ORDER)):
        order = _BLAKE_ORDER[turn]
        v0, v4, v8, v12 = _mixed(v0, v4, v8, v12, message[order[0]], message[order[1]])
        v1, v5, v9, v13 = _mixed(v1, v5, v9, v13, message[order[2]], message[order[3]])
        v2, v6, v10, v14 = _mixed(v2, v6, v10, v14, message[order[4]], message[order[5]])
        v3, v7, v11, v15 = _mixed(v3, v7, v11, v15, message[order[6]], message[order[7]])
        v0, v5, v10, v15 = _mixed(v0, v5, v10, v15, message[order[8]], message[order[9]])
        v1, v6, v11, v12 = _mixed(v1, v6, v11, v12, message[order[10]], message[order[11]])
        v2, v7, v8, v13 = _mixed(v2, v7, v8, v13, message[order[12]], message[order[13]])
        v3, v4, v9, v14 = _mixed(v3, v4, v9, v14, message[order[14]], message[order[15]])
    for index, value in enumerate((v0 ^ v8, v1 ^ v9, v2 ^ v10, v3 ^ v11, v4 ^ v12, v5 ^ v13, v6 ^ v14, v7 ^ v15)):
        state[index] ^= value


@kernel
def _written(value: int, size: int, out: np.ndarray, at: int) -> int:
    """Write the hexadecimal digits of the `size` bytes of a number, the highest first; returns the place behind."""
    for place in range(2 * size):
        out[at + place] = _DIGITS[value >> np.uint64(4 * (2 * size - 1 - place)) & np.uint64(15)]
    return at + 2 * size


@kernel
def blake2b_of_pairs(firsts, first_ends, seconds, second_ends, out):
    """Write the hexadecimal digits of BLAKE2b with 16 bytes over: length of the first (8 bytes, little-endian), both.

    Args:
        firsts, seconds: (.,) uint8, the bytes of the strings.
        first_ends, second_ends: (n + 1,) int32, where they end; the first value is where the first one starts.
        out: (32 n,) uint8, written.
    """
    state, block = np.empty(8, np.uint64), np.empty(_BLAKE_BLOCK, np.uint8)
    message = block.view(np.uint64)
    for row in range(len(first_ends) - 1):
        start, middle = first_ends[row], first_ends[row + 1] - first_ends[row]
        second, size = second_ends[row], second_ends[row + 1] - second_ends[row]
        state[:] = _BLAKE_IV
        state[0] ^= np.uint64(0x01010000 ^ 16)
        message[0] = np.uint64(middle)
        filled, done, at, total = 8, 0, 0, middle + size
        while True:
            while filled < _BLAKE_BLOCK and at < total:
                take = min(_BLAKE_BLOCK - filled, (middle if at < middle else total) - at)
                if at < middle:
                    block[filled : filled + take] = firsts[start + at : start + at + take]
                else:
                    from_ = second + at - middle
                    block[filled : filled + take] = seconds[from_ : from_ + take]
                filled += take
                at += take
            done += filled
            block[filled:] = 0
            last = at == total
            _blake_block(state, message, done, last)
            if last:
                break
            filled = 0
        to = 32 * row
        for word in state[:2]:
            for byte in range(8):
                to = _written(word >> np.uint64(8 * byte) & np.uint64(255), 1, out, to)


@kernel
def _turned(value: np.uint32, bits: int) -> np.uint32:
    return np.uint32(value >> np.uint32(bits) | value << np.uint32(32 - bits))


@kernel
def _turn(a, b, c, d, e, f, g, h, added):
    """Return what becomes of d and h; the other six only change their names."""
    first = np.uint32(h + (_turned(e, 6) ^ _turned(e, 11) ^ _turned(e, 25)) + (e & f ^ ~e & g) + added)
    second = (_turned(a, 2) ^ _turned(a, 13) ^ _turned(a, 22)) + (a & b ^ a & c ^ b & c)
    return np.uint32(d + first), np.uint32(first + second)


@kernel
def _sha_block(state: np.ndarray, w: np.ndarray, block: np.ndarray) -> None:
    for word in range(16):
        at = 4 * word
        w[word] = (
            np.uint32(block[at]) << np.uint32(24) | np.uint32(block[at + 1]) << np.uint32(16)
            | np.uint32(block[at + 2]) << np.uint32(8) | np.uint32(block[at + 3])
        )  # fmt: skip
    for word in range(16, 64):
        low, high = w[word - 15], w[word - 2]
        first = _turned(low, 7) ^ _turned(low, 18) ^ low >> np.uint32(3)
        second = _turned(high, 17) ^ _turned(high, 19) ^ high >> np.uint32(10)
        w[word] = np.uint32(w[word - 16] + first + w[word - 7] + second)
    a, b, c, d, e, f, g, h = state[0], state[1], state[2], state[3], state[4], state[5], state[6], state[7]
    for turn in range(0, 64, 8):
        d, h = _turn(a, b, c, d, e, f, g, h, w[turn] + _SHA_ADDED[turn])
        c, g = _turn(h, a, b, c, d, e, f, g, w[turn + 1] + _SHA_ADDED[turn + 1])
        b, f = _turn(g, h, a, b, c, d, e, f, w[turn + 2] + _SHA_ADDED[turn + 2])
        a, e = _turn(f, g, h, a, b, c, d, e, w[turn + 3] + _SHA_ADDED[turn + 3])
        h, d = _turn(e, f, g, h, a, b, c, d, w[turn + 4] + _SHA_ADDED[turn + 4])
        g, c = _turn(d, e, f, g, h, a, b, c, w[turn + 5] + _SHA_ADDED[turn + 5])
        f, b = _turn(c, d, e, f, g, h, a, b, w[turn + 6] + _SHA_ADDED[turn + 6])
        e, a = _turn(b, c, d, e, f, g, h, a, w[turn + 7] + _SHA_ADDED[turn + 7])
    for index, value in enumerate((a, b, c, d, e, f, g, h)):
        state[index] += value


@kernel
def sha224_of_urls(urls, ends, out):
    """Write the first 24 hexadecimal digits of SHA-224 over each string without its tabs and spaces.

    Args:
        urls: (.,) uint8, the bytes of the strings.
        ends: (n + 1,) int32, where they end; the first value is where the first one starts.
        out: (24 n,) uint8, written.
    """
    state, w, block = np.empty(8, np.uint32), np.empty(64, np.uint32), np.empty(_SHA_BLOCK, np.uint8)
    for row in range(len(ends) - 1):
        state[:] = _SHA_START
        filled, size = 0, 0
        for at in range(ends[row], ends[row + 1]):
            char = urls[at]
            if char == 32 or char == 9:
                continue
            block[filled] = char
            filled += 1
            if filled == _SHA_BLOCK:
                _sha_block(state, w, block)
                size += _SHA_BLOCK
                filled = 0
        size += filled
        block[filled] = 128
        block[filled + 1 :] = 0
        if filled >= _SHA_BLOCK - 8:
            _sha_block(state, w, block)
            block[:] = 0
        for byte in range(8):
            block[_SHA_BLOCK - 1 - byte] = 8 * size >> 8 * byte & 255
        _sha_block(state, w, block)
        to = 24 * row
        for word in state[:3]:
            to = _written(np.uint64(word), 4, out, to)
