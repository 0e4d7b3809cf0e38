"""Read columns of Parquet files, row group by row group."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from metaclip_spark.candidates.ledger import Ledger
from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.core.values import hex_strings, is_bytes, plain, uuid_strings
from metaclip_spark.errors import DamagedSourceError
from metaclip_spark.extract.tabular.columns import BATCH_ROWS, Columns
from metaclip_spark.extract.tabular.names import file_options
from metaclip_spark.extract.tabular.pages import first_byte, longest_in_dictionary, page_bytes
from metaclip_spark.extract.tabular.sizes import BATCH_BYTES, byte_caps, row_bytes, slices_by_bytes
from metaclip_spark.sources.files import Split
from metaclip_spark.storage.magic import check_start
from metaclip_spark.storage.open import is_remote, open_source

PAGE_BYTES = 512 << 20
"""Maximum unpacked bytes of a page, which is in memory whole."""
_STREAMED = 128 << 20
"""Packed bytes of a row group's columns above which they are not in memory whole."""
_STREAM_BYTES = 8 << 20
_LONG_VALUE = 4096


def parquet_names(uri: str) -> list[str]:
    """Return the names of a file's columns."""
    with open_source(uri) as raw:
        names: list[str] = _file_of(raw).schema_arrow.names
        return names


def _file_of(raw: BinaryIO) -> pq.ParquetFile:
    """Read a file's footer.

    Raises:
        WrongKindError: the first bytes say that the file is none.
    """
    try:
        return pq.ParquetFile(raw)
    except pa.ArrowInvalid:
        check_start(raw, "parquet")
        raise


def read_parquet(split: Split, options: ExtractOptions, ledger: Ledger) -> Iterator[tuple[int, Columns]]:
    """Yield (position of the first row, columns), as `read_columns` does.

    Strings and bytes keep their types in the columns of urls, texts and languages. In other columns bytes become hex.
    """
    with open_source(split.source.uri) as raw:
        file = _file_of(raw)
        ledger.opened(raw)
        options = file_options(file.schema_arrow.names, options, split.source.source_path)
        groups = _Groups(raw, file, options, is_remote(split.source.uri))
        position, rows_read = 0, 0
        for group in range(file.num_row_groups):
            meta = file.metadata.row_group(group)
            if split.start <= first_byte(meta.column(0)) < split.stop or (split.of == 1):
                row = position
                for columns in groups.read(group):
                    rows = len(columns[options.url_column])
                    rows_read += rows
                    ledger.bytes_reached = split.source.bytes * rows_read // max(file.metadata.num_rows, 1)
                    yield row, columns
                    row += rows
                if row - position != meta.num_rows:
                    raise DamagedSourceError(
                        f"row group {group} has {row - position:,} rows; its footer says {meta.num_rows:,}"
                    )
                ledger.bytes_read += meta.total_byte_size if split.of > 1 else 0
            position += meta.num_rows
        ledger.bytes_read = (split.stop - split.start) or raw.seek(0, os.SEEK_END)


