"""Which of very many keys can be among a smaller set: a Bloom filter in plain arrays (no Spark).

Used in front of a join, so that of the keys of 89 earlier crawls only those that can matter are moved. It never
says no to a key of the set; of the other keys it lets about one in 150 through, and the join sorts those out.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

KEY_BYTES = 16
BITS_PER_KEY = 12
_BLOCK_BITS = 512
_PROBES = 6


def build_shard(keys: np.ndarray) -> bytes:
    """Return the filter of one shard as bytes.

    Args:
        keys: uint8[n, 16], uniformly distributed (pair ids are: they are hashes).
    """
    blocks = np.zeros((max(1, -(-len(keys) * BITS_PER_KEY // _BLOCK_BITS)), _BLOCK_BITS // 64), dtype=np.uint64)
    block, rest = _block_and_rest(keys, len(blocks))
    for probe in range(_PROBES):
        word, mask = _word_and_mask(rest, probe)
        np.bitwise_or.at(blocks, (block, word), mask)
    return blocks.tobytes()


class BloomFilter:
    """Filters of several shards; a key's shard is the highest bits of its first byte.

    Args:
        shards: shard number -> what `build_shard` gave; a shard that is absent holds no keys.
        shard_bits: how many of the first byte's highest bits number the shards, 0 to 8.
    """

    def __init__(self, shards: Mapping[int, bytes], shard_bits: int) -> None:
        self._shards = {
            number: np.frombuffer(raw, dtype=np.uint64).reshape(-1, _BLOCK_BITS // 64) for number, raw in shards.items()
        }
        self._shift = 8 - shard_bits

    def may_hold(self, keys: np.ndarray) -> np.ndarray:
        """Return bool[n]: False only where the key (uint8[n, 16]) is certainly not in the set."""
        found = np.zeros(len(keys), dtype=bool)
        numbers = keys[:, 0] >> self._shift
        for number, blocks in self._shards.items():
            rows = np.flatnonzero(numbers == number)
            found[rows] = _all_set(blocks, keys[rows])
        return found


def shard_bits_for(keys: int, keys_per_shard: int = 1 << 20) -> int:
    """Return how many bits number the shards, so that one holds about so many keys."""
    return min(8, max(0, (max(1, keys) - 1).bit_length() - (keys_per_shard.bit_length() - 1)))


def _all_set(blocks: np.ndarray, keys: np.ndarray) -> np.ndarray:
    block, rest = _block_and_rest(keys, len(blocks))
    found = np.ones(len(keys), dtype=bool)
    for probe in range(_PROBES):
        word, mask = _word_and_mask(rest, probe)
        found &= (blocks[block, word] & mask) != 0
    return found


def _block_and_rest(keys: np.ndarray, blocks: int) -> tuple[np.ndarray, np.ndarray]:
    halves = np.ascontiguousarray(keys).view("<u8")
    # The first byte numbers the shard, so it says nothing within one.
    return ((halves[:, 0] >> np.uint64(8)) % np.uint64(blocks)).astype(np.int64), halves[:, 1]


def _word_and_mask(rest: np.ndarray, probe: int) -> tuple[np.ndarray, np.ndarray]:
    bit = (rest >> np.uint64(9 * probe)) & np.uint64(_BLOCK_BITS - 1)
    return (bit >> np.uint64(6)).astype(np.int64), np.uint64(1) << (bit & np.uint64(63))
