"""The filter before the join of deduplication: it never rejects a key of the set, and may accept another key."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaclip_spark.core.hashing.bloom_filter import KEY_BYTES, BloomFilter, build_shard, shard_bits_for


def some_keys(number: int, seed: int) -> np.ndarray:
    """Random keys, as hashes are."""
    return np.random.default_rng(seed).integers(0, 256, (number, KEY_BYTES), dtype=np.uint8)


def filter_of(keys: np.ndarray, shard_bits: int) -> BloomFilter:
    """A filter over these keys, in 2**shard_bits shards."""
    numbers = keys[:, 0].astype(int) >> (8 - shard_bits)
    return BloomFilter({n: build_shard(keys[numbers == n]) for n in np.unique(numbers).tolist()}, shard_bits)


@given(number=st.integers(0, 300), shard_bits=st.integers(0, 8), seed=st.integers(0, 1000))
def test_every_key_of_the_set_is_let_through(number, shard_bits, seed):
    """No key of the set is rejected, for any number of keys and shards."""
    keys = some_keys(number, seed)
    assert filter_of(keys, shard_bits).may_hold(keys).all()


@pytest.mark.parametrize("shard_bits", [0, 3])
def test_few_other_keys_are_let_through(shard_bits):
    """Fewer than one in 100 of the keys outside the set pass, and some do: the filter is not exact."""
    passed = filter_of(some_keys(200_000, 1), shard_bits).may_hold(some_keys(200_000, 2)).mean()
    assert 0 < passed < 0.01


def test_a_shard_without_keys_lets_nothing_through():
    """A filter without keys rejects every key."""
    assert not BloomFilter({}, 4).may_hold(some_keys(100, 3)).any()


@pytest.mark.parametrize(
    ("keys", "bits"), [(0, 0), (1, 0), (1 << 20, 0), ((1 << 20) + 1, 1), (1 << 24, 4), (1 << 40, 8)]
)
def test_shards_hold_about_a_million_keys(keys, bits):
    """The number of shards follows the number of keys, up to the 256 that one byte can number."""
    assert shard_bits_for(keys) == bits