class _Groups:
    """The wanted columns of a file's row groups, in batches whose bytes are bounded."""

    def __init__(self, raw: BinaryIO, file: pq.ParquetFile, options: ExtractOptions, is_remote: bool) -> None:
        self._raw = raw
        self._is_remote = is_remote
        self._file = file
        self._names = options.columns
        self._caps = byte_caps(options)
        decoded = (options.url_column, options.text_column, options.lang_column)
        kinds = {name: file.schema_arrow.field(name).type for name in self._names}
        logical = {leaf.path: leaf.logical_type.type for leaf in _leaves(file) if leaf.path in kinds}
        # pyarrow before 21 reads UUIDs as bytes, and every version reads enumerations so.
        self._uuids = {name for name, kind in kinds.items() if logical.get(name) == "UUID" and _is_fixed(kind)}
        self._hex = {
            name
            for name, kind in kinds.items()
            if _has_bytes(kind) and name not in decoded and logical.get(name) != "ENUM"
        }

    def read(self, group: int) -> Iterator[Columns]:
        """Yield the columns of a row group.

        Raises:
            DamagedSourceError: a page is too large, or the values need more memory than there is.
        """
        meta = self._file.metadata.row_group(group)
        chunks = [meta.column(index) for index in range(meta.num_columns)]
        chunks = [chunk for chunk in chunks if self._column_of(chunk.path_in_schema) is not None]
        unpacked = sum(chunk.total_uncompressed_size for chunk in chunks)
        streamed = sum(chunk.total_compressed_size for chunk in chunks) > _STREAMED
        self._check_pages(group, chunks)
        try:
            rows, dictionaries = self._batches(group, meta, chunks)
            file = self._opened(dictionaries, streamed)
            # One thread: a task has one core, and each of Arrow's threads allocates its own memory.
            batches = file.iter_batches(rows, row_groups=[group], columns=self._names, use_threads=False)
            for batch in batches:
                columns = {name: batch.column(name) for name in self._names}
                for _, part in slices_by_bytes(columns, self._caps):
                    yield {name: self._text_form(name, column) for name, column in part.items()}
        except MemoryError as error:
            raise DamagedSourceError(
                f"row group {group} needs more memory than a worker has: {unpacked:,} bytes in {meta.num_rows:,} rows "
                f"({error}). Write the file with smaller pages, or leave the long values out."
            ) from error

    def _column_of(self, path: str) -> str | None:
        return next((name for name in self._names if path == name or path.startswith(name + ".")), None)

    def _opened(self, dictionaries: list[str], streamed: bool) -> pq.ParquetFile:
        if not dictionaries and not streamed:
            return self._file
        return pq.ParquetFile(
            self._raw,
            metadata=self._file.metadata,
            read_dictionary=dictionaries,
            pre_buffer=not streamed,
            buffer_size=_STREAM_BYTES if streamed else 0,
        )

    def _check_pages(self, group: int, chunks: list[pq.ColumnChunkMetaData]) -> None:
        """Refuse a page of more than `PAGE_BYTES` before Arrow unpacks it."""
        for chunk in chunks:
            size = chunk.total_uncompressed_size
            # Each header of a remote file costs a request; long values make few pages.
            if size <= PAGE_BYTES or (self._is_remote and size < _LONG_VALUE * chunk.num_values):
                continue
            largest = max(page_bytes(self._raw, chunk), default=0)
            if largest > PAGE_BYTES:
                name = self._column_of(chunk.path_in_schema)
                raise DamagedSourceError(
                    f"a page of column {name!r} in row group {group} has {largest:,} bytes; expected at most "
                    f"{PAGE_BYTES:,}. Write the file with smaller pages, or leave the long values out."
                )

    def _batches(
        self, group: int, meta: pq.RowGroupMetaData, chunks: list[pq.ColumnChunkMetaData]
    ) -> tuple[int, list[str]]:
        """Return the rows to read at a time, and the paths of strings to read as dictionaries.

        A dictionary of one long value can stand for gigabytes. To read all strings as dictionaries would take twice
        the time where the values are different, so the lengths in the dictionary decide.
        """
        unpacked = sum(chunk.total_uncompressed_size for chunk in chunks)
        rows = max(1, min(BATCH_ROWS, meta.num_rows))
        if unpacked > BATCH_BYTES:
            rows = max(1, min(rows, BATCH_BYTES // 4 * meta.num_rows // unpacked))
        long = BATCH_BYTES * 2 // rows
        wide, unknown = [], []
        for chunk in chunks:
            is_string = chunk.has_dictionary_page and chunk.physical_type == "BYTE_ARRAY"
            if is_string and chunk.total_uncompressed_size * rows > PAGE_BYTES:
                longest = longest_in_dictionary(self._raw, chunk, long)
                if longest is None:
                    unknown.append(chunk.path_in_schema)
                elif longest > long:
                    wide.append(chunk.path_in_schema)
        return rows, wide + self._with_long_values(group, long, unknown)

    def _with_long_values(self, group: int, limit: int, paths: list[str]) -> list[str]:
        """Return the paths of columns whose dictionaries, as Arrow reads them, have a value above `limit` bytes."""
        if not paths:
            return []
        file = self._opened(paths, streamed=True)
        names = list(dict.fromkeys(self._column_of(path) for path in paths))
        for batch in file.iter_batches(1, row_groups=[group], columns=names, use_threads=False):
            short = {name for name in names if 0 < _longest(batch.column(name)) <= limit}
            return [path for path in paths if self._column_of(path) not in short]
        return paths

    def _text_form(self, name: str, column: pa.Array) -> pa.Array:
        if name in self._uuids:
            return uuid_strings(plain(column))
        return hex_strings(plain(column)) if name in self._hex else column


def _leaves(file: pq.ParquetFile) -> Iterator[pq.ColumnSchema]:
    return (file.schema.column(index) for index in range(len(file.schema)))


def _is_fixed(kind: pa.DataType) -> bool:
    return bool(pa.types.is_fixed_size_binary(kind))


def _has_bytes(kind: pa.DataType) -> bool:
    return is_bytes(kind.value_type) if pa.types.is_dictionary(kind) else is_bytes(kind)


def _longest(column: pa.Array) -> int:
    """Return the length in bytes of the longest value in the dictionaries of a column; 0 if there is none."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return int(row_bytes(column.dictionary).max(initial=0))
    if pa.types.is_struct(kind):
        return max((_longest(column.field(index)) for index in range(kind.num_fields)), default=0)
    if pa.types.is_map(kind):
        return max(_longest(column.keys), _longest(column.items))
    return _longest(column.values) if pa.types.is_nested(kind) else 0
