"""Copies of rows beside the tables of a warehouse, local or remote: exported Parquet files, and reports (no Spark)."""

from __future__ import annotations

import html
import os
import posixpath
import tempfile
from collections.abc import Collection
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from metaclip_spark.takedowns import Takedowns

EXPORTS, REPORTS = "exports", "reports"
_PARTIAL = ".takedown"
"""How a file that is being written begins and ends its name: `.00000.parquet.takedown`."""
_LIST = "pair_ids"


def exported_files(root: str) -> list[str]:
    """Return the Parquet files below the warehouse's exports, ordered; what a rewriting that died left is removed."""
    files, place = fsspec.core.url_to_fs(posixpath.join(root, EXPORTS))
    if not files.exists(place):
        return []
    found = []
    for path in files.find(place):
        if path.endswith(_PARTIAL):
            files.rm_file(path)
        elif path.endswith(".parquet"):
            found.append(_uri(files, path))
    return sorted(found)


def rewrite_export(uri: str, takedowns: Takedowns, pair_ids: Collection[str], dry_run: bool = False) -> int:
    """Take rows out of a Parquet file; return how many pairs went (rows, where a row is a pair).

    A row goes by its url (and page_url, where there is one), or by its pair_id. Of a row that stands for an image, with
    its pairs in lists beside `pair_ids`, those pairs go, and the row where none is left. The file is written under
    another name and put in place; a file that holds nothing of it is left alone.

    Args:
        pair_ids: pairs that were taken down for what the file does not show.
    """
    files, place = fsspec.core.url_to_fs(uri)
    with files.open(place, "rb") as raw:
        file = pq.ParquetFile(raw)
        names = set(file.schema_arrow.names)
        shown = [name for name in ("url", "page_url", "pair_id", _LIST) if name in names]
        if not shown:
            return 0
        gone = 0
        for group in range(file.num_row_groups):
            gone += _without(file.read_row_group(group, columns=shown), takedowns, pair_ids)[1]
        if dry_run or not gone:
            return gone
        _write(files, place, file, takedowns, pair_ids)
    return gone


def _write(files: Any, place: str, file: pq.ParquetFile, takedowns: Takedowns, pair_ids: Collection[str]) -> None:
    codec = file.metadata.row_group(0).column(0).compression if file.num_row_groups else "SNAPPY"
    local = type(files).__name__ == "LocalFileSystem"
    folder, name = posixpath.split(place)
    partial = posixpath.join(folder if local else tempfile.mkdtemp(), f".{name}{_PARTIAL}")
    with pq.ParquetWriter(partial, file.schema_arrow, compression=codec) as writer:
        for group in range(file.num_row_groups):
            writer.write_table(_without(file.read_row_group(group), takedowns, pair_ids)[0])
    if local:
        os.replace(partial, place)
        return
    try:
        files.put_file(partial, place)  # an object is there whole, or as it was
    finally:
        os.unlink(partial)
        os.rmdir(posixpath.dirname(partial))


def _without(rows: pa.Table, takedowns: Takedowns, pair_ids: Collection[str]) -> tuple[pa.Table, int]:
    """Return the rows without what goes, and how many pairs went."""
    by_url = np.zeros(len(rows), dtype=bool)
    if "url" in rows.column_names:
        pages = _one(rows, "page_url") if "page_url" in rows.column_names else None
        by_url = takedowns.takes(_one(rows, "url"), pages)
    listed = pa.array(list(pair_ids), pa.string())
    if "pair_id" in rows.column_names:
        by_url = by_url | _is_in(_one(rows, "pair_id"), listed)
    if _LIST not in rows.column_names or not pa.types.is_list(rows.schema.field(_LIST).type):
        return rows.filter(pa.array(~by_url)), int(by_url.sum())
    lists = _one(rows, _LIST)
    row_of = pc.list_parent_indices(lists).to_numpy()
    gone = by_url[row_of] | _is_in(pc.list_flatten(lists), listed)
    left = np.bincount(row_of[~gone], minlength=len(rows))
    empty = np.bincount(row_of, minlength=len(rows)) > 0
    keep = ~by_url & ((left > 0) | ~empty)
    if gone.any():
        rows = _shortened(rows, row_of, gone)
    return rows.filter(pa.array(keep)), int(gone.sum() + (by_url & ~empty).sum())


def _shortened(rows: pa.Table, row_of: np.ndarray, gone: np.ndarray) -> pa.Table:
    """Take elements out of every column of lists that are as long as the pairs'; a single text is one that is left."""
    lengths = np.bincount(row_of, minlength=len(rows))
    offsets = np.concatenate([[0], np.cumsum(np.bincount(row_of[~gone], minlength=len(rows)))]).astype(np.int32)
    kept = pa.array(~gone)
    for at, field in enumerate(rows.schema):
        if pa.types.is_list(field.type):
            column = _one(rows, field.name)
            if not column.null_count and (column.value_lengths().to_numpy() == lengths).all():
                values = pc.list_flatten(column).filter(kept)
                shorter = pa.ListArray.from_arrays(pa.array(offsets), values).cast(field.type)
                rows = rows.set_column(at, field, shorter)
    if {"text", "texts"} <= set(rows.column_names):
        rows = rows.set_column(rows.column_names.index("text"), rows.schema.field("text"), _texts_left(rows))
    return rows


def _texts_left(rows: pa.Table) -> pa.Array:
    singles, several = rows["text"].to_pylist(), rows["texts"].to_pylist()
    left = [one if not there or one in there else there[0] for one, there in zip(singles, several, strict=True)]
    return pa.array(left, rows.schema.field("text").type)


def stale_reports(root: str, takedowns: Takedowns, run_ids: Collection[str]) -> list[str]:
    """Return the pages and their JSON that are of one of the runs, or show a url or host that was taken down."""
    files, place = fsspec.core.url_to_fs(posixpath.join(root, REPORTS))
    if not files.exists(place):
        return []
    stale = []
    for path in sorted(files.find(place)):
        if not path.endswith((".html", ".json")):
            continue
        name = posixpath.basename(path)
        with files.open(path, "rb") as file:
            said = html.unescape(file.read().decode("utf-8", "replace"))
        words = pa.array([*said.split("\n"), *_hosts_in(said)], pa.string())
        if any(run_id in name for run_id in run_ids) or takedowns.takes_any_in(words).any():
            stale.append(_uri(files, path))
    return stale


def remove_file(uri: str) -> None:
    """Remove a file; one that is gone already is no error."""
    files, place = fsspec.core.url_to_fs(uri)
    if files.exists(place):
        files.rm_file(place)


def _hosts_in(text: str) -> list[str]:
    """Return what may be the name of a host in a text, as urls."""
    words = text.translate(str.maketrans("\"'<>()[]{},;=/\\|", " " * 16)).split()
    return [f"http://{word}/" for word in dict.fromkeys(words) if "." in word.strip(".") and ":" not in word]


def _one(rows: pa.Table, name: str) -> pa.Array:
    return rows[name].combine_chunks()


def _is_in(ids: pa.Array, listed: pa.Array) -> np.ndarray:
    return pc.is_in(ids.cast(pa.string()), value_set=listed).to_numpy(zero_copy_only=False)


def _uri(files: Any, path: str) -> str:
    return path if type(files).__name__ == "LocalFileSystem" else files.unstrip_protocol(path)
