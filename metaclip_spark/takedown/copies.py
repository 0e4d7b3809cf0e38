"""Remove taken-down rows from the exports of a warehouse, local or remote, and find stale reports (no Spark)."""

from __future__ import annotations

import hashlib
import html
import json
import posixpath
import re
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from metaclip_spark.errors import WarehouseError
from metaclip_spark.export.croissant import CROISSANT, with_files
from metaclip_spark.export.place import EXPORTS, MANIFEST
from metaclip_spark.storage.filesystem import filesystem_of, writable_filesystem_of
from metaclip_spark.storage.open import local_path
from metaclip_spark.storage.packed import TEXTS, split_blocks
from metaclip_spark.storage.write import PARTIAL, HashedFile, open_atomic
from metaclip_spark.takedown.hashes import Takedowns

REPORTS = "reports"
_LIST = "pair_ids"
_FOOTERS_AT_ONCE = 16
_PAIR_ID = re.compile(r'"pair_id": "([^"]+)"')
PAIR_COLUMNS = ("pair_id", _LIST, "__key__")
"""Columns of exports that contain pair ids."""


@dataclass(frozen=True)
class RewrittenFile:
    """An exported file after a takedown.

    Attributes:
        removed: pairs that were removed.
        rows, pairs, bytes: rows, pairs and bytes that the file has now.
        sha256: of its bytes; "" if this takedown did not write the file.
    """

    removed: int
    rows: int
    pairs: int
    bytes: int
    sha256: str = ""


def check_files(root: str | None) -> None:
    """Check that exports and reports below a warehouse can be opened; a catalog (None) has neither.

    Raises:
        ConfigError: the scheme of the warehouse is unknown, or its package is missing.
        WarehouseError: an exported file cannot be read.
    """
    if root is None:
        return
    writable_filesystem_of(root, "warehouse")
    with ThreadPoolExecutor(_FOOTERS_AT_ONCE) as pool:
        list(pool.map(_check_export, exported_files(root)))


def _check_export(uri: str) -> None:
    files, path = filesystem_of(uri)
    try:
        with files.open(path, "rb") as raw:
            pq.ParquetFile(raw)
    except (OSError, pa.ArrowException) as error:
        raise WarehouseError(
            f"the exported file {uri} cannot be read: {str(error).splitlines()[0]} Nothing was taken down. Remove the "
            "file, or write it again with `export`, and run the same takedown again."
        ) from error


def exported_files(root: str) -> list[str]:
    """Return the Parquet files of a warehouse's exports, ordered."""
    return _exports_ending(root, ".parquet")


def partial_exports(root: str) -> list[str]:
    """Return the files that interrupted writers of exports left, ordered."""
    return _exports_ending(root, PARTIAL)


def _exports_ending(root: str, ending: str) -> list[str]:
    files, folder = _files_below(root, EXPORTS)
    found = files.find(folder) if files.exists(folder) else []
    return sorted(_uri_of(files, path) for path in found if path.endswith(ending))


def ids_of_export(uri: str) -> Iterator[pa.Array]:
    """Yield the pair ids of a Parquet file, a row group at a time; nothing if the file has no column of them."""
    files, path = filesystem_of(uri)
    with files.open(path, "rb") as raw:
        file = pq.ParquetFile(raw)
        column = next((name for name in PAIR_COLUMNS if name in file.schema_arrow.names), None)
        for group in range(file.num_row_groups if column is not None else 0):
            ids = _column(file.read_row_group(group, columns=[column]), column or "")
            yield (pc.list_flatten(ids) if column == _LIST else ids).cast(pa.string())


def rewrite_export(uri: str, takedowns: Takedowns, pair_ids: Collection[str], dry_run: bool = False) -> RewrittenFile:
    """Remove taken-down rows from a Parquet file; the file stays as it is if no row is affected, or in a dry run.

    A row is removed if its url, its page_url (if the file has one) or its pair is taken down. In a row per image, pairs
    are removed from the lists that are as long as `pair_ids`, and the row is removed with its last pair. The file is
    replaced atomically.

    Args:
        pair_ids: pairs to remove because of a value that the file does not contain.
    """
    files, path = filesystem_of(uri)
    removed = rows = pairs = 0
    digest = ""
    with files.open(path, "rb") as raw:
        file = pq.ParquetFile(raw)
        columns = [name for name in ("url", "page_url", *PAIR_COLUMNS) if name in file.schema_arrow.names]
        for group in range(file.num_row_groups if columns else 0):
            kept, lost = _without(file.read_row_group(group, columns=columns), takedowns, pair_ids)
            removed, rows, pairs = removed + lost, rows + len(kept), pairs + _pairs_in(kept)
        if removed and not dry_run:
            with open_atomic(uri) as raw_new:
                new = HashedFile(raw_new)
                _write(new, file, takedowns, pair_ids)
                digest = new.sha256
    return RewrittenFile(removed, rows, pairs, files.size(path), digest)


