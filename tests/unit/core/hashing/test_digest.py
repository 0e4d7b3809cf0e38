"""Hashes of settings: equal values have equal hashes on every machine, others do not."""

from __future__ import annotations

from hashlib import blake2b

from metaclip_spark.core.hashing.digest import digest_of


def test_hash_is_of_canonical_json():
    """Anyone can compute it: blake2b (8 bytes) over sorted, compact, ASCII JSON."""
    assert digest_of({"b": [1, "\u00e9"], "a": None}) == (
        blake2b(rb'{"a":null,"b":[1,"\u00e9"]}', digest_size=8).hexdigest()
    )


def test_order_of_keys_does_not_matter_and_order_of_items_does():
    """Two ways to write one mapping are one value; two lists are not."""
    assert digest_of({"a": 1, "b": {"c": 2, "d": 3}}) == digest_of({"b": {"d": 3, "c": 2}, "a": 1})
    assert digest_of([1, 2]) != digest_of([2, 1])


def test_values_that_look_alike_differ():
    """A number, its text, a list of it and no value at all have four hashes."""
    assert len({digest_of(value) for value in (1, "1", [1], ["1"], None, "", "None", 1.5)}) == 8


def test_a_tuple_is_a_list():
    """Settings hold tuples and YAML gives lists: one value."""
    assert digest_of(("a", "b")) == digest_of(["a", "b"])
