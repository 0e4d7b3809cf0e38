"""Divide keys by their leading bits. Keys are uniform hashes, so every part has about as many keys as any other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

LEADING_DIGITS = 8
"""Number of hexadecimal digits of a key that divide keys: the leading 32 bits."""
_BITS = 4 * LEADING_DIGITS
_SEED = np.uint32(42)


@dataclass(frozen=True)
class KeyPrefix:
    """The keys whose leading bits are one number: one of `of` equal parts of all keys.

    Args:
        number: number of the part, in the order of the keys, from 0.
        of: number of parts, a power of two.
    """

    number: int = 0
    of: int = 1

    @property
    def bits(self) -> int:
        """Number of leading bits that the keys share."""
        return self.of.bit_length() - 1

    @property
    def rest(self) -> int:
        """Number of the leading 32 bits that the keys do not share."""
        return _BITS - self.bits

    @property
    def first(self) -> str | None:
        """The smallest key, as its leading hexadecimal digits; None where no key is smaller.

        >>> [prefix.first for prefix in prefixes(4)]
        [None, '40000000', '80000000', 'c0000000']
        """
        return f"{self.number << self.rest:0{LEADING_DIGITS}x}" if self.number else None

    @property
    def end(self) -> str | None:
        """The smallest key after those of the part, as `first`; None where no key comes after them."""
        return f"{self.number + 1 << self.rest:0{LEADING_DIGITS}x}" if self.number + 1 < self.of else None


WHOLE = KeyPrefix()
"""All keys."""


def prefixes(of: int) -> Iterator[KeyPrefix]:
    """Yield the `of` parts of all keys, in the order of the keys."""
    return (KeyPrefix(number, of) for number in range(of))


def prefixes_for(keys: int, most: int) -> int:
    """Return the number of parts, a power of two, so that each has about `most` keys at most; 65,536 at most.

    >>> prefixes_for(100, 100), prefixes_for(101, 100), prefixes_for(500, 100)
    (1, 2, 8)
    """
    return 1 << min(16, (max(1, -(-keys // max(1, most))) - 1).bit_length())


Ranges = tuple[tuple[str, str | None], ...]
"""Ranges of keys, as hexadecimal digits: from the first one on, and before the second one; None: to the last key."""


def ranges_of(leading: Iterable[str]) -> Ranges:
    """Return the ranges of the keys that begin with some digits; neighbours are one range.

    Args:
        leading: hexadecimal digits in lower case, as many in each.

    >>> ranges_of(["01", "00", "ff", "1f"])
    (('00', '02'), ('1f', '20'), ('ff', None))
    """
    ranges: list[tuple[str, str | None]] = []
    for digits in sorted(set(leading)):
        after = int(digits, 16) + 1
        end = f"{after:0{len(digits)}x}" if after < 16 ** len(digits) else None
        first = ranges.pop()[0] if ranges and ranges[-1][1] == digits else digits
        ranges.append((first, end))
    return tuple(ranges)


def buckets_of(keys: npt.NDArray[np.uint8], prefix: KeyPrefix, buckets: int) -> npt.NDArray[np.int64]:
    """Return the bucket of each key of a prefix: the keys of a bucket are smaller than those of the next one.

    Args:
        keys: uint8, shape (n, 16), all of the prefix.
        buckets: number of buckets.

    Returns:
        int64, shape (n,), in [0, buckets).
    """
    leading = np.ascontiguousarray(keys[:, :4]).view(">u4")[:, 0].astype(np.int64)
    return (leading & ((1 << prefix.rest) - 1)) * buckets >> prefix.rest


def values_for_partitions(partitions: int) -> list[int]:
    """Return an integer for each partition that Spark's hash partitioning sends there.

    Spark takes Murmur3 (seed 42) of the column, modulo the number of partitions. Of consecutive integers, some share a
    partition and leave others empty. Murmur3 of one integer can be inverted, so each partition gets its integer.

    >>> values_for_partitions(2)
    [-1693959553, -1910889132]
    """
    hashes = np.arange(partitions, dtype=np.uint32)
    with np.errstate(over="ignore"):
        # The final mix of the hash, backwards, then the mix of the only word.
        hashes ^= hashes >> np.uint32(16)
        hashes *= _inverse(0xC2B2AE35)
        hashes ^= hashes >> np.uint32(13) ^ hashes >> np.uint32(26)
        hashes *= _inverse(0x85EBCA6B)
        hashes ^= hashes >> np.uint32(16)
        hashes ^= np.uint32(4)
        hashes = (hashes - np.uint32(0xE6546B64)) * _inverse(5)
        hashes = _rotated(hashes, 32 - 13) ^ _SEED
        hashes *= _inverse(0x1B873593)
        hashes = _rotated(hashes, 32 - 15) * _inverse(0xCC9E2D51)
    return [int(value) for value in hashes.view(np.int32)]


def _inverse(factor: int) -> np.uint32:
    """Return the number that undoes a multiplication modulo 2**32."""
    return np.uint32(pow(factor, -1, 1 << 32))


def _rotated(words: npt.NDArray[np.uint32], left: int) -> npt.NDArray[np.uint32]:
    return words << np.uint32(left) | words >> np.uint32(32 - left)
