"""Rewrite the exported files under the warehouse without the pairs that were taken down, one task per file."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import asdict
from itertools import groupby

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from metaclip_spark.spark.broadcast import Broadcast
from metaclip_spark.takedown.copies import (
    RewrittenFile,
    correct_manifests,
    exported_files,
    ids_of_export,
    partial_exports,
    remove_file,
    rewrite_export,
)
from metaclip_spark.takedown.hashes import Takedowns
from metaclip_spark.warehouse.tables import Warehouse

_DDL = "name string, removed bigint, rows bigint, pairs bigint, bytes bigint, sha256 string"


def rewrite_exports(
    warehouse: Warehouse, removed: DataFrame, takedowns: Broadcast[Takedowns], dry_run: bool = False
) -> dict[str, int]:
    """Rewrite the exported files that contain pairs to remove; return file -> number of pairs removed.

    Args:
        removed: rows of `taken`, because an export may lack the page url for which a pair is removed.
        dry_run: count, and write nothing.
    """
    if warehouse.root is None:
        return {}
    if not dry_run:
        for partial in partial_exports(warehouse.root):
            remove_file(partial)  # it may hold pairs to remove
    exported: dict[str, RewrittenFile] = {}
    for folder, files in groupby(exported_files(warehouse.root), key=posixpath.dirname):
        rows = _rewrite_folder(warehouse, folder, list(files), removed, takedowns, dry_run).collect()
        for row in rows:
            name, *numbers = row
            exported[posixpath.join(folder, name)] = RewrittenFile(*numbers)
    if not dry_run:
        correct_manifests(warehouse.root, exported)
    return {file: rewritten.removed for file, rewritten in exported.items() if rewritten.removed}


def _rewrite_folder(
    warehouse: Warehouse,
    folder: str,
    files: list[str],
    removed: DataFrame,
    takedowns: Broadcast[Takedowns],
    dry_run: bool,
) -> DataFrame:
    def work(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for row in batch.to_pylist():
                uri = posixpath.join(folder, row["name"])
                rewritten = rewrite_export(uri, takedowns.value, row["ids"] or (), dry_run)
                yield pa.RecordBatch.from_pylist([{"name": row["name"], **asdict(rewritten)}])

    names = [(posixpath.basename(file),) for file in files]
    listed = warehouse.spark.createDataFrame(names, "name string")
    listed = listed.join(_ids_by_file(warehouse, files, removed), on="name", how="left").select("name", "ids")
    return listed.repartition(len(files), "name").mapInArrow(work, _DDL)


def _ids_by_file(warehouse: Warehouse, files: list[str], removed: DataFrame) -> DataFrame:
    """Return (name, pair ids to remove) of the files of a folder that hold pairs of `removed`."""
    folder = posixpath.dirname(files[0])

    def read(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for name in batch.column(0).to_pylist():
                for ids in ids_of_export(posixpath.join(folder, name)):
                    names = pa.repeat(pa.scalar(name, pa.string()), len(ids))
                    yield pa.record_batch({"name": names, "pair_id": ids})

    # Each task reads its files by itself: the embedded engine has no column with the name of a row's file.
    names = warehouse.spark.createDataFrame([(posixpath.basename(file),) for file in files], "name string")
    ids = names.repartition(len(files), "name").mapInArrow(read, "name string, pair_id string")
    to_remove = ids.join(removed.select("pair_id").distinct(), on="pair_id", how="left_semi")
    return to_remove.groupBy("name").agg(F.collect_set("pair_id").alias("ids"))
