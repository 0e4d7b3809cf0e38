"""The filter of known keys: it never rejects a key of the set, and may accept another key."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaclip_spark.core.hashing.bloom_filter import (
    KEY_BYTES,
    binary_keys,
    build_shard,
    keys_of_ids,
    may_hold,
    shards_for,
)
from metaclip_spark.core.hashing.key_prefix import KeyPrefix, buckets_of


def some_keys(number: int, seed: int, first: int = 0, below: int = 256) -> np.ndarray:
    """Random keys, as hashes are, whose first byte is in a range."""
    keys = np.random.default_rng(seed).integers(0, 256, (number, KEY_BYTES), dtype=np.uint8)
    keys[:, 0] = first + keys[:, 0] % np.int64(below - first)
    return keys


def passed(members: np.ndarray, others: np.ndarray, shards: int, prefix: KeyPrefix) -> np.ndarray:
    """Return which of `others` the filter of `members`, in some shards, lets through."""
    own, numbers = buckets_of(members, prefix, shards), buckets_of(others, prefix, shards)
    found = np.zeros(len(others), dtype=bool)
    for number in np.unique(own):
        found[numbers == number] = may_hold(build_shard(members[own == number]), others[numbers == number])
    return found


@given(number=st.integers(0, 300), shards=st.sampled_from([1, 2, 8, 64]), seed=st.integers(0, 1000))
def test_every_key_of_the_set_is_let_through(number, shards, seed):
    """No key of the set is rejected, for any number of keys and shards."""
    keys = some_keys(number, seed)
    assert passed(keys, keys, shards, KeyPrefix()).all()


@pytest.mark.parametrize(("shards", "prefix"), [(1, KeyPrefix()), (8, KeyPrefix()), (64, KeyPrefix(3, 256))])
def test_few_other_keys_are_let_through(shards, prefix):
    """Fewer than one in 100 of the keys outside the set pass, also where all keys share their first byte."""
    bounds = (0, 256) if prefix.of == 1 else (3, 4)
    members, others = (some_keys(200_000, seed, *bounds) for seed in (1, 2))
    assert 0 < passed(members, others, shards, prefix).mean() < 0.01


@pytest.mark.parametrize(("keys", "shards"), [(0, 1), (1, 1), (1 << 20, 1), ((1 << 20) + 1, 2), (1 << 24, 16)])
def test_shards_hold_about_a_million_keys(keys, shards):
    """The number of shards follows the number of keys."""
    assert shards_for(keys) == shards


def test_number_of_shards_is_bounded():
    """A prefix has at most 64 shards: they grow with the largest prefixes."""
    assert shards_for(1 << 40) == 64


@given(st.lists(st.one_of(st.none(), st.text(max_size=40), st.binary(min_size=16, max_size=16).map(bytes.hex))))
def test_ids_of_32_lower_case_digits_become_keys_and_no_others(ids):
    """The keys of an array, of a part of it and of a large_string are those of Python's own decoding, in order."""
    for array, expected in (
        (pa.array(ids, pa.string()), ids),
        (pa.array(ids, pa.large_string()), ids),
        (pa.array(ids, pa.string()).slice(1), ids[1:]),
    ):
        digits = re.compile("[0-9a-f]{32}")
        right = [bytes.fromhex(one) for one in expected if one is not None and digits.fullmatch(one)]
        keys = keys_of_ids(array)
        assert keys.dtype == np.uint8
        assert binary_keys(keys).to_pylist() == right


@pytest.mark.parametrize("wrong", ["A", "g", "/", ":", "`", " ", "\0", "é"])
def test_one_other_character_makes_no_key(wrong):
    """The other ids of the batch stay."""
    ids = ["0" * 32, "1" * 31 + wrong, wrong + "2" * (32 - len(wrong.encode())), "f" * 32]
    assert [bytes(key).hex() for key in keys_of_ids(pa.array(ids))] == ["0" * 32, "f" * 32]
