"""Write the values of Arrow columns as texts: one text form per value, whatever the format or the type that holds it.

| type | text |
|---|---|
| integer, decimal | its digits, a decimal without an exponent: `0.0000001` |
| float | as Python and JSON write it: `1.0`, `1e-07`, `NaN`, `Infinity` |
| boolean | `true`, `false` |
| bytes, of a variable or a fixed length | hex, in lower case |
| UUID | `00112233-4455-6677-8899-aabbccddeeff` |
| date, time | `2024-01-31`, `23:59:00` |
| timestamp | `2024-01-31 23:59:00.5`, without zeros at the end; with a time zone, in UTC: `2024-01-31 22:59:00.5Z` |
| list, struct, map | JSON; the leaves that JSON lacks are texts as above, NaN is null |
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

_HEX = np.array([int.from_bytes(f"{byte:02x}".encode(), "little") for byte in range(256)], dtype="<u2")
"""The two hex digits of each byte, as two characters in one number."""
_UUID_BYTES = 16
_DASHES = (8, 13, 18, 23)

KEY_TYPES = "strings, integers, decimals, UUIDs or bytes"
"""The types of a column that can be a key, for errors. Floats are none: two keys may be one float."""


def is_string(kind: pa.DataType) -> bool:
    """Return whether a type holds strings."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def is_bytes(kind: pa.DataType) -> bool:
    """Return whether a type holds bytes of a variable length."""
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind))


def plain(column: pa.Array) -> pa.Array:
    """Return a column without its dictionary, its view or its extension type; a UUID becomes its text."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        # Arrow cannot decode a dictionary of views, such as a categorical column of Polars.
        return pa.DictionaryArray.from_arrays(column.indices, plain(column.dictionary)).dictionary_decode()
    if is_uuid(kind):
        return uuid_strings(column.storage)
    if isinstance(kind, pa.BaseExtensionType):
        return plain(column.storage)
    if pa.types.is_string_view(kind):
        return column.cast(pa.large_string())
    if pa.types.is_binary_view(kind):
        return column.cast(pa.large_binary())
    return column


def is_uuid(kind: pa.DataType) -> bool:
    """Return whether a type is Arrow's UUID."""
    return isinstance(kind, pa.BaseExtensionType) and kind.extension_name == "arrow.uuid"


def key_strings(column: pa.Array) -> pa.Array | None:
    """Return keys as strings, or None if the column's type cannot be a key; see `KEY_TYPES`."""
    column = plain(column)
    kind = column.type
    if pa.types.is_decimal(kind):
        return _decimal_strings(column)
    if pa.types.is_null(kind) or pa.types.is_integer(kind) or is_string(kind):
        return column.cast(pa.string())
    if is_bytes(kind) or pa.types.is_fixed_size_binary(kind):
        return hex_strings(column)
    return None


def value_strings(column: pa.Array) -> pa.Array:
    """Return values of any type as strings; a null stays null."""
    column = plain(column)
    kind = column.type
    if pa.types.is_decimal(kind):
        return _decimal_strings(column)
    if is_bytes(kind) or pa.types.is_fixed_size_binary(kind):
        return hex_strings(column)
    if pa.types.is_floating(kind):
        return _float_strings(column)
    if pa.types.is_timestamp(kind):
        return _timestamp_strings(column)
    if pa.types.is_time(kind):
        return _short_fractions(column.cast(pa.string()))
    if not pa.types.is_nested(kind):
        try:
            return column.cast(pa.string())
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
            return pa.array([None if v is None else str(v) for v in column.to_pylist()], pa.string())
    texts = [None if value is None else json_text(value) for value in _json_values(column)]
    return pa.array(texts, pa.string())


def json_text(value: object) -> str:
    """Return a value as JSON, the form of lists and structs in kept columns."""
    return json.dumps(value, ensure_ascii=False)


def hex_strings(column: pa.Array) -> pa.Array:
    """Return bytes as hex digits in lower case.

    Args:
        column: binary, large_binary or fixed_size_binary array of n.

    Returns:
        String array of n.
    """
    data, bounds, valid = _bytes_of(column)
    digits = _HEX[data].view(np.uint8)
    strings = pa.LargeStringArray.from_buffers(len(column), pa.py_buffer(bounds * 2), pa.py_buffer(digits))
    return pc.if_else(valid, strings, pa.scalar(None, pa.large_string())).cast(pa.string())


def uuid_strings(column: pa.Array) -> pa.Array:
    """Return UUIDs in their usual form, with dashes.

    Args:
        column: fixed_size_binary(16) array of n.

    Returns:
        String array of n.
    """
    known = column.drop_null()
    data, _, _ = _bytes_of(known)
    written = np.full((len(known), 36), ord("-"), np.uint8)
    written[:, [at for at in range(36) if at not in _DASHES]] = _HEX[data].view(np.uint8).reshape(len(known), 32)
    bounds = np.arange(len(known) + 1, dtype=np.int32) * 36
    strings = pa.StringArray.from_buffers(len(known), pa.py_buffer(bounds), pa.py_buffer(written))
    if not column.null_count:
        return strings
    return pc.replace_with_mask(pa.nulls(len(column), pa.string()), column.is_valid(), strings)


