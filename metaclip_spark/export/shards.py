"""Write the shards of an export from sorted rows, batch by batch (no Spark).

An input row is a pair. The pairs of an image follow each other, and images come in the export's order. A task keeps at
most one row group of each open file in memory.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from metaclip_spark.core.urls.request import requested
from metaclip_spark.storage.write import HashedFile, open_atomic

IMAGES = "parquet"
INDEX = "webdataset-index"
FORMATS = (IMAGES, INDEX)

SHARD_NAME = "{:05d}.parquet"
KNOWN_IMAGES = "known_images"
"""Folder of an export with --since, for new pairs of images that are in the run already. img2dataset skips it."""
ROW_GROUP = 16_384
"""Number of rows that are written, read and (by the loader) shuffled as a unit."""

WRITTEN = pa.schema(
    [
        ("file", pa.string()),
        ("rows", pa.int64()),
        ("pairs", pa.int64()),
        ("bytes", pa.int64()),
        ("over_limit", pa.int64()),
        ("missing", pa.int64()),
        ("rewritten", pa.int64()),
        ("refused", pa.int64()),
        ("sha256", pa.string()),
    ]
)
"""A task returns one row per file, and one without a file for the sums of over_limit and missing.

`rewritten` counts the file's rows whose url is not as found, and `refused` those whose url the URL Standard refuses.
"""
WRITTEN_DDL = ", ".join(f"{field.name} {'string' if field.type == pa.string() else 'bigint'}" for field in WRITTEN)

COLUMNS = {
    IMAGES: {
        "image_id": pa.string(),
        "url": pa.string(),
        "text": pa.string(),
        "pair_ids": pa.list_(pa.string()),
        "texts": pa.list_(pa.string()),
        "langs": pa.list_(pa.string()),
        "entry_ids": pa.list_(pa.list_(pa.int32())),
        "sampling_probabilities": pa.list_(pa.float32()),
        "extras": pa.list_(pa.map_(pa.string(), pa.string())),
    },
    INDEX: {
        "__key__": pa.string(),
        "image_id": pa.string(),
        "url": pa.string(),
        "text": pa.string(),
        "lang": pa.string(),
        "entry_ids": pa.list_(pa.int32()),
        "sampling_probability": pa.float32(),
        "extra": pa.map_(pa.string(), pa.string()),
    },
}
"""Format -> columns of its files: one row per image, or one row per pair."""


def image_rows(pairs: pa.RecordBatch) -> pa.Table:
    """Return one row per image, with its pairs as lists in the order of the input.

    Args:
        pairs: rows as in `write_shards`, with all pairs of each of their images.
    """
    schema = pa.schema(COLUMNS[IMAGES])
    starts = np.flatnonzero(_changes(pairs.column("image_id")))
    offsets = pa.array(np.append(starts, pairs.num_rows), pa.int32())
    first = pa.array(starts)

    def listed(name: str) -> pa.ListArray:
        return pa.ListArray.from_arrays(offsets, pairs.column(name))

    arrays = [
        *(pairs.column(name).take(first) for name in ("image_id", "url", "text")),
        *(listed(name) for name in ("pair_id", "text", "lang", "entry_ids", "sampling_probability", "extra")),
    ]
    return pa.table([array.cast(kind) for array, kind in zip(arrays, schema.types, strict=True)], schema=schema)


def pair_rows(pairs: pa.RecordBatch) -> pa.Table:
    """Return one row per pair."""
    schema = pa.schema(COLUMNS[INDEX])
    names = ("pair_id", *schema.names[1:])
    arrays = [pairs.column(name).cast(kind) for name, kind in zip(names, schema.types, strict=True)]
    return pa.table(arrays, schema=schema)


_ROWS: dict[str, Callable[[pa.RecordBatch], pa.Table]] = {IMAGES: image_rows, INDEX: pair_rows}


def write_shards(batches: Iterable[pa.RecordBatch], folder: str, format: str) -> Iterator[pa.RecordBatch]:
    """Write the files of a task's shards, with the urls that a browser requests.

    Args:
        batches: rows of `stages.export`, in its order: shard (int32), known (bool), missing (bool), over_limit (int64),
            image_id, pair_id, url, text, lang, entry_ids (list<int32>), sampling_probability (float64), extra (map).
        folder: the folder of the files, a path or a uri.
        format: `IMAGES` or `INDEX`.

    Yields:
        Rows of `WRITTEN`, one per file, after the file is complete; then the sums of over_limit and missing, if any.
    """
    over_limit = missing = 0
    with contextlib.ExitStack() as stack:
        open_files: dict[tuple[int, bool], _ShardFile] = {}
        for batch in _whole_images(batches):
            is_missing = batch.column("missing").to_numpy(zero_copy_only=False)
            missing += int(is_missing.sum())
            over_limit += int(batch.column("over_limit").to_numpy().sum())
            batch = batch.filter(pa.array(~is_missing))
            for shard, part in _runs(batch):
                if any(earlier != shard for earlier, _ in open_files):
                    yield from _closed(open_files)
                known = part.column("known").to_numpy(zero_copy_only=False)
                for flag in (False, True):
                    rows = part.filter(pa.array(known == flag))
                    if rows.num_rows:
                        if (shard, flag) not in open_files:
                            name = (f"{KNOWN_IMAGES}/" if flag else "") + SHARD_NAME.format(shard)
                            open_files[shard, flag] = _ShardFile(name, folder, pa.schema(COLUMNS[format]), stack)
                        open_files[shard, flag].add(_ROWS[format](rows), rows.num_rows)
        yield from _closed(open_files)
    if over_limit or missing:
        yield _written(None, 0, 0, 0, over_limit, missing, 0, 0, None)


class _ShardFile:
    """A shard's file while it is written, in row groups of one size: its bytes do not depend on the size of batches."""

    def __init__(self, name: str, folder: str, schema: pa.Schema, stack: contextlib.ExitStack) -> None:
        self.name = name
        self._rows = self._pairs = self._rewritten = self._refused = 0
        self._buffered: list[pa.Table] = []
        # The task's stack discards the file if the task fails; a complete file is closed before that.
        self._stack = stack.enter_context(contextlib.ExitStack())
        self._file = HashedFile(self._stack.enter_context(open_atomic(f"{folder}/{name}")))
        self._writer = pq.ParquetWriter(self._file, schema, compression="zstd", write_statistics=False)
        self._stack.callback(self._writer.close)

    def add(self, rows: pa.Table, pairs: int) -> None:
        """Append rows, and add to the number of pairs."""
        self._rows, self._pairs = self._rows + rows.num_rows, self._pairs + pairs
        at = rows.schema.get_field_index("url")
        urls, rewritten, refused = requested(rows.column(at).combine_chunks())
        rows = rows.set_column(at, rows.schema.field(at), urls)
        self._rewritten, self._refused = self._rewritten + int(rewritten.sum()), self._refused + int(refused.sum())
        self._buffered.append(rows)
        if sum(table.num_rows for table in self._buffered) >= ROW_GROUP:
            buffered = pa.concat_tables(self._buffered)
            whole = buffered.num_rows - buffered.num_rows % ROW_GROUP
            self._writer.write_table(buffered.slice(0, whole), row_group_size=ROW_GROUP)
            self._buffered = [buffered.slice(whole)]

    def close(self) -> pa.RecordBatch:
        """Write the remaining rows, and return the file's row of `WRITTEN`."""
        rest = pa.concat_tables(self._buffered)
        if rest.num_rows:
            self._writer.write_table(rest, row_group_size=ROW_GROUP)
        self._writer.close()
        size, digest = self._file.tell(), self._file.sha256
        self._stack.close()
        return _written(self.name, self._rows, self._pairs, size, 0, 0, self._rewritten, self._refused, digest)


