"""Read columns of TSV and CSV."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv

from metaclip_spark.candidates.ledger import Ledger
from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.errors import DamagedSourceError
from metaclip_spark.extract.tabular.columns import BATCH_ROWS, Columns, check_columns, inflated
from metaclip_spark.sources.files import Split
from metaclip_spark.storage.open import open_source

CSV_BLOCK_BYTES = 4 << 20
_PIECE_BYTES = 1 << 16


def delimited_names(uri: str, kind: str) -> list[str]:
    """Return the column names of a TSV or CSV."""
    with open_source(uri) as raw:
        return _csv_names(_Rows(inflated(raw, uri), kind), kind)


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


def read_delimited(split: Split, options: ExtractOptions, ledger: Ledger) -> Iterator[tuple[int, Columns]]:
    uri, kind = split.source.uri, split.source.format
    headless = options.by_position
    fields = {name: f"f{name}" if headless else name for name in options.columns}

    def broken_row(row: pa_csv.InvalidRow) -> str:
        ledger.records_read += 1
        detail = f"{row.actual_columns} columns, expected {row.expected_columns}: {row.text}"
        ledger.reject("broken_row", f"row {row.number}", detail)
        return "skip"

    if not headless:
        check_columns(delimited_names(uri, kind), options.columns)
    arrow = _csv_options(kind, headless)
    arrow["parse_options"].invalid_row_handler = broken_row
    # The columns are read as binary, so that a row with invalid UTF-8 is one reject and does not end the file.
    types = dict.fromkeys(fields.values(), pa.binary())
    convert = pa_csv.ConvertOptions(
        include_columns=list(types), column_types=types, strings_can_be_null=False, check_utf8=False
    )
    with open_source(uri) as raw:
        stream = _Rows(inflated(raw, uri), kind)
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
