"""Test which of very many keys may be in a smaller set: a Bloom filter in plain arrays (no Spark).

The filter runs before a join, so that only few of the keys of 89 earlier crawls are moved. It accepts every key of the
set, and about one in 150 other keys; the join rejects those.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

KEY_BYTES = 16
BITS_PER_KEY = 12
_BLOCK_BITS = 512
_PROBES = 6


def build_shard(keys: npt.NDArray[np.uint8]) -> bytes:
    """Build the filter of one shard, as bytes.

    Args:
        keys: uint8, shape (n, 16), uniformly distributed, such as pair ids.
    """
    blocks = np.zeros((max(1, -(-len(keys) * BITS_PER_KEY // _BLOCK_BITS)), _BLOCK_BITS // 64), dtype=np.uint64)
    block, rest = _block_and_rest(keys, len(blocks))
    for probe in range(_PROBES):
        word, mask = _word_and_mask(rest, probe)
        np.bitwise_or.at(blocks, (block, word), mask)
    return blocks.tobytes()


class BloomFilter:
    """The filters of several shards. The highest bits of a key's first byte give the number of its shard.

    Args:
        shards: the bytes of `build_shard` by shard number; a missing shard has no keys.
        shard_bits: number of bits that give the shard number, 0 to 8.
    """

    def __init__(self, shards: Mapping[int, bytes], shard_bits: int) -> None:
        self._shards = {
            number: np.frombuffer(raw, dtype=np.uint64).reshape(-1, _BLOCK_BITS // 64) for number, raw in shards.items()
        }
        self._shift = 8 - shard_bits

    def may_hold(self, keys: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
        """Return bool, shape (n,): False only where the key (uint8, shape (n, 16)) is certainly not in the set."""
        found = np.zeros(len(keys), dtype=bool)
        numbers = keys[:, 0] >> self._shift
        for number, blocks in self._shards.items():
            rows = np.flatnonzero(numbers == number)
            found[rows] = _all_set(blocks, keys[rows])
        return found


def shard_bits_for(keys: int, keys_per_shard: int = 1 << 20) -> int:
    """Return the number of shard bits for about `keys_per_shard` keys in each shard."""
    return min(8, max(0, (max(1, keys) - 1).bit_length() - (keys_per_shard.bit_length() - 1)))


def _all_set(blocks: npt.NDArray[np.uint64], keys: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    block, rest = _block_and_rest(keys, len(blocks))
    found = np.ones(len(keys), dtype=bool)
    for probe in range(_PROBES):
        word, mask = _word_and_mask(rest, probe)
        found &= (blocks[block, word] & mask) != 0
    return found


def _block_and_rest(keys: npt.NDArray[np.uint8], blocks: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint64]]:
    halves = np.ascontiguousarray(keys).view("<u8")
    # The first byte gives the shard: within a shard it is no longer uniform.
    return ((halves[:, 0] >> np.uint64(8)) % np.uint64(blocks)).astype(np.int64), halves[:, 1]


def _word_and_mask(rest: npt.NDArray[np.uint64], probe: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint64]]:
    bit = (rest >> np.uint64(9 * probe)) & np.uint64(_BLOCK_BITS - 1)
    return (bit >> np.uint64(6)).astype(np.int64), np.uint64(1) << (bit & np.uint64(63))
