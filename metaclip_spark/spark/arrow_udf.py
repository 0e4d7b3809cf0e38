"""Functions of columns that compute on Arrow arrays, and are used like Spark's own functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pyarrow as pa
import pyspark
from pyspark.sql import Column
from pyspark.sql import functions as F

from metaclip_spark.spark.session import minor_version

ColumnFunction = Callable[..., Column]

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


def computed_once(function: ColumnFunction) -> ColumnFunction:
    """Mark a function so that Spark computes it once per row, even if several expressions name its column.

    The mark is "not deterministic", although the function is deterministic. The mark also keeps Spark from moving
    filters below the function, and Spark refuses such a function in join conditions and in grouping.
    """
    marked: ColumnFunction = function.asNondeterministic()  # type: ignore[attr-defined]  # Spark's function has it
    return marked


def _arrow_function(work: Callable[..., pa.Array], returns: str) -> ColumnFunction:
    def on_arrow(*columns: pa.Array) -> pa.Array:
        return work(*(_one(column) for column in columns))

    functions: Any = F  # pyspark 4.0 has no arrow_udf
    function: ColumnFunction = functions.arrow_udf(on_arrow, returns)
    return function


def _pandas_function(work: Callable[..., pa.Array], returns: str, takes: tuple[pa.DataType, ...]) -> ColumnFunction:
    # Spark reads the kind of function from the annotations, so pd must be a global name, not a local one.
    def on_pandas(*columns: pd.Series) -> pd.Series:
        arrays = [_one(pa.array(column, kind)) for column, kind in zip(columns, takes, strict=True)]
        return work(*arrays).to_pandas()

    functions: Any = F  # pyspark's types do not export pandas_udf
    function: ColumnFunction = functions.pandas_udf(on_pandas, returns)
    return function


def _one(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
