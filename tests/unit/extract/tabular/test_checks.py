"""Cleaning of whole columns equals cleaning of each text."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from metaclip_spark.core.text import clean_text
from metaclip_spark.errors import DamagedSourceError
from metaclip_spark.extract.tabular.reader import cleaned, extra_map, utf8

odd = " \t\n\r\0\x0b\x0c\x1c\x1f\x7f\x80\x85\u00a0\u1680\u2003\u2028\u3000\ufeff\u00e9\U0001f600a!~&;"
texts = st.text(alphabet=st.one_of(st.sampled_from(odd), st.characters(exclude_categories=["Cs"])), max_size=8)


@settings(max_examples=500)
@given(column=st.lists(st.one_of(st.none(), texts), max_size=8))
@example(column=["a\n", "\na", "a\n\nb", "a\x0b", "\x1ca", "a\u3000", "\u00e9", "", None])
def test_cleaning_a_column_is_cleaning_each_text(column):
    """Texts that skip `clean_text` are clean already; a null becomes an empty text."""
    expected = [clean_text(text or "") for text in column]
    assert cleaned(pa.array(column, pa.string())).to_pylist() == expected


def test_every_character_at_either_end_and_inside():
    """All of Unicode below U+3100 and samples of the rest are cleaned alike at every position."""
    codes = [*range(0xD800 - 0xA700), *range(0x3100), 0xFEFF, 0xFFFD, 0x1F600, 0x10FFFF]
    column = [f"{left}{chr(code)}{right}" for code in sorted(set(codes)) for left in ("", "x") for right in ("", "y")]
    assert cleaned(pa.array(column)).to_pylist() == [clean_text(text) for text in column]


def test_a_slice_is_cleaned_as_itself():
    """An array with an offset keeps its own texts."""
    column = pa.array([" a ", "b", " c ", None, "d"])
    assert cleaned(column.slice(1, 3)).to_pylist() == ["b", "c", ""]


KINDS = [pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), pa.binary_view()]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_columns_of_every_string_type_become_strings(kind):
    """Values and nulls are kept, and no row is broken."""
    values = ["a", None, "", "\u732b"]
    raw = [None if v is None else v.encode() if "binary" in str(kind) else v for v in values]
    strings, bad = utf8(pa.array(raw, kind), "text")
    assert strings.type == pa.string()
    assert strings.to_pylist() == values
    assert bad.to_pylist() == [False] * 4


@pytest.mark.parametrize("value", [pa.string(), pa.binary()], ids=str)
def test_dictionaries_are_written_out(value):
    """A dictionary column becomes its values."""
    column = pa.array(["a", "b", None, "a"]).cast(value).dictionary_encode()
    strings, bad = utf8(column, "text")
    assert strings.to_pylist() == ["a", "b", None, "a"]
    assert bad.to_pylist() == [False] * 4


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.string(), pa.large_string()], ids=str)
def test_rows_that_are_not_utf8_are_found(kind):
    """Bytes that are not UTF-8 make a row null and broken; a null is not broken."""
    plain = pa.array([b"ok", b"\xff", None, b"\xe7\x8c"], pa.large_binary() if "large" in str(kind) else pa.binary())
    column = pa.Array.from_buffers(kind, len(plain), plain.buffers())
    strings, bad = utf8(column, "text")
    strings.validate(full=True)
    assert strings.to_pylist() == ["ok", None, None, None]
    assert bad.to_pylist() == [False, True, False, True]


@pytest.mark.parametrize("column", [pa.array([1]), pa.array([1.5]), pa.array([["a"]]), pa.array([True])])
def test_columns_that_hold_no_strings_are_damage(column):
    """The error names the type of the column."""
    with pytest.raises(
        DamagedSourceError, match=f"column 'text' has type .*{str(column.type)[:4]}.*; expected strings"
    ):
        utf8(column, "text")


def test_a_column_of_nulls_holds_strings():
    """Arrow gives a column without any value the type null."""
    strings, bad = utf8(pa.nulls(2), "text")
    assert (strings.type, strings.to_pylist(), bad.to_pylist()) == (pa.string(), [None, None], [False, False])


@pytest.mark.parametrize(
    ("column", "advice"),
    [
        (pa.array([["a", "b"]]), "write one row per value first"),
        (pa.array([["a"]], pa.large_list(pa.string())), "with one value per row with --text-column"),
        (pa.array([{"a": "b"}]), "Write the field that you mean as a column of its own"),
        (pa.array([[("a", "b")]], pa.map_(pa.string(), pa.string())), "as a column of its own"),
    ],
    ids=["list", "large list", "struct", "map"],
)
def test_columns_of_several_values_come_with_advice(column, advice):
    """The error says what to do about a list, a struct or a map."""
    with pytest.raises(DamagedSourceError, match=advice):
        utf8(column, "all_captions")


def test_kept_strings_that_are_not_utf8_show_it():
    """A replacement character stands for the bytes that are no text; the rest of the value is kept."""
    plain = pa.array([b"caf\xe9", b"ok", None])
    column = pa.Array.from_buffers(pa.string(), 3, plain.buffers())
    kept = [dict(row)["k"] for row in extra_map({"k": column}, 3).to_pylist()]
    assert kept == ["caf\ufffd", "ok", None]


def test_kept_columns_of_no_rows():
    """An empty batch has an empty map column; without kept columns there is no map."""
    kept = extra_map({"k": pa.array([], pa.int64())}, 0)
    assert kept.to_pylist() == []
    assert kept.type == pa.map_(pa.string(), pa.string())
    assert extra_map({}, 5) is None


def test_kept_columns_are_laid_out_row_by_row():
    """Two columns of three rows become three maps of two."""
    kept = extra_map({"a": pa.array([1, 2, 3]), "b": pa.array(["x", None, "z"])}, 3)
    assert kept.to_pylist() == [[("a", "1"), ("b", "x")], [("a", "2"), ("b", None)], [("a", "3"), ("b", "z")]]
