"""Turn what a verb accepts as an entry list into a checked `Metadata` (no Spark)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, MappingView, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import pyarrow as pa

from metaclip_spark.errors import MetadataError
from metaclip_spark.metadata.load import Metadata, load_metadata
from metaclip_spark.verbs.rows import type_name


def as_metadata(entries: Any) -> Metadata:
    """Load and check an entry list; see `metaclip_spark.verbs.arguments.Entries`.

    Raises:
        MetadataError: the file or the list cannot be used, or the object has no fixed order.
    """
    if isinstance(entries, Metadata):
        return entries
    if isinstance(entries, (str, os.PathLike)):
        return load_metadata(entries)
    return Metadata.from_entries(_in_order(entries))


def _in_order(entries: Any) -> Sequence[str]:
    """Return the entries of a list-like object, in their order.

    Raises:
        MetadataError: the object has no fixed order, can be read only once, or is a table.
    """
    name = type_name(entries).removeprefix("builtins.")
    if isinstance(entries, Sequence):  # a str is a path, and from_entries refuses bytes
        return entries
    if isinstance(entries, AbstractSet) and not isinstance(entries, MappingView):
        raise MetadataError(
            f"metadata: got a {name}, expected a list: the order of a set differs in each process, and an entry's id "
            "is its position. Give sorted(...), and keep that list for later runs."
        )
    if isinstance(entries, Mapping):
        raise MetadataError(f"metadata: got a {name}, expected a list; give list(...) for its keys, in their order.")
    values = _values(entries)
    if values is not None:
        return values
    if isinstance(entries, Iterable):
        raise MetadataError(f"metadata: got a {name}, expected a list, which can be read twice; give list(...).")
    raise MetadataError(f"metadata: got a {name}, expected the path of a file, or a list of strings.")


def _values(entries: Any) -> list[str] | None:
    """Return the values of a column (numpy, pandas, Polars, pyarrow); None for another object.

    Raises:
        MetadataError: the object is a table, or an array of several dimensions.
    """
    if (
        getattr(entries, "ndim", 1) != 1
        or isinstance(entries, (pa.Table, pa.RecordBatch))
        or hasattr(entries, "columns")
    ):
        raise MetadataError("metadata: got a table, expected a list of strings; name its column, as in df['entry'].")
    for method in ("to_pylist", "to_list", "tolist"):  # pyarrow; pandas and Polars; numpy
        if hasattr(entries, method) and (hasattr(entries, "dtype") or hasattr(entries, "type")):
            values: list[str] = getattr(entries, method)()
            return values
    if hasattr(entries, "__arrow_c_stream__"):
        return _values(pa.chunked_array(entries))
    if hasattr(entries, "__arrow_c_array__"):
        return _values(pa.array(entries))
    return None
