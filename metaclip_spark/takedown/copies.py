"""Copies of rows beside the tables of a warehouse, local or remote: exported Parquet files, and reports (no Spark)."""

from __future__ import annotations

import html
import json
import posixpath
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from metaclip_spark.export.place import EXPORTS
from metaclip_spark.storage.open import local_path
from metaclip_spark.storage.write import PARTIAL, filesystem_of, open_whole
from metaclip_spark.takedown.hashes import Takedowns

REPORTS = "reports"
_LIST = "pair_ids"
PAIR_COLUMNS = ("pair_id", _LIST, "__key__")
"""Columns in which exports name their pairs."""


@dataclass(frozen=True)
class Rewritten:
    """An exported file without what was taken down.

    Attributes:
        gone: pairs taken out.
        rows, pairs, bytes: what it holds now.
    """

    gone: int
    rows: int
    pairs: int
    bytes: int


def exported_files(root: str) -> list[str]:
    """Return the Parquet files below the warehouse's exports, ordered; what a writer that died left is removed."""
    found = []
    files, place = _files_of(root, EXPORTS)
    for path in files.find(place) if files.exists(place) else []:
        if path.endswith(PARTIAL):
            files.rm_file(path)
        elif path.endswith(".parquet"):
            found.append(_uri(files, path))
    return sorted(found)


def rewrite_export(uri: str, takedowns: Takedowns, pair_ids: Collection[str], dry_run: bool = False) -> Rewritten:
    """Take rows out of a Parquet file; one that holds nothing of them is left alone, and so are all in a dry run.

    A row goes by its url (and page_url, where there is one), or by its pair. Of a row that stands for an image, with
    its pairs in lists beside `pair_ids`, those pairs go, and the row where none is left. The file is written under
    another name and put in its place.

    Args:
        pair_ids: pairs that go for something that the file does not show.
    """
    files, place = filesystem_of(uri)
    gone = rows = pairs = 0
    with files.open(place, "rb") as raw:
        file = pq.ParquetFile(raw)
        shown = [name for name in ("url", "page_url", *PAIR_COLUMNS) if name in file.schema_arrow.names]
        for group in range(file.num_row_groups if shown else 0):
            left, lost = _without(file.read_row_group(group, columns=shown), takedowns, pair_ids)
            gone, rows, pairs = gone + lost, rows + len(left), pairs + _pairs_in(left)
        if gone and not dry_run:
            with open_whole(uri) as new:
                _write(new, file, takedowns, pair_ids)
    return Rewritten(gone, rows, pairs, files.size(place))


def _write(new: BinaryIO, file: pq.ParquetFile, takedowns: Takedowns, pair_ids: Collection[str]) -> None:
    like = file.metadata.row_group(0).column(0)
    how = {"compression": like.compression, "write_statistics": like.is_stats_set}
    with pq.ParquetWriter(new, file.schema_arrow, **how) as writer:
        for group in range(file.num_row_groups):
            writer.write_table(_without(file.read_row_group(group), takedowns, pair_ids)[0])


def _without(rows: pa.Table, takedowns: Takedowns, pair_ids: Collection[str]) -> tuple[pa.Table, int]:
    """Return the rows without what goes, and how many pairs went."""
    out = np.zeros(len(rows), dtype=bool)
    if "url" in rows.column_names:
        pages = _one(rows, "page_url") if "page_url" in rows.column_names else None
        out |= takedowns.takes(_one(rows, "url"), pages)
    listed = pa.array(list(pair_ids), pa.string())
    for name in ("pair_id", "__key__"):
        if name in rows.column_names:
            out |= _is_in(_one(rows, name), listed)
    if _LIST not in rows.column_names:
        return rows.filter(pa.array(~out)), int(out.sum())
    lists = _one(rows, _LIST)
    row_of = pc.list_parent_indices(lists).to_numpy()
    gone = out[row_of] | _is_in(pc.list_flatten(lists), listed)
    before, left = (np.bincount(of, minlength=len(rows)) for of in (row_of, row_of[~gone]))
    keep = ~out & ((left > 0) | (before == 0))
    return _shortened(rows, before, left, ~gone).filter(pa.array(keep)), int(gone.sum() + (out & (before == 0)).sum())


