"""Survive: the pairs that are left of the pool, or of a run's subset, after download, deduplication and filters."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from metaclip_spark.errors import InputError

KEYS = ("pair_id", "image_id", "url")
"""What a row of survivors may say which pairs it is: the first of these columns that is there."""
SUCCESS = "success"
"""`status` of a row of img2dataset's tables whose image is there."""
GROUP = "group"

_SPACES = "\t "


def survivors_of(table: DataFrame, where: str | None = None, group: str | None = None) -> DataFrame:
    """Return the keys of what survived, each once, and the group of each where one is asked for.

    Reads: a survivors table: pair_id, image_id or url; `status` where there is one; what `where` and `group` name.
    Writes: nothing. Rows: subset, n:1 per key. Shuffle: one, by key.

    Args:
        where: a condition in SQL on the table's columns; a row for which it is null is left out.
        group: a column, or an expression in SQL, of what images that are the same have in common.

    Returns:
        One column named as one of KEYS (image_id in the place of url), and `group`.

    Raises:
        InputError: none of KEYS is there.
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
    """Return the pairs that survived, with their group where survivors have one.

    Reads: pairs, and what `survivors_of` returns. Writes: nothing. Rows: subset. Shuffle: one, by the survivors' key.
    """
    key = next(name for name in KEYS if name in survivors.columns)
    how = "inner" if GROUP in survivors.columns else "left_semi"
    return pairs.join(survivors, on=key, how=how)


def filtered(table: DataFrame, where: str | None) -> DataFrame:
    """Return the rows for which a condition in SQL is true; all of them where there is none. Rows: subset."""
    return table if where is None else table.where(F.expr(where))


def image_id_of(url: Column) -> Column:
    """Return `image_id` of a url, as `metaclip_spark.core.hashing.ids.image_id` does."""
    return F.substring(F.sha2(F.translate(url, _SPACES, ""), 224), 1, 24)
