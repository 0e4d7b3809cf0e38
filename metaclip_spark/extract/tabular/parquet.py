"""Read columns of Parquet files, row group by row group."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pyarrow.parquet as pq

from metaclip_spark.candidates.ledger import Ledger
from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.extract.tabular.columns import BATCH_ROWS, Columns, check_columns
from metaclip_spark.sources.files import Split
from metaclip_spark.storage.open import open_source


def read_parquet(split: Split, options: ExtractOptions, ledger: Ledger) -> Iterator[tuple[int, Columns]]:
    with open_source(split.source.uri) as raw:
        file = pq.ParquetFile(raw)
        ledger.opened(raw)
        check_columns(file.schema_arrow.names, options.columns)
        position = 0
        for group in range(file.num_row_groups):
            meta = file.metadata.row_group(group)
            if split.start <= _first_byte(meta) < split.stop or (split.of == 1):
                row = position
                # One thread: a task has one core, and each of Arrow's threads allocates its own memory.
                for batch in file.iter_batches(
                    BATCH_ROWS, row_groups=[group], columns=options.columns, use_threads=False
                ):
                    yield row, {name: batch.column(name) for name in options.columns}
                    row += batch.num_rows
                ledger.bytes_read += meta.total_byte_size if split.of > 1 else 0
            position += meta.num_rows
        ledger.bytes_read = (split.stop - split.start) or raw.seek(0, os.SEEK_END)


def _first_byte(row_group: pq.RowGroupMetaData) -> int:
    first = row_group.column(0)
    return int(min(first.dictionary_page_offset or first.data_page_offset, first.data_page_offset))
