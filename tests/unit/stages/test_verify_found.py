"""The results of checks: the first differences, whatever the tasks; lists are compared as a loop compares them."""

from __future__ import annotations

import random

import numpy as np
import pyarrow as pa
import pytest

from metaclip_spark.stages.verify.found import SHOWN, Difference, Found
from metaclip_spark.stages.verify.rows import _lists_differ


def test_the_first_differences_do_not_depend_on_the_tasks():
    """Numbers add up, and the smallest by field and id stay, through Arrow and back."""
    every = [Difference(f"f{n % 3}", f"{n:02}", "1", "2") for n in range(40)]
    random.Random(1).shuffle(every)
    whole = Found(checked=0)
    for part in (every[:7], every[7:8], every[8:]):
        task = Found(checked=100)
        for each in part:
            task.add(*each)
        whole.merge(Found.of(task.to_arrow()))
    assert (whole.checked, whole.differences) == (300, 40)
    assert whole.first == sorted(every)[:SHOWN]


def test_a_null_is_equal_to_a_null_and_to_nothing_else():
    """The rows that differ are named with both values."""
    found = Found()
    found.compare("f", pa.array(list("abcd")), pa.array(["1", None, "2", None]), pa.array(["1", None, None, "3"]))
    assert found.first == [Difference("f", "c", "2", "null"), Difference("f", "d", "null", "3")]


@pytest.mark.parametrize("seed", range(20))
def test_lists_are_compared_as_a_loop_compares_them(seed):
    """Nulls, empty lists, lists of another length, and slices of arrays."""
    draw = random.Random(seed)

    def some() -> list[int] | None:
        return None if draw.random() < 0.1 else [draw.randrange(3) for _ in range(draw.randrange(4))]

    wanted = [some() for _ in range(60)]
    stored = [each if draw.random() < 0.7 else some() for each in wanted]
    arrays = [pa.array(values, pa.list_(pa.int32())).slice(seed, 30) for values in (wanted, stored)]
    part = slice(seed, seed + 30)
    naive = [a != b for a, b in zip(wanted[part], stored[part], strict=True)]
    assert np.array_equal(_lists_differ(*arrays), naive)
