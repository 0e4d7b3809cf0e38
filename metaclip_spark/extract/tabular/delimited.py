"""Read columns of TSV and CSV."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from metaclip_spark.candidates.ledger import Ledger
from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.core.byte_find import find
from metaclip_spark.errors import ColumnError, DamagedSourceError
from metaclip_spark.extract.tabular.blocks import MAX_ROW_BYTES, Blocks
from metaclip_spark.extract.tabular.columns import BATCH_ROWS, Columns
from metaclip_spark.extract.tabular.dialect import (
    BACKSLASH,
    DOUBLE,
    NONE,
    Dialect,
    Evidence,
    weigh,
    with_evidence,
)
from metaclip_spark.extract.tabular.header import DELIMITERS, Header, begins_with_mark, header_of
from metaclip_spark.extract.tabular.names import file_options
from metaclip_spark.extract.tabular.parts import PART_ROWS, shown_row
from metaclip_spark.extract.tabular.rows import Cutter, Reject
from metaclip_spark.sources.files import Split
from metaclip_spark.storage.open import open_source

_BROKEN_MARKS = 20
_OPEN_BLOCKS = 64
_LOOK_BYTES = 4 << 20
_LONE_RETURN = re.compile(rb"\r(?!\n)")
_UNUSED = [bytes([value]) for value in (*range(1, 9), *range(14, 32), *range(0xFF, 0xF4, -1), 0xC1, 0xC0)]
"""Bytes that hardly any text has: controls, and what is no part of UTF-8."""


def delimited_names(uri: str, kind: str, quoting: str = "auto") -> list[str]:
    """Return the column names of a TSV or CSV."""
    with open_source(uri) as raw:
        return Delimited(Blocks(raw, kind), kind, quoting, headless=False).header.names


def dialect_of(uri: str, kind: str, quoting: str = "auto", headless: bool = False) -> Dialect:
    """Return how the first rows of a TSV or CSV are written; `Dialect.sentence` says it."""
    with open_source(uri) as raw:
        file = Delimited(Blocks(raw, kind), kind, quoting, headless)
        for _ in file.blocks(lambda where, what: None):
            if file.is_settled or raw.tell() > _LOOK_BYTES:
                break
        return file.dialect


class Delimited:
    """A TSV or CSV as blocks of whole rows.

    Attributes:
        header: names, delimiter and line ends.
        dialect: the dialect so far; the quoting changes before the first row that it matters to.
        is_settled: whether the quoting will not change any more.
    """

    def __init__(self, blocks: Blocks, kind: str, quoting: str, headless: bool, header: Header | None = None) -> None:
        """Read the header.

        Args:
            quoting: one of `candidates.options.QUOTINGS`.
            headless: the file has no header line.
            header: the header of the file, if the blocks are a later part of it.

        Raises:
            DamagedSourceError: the file has no line.
        """
        self._blocks, self._setting = blocks, quoting
        data = blocks.next()
        if header is not None:
            header = replace(header, end=0)
        else:
            while b"\n" not in data and not blocks.ended and len(data) <= MAX_ROW_BYTES:
                data = blocks.next(data)
            header = header_of(data, kind, headless, quoting != NONE)
            if header is None or (header.end >= len(data) and blocks.failure):
                raise blocks.failure or DamagedSourceError("the file has no line of text")
        self.header: Header = header
        default = NONE if header.delimiter == b"\t" else DOUBLE
        self.dialect = Dialect(
            header.delimiter,
            default if quoting == "auto" else quoting,
            header.line_end,
            is_default=header.delimiter == DELIMITERS[kind],
        )
        self.is_settled = quoting != "auto"
        self._is_quoted = False
        self._weighed = 0
        self._evidence = Evidence()
        self._data = data[header.end :]

    def blocks(self, reject: Reject) -> Iterator[memoryview]:
        """Yield blocks of whole rows in the order of the file; `dialect` tells how the block is written.

        Raises:
            DamagedSourceError: the fields contradict the dialect that earlier ones showed.
        """
        cutter = Cutter(len(self.header.names), self.header.line, reject, self._blocks.start + self.header.end)
        while True:
            ended = self._blocks.ended
            final = ended and self._blocks.failure is None
            upto = self._choose(final)
            rest = upto < len(self._data)
            block, used = cutter.cut(self._data, upto, self.dialect, final)
            if len(block):
                yield block
            self._data = self._data[used:]
            self._check(cutter)
            if rest and used:
                continue  # the next fields are weighed before more is read
            if rest and ended and not self.is_settled:
                self.is_settled = True  # one row has more fields than are weighed at a time
                continue
            if not used and len(self._data) > MAX_ROW_BYTES:
                self._data = cutter.skip_row(self._data, self._blocks, self.dialect)
            elif ended:
                return
            else:
                # A row that is longer than the data is looked for in twice as much.
                self._data = self._blocks.next(self._data)

    def _choose(self, final: bool) -> int:
        """Weigh the next rows as long as the quoting is open; return the end of the rows that can be read."""
        data, dialect = self._data, self.dialect
        if self._setting != "auto" or (self.is_settled and dialect.quoting != NONE):
            return len(data)
        marks = b'"' in data and begins_with_mark(data, dialect.delimiter)
        if self.is_settled or self._is_quoted:
            # Text without quoting is watched for quoted fields, and quoted text for the escapes of marks.
            if not (marks if self.is_settled else b"\\" in data):
                return len(data)
        elif not marks:
            return len(data)
        if self.is_settled:
            end = data.rfind(dialect.line_end) + 1
            weigh(data[:end], dialect.delimiter, len(self.header.names), True, self._evidence)
            return len(data)
        upto = weigh(data, dialect.delimiter, len(self.header.names), final, self._evidence)
        self._weighed += 1
        self._decide()
        return upto

    def _decide(self) -> None:
        evidence = self._evidence
        quoting = evidence.choose(self.dialect.delimiter, self.header.is_quoted)
        if self._is_quoted:
            quoting = evidence.escape()
            self.is_settled = quoting is not None or self._weighed > _OPEN_BLOCKS
        elif quoting == DOUBLE and evidence.escape() is None:
            self._is_quoted = evidence.quoted + evidence.needless > 0 or self.header.is_quoted
        else:
            self.is_settled = quoting is not None
        if quoting is not None:
            self.dialect = with_evidence(self.dialect, quoting, evidence)

    def _check(self, cutter: Cutter) -> None:
        """Refuse to go on if more fields contradict the choice than agree with it."""
        evidence, quoting = self._evidence, self.dialect.quoting
        if self._setting != "auto":
            return
        if quoting == NONE and self.is_settled and evidence.quoted > evidence.none + evidence.needless:
            problem = f"were read as text, but fields are quoted, {evidence.said(('double', 'backslash', 'either'))}"
        elif quoting in (DOUBLE, BACKSLASH) and cutter.broken >= max(_BROKEN_MARKS, cutter.well_formed + 1):
            problem = f"were read as quotes, which {cutter.broken:,} fields contradict and {cutter.well_formed:,} obey"
        else:
            return
        raise DamagedSourceError(
            f"quotation marks {problem}, up to byte {cutter.at} of the text. "
            "Say how the file is written: --quoting none, double or backslash."
        )


def read_delimited(split: Split, options: ExtractOptions, ledger: Ledger) -> Iterator[tuple[int, Columns]]:
    """Read the wanted columns of a TSV or CSV; they are binary, so that invalid UTF-8 is the reject of one row.

    Raises:
        DamagedSourceError: a wanted column is missing, or the file's quotation marks contradict each other.
        Exception: any error of a damaged file, after the rows before it.
    """
    position, kind = split.index * PART_ROWS, split.source.format
    with open_source(split.source.uri) as raw:
        header = None
        if split.index:
            header = Delimited(Blocks(raw, kind), kind, options.quoting, options.by_position).header
        blocks = Blocks(raw, kind, split)
        file = Delimited(blocks, kind, options.quoting, options.by_position, header)
        places = _places(file.header.names, options, split.source.source_path)

        def broken_row(where: str, what: str) -> None:
            ledger.records_read += 1
            ledger.reject("broken_row", where, what)

        for block in file.blocks(broken_row):
            columns = _parsed(block, file, places, broken_row, position)
            rows = len(next(iter(columns.values())))
            for start in range(0, rows, BATCH_ROWS):
                ledger.bytes_read = raw.tell() - split.start
                yield position + start, {name: column.slice(start, BATCH_ROWS) for name, column in columns.items()}
            position += rows
        ledger.bytes_read = split.stop - split.start if split.of > 1 else raw.tell()
        ledger.opened(raw)
    if blocks.failure is not None:
        raise blocks.failure


def _places(names: list[str], options: ExtractOptions, source_path: str) -> dict[str, int]:
    """Return the position of each wanted column by the name that the file has for it."""
    if not options.by_position:
        return {name: names.index(name) for name in file_options(names, options, source_path).columns}
    beyond = [name for name in options.columns if int(name) >= len(names)]
    if beyond:
        raise ColumnError(
            f"a column position is out of range: {', '.join(beyond)}; the file has {len(names)} columns, 0 to "
            f"{len(names) - 1}; wanted {options.columns}."
        )
    return {name: int(name) for name in options.columns}


def _parsed(block: memoryview, file: Delimited, places: dict[str, int], reject: Reject, position: int) -> Columns:
    dialect, hidden = file.dialect, b""
    if dialect.line_end == b"\n" and find(block, b"\r") >= 0 and _LONE_RETURN.search(block):
        # To Arrow every CR ends a row; here it is a character.
        hidden = next((sign for sign in _UNUSED if find(block, sign) < 0), b" ")
        block = memoryview(_LONE_RETURN.sub(hidden, block))
    rejects: list[tuple[str, str]] = []

    def broken_row(row: pa_csv.InvalidRow) -> str:
        detail = f"{row.actual_columns} columns, expected {row.expected_columns}: {row.text}"
        rejects.append((shown_row(position + row.number + bool(file.header.line)), detail))
        return "skip"

    if _is_utf8(block):
        table = _table(block, file, places, broken_row)
        columns = {name: _whole(table.column(f"f{place}")) for name, place in places.items()}
    else:
        # Arrow hands a row of another number of columns on as a string, and cannot if the row is not UTF-8. As Latin-1
        # every byte is a character, and is a byte again afterwards.
        table = _table(memoryview(str(block, "latin-1").encode()), file, places, broken_row)
        rejects = [(where, detail.encode("latin-1", "replace").decode("utf-8", "replace")) for where, detail in rejects]
        columns = {name: _latin1_bytes(_whole(table.column(f"f{place}"))) for name, place in places.items()}
    for where, detail in rejects:
        reject(where, detail)
    if hidden:
        columns = {name: pc.replace_substring(column, hidden, b"\r") for name, column in columns.items()}
    return columns


def _table(
    block: memoryview, file: Delimited, places: dict[str, int], broken_row: Callable[[pa_csv.InvalidRow], str]
) -> pa.Table:
    quoted = file.dialect.quoting != NONE
    types = {f"f{place}": pa.binary() for place in places.values()}
    return pa_csv.read_csv(
        pa.py_buffer(block),
        read_options=pa_csv.ReadOptions(
            use_threads=False,
            block_size=len(block) + 1,
            column_names=[f"f{place}" for place in range(len(file.header.names))],
        ),
        parse_options=pa_csv.ParseOptions(
            delimiter=file.dialect.delimiter.decode("latin-1"),
            quote_char='"' if quoted else False,
            newlines_in_values=quoted,
            invalid_row_handler=broken_row,
        ),
        # \N is the null of MySQL, Hive and PostgreSQL.
        convert_options=pa_csv.ConvertOptions(
            include_columns=list(types),
            column_types=types,
            null_values=["\\N"],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            check_utf8=False,
        ),
    )


def _is_utf8(block: memoryview) -> bool:
    ends = pa.py_buffer(np.array([0, len(block)], np.int64))
    try:
        pa.LargeStringArray.from_buffers(1, ends, pa.py_buffer(block)).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _latin1_bytes(column: pa.Array) -> pa.Array:
    values = (None if value is None else value.decode().encode("latin-1") for value in column.to_pylist())
    return pa.array(values, pa.binary())


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks or [pa.array([], column.type)])
