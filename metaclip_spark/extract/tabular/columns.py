"""Read columns of Parquet, TSV, CSV and JSON lines, in the worker, so that a damaged file fails alone."""

from __future__ import annotations

import gzip
import io
import json
import os
from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from metaclip_spark.candidates.ledger import Ledger
from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.core.text import without_surrogates
from metaclip_spark.errors import DamagedSourceError
from metaclip_spark.extract.records.chunk import check_gzip
from metaclip_spark.sources.files import Split
from metaclip_spark.storage.open import open_source

BATCH_ROWS = 8192
CSV_BLOCK_BYTES = 4 << 20
_PIECE_BYTES = 1 << 16

Columns = dict[str, pa.Array]
"""Column name -> Arrow array of the type that the file has; all arrays have one length."""


def read_columns(split: Split, options: ExtractOptions, ledger: Ledger) -> Iterator[tuple[int, Columns]]:
    """Yield (position of the first row, wanted columns) batch by batch.

    Raises:
        DamagedSourceError: a wanted column is missing.
        Exception: any error of the reader of a damaged file; earlier batches stay valid.
    """
    reader = {"parquet": _read_parquet, "jsonl": _read_jsonl}.get(split.source.format, _read_csv)
    yield from reader(split, options, ledger)


def column_names(uri: str, kind: str) -> list[str] | None:
    """Return a file's column names, or None for JSON lines, where every row names its own."""
    if kind == "jsonl":
        return None
    with open_source(uri) as raw:
        if kind == "parquet":
            names: list[str] = pq.ParquetFile(raw).schema_arrow.names
            return names
        return _csv_names(_Rows(_inflated(raw, uri), kind), kind)


def check_columns(names: list[str], wanted: list[str], where: str = "") -> None:
    """Refuse a file that lacks a wanted column.

    Args:
        where: a phrase for the error, with a space before it.

    Raises:
        DamagedSourceError: a wanted column is missing.
    """
    for name in wanted:
        if name not in names:
            got = [n if len(n) <= 40 else n[:40] + "..." for n in names]
            raise DamagedSourceError(
                f"column {name!r} is missing{where}; got {got}. Name the columns with --url-column and "
                "--text-column (in a file without a header line by position: 0, 1, ...)."
            )


def _read_parquet(split: Split, options: ExtractOptions, ledger: Ledger) -> Iterator[tuple[int, Columns]]:
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


def _inflated(raw: BinaryIO, uri: str) -> io.BufferedIOBase:
    if not uri.lower().endswith(".gz"):
        return raw  # type: ignore[return-value]  # every file of `open_source` is a BufferedIOBase
    check_gzip(raw)
    return gzip.GzipFile(fileobj=raw)


