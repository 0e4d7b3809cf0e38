"""Find and check the columns that a verb reads: texts, urls, keys, entry ids (no Spark)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import pyarrow as pa

from metaclip_spark.core import values
from metaclip_spark.core.checks import need_names
from metaclip_spark.errors import InputError

_SLICE = 1 << 16
"""Rows processed at a time; this bounds the memory that a verb needs beyond the table."""
_IDS = pa.list_(pa.int32())


def text_hint(columns: Sequence[str], named: str) -> str:
    """Return the end of an error about the column of texts: the argument, and the columns that may be meant.

    Args:
        named: the column that the error is about; it is not suggested.
    """
    return f"text_column names the texts{_suggested('text', columns, named)}."


def url_hint(columns: Sequence[str], named: str) -> str:
    """Return the end of an error about the column of urls; see `text_hint`."""
    return f"url_column names the image urls{_suggested('url', columns, named)}."


def _suggested(role: str, columns: Sequence[str], named: str) -> str:
    from metaclip_spark.extract.tabular.names import KNOWN_NAMES  # needs more than a verb that finds its columns

    known = {name.replace(" ", "") for name in KNOWN_NAMES[role]}
    bare = {column: re.sub(r"[\s_-]+", "", column).casefold() for column in columns if column != named}
    found = [column for column, name in bare.items() if name in known]
    return "; perhaps " + " or ".join(f"{role}_column={column!r}" for column in found) if found else ""


def strings_of(table: pa.Table, name: str, verb: str, hint: str) -> pa.ChunkedArray:
    """Return a column as large strings; bytes must be UTF-8.

    Args:
        hint: the end of the error where the column is missing or has another type.

    Raises:
        InputError: the column is missing, is there twice, or does not hold strings.
    """
    column = _column(table, name, verb, hint)
    chunks = [values.plain(chunk) for chunk in column.chunks]
    kind = chunks[0].type if chunks else values.plain(pa.nulls(0).cast(column.type)).type
    if not (values.is_string(kind) or values.is_bytes(kind) or pa.types.is_null(kind)):
        raise InputError(f"{verb}: column {name!r} holds {column.type}; expected strings. {hint}")
    try:
        return pa.chunked_array([chunk.cast(pa.large_string()) for chunk in chunks], pa.large_string())
    except pa.ArrowInvalid as error:
        raise InputError(f"{verb}: column {name!r} holds bytes that are not UTF-8; expected strings.") from error


def key_strings(table: pa.Table, name: str, verb: str) -> pa.Array:
    """Return a key column as strings; see `core.values.key_strings`.

    Raises:
        InputError: the column is missing, is there twice, or has a type that is no key.
    """
    column = _column(table, name, verb, "key names the column that identifies a row.")
    keys = []
    for chunk in column.chunks:
        key = values.key_strings(chunk)
        if key is None:
            raise InputError(f"{verb}: column {name!r} holds {column.type}; expected {values.KEY_TYPES}.")
        keys.append(key.cast(pa.large_string()))
    return pa.chunked_array(keys, pa.large_string()).combine_chunks()


def ids_of(table: pa.Table, verb: str, hint: str) -> Iterator[pa.Array]:
    """Yield the column `entry_ids` in slices of type list<int32>, whatever kind of list of integers it is.

    Raises:
        InputError: the column is missing, or does not hold lists of integers.
    """
    column = _column(table, "entry_ids", verb, hint)
    kind = column.type
    value = kind.value_type if hasattr(kind, "value_field") else None
    is_list = value is not None and (pa.types.is_integer(value) or pa.types.is_null(value))
    if not is_list and not pa.types.is_null(kind):
        raise InputError(f"{verb}: column 'entry_ids' holds {kind}; expected lists of integers. {hint}")
    for part in slices(column):
        try:
            yield part if kind == _IDS else part.cast(_IDS)
        except pa.ArrowInvalid as error:
            raise InputError(f"{verb}: column 'entry_ids' holds an id that is no 32-bit integer: {error}") from error


def slices(column: pa.ChunkedArray) -> Iterator[pa.Array]:
    """Yield a column in arrays of at most `_SLICE` rows."""
    for chunk in column.chunks:
        for start in range(0, len(chunk), _SLICE):
            yield chunk.slice(start, _SLICE)


def _column(table: pa.Table, name: str, verb: str, hint: str) -> pa.ChunkedArray:
    need_names(table.column_names, verb, [name], hint)
    times = table.column_names.count(name)
    if times > 1:
        raise InputError(f"{verb}: {times} columns are named {name!r}; expected one. Rename or drop the others.")
    column = table[name]
    if not len(column) and pa.types.is_float64(column.type):  # what pandas has for a column of no values
        return pa.chunked_array([], pa.null())
    return column
