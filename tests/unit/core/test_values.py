"""Values of every Arrow type have one text form, in columns and inside lists and structs."""

from __future__ import annotations

import datetime
import json
import uuid
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metaclip_spark.core.values import key_strings, value_strings

MOMENT = datetime.datetime(2024, 1, 31, 22, 59, 10)
IDS = [uuid.UUID(int=n * 0x1234567890ABCDEF01234567) for n in range(3)]


def uuids(values: list[uuid.UUID | None]) -> pa.Array:
    storage = pa.array([None if v is None else v.bytes for v in values], pa.binary(16))
    return pa.ExtensionArray.from_storage(pa.uuid(), storage)


VALUES = {
    "int8": (pa.array([-128, None, 7], pa.int8()), ["-128", None, "7"]),
    "uint64": (pa.array([2**64 - 1, 0], pa.uint64()), ["18446744073709551615", "0"]),
    "double": (
        pa.array([1.0, 0.1, -0.0, 1e15, 1e16, 1e-5, 51255482385.67197, None]),
        ["1.0", "0.1", "-0.0", "1000000000000000.0", "1e+16", "1e-05", "51255482385.67197", None],
    ),
    "not a number": (pa.array([float("nan"), float("inf"), float("-inf")]), ["NaN", "Infinity", "-Infinity"]),
    "float32": (pa.array([0.1, 3.0, 1e20], pa.float32()), ["0.1", "3.0", "1e+20"]),
    "float16": (pa.array(np.array([0.5, 2], np.float16)), ["0.5", "2.0"]),
    "boolean": (pa.array([True, False, None]), ["true", "false", None]),
    "decimal": (pa.array([Decimal("1.50"), None], pa.decimal128(9, 2)), ["1.50", None]),
    "small decimal": (
        pa.array([Decimal("1e-7"), None, Decimal("-1e-7"), Decimal(0)], pa.decimal128(38, 10)),
        ["0.0000001000", None, "-0.0000001000", "0.0000000000"],
    ),
    "decimal of hundreds": (pa.array([Decimal(12300)], pa.decimal128(5, -2)), ["12300"]),
    "binary": (pa.array([b"\x00\xff", b"", None]), ["00ff", "", None]),
    "large_binary": (pa.array([b"ok"], pa.large_binary()), ["6f6b"]),
    "binary_view": (pa.array([b"ok", None], pa.binary_view()), ["6f6b", None]),
    "fixed bytes": (pa.array([b"abc", None], pa.binary(3)), ["616263", None]),
    "uuid": (uuids([IDS[1], None, IDS[2]]), [str(IDS[1]), None, str(IDS[2])]),
    "no value": (pa.nulls(2), [None, None]),
    "string_view": (pa.array(["a", None], pa.string_view()), ["a", None]),
    "dictionary": (pa.array([b"\x01", None, b"\x01"]).dictionary_encode(), ["01", None, "01"]),
    "dictionary of views": (
        pa.DictionaryArray.from_arrays(pa.array([1, None, 0], pa.uint32()), pa.array(["a", "b"], pa.string_view())),
        ["b", None, "a"],
    ),
    "date": (pa.array([MOMENT.date()]), ["2024-01-31"]),
    "time": (pa.array([datetime.time(1, 2, 0)], pa.time64("us")), ["01:02:00"]),
    "list": (pa.array([["a", None], [], None]), ['["a", null]', "[]", None]),
    "fixed list": (pa.array([[1, 2], None], pa.list_(pa.int8(), 2)), ["[1, 2]", None]),
    "struct": (
        pa.array([{"a": b"\xff", "b": [1.0, float("nan")], "c": Decimal("2.50")}, None]),
        ['{"a": "ff", "b": [1.0, null], "c": "2.50"}', None],
    ),
    "map": (pa.array([[("k", MOMENT)], None], pa.map_(pa.string(), pa.timestamp("ns"))), None),
    "list of uuids": (pa.ListArray.from_arrays([0, 2, 3], uuids(IDS)), None),
    "struct without fields": (pa.array([{}, None], pa.struct([])), ["{}", None]),
}
VALUES["map"] = (VALUES["map"][0], ['{"k": "2024-01-31 22:59:10"}', None])
VALUES["list of uuids"] = (VALUES["list of uuids"][0], [json.dumps([str(i) for i in p]) for p in (IDS[:2], IDS[2:])])


@pytest.mark.parametrize(("column", "expected"), VALUES.values(), ids=VALUES)
def test_a_value_has_the_text_form_of_its_type(column, expected):
    """The texts are strings without anything of Python in them."""
    texts = value_strings(column)
    texts.validate(full=True)
    assert (texts.type, texts.to_pylist()) == (pa.string(), expected)


@pytest.mark.parametrize(("column", "expected"), VALUES.values(), ids=VALUES)
def test_a_slice_has_the_texts_of_its_rows(column, expected):
    """An array with an offset keeps its own values."""
    assert value_strings(column.slice(1)).to_pylist() == expected[1:]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_a_moment_has_one_text_in_every_unit_and_time_zone(unit):
    """The unit adds no zeros, and a time zone is told by Z after the moment in UTC."""
    assert value_strings(pa.array([MOMENT, None], pa.timestamp(unit))).to_pylist() == ["2024-01-31 22:59:10", None]
    zoned = pa.array([MOMENT], pa.timestamp(unit, "Asia/Tokyo"))
    assert value_strings(zoned).to_pylist() == ["2024-01-31 22:59:10Z"]


def test_zeros_at_the_end_of_a_fraction_are_dropped():
    """Half a second is .5, and ten seconds keep their zero."""
    halves = pa.array([MOMENT, MOMENT.replace(microsecond=500_000)], pa.timestamp("us"))
    assert value_strings(halves).to_pylist() == ["2024-01-31 22:59:10", "2024-01-31 22:59:10.5"]


@settings(max_examples=300)
@given(values=st.lists(st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)), max_size=20))
def test_a_float_is_written_as_python_writes_it(values):
    """Every float has the digits of `repr`, which JSON and CSV have, too."""
    expected = [None if value is None else repr(value) for value in values]
    assert value_strings(pa.array(values, pa.float64())).to_pylist() == expected


@settings(max_examples=100)
@given(values=st.lists(st.one_of(st.none(), st.binary(max_size=5)), max_size=9), start=st.integers(0, 9))
def test_bytes_are_their_hex_digits(values, start):
    """Nulls stay null, and a slice has its own bytes."""
    expected = [None if value is None else value.hex() for value in values]
    assert value_strings(pa.array(values, pa.binary()).slice(start)).to_pylist() == expected[start:]


@pytest.mark.parametrize("kind", [pa.int8(), pa.uint32(), pa.int64(), pa.decimal128(5, 0), pa.string_view()], ids=str)
def test_keys_of_one_number_have_one_text(kind):
    """The width of an integer does not change a key."""
    values = ["7", None] if kind == pa.string_view() else [7, None]
    assert key_strings(pa.array(values, kind)).to_pylist() == ["7", None]


def test_a_decimal_key_has_no_exponent():
    """The text is that of Spark's cast, so that both backends draw alike."""
    keys = pa.array([Decimal("1e-7"), Decimal("1.5"), None], pa.decimal128(38, 10))
    assert key_strings(keys).to_pylist() == ["0.0000001000", "1.5000000000", None]


@pytest.mark.parametrize(
    "column", [pa.array([1.0]), pa.array([True]), pa.array([["a"]]), pa.array([MOMENT])], ids=lambda c: str(c.type)
)
def test_floats_and_lists_are_no_keys(column):
    """Two keys may be one float; a list is no single value."""
    assert key_strings(column) is None
