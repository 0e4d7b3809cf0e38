"""Prefixes and buckets divide keys by their leading bits, in the order of the keys."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaclip_spark.core.hashing.key_prefix import KeyPrefix, buckets_of, prefixes, prefixes_for, values_for_partitions

KEYS = st.lists(st.binary(min_size=16, max_size=16), min_size=1, max_size=50)


def holds(prefix: KeyPrefix, key: bytes) -> bool:
    """Return whether a key is in a prefix, as a condition on its digits tells."""
    digits = key.hex()
    return (prefix.first is None or digits >= prefix.first) and (prefix.end is None or digits < prefix.end)


@given(keys=KEYS, of=st.sampled_from([1, 2, 16, 1 << 16]))
def test_each_key_is_in_the_one_prefix_that_its_leading_bits_number(keys, of):
    """The bounds are digits, so a table's statistics on pair_id decide which files have keys of a prefix."""
    for key in keys:
        number = int.from_bytes(key[:4], "big") * of >> 32
        near = {0, number - 1, number, number + 1, of - 1} & set(range(of))
        assert [n for n in sorted(near) if holds(KeyPrefix(n, of), key)] == [number]
    assert len(list(prefixes(of))) == of


@given(keys=KEYS, of=st.sampled_from([1, 8]), buckets=st.integers(1, 5000))
def test_buckets_are_in_the_order_of_the_keys(keys, of, buckets):
    """A larger key of the same prefix has no smaller bucket, and every bucket is one of those asked for."""
    of_first = sorted(key for key in keys if holds(KeyPrefix(0, of), key)) or [bytes(16)]
    array = np.frombuffer(b"".join(of_first), np.uint8).reshape(-1, 16)
    numbers = buckets_of(array, KeyPrefix(0, of), buckets)
    assert (np.diff(numbers) >= 0).all()
    assert numbers.min() >= 0
    assert numbers.max() < buckets


@pytest.mark.parametrize("of", [1, 4])
def test_buckets_of_uniform_keys_are_equal(of):
    """Of the keys of a prefix, each of seven buckets gets a seventh, within three percent."""
    keys = np.random.default_rng(0).integers(0, 256, (400_000, 16), dtype=np.uint8)
    keys = keys[keys[:, 0] >= 256 - 256 // of]
    sizes = np.bincount(buckets_of(keys, KeyPrefix(of - 1, of), 7), minlength=7)
    assert np.abs(sizes / (len(keys) / 7) - 1).max() < 0.03


@pytest.mark.parametrize(("keys", "most", "number"), [(0, 10, 1), (10, 10, 1), (11, 10, 2), (81, 10, 16)])
def test_prefixes_are_a_power_of_two_with_few_enough_keys(keys, most, number):
    """A snapshot without pairs has one prefix, too."""
    assert prefixes_for(keys, most) == number


def murmur3(value: int, seed: int = 42) -> int:
    """Return the Murmur3 hash (32 bits) of one word, written after its definition."""
    mask = 0xFFFFFFFF

    def rotated(word: int, left: int) -> int:
        return (word << left | word >> 32 - left) & mask

    word = rotated((value & mask) * 0xCC9E2D51 & mask, 15) * 0x1B873593 & mask
    mixed = (rotated(seed ^ word, 13) * 5 + 0xE6546B64 & mask) ^ 4
    mixed = (mixed ^ mixed >> 16) * 0x85EBCA6B & mask
    mixed = (mixed ^ mixed >> 13) * 0xC2B2AE35 & mask
    return mixed ^ mixed >> 16


@pytest.mark.parametrize("partitions", [1, 2, 7, 4000])
def test_each_partition_gets_its_value(partitions):
    """No partition stays empty, and none gets the rows of two buckets."""
    values = values_for_partitions(partitions)
    assert [murmur3(value) % partitions for value in values] == list(range(partitions))