class _Rows(io.RawIOBase):
    """A text file that ends after the last whole row before an error; `failure` stores the error.

    Arrow reads blocks of megabytes, and would lose all rows of a block in which an error occurs.
    """

    def __init__(self, stream: io.BufferedIOBase, kind: str) -> None:
        self.failure: Exception | None = None
        self._stream = stream
        self._quoting = kind == "csv"
        self._quotes = 0
        self._data = b""

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Return at most `size` bytes, whole rows unless one row is longer; Arrow always passes a size."""
        parts, remaining = [self._data], size - len(self._data)
        try:
            while remaining > 0 and self.failure is None and (part := self._stream.read1(min(remaining, _PIECE_BYTES))):
                parts.append(part)
                remaining -= len(part)
        except MemoryError:
            raise
        except Exception as error:
            self.failure = error
        data = b"".join(parts)
        end = self._end_of_rows(data[:size])
        if not end and self.failure is None:
            end = min(size, len(data))
        self._data = data[end:] if self.failure is None else b""
        self._quotes += data.count(b'"', 0, end) if self._quoting else 0
        return data[:end]

    def _end_of_rows(self, data: bytes) -> int:
        """Return the end of the last whole row: after a line feed that is not inside quotes."""
        end = data.rfind(b"\n") + 1
        odd = self._quoting and (self._quotes + data.count(b'"', 0, end)) % 2
        while end and odd:
            before = data.rfind(b"\n", 0, end - 1) + 1
            odd = (odd + data.count(b'"', before, end)) % 2
            end = before
        return end


def _csv_options(kind: str, headless: bool = False) -> dict[str, Any]:
    parse = pa_csv.ParseOptions(
        delimiter="\t" if kind == "tsv" else ",",
        # TSV has no quoting: a quotation mark is part of the text.
        quote_char=False if kind == "tsv" else '"',
        newlines_in_values=kind == "csv",
    )
    read = pa_csv.ReadOptions(
        use_threads=False, block_size=CSV_BLOCK_BYTES, autogenerate_column_names=headless, encoding="utf8"
    )
    return {"parse_options": parse, "read_options": read}


def _csv_names(stream: _Rows, kind: str) -> list[str]:
    options = _csv_options(kind)
    options["parse_options"].invalid_row_handler = lambda row: "skip"
    try:
        names: list[str] = pa_csv.open_csv(stream, **options).schema.names
        return names
    except pa.ArrowInvalid:
        raise stream.failure or DamagedSourceError("the file is empty") from None


def _read_csv(split: Split, options: ExtractOptions, ledger: Ledger) -> Iterator[tuple[int, Columns]]:
    uri, kind = split.source.uri, split.source.format
    headless = options.by_position
    fields = {name: f"f{name}" if headless else name for name in options.columns}

    def broken_row(row: pa_csv.InvalidRow) -> str:
        ledger.records_read += 1
        detail = f"{row.actual_columns} columns, expected {row.expected_columns}: {row.text}"
        ledger.reject("broken_row", f"row {row.number}", detail)
        return "skip"

    if not headless:
        check_columns(column_names(uri, kind) or [], options.columns)
    arrow = _csv_options(kind, headless)
    arrow["parse_options"].invalid_row_handler = broken_row
    # The columns are read as binary, so that a row with invalid UTF-8 is one reject and does not end the file.
    types = dict.fromkeys(fields.values(), pa.binary())
    convert = pa_csv.ConvertOptions(
        include_columns=list(types), column_types=types, strings_can_be_null=False, check_utf8=False
    )
    with open_source(uri) as raw:
        stream = _Rows(_inflated(raw, uri), kind)
        try:
            reader = pa_csv.open_csv(stream, convert_options=convert, **arrow)
        except (KeyError, pa.ArrowKeyError) as error:
            raise DamagedSourceError(f"a column position is out of range: {error}; wanted {list(fields)}") from error
        position = 0
        for batch in reader:
            for start in range(0, batch.num_rows, BATCH_ROWS):
                part = batch.slice(start, BATCH_ROWS)
                ledger.bytes_read = raw.tell()
                yield position, {name: part.column(field) for name, field in fields.items()}
                position += part.num_rows
        ledger.bytes_read = raw.tell()
        ledger.opened(raw)
    if stream.failure is not None:
        raise stream.failure


def _read_jsonl(split: Split, options: ExtractOptions, ledger: Ledger) -> Iterator[tuple[int, Columns]]:
    uri = split.source.uri
    failure: Exception | None = None
    rows: list[dict[str, Any]] = []
    position = number = 0
    with open_source(uri) as raw:
        stream = _inflated(raw, uri)
        try:
            for number, line in enumerate(stream):
                row = _json_row(line, number, ledger)
                if row is not None:
                    rows.append(row)
                if len(rows) >= BATCH_ROWS:
                    ledger.bytes_read = raw.tell()
                    if position == 0:
                        _check_keys(rows, options)
                    yield position, _row_columns(rows, options)
                    position, rows = position + len(rows), []
        except MemoryError:
            raise
        except Exception as error:
            failure = error
        ledger.bytes_read = raw.tell()
        ledger.opened(raw)
    if rows:
        if position == 0:
            _check_keys(rows, options)
        yield position, _row_columns(rows, options)
    if failure is not None:
        raise failure


def _json_row(line: bytes, number: int, ledger: Ledger) -> dict[str, Any] | None:
    if not line.strip():
        return None
    try:
        row = json.loads(line)
        if isinstance(row, dict):
            return row
        problem = f"expected an object, got {type(row).__name__}"
    except (ValueError, RecursionError) as error:
        problem = str(error)
    ledger.records_read += 1
    ledger.reject("broken_json", f"line {number + 1}", f"{problem}: {line[:100]!r}")
    return None


def _check_keys(rows: list[dict[str, Any]], options: ExtractOptions) -> None:
    """Refuse a file if none of its first rows has a url, or none a text; single rows may lack them."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    check_columns(names, [options.url_column, options.text_column])


def _row_columns(rows: list[dict[str, Any]], options: ExtractOptions) -> Columns:
    return {name: pa.array([_json_text(row.get(name)) for row in rows], pa.string()) for name in options.columns}


def _json_text(value: object) -> str | None:
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return without_surrogates(text)
