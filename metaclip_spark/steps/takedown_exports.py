"""Exported files under the warehouse: rewritten without what was taken down, a task a file."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import asdict
from itertools import groupby

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType

from metaclip_spark.spark.broadcast import Broadcast
from metaclip_spark.takedown.copies import PAIR_COLUMNS, Rewritten, correct_manifests, exported_files, rewrite_export
from metaclip_spark.warehouse.tables import Warehouse

_DDL = "name string, gone bigint, rows bigint, pairs bigint, bytes bigint"


def rewrite_exports(
    warehouse: Warehouse, gone: DataFrame, takedowns: Broadcast, dry_run: bool = False
) -> dict[str, int]:
    """Rewrite the files of exports that hold what was taken down; return file -> pairs that went.

    Args:
        gone: rows of `taken`: an export need not show the page for which a pair goes.
        dry_run: count alone.
    """
    if warehouse.root is None:
        return {}
    exported: dict[str, Rewritten] = {}
    for folder, files in groupby(exported_files(warehouse.root), key=posixpath.dirname):
        rows = _rewrite_folder(warehouse, folder, list(files), gone, takedowns, dry_run).collect()
        for row in rows:
            name, *numbers = row
            exported[posixpath.join(folder, name)] = Rewritten(*numbers)
    if not dry_run:
        correct_manifests(warehouse.root, exported)
    return {file: found.gone for file, found in exported.items() if found.gone}


def _rewrite_folder(
    warehouse: Warehouse, folder: str, files: list[str], gone: DataFrame, takedowns: Broadcast, dry_run: bool
) -> DataFrame:
    def work(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for row in batch.to_pylist():
                uri = posixpath.join(folder, row["name"])
                found = rewrite_export(uri, takedowns.value, row["ids"] or (), dry_run)
                yield pa.RecordBatch.from_pylist([{"name": row["name"], **asdict(found)}])

    names = [(posixpath.basename(file),) for file in files]
    listed = warehouse.spark.createDataFrame(names, "name string")
    listed = listed.join(_ids_by_file(warehouse, files, gone), on="name", how="left").select("name", "ids")
    return listed.repartition(len(files), "name").mapInArrow(work, _DDL)


def _ids_by_file(warehouse: Warehouse, files: list[str], gone: DataFrame) -> DataFrame:
    """Return (name, ids) of the files of a folder that hold pairs which go; the ids of a file are at most its pairs."""
    exported = warehouse.spark.read.parquet(*files)
    named = next((name for name in PAIR_COLUMNS if name in exported.columns), None)
    if named is None:
        return warehouse.spark.createDataFrame([], "name string, ids array<string>")
    pair_id = F.explode(named) if isinstance(exported.schema[named].dataType, ArrayType) else F.col(named)
    ids = exported.select(F.col("_metadata.file_name").alias("name"), pair_id.alias("pair_id"))
    held = ids.join(gone.select("pair_id").distinct(), on="pair_id", how="left_semi")
    return held.groupBy("name").agg(F.collect_set("pair_id").alias("ids"))
