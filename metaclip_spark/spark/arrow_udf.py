"""Functions of columns: work on Arrow arrays, as Spark's own functions of columns are used."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pyarrow as pa
import pyspark
from pyspark.sql import Column
from pyspark.sql import functions as F


def column_function(work: Callable[..., pa.Array], returns: str, *takes: pa.DataType) -> Callable[..., Column]:
    """Return a function of columns that runs `work` on their Arrow arrays in Python workers.

    Only the columns it is given travel; every other column of the DataFrame stays in the JVM, whatever its type.
    Arrow columns where Spark has them (4.1 and newer), pandas before.

    Args:
        work: one array a column in, one array of the same length out.
        returns: the result's type in Spark's DDL.
        takes: the columns' types, which pandas does not keep.
    """
    return _arrow_function(work, returns) if pyspark.__version__ >= "4.1" else _pandas_function(work, returns, takes)


def computed_once(function: Callable[..., Column]) -> Callable[..., Column]:
    """Return the function, computed once a row: Spark computes one anew for each place that names its column.

    To Spark it is then not deterministic, which it is: that keeps filters from being moved below it, and it cannot
    stand where Spark wants deterministic ones (join conditions, grouping).
    """
    return function.asNondeterministic()  # type: ignore[attr-defined]


def _arrow_function(work: Callable[..., pa.Array], returns: str):
    def on_arrow(*columns: pa.Array) -> pa.Array:
        return work(*(_one(column) for column in columns))

    return F.arrow_udf(on_arrow, returns)


def _pandas_function(work: Callable[..., pa.Array], returns: str, takes: tuple[pa.DataType, ...]):
    # Spark reads the kind of function from the annotations: pd must be a name of the module, not of this function.
    def on_pandas(*columns: pd.Series) -> pd.Series:
        arrays = [_one(pa.array(column, kind)) for column, kind in zip(columns, takes, strict=True)]
        return work(*arrays).to_pandas()

    return F.pandas_udf(on_pandas, returns)


def _one(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