def _bytes_of(column: pa.Array) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], pa.Array]:
    """Return the bytes of a column's values one after the other, their bounds, and which values are not null."""
    valid = column.is_valid()
    column = pc.fill_null(column.cast(pa.binary()).cast(pa.large_binary()), b"")
    _, offsets, data = column.buffers()
    bounds = np.frombuffer(offsets, np.int64)[column.offset : column.offset + len(column) + 1]
    whole = np.frombuffer(data, np.uint8) if data is not None and data.size else np.zeros(0, np.uint8)
    return whole[bounds[0] : bounds[-1]], bounds - bounds[0], valid


def _decimal_strings(column: pa.Array) -> pa.Array:
    """Return decimals as Spark's cast writes them; only those that Arrow gives an exponent become Python objects."""
    strings = column.cast(pa.string())
    unusual = pc.fill_null(pc.match_substring(strings, "E"), False)
    if not pc.any(unusual).as_py():
        return strings
    texts = [f"{value:f}" for value in column.filter(unusual).to_pylist()]
    return pc.replace_with_mask(strings, unusual, pa.array(texts, pa.string()))


def _float_strings(column: pa.Array) -> pa.Array:
    """Return floats as Python writes them; only unusual ones become Python objects."""
    if pa.types.is_float16(column.type):
        column = column.cast(pa.float32())
    strings = column.cast(pa.string())
    size = pc.abs(column)
    usual = pc.or_(pc.equal(size, 0), pc.and_(pc.greater_equal(size, 1e-4), pc.less(size, 1e15)))
    whole = pc.match_substring_regex(strings, r"^-?[0-9]+$")
    strings = pc.if_else(whole, pc.binary_join_element_wise(strings, ".0", ""), strings)
    exponent = pc.match_substring(strings, "e")
    unusual = pc.fill_null(pc.or_(pc.invert(usual), exponent), False)
    if not pc.any(unusual).as_py():
        return strings
    values = column.filter(unusual).to_numpy(zero_copy_only=False)
    return pc.replace_with_mask(strings, unusual, pa.array([_float_text(value) for value in values], pa.string()))


def _float_text(value: np.floating[Any]) -> str:
    if np.isnan(value):
        return "NaN"
    if np.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    # str of a float32 has the digits that tell it from its neighbours; format and exponent are Python's.
    return repr(float(str(value)))


def _timestamp_strings(column: pa.Array) -> pa.Array:
    zone = column.type.tz is not None
    # A view, not a cast: a cast of a time zone needs the machine's time zone database.
    strings = _short_fractions(column.view(pa.timestamp(column.type.unit)).cast(pa.string()))
    return pc.binary_join_element_wise(strings, "Z", "") if zone else strings


def _short_fractions(strings: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(strings, r"\.?0*$", "") if _has_fraction(strings) else strings


def _has_fraction(strings: pa.Array) -> bool:
    return bool(pc.any(pc.match_substring(strings, ".")).as_py())


def _json_values(column: pa.Array) -> list[Any]:
    """Return values that the module `json` can write: lists, dicts, strings, numbers, booleans and None."""
    column = plain(column)
    kind = column.type
    if pa.types.is_struct(kind):
        names = [kind.field(index).name for index in range(kind.num_fields)]
        rows: Iterable[tuple[Any, ...]] = zip(*(_json_values(field) for field in column.flatten()), strict=True)
        if not names:
            rows = [()] * len(column)
        return _with_nulls(column, (dict(zip(names, row, strict=True)) for row in rows))
    if pa.types.is_map(kind):
        bounds = column.offsets.to_numpy()
        parts = [part.slice(bounds[0], bounds[-1] - bounds[0]) for part in (column.keys, column.items)]
        keys, items = value_strings(parts[0]).to_pylist(), _json_values(parts[1])
        ends = bounds - bounds[0]
        spans = zip(ends[:-1], ends[1:], strict=True)
        return _with_nulls(column, (dict(zip(keys[a:b], items[a:b], strict=True)) for a, b in spans))
    if pa.types.is_nested(kind) and not pa.types.is_union(kind):
        lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy()
        items = _json_values(column.flatten())
        ends = np.cumsum(lengths)
        spans = zip(ends - lengths, ends, strict=True)
        return _with_nulls(column, (items[a:b] for a, b in spans))
    return _json_leaves(column)


def _with_nulls(column: pa.Array, values: Iterable[Any]) -> list[Any]:
    if not column.null_count:
        return list(values)
    return [value if valid else None for value, valid in zip(values, column.is_valid().to_pylist(), strict=True)]


def _json_leaves(column: pa.Array) -> list[Any]:
    kind = column.type
    if pa.types.is_floating(kind):
        texts = _float_strings(column).to_pylist()
        return [_json_float(text) for text in texts]
    as_is: list[Callable[[pa.DataType], bool]] = [pa.types.is_integer, pa.types.is_boolean, pa.types.is_null, is_string]
    values: list[Any] = (column if any(test(kind) for test in as_is) else value_strings(column)).to_pylist()
    return values


def _json_float(text: str | None) -> float | None:
    return None if text is None or text in ("NaN", "Infinity", "-Infinity") else float(text)
