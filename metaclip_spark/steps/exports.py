"""Exported files under the warehouse: rewritten without what was taken down, a task a file."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from itertools import groupby

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from metaclip_spark.copies import exported_files, rewrite_export
from metaclip_spark.stages.shipping import Shipped
from metaclip_spark.tables import Warehouse

_IDS = {"pair_id": F.col, "pair_ids": F.explode}


def rewrite_exports(
    warehouse: Warehouse, gone: DataFrame, takedowns: Shipped, dry_run: bool = False
) -> dict[str, int]:
    """Rewrite the files of exports that hold what was taken down; return file -> pairs that went.

    Args:
        gone: rows of `taken`: an export need not show the page for which a pair goes.
        dry_run: count alone.
    """
    if warehouse.root is None:
        return {}
    removed: dict[str, int] = {}
    for folder, files in groupby(exported_files(warehouse.root), key=posixpath.dirname):
        rows = _rewrite_folder(warehouse, folder, list(files), gone, takedowns, dry_run).collect()
        removed.update((posixpath.join(folder, row["name"]), row["gone"]) for row in rows if row["gone"])
    return removed


def _rewrite_folder(
    warehouse: Warehouse, folder: str, files: list[str], gone: DataFrame, takedowns: Shipped, dry_run: bool
) -> DataFrame:
    def work(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for row in batch.to_pylist():
                uri = posixpath.join(folder, row["name"])
                number = rewrite_export(uri, takedowns(), row["ids"] or (), dry_run)
                yield pa.record_batch({"name": [row["name"]], "gone": pa.array([number], pa.int64())})

    names = [(posixpath.basename(file),) for file in files]
    listed = warehouse.spark.createDataFrame(names, "name string")
    listed = listed.join(_ids_by_file(warehouse, files, gone), on="name", how="left")
    return listed.repartition(len(files), "name").mapInArrow(work, "name string, gone bigint")


def _ids_by_file(warehouse: Warehouse, files: list[str], gone: DataFrame) -> DataFrame:
    """Return (name, ids) of the files of a folder that hold pairs which go; the ids of a file are at most its rows."""
    exported = warehouse.spark.read.parquet(*files)
    found = [make(name) for name, make in _IDS.items() if name in exported.columns]
    if not found:
        return warehouse.spark.createDataFrame([], "name string, ids array<string>")
    ids = exported.select(F.col("_metadata.file_name").alias("name"), found[0].alias("pair_id"))
    taken = gone.select("pair_id").distinct()
    held = ids.join(taken, on="pair_id", how="left_semi")
    return held.groupBy("name").agg(F.collect_set("pair_id").alias("ids"))
