"""Test which of very many keys may be in a smaller set: a Bloom filter in plain arrays (no Spark).

The filter runs before known keys are moved, so that only few of the keys of 89 earlier crawls are. It accepts every key
of the set, and about one in 150 other keys; the exact comparison rejects those. It comes in shards, by leading bits of
the keys, so that a task needs the shard of its own keys alone.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

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


def may_hold(shard: bytes, keys: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Return bool, shape (n,): False only where the key (uint8, shape (n, 16)) is certainly not in the shard."""
    return _all_set(np.frombuffer(shard, dtype=np.uint64).reshape(-1, _BLOCK_BITS // 64), keys)


def shards_for(keys: int, keys_per_shard: int = 1 << 20, most: int = 64) -> int:
    """Return the number of shards, a power of two, for about `keys_per_shard` keys in each, up to `most` shards.

    >>> shards_for(100), shards_for(5 << 20), shards_for(1 << 40)
    (1, 8, 64)
    """
    return min(most, 1 << max(0, (max(1, keys) - 1).bit_length() - (keys_per_shard.bit_length() - 1)))


def key_array(keys: pa.Array) -> npt.NDArray[np.uint8]:
    """Return binary keys, none of them null, as uint8, shape (n, 16)."""
    fixed = keys.cast(pa.binary(KEY_BYTES))
    raw = np.frombuffer(fixed.buffers()[1], dtype=np.uint8) if len(fixed) else np.zeros(0, dtype=np.uint8)
    return raw.reshape(-1, KEY_BYTES)[fixed.offset : fixed.offset + len(fixed)]


_NIBBLES = np.full(256, 255, np.uint8)
_NIBBLES[np.frombuffer(b"0123456789abcdef", np.uint8)] = np.arange(16)


def keys_of_ids(ids: pa.Array) -> npt.NDArray[np.uint8]:
    """Return the keys of the ids that are 32 lower-case hexadecimal digits, uint8, shape (n, 16); others are left out.

    The ids that an input brings are left out so: they have any form.

    Args:
        ids: string array; nulls are left out, too.

    >>> keys_of_ids(pa.array(["00" * 15 + "ff", "own id", None]))[:, 14:].tolist()
    [[0, 255]]
    """
    ids = ids.cast(pa.string()) if not pa.types.is_string(ids.type) else ids
    lengths = pc.fill_null(pc.equal(pc.binary_length(ids), 2 * KEY_BYTES), False)
    if not pc.all(lengths).as_py():
        ids = ids.filter(lengths)
    if not len(ids):
        return np.zeros((0, KEY_BYTES), np.uint8)
    start = np.frombuffer(ids.buffers()[1], np.int32)[ids.offset]
    digits = np.frombuffer(ids.buffers()[2], np.uint8)[start : start + 2 * KEY_BYTES * len(ids)]
    nibbles = _NIBBLES[digits]
    keys = (nibbles[::2] << np.uint8(4) | nibbles[1::2]).reshape(-1, KEY_BYTES)
    if nibbles.max() > 15:
        keys = keys[nibbles.reshape(-1, 2 * KEY_BYTES).max(axis=1) < 16]
    return keys


def binary_keys(keys: npt.NDArray[np.uint8]) -> pa.Array:
    """Return keys (uint8, shape (n, 16)) as a binary array."""
    raw = pa.py_buffer(np.ascontiguousarray(keys))
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(KEY_BYTES), len(keys), [None, raw]).cast(pa.binary())


def _all_set(blocks: npt.NDArray[np.uint64], keys: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    block, rest = _block_and_rest(keys, len(blocks))
    found = np.ones(len(keys), dtype=bool)
    for probe in range(_PROBES):
        word, mask = _word_and_mask(rest, probe)
        found &= (blocks[block, word] & mask) != 0
    return found


def _block_and_rest(keys: npt.NDArray[np.uint8], blocks: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint64]]:
    halves = np.ascontiguousarray(keys).view("<u8")
    # The first four bytes give the prefix and the shard: within a shard they are no longer uniform.
    return ((halves[:, 0] >> np.uint64(32)) % np.uint64(blocks)).astype(np.int64), halves[:, 1]


def _word_and_mask(rest: npt.NDArray[np.uint64], probe: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint64]]:
    bit = (rest >> np.uint64(9 * probe)) & np.uint64(_BLOCK_BITS - 1)
    return (bit >> np.uint64(6)).astype(np.int64), np.uint64(1) << (bit & np.uint64(63))
