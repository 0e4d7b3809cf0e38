"""What is a weight, and what is not."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaclip_spark.core.weights.values import MISSING, NOT_A_NUMBER, OUT_OF_RANGE, read_weights

KINDS = [
    ("0", 0),
    ("1", 0),
    ("0.25", 0),
    (" 0.25\t", 0),
    (".5", 0),
    ("1.", 0),
    ("1e-300", 0),
    ("-0", 0),
    ("1.0000000000000002", OUT_OF_RANGE),
    ("-1e-300", OUT_OF_RANGE),
    ("inf", OUT_OF_RANGE),
    ("-inf", OUT_OF_RANGE),
    ("1e999", OUT_OF_RANGE),
    ("50", OUT_OF_RANGE),
    (None, MISSING),
    ("", MISSING),
    ("  ", MISSING),
    ("nan", MISSING),
    ("NaN", MISSING),
    ("0,5", NOT_A_NUMBER),
    ("50%", NOT_A_NUMBER),
    ("0x1p-1", NOT_A_NUMBER),
    ("1d", NOT_A_NUMBER),
    ("1_0", NOT_A_NUMBER),
    ("\uff11", NOT_A_NUMBER),
    ("true", NOT_A_NUMBER),
    ("None", NOT_A_NUMBER),
    ("0.5 0.5", NOT_A_NUMBER),
    ("0.5\0", NOT_A_NUMBER),
]


@pytest.mark.parametrize(("text", "kind"), KINDS, ids=[repr(text) for text, _ in KINDS])
def test_a_value_is_a_weight_missing_out_of_range_or_no_number(text, kind):
    """Alone and among others, whether or not one of them is no number."""
    for others in ([], ["0.5"], ["0.5", "high"]):
        values, kinds = read_weights(pa.array([*others, text], pa.string()))
        assert kinds.tolist() == [*(NOT_A_NUMBER if other == "high" else 0 for other in others), kind]
        if not kind:
            assert math.copysign(1, values[-1]) == 1
            assert 0 <= values[-1] <= 1
            assert values[-1] == abs(float(text))


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=30))
def test_a_number_that_python_wrote_is_read_as_it_is(numbers):
    """The shortest text of a float64 gives its bits again."""
    values, kinds = read_weights(
        pa.array([None if number is None else repr(number) for number in numbers], pa.string())
    )
    assert kinds.tolist() == [MISSING if number is None else 0 for number in numbers]
    assert values[kinds == 0].tolist() == [number for number in numbers if number is not None]
