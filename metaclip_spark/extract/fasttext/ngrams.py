"""Find the n-grams of the characters of words: hash all n-grams of a line side by side, and look up their rows.

A *character* is what fastText takes for one: a byte, and the continuation bytes of UTF-8 after it. A word is padded:
`<word>`. fastText hashes with FNV-1a, and extends bytes from 128 on by their sign.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from metaclip_spark.core.jit import count_ones, load_word, part
from metaclip_spark.extract.fasttext.vectors import LANES, hash_step, store_word, widen, write_buckets

_BASIS, _PRIME = np.uint32(2166136261), np.uint32(16777619)
_LOWER_AND_UPPER = np.uint64(32)
_ONE, _FIVE, _LOW_FIVE = np.uint64(1), np.uint64(5), np.uint64(31)
PARTS = 4
"""Bytes of the longest character."""

Bytes = npt.NDArray[np.uint8]


class Lengths(NamedTuple):
    """Which n-grams a model has, and their buckets.

    Attributes:
        min_n, max_n: numbers of characters, from 1 on; `max_n` 0: none.
        bucket: number of hash values, less than 2**31.
        magic, shift: a hash times `magic`, shifted to the right, is its quotient by `bucket`, or one more.
    """

    min_n: int
    max_n: int
    bucket: int
    magic: int
    shift: int


class Chars(NamedTuple):
    """Room for the padded words of a line, one after the other; every thread needs its own.

    Attributes:
        parts: uint32, (PARTS * capacity,): the first byte of each character, then the second of each, and so on.
        factors: uint32, (PARTS * capacity,): FNV's prime where there is such a byte, else 1; 1 changes no hash.
        left: uint8, (capacity,): the number of characters from each to the end of its word.
        ramp: uint8, 255, 254, ..., 0, and eight more.
        hashes: uint32, (capacity,): of the n-grams that begin at each character.
        buckets: uint32, (lengths of n-grams * capacity,): their buckets, all of one length after the other.
        rows: uint32: the rows of the n-grams that have one, in the order of the characters at which they begin.
        upto: int64, (capacity,): the number of rows up to each character.
    """

    parts: npt.NDArray[np.uint32]
    factors: npt.NDArray[np.uint32]
    left: Bytes
    ramp: Bytes
    hashes: npt.NDArray[np.uint32]
    buckets: npt.NDArray[np.uint32]
    rows: npt.NDArray[np.uint32]
    upto: npt.NDArray[np.int64]


def new_chars(max_chars: int, min_n: int, max_n: int) -> Chars:
    """Return room for the words of a line.

    Args:
        max_chars: number of characters of the line, at most 250. Each word has two more.
        min_n, max_n: lengths of n-grams.
    """
    capacity = -(-(3 * max_chars + 4 + max_n + 2 * LANES) // LANES) * LANES
    lengths = max(max_n - max(min_n, 1) + 1, 1)
    factors = np.ones(PARTS * capacity, np.uint32)
    factors[:capacity] = _PRIME
    return Chars(
        parts=np.zeros(PARTS * capacity, np.uint32),
        factors=factors,
        left=np.zeros(capacity, np.uint8),
        ramp=np.concatenate([np.arange(255, -1, -1), np.zeros(8, np.int64)]).astype(np.uint8),
        hashes=np.zeros(capacity, np.uint32),
        buckets=np.zeros(lengths * capacity, np.uint32),
        rows=np.zeros(lengths * capacity + 1, np.uint32),
        upto=np.zeros(capacity, np.int64),
    )


@part
def pad(line: Bytes, start: int, stop: int, is_ascii: bool, first: int, chars: Any) -> Any:
    """Write `<`, the word `line[start:stop]` and `>` from character `first` on.

    Returns:
        The character after the word, and the number of bytes of the longest.
    """
    parts, factors, left, ramp = chars.parts, chars.factors, chars.left, chars.ramp
    capacity = len(left)
    at, longest = first, 1
    parts[at] = 60
    if is_ascii:
        for step in range(0, stop - start, LANES):
            widen(line, start + step, parts, first + 1 + step)
        at += stop - start
    else:
        used = PARTS
        for place in range(start, stop):
            char = line[place]
            if char & 0xC0 == 0x80 and used < PARTS:
                parts[used * capacity + at] = np.uint32(np.int8(char))
                factors[used * capacity + at] = _PRIME
                used += 1
                longest = max(longest, used)
            else:
                at += 1
                parts[at] = np.uint32(np.int8(char))
                used = 1
    at += 1
    parts[at] = 62
    at += 1
    size = at - first
    for step in range(0, size, 8):
        store_word(left, first + step, load_word(ramp, 255 - size + step))
    return at, longest


@part
def find_rows(number: int, longest: int, lengths: Any, ranks: npt.NDArray[np.uint64], chars: Any) -> None:
    """Write the rows of the n-grams of the padded words to `chars.rows` and `chars.upto`.

    Args:
        number: of characters.
        longest: bytes of the longest character.
        lengths: see `Lengths`.
        ranks: of a pruned model, of each 32 buckets: a bit for each that has a row, and above them the number of rows
            of all buckets before; empty if each bucket has a row.
    """
    parts, factors, left, hashes, buckets = chars.parts, chars.factors, chars.left, chars.hashes, chars.buckets
    capacity = len(left)
    min_n, max_n, bucket = lengths.min_n, lengths.max_n, lengths.bucket
    for at in range(number):
        hashes[at] = _BASIS
    for size in range(1, max_n + 1):
        for at in range(0, number, LANES):
            for byte in range(longest):
                hash_step(hashes, at, parts, factors, byte * capacity + at + size - 1)
        if size < min_n:
            continue
        out = (size - min_n) * capacity
        for at in range(0, number, LANES):
            write_buckets(hashes, at, left, size, bucket, lengths.magic, lengths.shift, buckets, out + at)
        if size == 1:  # `<` and `>` alone are no n-grams
            for at in range(number):
                if left[at] == 1 or at == 0 or left[at - 1] == 1:
                    buckets[out + at] = bucket
    if longest > 1:
        for byte in range(1, longest):
            for at in range(number):
                parts[byte * capacity + at] = 0
                factors[byte * capacity + at] = 1
    _look_up(number, max_n - min_n + 1, bucket, ranks, chars)


@part
def _look_up(number: int, lengths: int, bucket: int, ranks: npt.NDArray[np.uint64], chars: Any) -> None:
    buckets, rows, upto = chars.buckets, chars.rows, chars.upto
    capacity, made = len(upto), 0
    if len(ranks) == 0:
        for at in range(number):
            for length in range(lengths):
                place = buckets[length * capacity + at]
                rows[made] = place
                made += place != bucket
            upto[at] = made
        return
    for at in range(number):
        for length in range(lengths):
            place = np.uint64(buckets[length * capacity + at])
            found, bit = ranks[place >> _FIVE], place & _LOW_FIVE
            rows[made] = rank_of(found, bit)
            made += np.int64(found >> bit & _ONE)  # without branches: no processor can tell which have one
        upto[at] = made


@part
def rank_of(found: np.uint64, bit: np.uint64) -> np.uint64:
    """Return the row of a bucket that has one: how many buckets before it have one."""
    return np.uint64((found >> _LOWER_AND_UPPER) + np.uint64(count_ones(found & ((_ONE << bit) - _ONE))))
