"""Turn what a verb accepts as rows into a pyarrow Table: Arrow objects, pandas, Polars, DuckDB, datasets, files.

No library is imported for it: an object of a library exists only after the library was imported.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from typing import Any, Protocol, TypeAlias
from weakref import WeakSet

import pyarrow as pa

from metaclip_spark.core.extras import how_to_install
from metaclip_spark.errors import InputError
from metaclip_spark.verbs.views import without_views

__all__ = ["ArrowStream", "Rows", "is_spark", "to_table", "type_name"]


class ArrowStream(Protocol):
    """An object with the Arrow PyCapsule interface, such as a Polars DataFrame or a DuckDB relation."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Export the rows as a stream of record batches."""


Rows: TypeAlias = "pa.Table | ArrowStream | Iterable[pa.RecordBatch] | str | os.PathLike[str]"
"""Rows that become a pyarrow Table: a Table, a pandas or Polars DataFrame, a DuckDB relation, a Hugging Face dataset, a
RecordBatchReader, a pyarrow Dataset, an iterable of record batches, any object with `__arrow_c_stream__`, or the path
of Parquet files."""

_READ: WeakSet[pa.RecordBatchReader] = WeakSet()
"""Readers that were read here: read again, they would give no row and no error."""

_EXPECTED = (
    "a pyarrow Table, a pandas or Polars DataFrame, a DuckDB relation, a Hugging Face dataset, an object with "
    "__arrow_c_stream__, or the path of Parquet files"
)


def to_table(rows: Rows, verb: str) -> pa.Table:
    """Return rows as a Table; a stream that can be read only once is read here, once.

    Columns keep their types, except that string views, binary views and list views become their large or plain forms:
    Arrow cannot filter views. The index of a pandas DataFrame is not a column.

    Raises:
        TypeError: the object does not hold rows, or is a Spark DataFrame.
        InputError: the rows cannot be converted, were read already, or a path holds no Parquet file.
    """
    table = rows if isinstance(rows, pa.Table) else _converted(rows, verb)
    return without_views(table)


def _converted(rows: Any, verb: str) -> pa.Table:
    if is_spark(rows):
        raise TypeError(
            f"{verb}: expected {_EXPECTED}, got {type_name(rows)}. metaclip_spark.{verb}(df, ...) takes a Spark "
            "DataFrame; mc.local does not."
        )
    if isinstance(rows, type):
        raise _refused(rows, verb)
    if isinstance(rows, (str, os.PathLike)):
        from metaclip_spark.verbs.files import read_files  # the sources of `run`; the other kinds do without

        return read_files(os.fspath(rows), verb)
    if isinstance(rows, pa.RecordBatch):
        return pa.Table.from_batches([rows])
    if isinstance(rows, pa.RecordBatchReader):
        if rows in _READ:
            raise _read_already(rows, verb)
        _READ.add(rows)
        return rows.read_all()
    if _is_a(rows, "pandas", "DataFrame"):
        return _of_pandas(rows, verb)
    if _is_a(rows, "polars", "LazyFrame"):
        rows = rows.collect()
    if _is_a(rows, "pyarrow.dataset", "Dataset"):
        return rows.to_table()
    if _is_a(rows, "pyarrow.dataset", "Scanner"):
        return _of_scanner(rows, verb)
    if _is_a(rows, "datasets", "Dataset"):  # its own table still has the rows that select() or filter() left out
        return rows.with_format("arrow")[:]
    if _is_a(rows, "datasets", "IterableDataset"):
        return _of_batches(rows.with_format("arrow").iter(batch_size=10_000), verb)
    if _is_a(rows, "datasets", "DatasetDict") or _is_a(rows, "datasets", "IterableDatasetDict"):
        raise TypeError(
            f"{verb}: got {type_name(rows)} with the splits {sorted(rows)}; give one, as in splits['train']."
        )
    if hasattr(rows, "__arrow_c_stream__"):
        return _of_stream(rows, verb)
    if hasattr(rows, "__arrow_c_array__"):
        return pa.Table.from_batches([pa.record_batch(rows)])
    if isinstance(rows, (Iterator, list, tuple)):
        return _of_batches(rows, verb)
    raise _refused(rows, verb)


def _of_scanner(rows: Any, verb: str) -> pa.Table:
    try:
        return rows.to_table()
    except pa.ArrowInvalid as error:
        if "already scanned" in str(error):  # Scanner.from_batches; others can be read again
            raise _read_already(rows, verb) from error
        raise


def _of_pandas(rows: Any, verb: str) -> pa.Table:
    twice = rows.columns[rows.columns.duplicated()]
    if len(twice):
        name = str(twice[0])
        times = [str(each) for each in rows.columns].count(name)
        raise InputError(
            f"{verb}: {times} columns of the pandas DataFrame are named {name!r}; expected one. Rename or drop the "
            "others."
        )
    try:
        return pa.Table.from_pandas(rows, preserve_index=False)
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise InputError(
            f"{verb}: the pandas DataFrame cannot be converted to Arrow: {error}. Give the column one type, or drop it."
        ) from error


def _of_stream(rows: Any, verb: str) -> pa.Table:
    try:
        reader = pa.RecordBatchReader.from_stream(rows)
    except (pa.ArrowException, TypeError, ValueError) as error:
        if isinstance(error, pa.ArrowInvalid | TypeError) and "struct" in str(error):
            raise _refused(rows, verb, " It is a column, not a table.") from error
        raise
    return reader.read_all()


def _of_batches(rows: Iterable[Any], verb: str) -> pa.Table:
    tables = []
    for part in rows:
        if not isinstance(part, (pa.Table, pa.RecordBatch)):
            raise _refused(rows, verb, f" It yields {type_name(part)}; expected record batches.")
        tables.append(part if isinstance(part, pa.Table) else pa.Table.from_batches([part]))
    if not tables:
        again = " An iterator that was read already has none." if isinstance(rows, Iterator) else ""
        raise InputError(
            f"{verb}: got no record batch, so there are no columns; expected at least one, even if empty.{again}"
        )
    try:
        return pa.concat_tables(tables)
    except pa.ArrowInvalid as error:
        raise InputError(f"{verb}: the record batches differ in their columns: {error}") from error


def _read_already(rows: object, verb: str) -> InputError:
    once = "reader.read_all()" if isinstance(rows, pa.RecordBatchReader) else "scanner.to_table()"
    return InputError(
        f"{verb}: the {type(rows).__name__} was read already; read it into a Table once ({once}) and give that."
    )


def _refused(rows: object, verb: str, note: str = "") -> TypeError:
    install = "" if find_spec("pyspark") else f" Spark DataFrames need pyspark: {how_to_install('spark')}"
    return TypeError(
        f"{verb}: expected a Spark DataFrame, {_EXPECTED}, got {type_name(rows)}.{note} pyarrow.table(...) makes a "
        f"Table of a dict of columns.{install}"
    )


def is_spark(value: object) -> bool:
    """Return whether a value is a Spark DataFrame, classic or Connect."""
    # Before Spark 4, which the verbs refuse, the one of Connect is a class of its own.
    return _is_a(value, "pyspark.sql", "DataFrame") or _is_a(value, "pyspark.sql.connect.dataframe", "DataFrame")


def type_name(value: object) -> str:
    """Return the full name of a value's type, for errors."""
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _is_a(value: object, module: str, name: str) -> bool:
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(value, kind)