def _write(new: HashedFile, file: pq.ParquetFile, takedowns: Takedowns, pair_ids: Collection[str]) -> None:
    column = file.metadata.row_group(0).column(0)
    options = {"compression": column.compression, "write_statistics": column.is_stats_set}
    with pq.ParquetWriter(new, file.schema_arrow, **options) as writer:
        for group in range(file.num_row_groups):
            writer.write_table(_without(file.read_row_group(group), takedowns, pair_ids)[0])


def _without(rows: pa.Table, takedowns: Takedowns, pair_ids: Collection[str]) -> tuple[pa.Table, int]:
    """Return the rows without the pairs that are taken down, and the number of those pairs."""
    out = np.zeros(len(rows), dtype=np.bool_)
    if "url" in rows.column_names:
        pages = _column(rows, "page_url") if "page_url" in rows.column_names else None
        out |= takedowns.covers(_column(rows, "url"), pages)
    listed = pa.array(list(pair_ids), pa.string())
    for name in ("pair_id", "__key__"):
        if name in rows.column_names:
            out |= _is_in(_column(rows, name), listed) | takedowns.covers_ids(_column(rows, name))
    if _LIST not in rows.column_names:
        return rows.filter(pa.array(~out)), int(out.sum())
    lists = _column(rows, _LIST)
    row_of = pc.list_parent_indices(lists).to_numpy()
    ids = pc.list_flatten(lists)
    pair_out = out[row_of] | _is_in(ids, listed) | takedowns.covers_ids(ids)
    before, after = (np.bincount(of, minlength=len(rows)) for of in (row_of, row_of[~pair_out]))
    keep = ~out & ((after > 0) | (before == 0))
    lost = int(pair_out.sum() + (out & (before == 0)).sum())
    return _shortened(rows, before, after, ~pair_out).filter(pa.array(keep)), lost


def _shortened(
    rows: pa.Table, before: npt.NDArray[np.int64], after: npt.NDArray[np.int64], kept: npt.NDArray[np.bool_]
) -> pa.Table:
    """Remove elements from every list column that is as long as `pair_ids`; `text` becomes the first remaining text.

    Args:
        before, after: n, by row: the number of its pairs before and after the removal.
        kept: by pair, in the order of the flattened lists.
    """
    if kept.all():
        return rows
    offsets = pa.array(np.concatenate([[0], np.cumsum(after)]), pa.int32())
    for at, field in enumerate(rows.schema):
        if pa.types.is_list(field.type):
            column = _column(rows, field.name)
            if not column.null_count and (column.value_lengths().to_numpy() == before).all():
                values = pc.list_flatten(column).filter(pa.array(kept))
                rows = rows.set_column(at, field, pa.ListArray.from_arrays(offsets, values).cast(field.type))
    if {"text", "texts"} <= set(rows.column_names):
        first = [texts[0] if texts else None for texts in rows["texts"].to_pylist()]
        changed = pa.array(before != after)
        text = pc.if_else(changed, pa.array(first, pa.string()), _column(rows, "text").cast(pa.string()))
        field = rows.schema.field("text")
        rows = rows.set_column(rows.column_names.index("text"), field, text.cast(field.type))
    return rows


def correct_manifests(root: str, exported: Mapping[str, RewrittenFile]) -> list[str]:
    """Correct the JSON files of exports; return those that changed.

    These are manifests, indexes of shards, and descriptions (`_croissant.json`), which follow their manifest.

    Args:
        exported: uri -> the file after the takedown.
    """
    files, folder = _files_below(root, EXPORTS)
    changed = []
    manifests: dict[str, Any] = {}
    found = files.find(folder) if files.exists(folder) else []
    for path in sorted(found, key=lambda path: (posixpath.basename(path) != MANIFEST, path)):
        if not path.endswith(".json"):
            continue
        with files.open(path, "rb") as file:
            content = json.load(file)
        uri = _uri_of(files, path)
        export = posixpath.dirname(uri)
        if posixpath.basename(uri) == CROISSANT and export in manifests:
            corrected = with_files(content, {each["file"]: each for each in manifests[export]["files"]})
        else:
            corrected = _corrected(content, {name[len(export) + 1 :]: now for name, now in exported.items()}, export)
        if posixpath.basename(uri) == MANIFEST:
            manifests[export] = corrected
        if corrected != content:
            with open_atomic(uri) as file:
                file.write((json.dumps(corrected, ensure_ascii=False, indent=1) + "\n").encode())
            changed.append(uri)
    return changed


