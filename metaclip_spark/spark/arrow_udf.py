"""Functions of columns that compute on Arrow arrays, and are used like Spark's own functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyspark
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema

from metaclip_spark.spark.embedded import is_embedded
from metaclip_spark.spark.session import minor_version

if TYPE_CHECKING:
    import pandas as pd

ColumnFunction = Callable[..., Column]

SLICE_BYTES = 16 << 20
"""Bytes of a batch's columns that a function works on at a time."""
_FIRST_WITH_ARROW = (4, 1)
"""The first Spark that has `arrow_udf`."""


def column_function(work: Callable[..., pa.Array], returns: str, *takes: pa.DataType) -> ColumnFunction:
    """Return a function of columns that runs `work` on their Arrow arrays in Python workers.

    Only the given columns are sent to Python. All other columns of the DataFrame stay in the JVM, whatever their type.
    Spark 4.1 and newer pass Arrow arrays; Spark 4.0 passes pandas series.

    Args:
        work: takes one array per column, and returns one array of the same length.
        returns: the result's type as Spark's DDL.
        takes: the columns' types, which pandas does not keep.
    """
    if minor_version(pyspark.__version__) >= _FIRST_WITH_ARROW:
        return _arrow_function(work, returns)
    return _pandas_function(work, returns, takes)


def sliced(work: Callable[..., pa.Array]) -> Callable[..., pa.Array]:
    """Return a function that calls `work` on slices of about SLICE_BYTES of its arrays, and joins the results.

    An engine counts the rows of a batch, not their bytes. What `work` makes of its input, such as copies of texts, is
    so bounded in bytes.

    Args:
        work: takes arrays of one length, and returns an array of that length, element by element.
    """

    def on_slices(*columns: pa.Array) -> pa.Array:
        rows, size = len(columns[0]), sum(column.nbytes for column in columns)
        step = max(1, rows * SLICE_BYTES // max(size, 1))
        if step >= rows:
            return work(*columns)
        parts = (work(*(column.slice(at, step) for column in columns)) for at in range(0, rows, step))
        return pa.concat_arrays([_one(part) for part in parts])

    return on_slices


def computed_once(function: ColumnFunction) -> ColumnFunction:
    """Mark a function so that Spark computes it once per row, even if several expressions name its column.

    The mark is "not deterministic", although the function is deterministic. The mark also keeps Spark from moving
    filters below the function, and Spark refuses such a function in join conditions and in grouping.
    """
    marked: ColumnFunction = function.asNondeterministic()  # type: ignore[attr-defined]  # Spark's function has it
    return marked


def settled(df: DataFrame) -> DataFrame:
    """Return a DataFrame whose columns are computed before any filter or expression that is added later.

    Spark keeps filters above a function that is marked with `computed_once`. The embedded engine moves them below it
    all the same, where the function would see rows that an earlier filter drops. It moves nothing below a function of
    whole batches.
    """
    if not is_embedded(df.sparkSession):
        return df
    try:
        to_arrow_schema(df.schema)
    except Exception:  # intervals and the like: the engine has functions of batches for types of Arrow alone
        return df
    plain = df.toDF(*(f"c{number}" for number in range(len(df.columns))))  # it takes a.b for a field
    return plain.mapInArrow(_as_they_are, plain.schema).toDF(*df.columns)


def sorted_for_python(df: DataFrame, *order: str | Column, within: str | None = None) -> DataFrame:
    """Return a DataFrame whose partitions are sorted, for a function of batches that needs the order.

    The embedded engine removes a sort that only a function of batches needs. It keeps the sort of a window, so there
    the rows get one more column, the last one: their number.

    Args:
        order: columns, or expressions of columns.
        within: the column whose equal values are in one partition, and which the order respects; None: all rows come
            in one order.
    """
    if not is_embedded(df.sparkSession):
        return df.orderBy(*order) if within is None else df.sortWithinPartitions(*order)
    window = Window.partitionBy(F.lit(0) if within is None else within).orderBy(*order)
    return df.withColumn("_number", F.row_number().over(window))


def _as_they_are(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    return batches


def _arrow_function(work: Callable[..., pa.Array], returns: str) -> ColumnFunction:
    on_slices = sliced(work)

    def on_arrow(*columns: pa.Array) -> pa.Array:
        return on_slices(*(_one(column) for column in columns))

    functions: Any = F  # pyspark 4.0 has no arrow_udf
    function: ColumnFunction = functions.arrow_udf(on_arrow, returns)
    return function


def _pandas_function(work: Callable[..., pa.Array], returns: str, takes: tuple[pa.DataType, ...]) -> ColumnFunction:
    # Spark reads the kind of function from the annotations, so pd must be a global name, not a local one.
    globals()["pd"] = import_module("pandas")

    on_slices = sliced(work)

    def on_pandas(*columns: pd.Series) -> pd.Series:
        arrays = [_one(pa.array(column, kind)) for column, kind in zip(columns, takes, strict=True)]
        return on_slices(*arrays).to_pandas()

    functions: Any = F  # pyspark's types do not export pandas_udf
    function: ColumnFunction = functions.pandas_udf(on_pandas, returns)
    return function


def _one(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
