"""Survive: the pairs of the pool, or of a run's subset, that survive download, deduplication and filters."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from metaclip_spark.errors import InputError

KEYS = ("pair_id", "image_id", "url")
"""Columns that identify a survivor, in order of preference."""
SUCCESS = "success"
"""`status` of a downloaded image in img2dataset's tables."""
GROUP = "group"
"""The column that has one value for all duplicates of an image."""

_SPACES = "\t "


def survivors_of(table: DataFrame, where: str | None = None, group: str | None = None) -> DataFrame:
    """Return the distinct keys of a survivors table, and the group of each key if `group` is given.

    Reads: a survivors table: pair_id, image_id or url; `status` if present; the columns in `where` and `group`.
    Writes: nothing. Rows: subset, n:1 per key. Shuffle: one, by key.

    Args:
        where: a SQL condition on the table's columns. Rows for which it is false or null are dropped.
        group: a column or SQL expression whose value is equal for duplicate images.

    Returns:
        One column, pair_id or image_id (a url is converted to image_id), and `group`.

    Raises:
        InputError: the table has none of KEYS.
    """
    key = next((name for name in KEYS if name in table.columns), None)
    if key is None:
        raise InputError(f"survivors: expected one of the columns {', '.join(KEYS)}, got {table.columns}.")
    rows = filtered(table, where)
    if "status" in table.columns:
        rows = rows.where(F.col("status") == SUCCESS)
    name, value = ("image_id", image_id_of(F.col(key))) if key == "url" else (key, F.col(key))
    keyed = rows.select(value.alias(name), *([] if group is None else [F.expr(group).alias(GROUP)]))
    if group is None:
        return keyed.distinct()
    return keyed.groupBy(name).agg(F.min(GROUP).alias(GROUP))


def surviving(pairs: DataFrame, survivors: DataFrame) -> DataFrame:
    """Return the pairs that survived, with their group if the survivors have one.

    Reads: pairs, and the result of `survivors_of`. Writes: nothing. Rows: subset. Shuffle: one, by the survivors' key.
    """
    key = next(name for name in KEYS if name in survivors.columns)
    how = "inner" if GROUP in survivors.columns else "left_semi"
    return pairs.join(survivors, on=key, how=how)


def filtered(table: DataFrame, where: str | None) -> DataFrame:
    """Return the rows for which a SQL condition is true, or all rows if it is None. Rows: subset."""
    return table if where is None else table.where(F.expr(where))


def image_id_of(url: Column) -> Column:
    """Compute `image_id` of a url, like `metaclip_spark.core.hashing.ids.image_id`."""
    return F.substring(F.sha2(F.translate(url, _SPACES, ""), 224), 1, 24)
