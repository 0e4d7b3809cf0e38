"""Shards of an export: sorted rows in, files out, batch by batch (no Spark).

A row that comes is a pair, the pairs of an image one after the other, images in the export's order; what a task holds
is a row group of each open file.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from metaclip_spark.storage.write import open_whole

IMAGES = "parquet"
INDEX = "webdataset-index"
FORMATS = (IMAGES, INDEX)

SHARD_NAME = "{:05d}.parquet"
KNOWN_IMAGES = "known_images"
"""Folder of an export since a run: new pairs of images that the run has already. img2dataset does not look there."""
ROW_GROUP = 16_384
"""Rows that are written, read and (by the loader) shuffled together."""

WRITTEN = pa.schema(
    [
        ("file", pa.string()),
        ("rows", pa.int64()),
        ("pairs", pa.int64()),
        ("bytes", pa.int64()),
        ("over_limit", pa.int64()),
        ("missing", pa.int64()),
    ]
)
WRITTEN_DDL = "file string, rows bigint, pairs bigint, bytes bigint, over_limit bigint, missing bigint"
"""What a task says of what it wrote; a row without a file holds sums alone."""

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
"""Format -> columns of its files: an image a row, or a pair a row."""


def image_rows(pairs: pa.RecordBatch) -> pa.Table:
    """Return a row for each image, its pairs beside it in the order they come in; no image is cut."""
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
    """Return a row for each pair."""
    schema = pa.schema(COLUMNS[INDEX])
    names = ("pair_id", *schema.names[1:])
    arrays = [pairs.column(name).cast(kind) for name, kind in zip(names, schema.types, strict=True)]
    return pa.table(arrays, schema=schema)


_ROWS: dict[str, Callable[[pa.RecordBatch], pa.Table]] = {IMAGES: image_rows, INDEX: pair_rows}


def write_shards(batches: Iterable[pa.RecordBatch], folder: str, format: str) -> Iterator[pa.RecordBatch]:
    """Write the files of a task's shards; yields rows of `WRITTEN`, one for each file when it is there.

    Args:
        batches: rows of `stages.export`, in its order: shard (int32), known (bool), missing (bool), over_limit (int64),
            image_id, pair_id, url, text, lang, entry_ids (list<int32>), sampling_probability (float64), extra (map).
        folder: where the files go, a path or a uri.
        format: `IMAGES` or `INDEX`.
    """
    over_limit = missing = 0
    with contextlib.ExitStack() as stack:
        open_files: dict[tuple[int, bool], _ShardFile] = {}
        for batch in _whole_images(batches):
            gone = batch.column("missing").to_numpy(zero_copy_only=False)
            missing += int(gone.sum())
            over_limit += int(batch.column("over_limit").to_numpy().sum())
            batch = batch.filter(pa.array(~gone))
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
        yield _written(None, 0, 0, 0, over_limit, missing)


class _ShardFile:
    """A file that is being written: row groups of one size, so that its bytes do not depend on how batches were cut."""

    def __init__(self, name: str, folder: str, schema: pa.Schema, stack: contextlib.ExitStack) -> None:
        self.name = name
        self._rows = self._pairs = 0
        self._held: list[pa.Table] = []
        # Given up by the task's stack where the task fails; a file that is whole was closed before.
        self._stack = stack.enter_context(contextlib.ExitStack())
        self._file = self._stack.enter_context(open_whole(f"{folder}/{name}"))
        self._writer = pq.ParquetWriter(self._file, schema, compression="zstd", write_statistics=False)
        self._stack.callback(self._writer.close)

    def add(self, rows: pa.Table, pairs: int) -> None:
        self._rows, self._pairs = self._rows + rows.num_rows, self._pairs + pairs
        self._held.append(rows)
        if sum(table.num_rows for table in self._held) >= ROW_GROUP:
            held = pa.concat_tables(self._held)
            whole = held.num_rows - held.num_rows % ROW_GROUP
            self._writer.write_table(held.slice(0, whole), row_group_size=ROW_GROUP)
            self._held = [held.slice(whole)]

    def close(self) -> pa.RecordBatch:
        rest = pa.concat_tables(self._held)
        if rest.num_rows:
            self._writer.write_table(rest, row_group_size=ROW_GROUP)
        self._writer.close()
        size = self._file.tell()
        self._stack.close()
        return _written(self.name, self._rows, self._pairs, size, 0, 0)


def _closed(files: dict[tuple[int, bool], _ShardFile]) -> Iterator[pa.RecordBatch]:
    while files:
        yield files.pop(next(iter(files))).close()


def _written(*values: object) -> pa.RecordBatch:
    return pa.record_batch([[value] for value in values], schema=WRITTEN)


def _whole_images(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Cut batches anew, between images: the last image of a batch waits for the next batch."""
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


def _changes(values: pa.Array) -> np.ndarray:
    """Return where a row's value is another than the row's before, bool; the first row's is."""
    changed = np.ones(len(values), dtype=bool)
    if len(values) > 1:
        changed[1:] = pc.not_equal(values[1:], values[:-1]).to_numpy(zero_copy_only=False)
    return changed
