"""Replace views of strings, bytes and lists by the usual layouts: Arrow can neither filter nor take views."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def without_views(table: pa.Table) -> pa.Table:
    """Return a table whose views became large strings, large binaries and lists, whatever they are nested in."""
    for at, field in enumerate(table.schema):
        kind = plain_type(field.type)
        if kind != field.type:
            chunks = [_plain(chunk) for chunk in table.column(at).chunks]
            table = table.set_column(at, field.with_type(kind), pa.chunked_array(chunks, kind))
    return table


def plain_type(kind: pa.DataType) -> pa.DataType:
    """Return a type without views; other types stay."""
    types = pa.types
    if types.is_string_view(kind):
        return pa.large_string()
    if types.is_binary_view(kind):
        return pa.large_binary()
    if types.is_struct(kind):
        return pa.struct([field.with_type(plain_type(field.type)) for field in kind])
    if types.is_map(kind):
        return pa.map_(plain_type(kind.key_type), plain_type(kind.item_type), keys_sorted=kind.keys_sorted)
    if types.is_fixed_size_list(kind):
        return pa.list_(kind.value_field.with_type(plain_type(kind.value_type)), kind.list_size)
    if types.is_large_list(kind) or types.is_large_list_view(kind):
        return pa.large_list(kind.value_field.with_type(plain_type(kind.value_type)))
    if types.is_list(kind) or types.is_list_view(kind):
        return pa.list_(kind.value_field.with_type(plain_type(kind.value_type)))
    return kind


def _plain(array: pa.Array) -> pa.Array:
    """Return an array as its `plain_type`."""
    kind = plain_type(array.type)
    if kind == array.type:
        return array
    if pa.types.is_struct(kind):
        return pa.StructArray.from_arrays(
            [_plain(child) for child in array.flatten()], fields=list(kind), mask=array.is_null()
        )
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        # pyarrow's own cast of a list view makes offsets that are one too few.
        lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        is_large = pa.types.is_large_list(kind)
        made = (pa.LargeListArray if is_large else pa.ListArray).from_arrays(
            pa.array(offsets, pa.int64() if is_large else pa.int32()), _plain(array.flatten()), mask=array.is_null()
        )
        return made.cast(kind)
    return array.cast(kind)
