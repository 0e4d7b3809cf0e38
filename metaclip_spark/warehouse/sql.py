"""Names, strings and conditions in Spark's SQL, and conditions on DataFrames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from metaclip_spark.core.hashing.key_prefix import Ranges
from metaclip_spark.schemas import Table
from metaclip_spark.warehouse.delta_rs import stats_properties

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def filter_equal(df: DataFrame, **where: str | Sequence[str]) -> DataFrame:
    """Return the rows whose columns are equal to a value, or to one of several."""
    from pyspark.sql import functions as F

    for column, value in where.items():
        has_it = F.col(column) == F.lit(value) if isinstance(value, str) else F.col(column).isin(list(value))
        df = df.where(has_it)
    return df


def quoted(name: str) -> str:
    """Return a name in SQL, whatever its characters.

    >>> print(quoted("a`b"))
    `a``b`
    """
    return "`" + name.replace("`", "``") + "`"


def sql_string(text: str) -> str:
    """Return a string literal of SQL. A dollar sign is escaped, because Spark puts variables in the place of `${name}`.

    >>> print(sql_string("it's $5"))
    'it\\'s \\u00245'
    """
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("$", "\\u0024")
    return f"'{escaped}'"


def equal_to(**columns: str | Sequence[str]) -> str:
    """Return the condition of `filter_equal` as SQL, for statements that take no expression.

    >>> print(equal_to(snapshot="a", batch_id=["b", "c"]))
    snapshot = 'a' AND batch_id IN ('b', 'c')
    """
    parts = []
    for column, value in columns.items():
        if isinstance(value, str):
            parts.append(f"{column} = {sql_string(value)}")
        else:
            parts.append(f"{column} IN ({', '.join(map(sql_string, value))})")
    return " AND ".join(parts)


def within(column: str, ranges: Ranges) -> str:
    """Return the condition that a column is in one of some ranges, one at least.

    The depth of the condition is the logarithm of the number of ranges.

    >>> print(within("t.pair_id", (("00", "02"), ("ff", None))))
    ((t.pair_id >= '00' AND t.pair_id < '02') OR t.pair_id >= 'ff')
    """
    if len(ranges) == 1:
        ((first, end),) = ranges
        from_first = f"{column} >= {sql_string(first)}"
        return from_first if end is None else f"({from_first} AND {column} < {sql_string(end)})"
    half = len(ranges) // 2
    return f"({within(column, ranges[:half])} OR {within(column, ranges[half:])})"


def declared_properties(table: Table) -> dict[str, str]:
    """Return the properties that a table is created with."""
    return {**stats_properties(table), **dict(table.properties)}


def create_statement(table: Table, identifier: str) -> str:
    """Return the statement that creates a table with its comments and properties, if it is absent."""
    columns = ", ".join(f"`{c.name}` {c.type} COMMENT {sql_string(c.comment)}" for c in table.columns)
    values = declared_properties(table).items()
    properties = ", ".join(f"{sql_string(key)} = {sql_string(value)}" for key, value in values)
    partitions = f"PARTITIONED BY ({', '.join(table.partitioned_by)})" if table.partitioned_by else ""
    return (
        f"CREATE TABLE IF NOT EXISTS {identifier} ({columns}) USING delta {partitions} "
        f"COMMENT {sql_string(table.comment)} TBLPROPERTIES ({properties})"
    )