def _corrected(content: Any, exported: Mapping[str, RewrittenFile], folder: str) -> Any:
    """Return a manifest's or an index's content with the present numbers of its files.

    Args:
        exported: file -> the file after the takedown.
        folder: the folder of the files.
    """
    if not isinstance(content, dict):
        return content
    content = dict(content)
    if "files" in content:
        content["files"] = [
            _entry(each, now, folder) if (now := exported.get(each["file"])) else each for each in content["files"]
        ]
        for name in ("rows", "pairs"):
            content[name] = sum(each[name] for each in content["files"])
    if "shardlist" in content:
        content["shardlist"] = [
            {**each, "nsamples": now.rows, "filesize": now.bytes} if (now := exported.get(each["url"])) else each
            for each in content["shardlist"]
        ]
    return content


def _entry(each: Mapping[str, Any], now: RewrittenFile, folder: str) -> dict[str, Any]:
    """Return a file's entry in the manifest after a takedown."""
    entry = {**each, "rows": now.rows, "pairs": now.pairs, "bytes": now.bytes}
    if "sha256" in each and entry != each:
        # An interrupted takedown may have written the file; each removes a pair, so the entry tells.
        entry["sha256"] = now.sha256 or _sha256_of(posixpath.join(folder, each["file"]))
    return entry


def _sha256_of(uri: str) -> str:
    files, path = filesystem_of(uri)
    with files.open(path, "rb") as file:
        digest = hashlib.sha256()
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def stale_reports(root: str, takedowns: Takedowns, run_ids: Collection[str]) -> list[str]:
    """Return the report files (HTML and JSON) of one of the runs, or with a taken-down url, host or pair.

    Pair ids are in the JSON of a report alone: its page goes with it.
    """
    files, folder = _files_below(root, REPORTS)
    stale, by_pair = [], []
    for path in sorted(files.find(folder)) if files.exists(folder) else []:
        if not path.endswith((".html", ".json")):
            continue
        with files.open(path, "rb") as file:
            text, blocks = split_blocks(file.read().decode("utf-8", "replace"))
        text = html.unescape(text)
        words = pa.array([*text.split("\n"), *_hosts_in(text)], pa.string())
        is_stale = any(run_id in posixpath.basename(path) for run_id in run_ids)
        if is_stale or takedowns.covers_any_url_in(words).any() or _covers_texts(takedowns, blocks):
            stale.append(path)
        if takedowns.covers_ids(pa.array(_PAIR_ID.findall(text), pa.string())).any():
            pages = (posixpath.splitext(path)[0] + ending for ending in (".html", ".json"))
            by_pair += [page for page in pages if files.exists(page)]
    return [_uri_of(files, path) for path in sorted({*stale, *by_pair})]


def _covers_texts(takedowns: Takedowns, blocks: Mapping[str, Any]) -> bool:
    """Return whether a pair or image of a card's sample texts is taken down, or the texts cannot be read."""
    if TEXTS not in blocks:
        return False
    try:
        rows = [(url, pair_id) for _, url, pair_id in blocks[TEXTS]["texts"]]
        urls, ids = (pa.array([row[at] for row in rows], pa.string()) for at in (0, 1))
    except (KeyError, TypeError, ValueError, pa.ArrowException):
        return True
    return bool(takedowns.covers(urls).any() or takedowns.covers_ids(ids).any())


def remove_file(uri: str) -> None:
    """Remove a file; a file that does not exist is no error."""
    files, path = filesystem_of(uri)
    if files.exists(path):
        files.rm_file(path)


def _hosts_in(text: str) -> list[str]:
    """Return the words of a text that may be host names, as urls."""
    words = text.translate(str.maketrans("\"'<>()[]{},;=/\\|", " " * 16)).split()
    return [f"http://{word}/" for word in dict.fromkeys(words) if "." in word.strip(".") and ":" not in word]


def _pairs_in(rows: pa.Table) -> int:
    return len(pc.list_flatten(_column(rows, _LIST))) if _LIST in rows.column_names else len(rows)


def _column(rows: pa.Table, name: str) -> pa.Array:
    return rows[name].combine_chunks()


def _is_in(ids: pa.Array, listed: pa.Array) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = pc.is_in(ids.cast(pa.string()), value_set=listed).to_numpy(zero_copy_only=False)
    return found


def _files_below(root: str, folder: str) -> tuple[Any, str]:
    return writable_filesystem_of(posixpath.join(root, folder), "warehouse")


def _uri_of(files: Any, path: str) -> str:
    return local_path(files.unstrip_protocol(path))