def _shortened(rows: pa.Table, before: np.ndarray, left: np.ndarray, kept: np.ndarray) -> pa.Table:
    """Take elements out of every column of lists that are as long as the pairs'; the single text is the first left.

    Args:
        before, left: int64, by row: how many pairs it had, and has.
        kept: bool, by pair.
    """
    if kept.all():
        return rows
    offsets = pa.array(np.concatenate([[0], np.cumsum(left)]), pa.int32())
    for at, field in enumerate(rows.schema):
        if pa.types.is_list(field.type):
            column = _one(rows, field.name)
            if not column.null_count and (column.value_lengths().to_numpy() == before).all():
                values = pc.list_flatten(column).filter(pa.array(kept))
                rows = rows.set_column(at, field, pa.ListArray.from_arrays(offsets, values).cast(field.type))
    if {"text", "texts"} <= set(rows.column_names):
        first = [texts[0] if texts else None for texts in rows["texts"].to_pylist()]
        changed = pa.array(before != left)
        text = pc.if_else(changed, pa.array(first, pa.string()), _one(rows, "text").cast(pa.string()))
        field = rows.schema.field("text")
        rows = rows.set_column(rows.column_names.index("text"), field, text.cast(field.type))
    return rows


def correct_manifests(root: str, exported: Mapping[str, Rewritten]) -> list[str]:
    """Bring the JSON files beside exports (their manifests, and indexes of shards) up to date; return those changed.

    Args:
        exported: file -> what it holds.
    """
    files, place = _files_of(root, EXPORTS)
    changed = []
    for path in sorted(files.find(place)) if files.exists(place) else []:
        if not path.endswith(".json"):
            continue
        with files.open(path, "rb") as file:
            said = json.load(file)
        folder = posixpath.dirname(_uri(files, path))
        corrected = _corrected(said, {uri[len(folder) + 1 :]: has for uri, has in exported.items()})
        if corrected != said:
            with open_whole(_uri(files, path)) as file:
                file.write((json.dumps(corrected, ensure_ascii=False, indent=1) + "\n").encode())
            changed.append(_uri(files, path))
    return changed


def _corrected(said: Any, exported: Mapping[str, Rewritten]) -> Any:
    if not isinstance(said, dict):
        return said
    said = dict(said)
    if "files" in said:
        said["files"] = [
            {**each, "rows": has.rows, "pairs": has.pairs, "bytes": has.bytes}
            if (has := exported.get(each["file"]))
            else each
            for each in said["files"]
        ]
        for name in ("rows", "pairs"):
            said[name] = sum(each[name] for each in said["files"])
    if "shardlist" in said:
        said["shardlist"] = [
            {**each, "nsamples": has.rows, "filesize": has.bytes} if (has := exported.get(each["url"])) else each
            for each in said["shardlist"]
        ]
    return said


def stale_reports(root: str, takedowns: Takedowns, run_ids: Collection[str]) -> list[str]:
    """Return the pages and their JSON that are of one of the runs, or show a url or host that was taken down."""
    files, place = _files_of(root, REPORTS)
    stale = []
    for path in sorted(files.find(place)) if files.exists(place) else []:
        if not path.endswith((".html", ".json")):
            continue
        with files.open(path, "rb") as file:
            said = html.unescape(file.read().decode("utf-8", "replace"))
        words = pa.array([*said.split("\n"), *_hosts_in(said)], pa.string())
        if any(run_id in posixpath.basename(path) for run_id in run_ids) or takedowns.takes_any_in(words).any():
            stale.append(_uri(files, path))
    return stale


def remove_file(uri: str) -> None:
    """Remove a file; one that is gone already is no error."""
    files, place = filesystem_of(uri)
    if files.exists(place):
        files.rm_file(place)


def _hosts_in(text: str) -> list[str]:
    """Return what may be the name of a host in a text, as urls."""
    words = text.translate(str.maketrans("\"'<>()[]{},;=/\\|", " " * 16)).split()
    return [f"http://{word}/" for word in dict.fromkeys(words) if "." in word.strip(".") and ":" not in word]


def _pairs_in(rows: pa.Table) -> int:
    return len(pc.list_flatten(_one(rows, _LIST))) if _LIST in rows.column_names else len(rows)


def _one(rows: pa.Table, name: str) -> pa.Array:
    return rows[name].combine_chunks()


def _is_in(ids: pa.Array, listed: pa.Array) -> np.ndarray:
    return pc.is_in(ids.cast(pa.string()), value_set=listed).to_numpy(zero_copy_only=False)


def _files_of(root: str, folder: str) -> tuple[Any, str]:
    return filesystem_of(posixpath.join(root, folder))


def _uri(files: Any, path: str) -> str:
    return local_path(files.unstrip_protocol(path))
