"""Survive: the pairs of the pool, or of a run's subset, that survive download, deduplication and filters."""

from __future__ import annotations

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from metaclip_spark.core.urls.request import request_urls
from metaclip_spark.errors import InputError
from metaclip_spark.export.failures import SUCCESS
from metaclip_spark.spark.arrow_udf import column_function, computed_once, settled

KEYS = ("pair_id", "image_id", "url")
"""Columns that identify a survivor, in order of preference."""
GROUP = "group"
"""The column that has one value for all duplicates of an image."""

_SPACES = "\t "
_EXPORTED = "exported"
"""The column with the image id of a url as `export` writes it."""


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
    rows = filtered(table, where)
    if "status" in table.columns:
        rows = rows.where(F.col("status") == SUCCESS)
    return keyed(rows, None if group is None else F.expr(group))


def keyed(table: DataFrame, group: Column | None) -> DataFrame:
    """Return the distinct keys of a table, and the smallest value of `group` of each key if it is given.

    Rows: subset, n:1 per key. Shuffle: one, by key. The key is pair_id or image_id: a url is converted to image_id.

    Raises:
        InputError: the table has none of KEYS.
    """
    key = key_of(table)
    name, value = ("image_id", image_id_of(F.col(key))) if key == "url" else (key, F.col(key))
    rows = table.select(value.alias(name), *([] if group is None else [group.alias(GROUP)]))
    if group is None:
        return rows.distinct()
    return rows.groupBy(name).agg(F.min(GROUP).alias(GROUP))


def key_of(table: DataFrame) -> str:
    """Return the column of a survivors table that identifies a survivor.

    Raises:
        InputError: the table has none of KEYS.
    """
    key = next((name for name in KEYS if name in table.columns), None)
    if key is None:
        raise InputError(f"survivors: expected one of the columns {', '.join(KEYS)}, got {table.columns}.")
    return key


def exported_ids(pairs: DataFrame) -> DataFrame:
    """Return the images whose url `export` rewrites: `image_id`, and `exported`, the id of the url that it writes.

    Reads: image_id, url. Writes: nothing. Rows: subset, a few percent. Shuffle: one, of these rows.
    """
    written = computed_once(column_function(request_urls, "string", pa.string()))
    urls = settled(pairs.select("image_id", "url", written("url").alias(_EXPORTED)))
    rewritten = urls.where(F.col(_EXPORTED) != F.col("url"))
    return rewritten.select("image_id", image_id_of(F.col(_EXPORTED)).alias(_EXPORTED)).distinct()


def surviving(pairs: DataFrame, survivors: DataFrame, exported: DataFrame | None = None) -> DataFrame:
    """Return the pairs that survived, with their group if the survivors have one.

    Reads: pairs, and the result of `survivors_of`. Writes: nothing. Rows: subset. Shuffle: one, by the survivors' key.

    Args:
        exported: the result of `exported_ids`, for survivors that are known by their url alone: an image also survives
            if its url as exported does.
    """
    if exported is not None:
        survivors = with_images_of(survivors, exported)
    key = key_of(survivors)
    how = "inner" if GROUP in survivors.columns else "left_semi"
    return pairs.join(survivors, on=key, how=how)


def unmatched(pairs: DataFrame, survivors: DataFrame, exported: DataFrame | None = None) -> DataFrame:
    """Return the survivors that match no pair; the arguments are those of `surviving`.

    Rows: subset. Shuffle: one, by the survivors' key, of the pairs' keys alone.
    """
    key = key_of(survivors)
    keys = pairs.select(key)
    if exported is not None:
        keys = keys.union(exported.select(_EXPORTED))
    return survivors.join(keys, on=key, how="left_anti")


def with_images_of(survivors: DataFrame, exported: DataFrame) -> DataFrame:
    """Return the survivors, and the images whose url as exported is a survivor's; one row per image."""
    by_url = survivors.withColumnRenamed("image_id", _EXPORTED).join(exported, on=_EXPORTED).select(*survivors.columns)
    both = survivors.union(by_url)
    if GROUP not in survivors.columns:
        return both.distinct()
    return both.groupBy("image_id").agg(F.min(GROUP).alias(GROUP))


def filtered(table: DataFrame, where: str | None) -> DataFrame:
    """Return the rows for which a SQL condition is true, or all rows if it is None. Rows: subset."""
    return table if where is None else table.where(F.expr(where))


def image_id_of(url: Column) -> Column:
    """Compute `image_id` of a url, like `metaclip_spark.core.hashing.ids.image_id`."""
    return F.substring(F.sha2(F.translate(url, _SPACES, ""), 224), 1, 24)
