"""XXH64 of many strings at once equals the library's, bit for bit."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from metaclip_spark.core import draw
from metaclip_spark.core.hashing.xxh64 import xxh64
from metaclip_spark.core.jit import buffers_of

SEEDS = st.integers(0, 2**64 - 1)


def expected(strings: list[str], seed: int) -> list[int]:
    """Return the library's hashes."""
    return [xxhash.xxh64_intdigest(string.encode(), seed=seed) for string in strings]


@pytest.mark.parametrize("seed", [0, 42, 2**63, 2**64 - 1])
def test_every_length_up_to_five_stripes(seed):
    """Stripes of 32 bytes, words of 8, halves of 4 and single bytes, in every combination."""
    strings = ["".join(chr(33 + (n * 7 + at) % 90) for at in range(n)) for n in range(161)]
    assert xxh64(*buffers_of(pa.array(strings)), seed).tolist() == expected(strings, seed)


@settings(max_examples=200)
@given(strings=st.lists(st.text(max_size=80), max_size=20), seed=SEEDS, first=st.integers(0, 5))
def test_any_strings_and_slices(strings, seed, first):
    """A slice of an array is hashed as the strings that it has."""
    assert xxh64(*buffers_of(pa.array(strings, pa.string())[first:]), seed).tolist() == expected(strings[first:], seed)


def test_many_keys_have_the_draws_of_few(monkeypatch):
    """From `SMALL` keys on the compiled loop hashes them; where numba is missing, or the keys have more bytes than
    offsets of 32 bits reach, the draws are the same."""
    keys = pa.array([f"{n:032x}" for n in range(draw.SMALL)])
    many = draw.draws(keys, 7, "epoch-3")
    few = np.concatenate([draw.draws(keys[at : at + 1000], 7, "epoch-3") for at in range(0, len(keys), 1000)])
    large = draw.draws(keys.cast(pa.large_string()), 7, "epoch-3")
    assert many.tolist() == few.tolist() == large.tolist()
    monkeypatch.setattr(draw, "_OF_32_BITS", 1 << 10)
    assert many.tolist() == draw.draws(keys, 7, "epoch-3").tolist()
    monkeypatch.undo()
    monkeypatch.setattr(draw, "find_spec", lambda name: None)
    assert many.tolist() == draw.draws(keys, 7, "epoch-3").tolist()