def _closed(files: dict[tuple[int, bool], _ShardFile]) -> Iterator[pa.RecordBatch]:
    while files:
        yield files.pop(next(iter(files))).close()


def _written(*values: object) -> pa.RecordBatch:
    return pa.record_batch([[value] for value in values], schema=WRITTEN)


def _whole_images(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Split the rows into batches between images: the last image of a batch waits for the next batch."""
    rest: list[pa.RecordBatch] = []
    for batch in batches:
        if not batch.num_rows:
            continue
        starts = np.flatnonzero(_changes(batch.column("image_id")))
        same = bool(rest) and rest[-1].column("image_id")[-1] == batch.column("image_id")[0]
        if same and len(starts) == 1:
            rest.append(batch)
            continue
        last = int(starts[-1])
        if rest or last:
            yield _joined([*rest, batch.slice(0, last)])
        rest = [batch.slice(last)]
    if rest:
        yield _joined(rest)


def _joined(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    batches = [batch for batch in batches if batch.num_rows]
    table = pa.Table.from_batches(batches).combine_chunks()
    return table.to_batches()[0]


def _runs(batch: pa.RecordBatch) -> Iterator[tuple[int, pa.RecordBatch]]:
    shards = batch.column("shard").to_numpy()
    starts = np.flatnonzero(np.diff(shards, prepend=-1))
    for start, stop in zip(starts, np.append(starts, len(shards))[1:], strict=True):
        yield int(shards[start]), batch.slice(int(start), int(stop - start))


def _changes(values: pa.Array) -> npt.NDArray[np.bool_]:
    """Return bool[n]: whether a row's value differs from the previous row's; True for the first row."""
    changed = np.ones(len(values), dtype=bool)
    if len(values) > 1:
        changed[1:] = pc.not_equal(values[1:], values[:-1]).to_numpy(zero_copy_only=False)
    return changed
