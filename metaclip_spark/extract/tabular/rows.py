"""Cut delimited text into blocks of whole rows, whatever way it is quoted."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from metaclip_spark.core.byte_find import find
from metaclip_spark.core.jit import bytes_of
from metaclip_spark.errors import DamagedSourceError
from metaclip_spark.extract.tabular.blocks import MAX_ROW_BYTES, Blocks
from metaclip_spark.extract.tabular.dialect import BACKSLASH, DOUBLE, NONE, Dialect, holds_rows
from metaclip_spark.extract.tabular.quotes import (
    BROKEN,
    ESCAPE,
    FIELD,
    OPEN,
    PLAIN,
    Fields,
    doubled_marks,
    quoted_fields,
    quotes_of,
    row_end,
)
from metaclip_spark.storage.magic import BYTE_ORDER_MARK

Reject = Callable[[str, str], None]
"""Count a row that cannot be read: (where it is, what is wrong)."""

_LINES_OF_A_LOOK = 10
_LINE_FEED = 10


@dataclass
class Cutter:
    """Cuts text into whole rows; a row whose quotation marks are broken is rejected, and the next line is read.

    Attributes:
        columns: the number of columns of the file.
        header: the header line; a line that repeats it is rejected.
        reject: counts the rejected rows.
        at: position in the file's text of the text to cut next.
        well_formed, broken: the numbers of quoted fields, and of fields whose marks are broken.
    """

    columns: int
    header: bytes
    reject: Reject
    at: int = 0
    well_formed: int = 0
    broken: int = 0

    def cut(self, data: bytes, upto: int, dialect: Dialect, final: bool) -> tuple[memoryview, int]:
        """Return the whole rows in `data[:upto]`, and the number of bytes that they take.

        Rows of the dialect BACKSLASH are returned with doubled marks.

        Args:
            data: text from the start of a row.
            final: whether the file ends with `data`.
        """
        if dialect.quoting != NONE and b'"' in data:
            block, end = self._cut_quoted(data, upto, dialect, final)
        else:
            end = upto if final and upto == len(data) else data.rfind(dialect.line_end, 0, upto) + 1
            block = self._without_headers(memoryview(data)[:end], 0)
        self.at += end
        return block, end

    def _cut_quoted(self, data: bytes, upto: int, dialect: Dialect, final: bool) -> tuple[memoryview, int]:
        sign, quotes, backslash = dialect.line_end, quotes_of(data), dialect.quoting == BACKSLASH
        line_feeds = np.flatnonzero(bytes_of(data) == _LINE_FEED)
        parts: list[memoryview] = []
        start = 0

        def keep(stop: int, fields: Fields) -> None:
            nonlocal start
            inside = fields.within(start, stop)
            self.well_formed += len(inside.closed)
            part = memoryview(data)[start:stop]
            if backslash and find(part, b"\\") >= 0:
                part = memoryview(doubled_marks(part, inside))
            parts.append(self._without_headers(part, start))
            start = stop

        while start < len(data):
            fields = quoted_fields(data, quotes, start, dialect.delimiter[0], backslash, final)
            fields = self._checked(data, fields, line_feeds, dialect)
            is_broken = fields.state == BROKEN
            if fields.state == OPEN:
                is_broken = final or self._is_lone(data, fields.at, dialect)
            if is_broken and fields.at < upto:
                keep(max(start, fields.line_end_before(data, fields.at, sign)), fields)
                end = data.find(sign, fields.at) + 1 or (len(data) if final else 0)
                if not end:
                    break
                self.broken += 1
                what = "text after a quoted field, or a quotation mark that is not closed"
                self.reject(f"byte {self.at + start}", f"{what}: {shown(data[start : min(end, start + 200)])}")
                start = end
                continue
            if final and upto == len(data):
                keep(len(data), fields)
            else:
                limit = min(upto, fields.at) if fields.at >= 0 else upto
                keep(max(start, fields.line_end_before(data, limit, sign)), fields)
            break
        return parts[0] if len(parts) == 1 else memoryview(b"".join(parts)), start

    def _checked(self, data: bytes, fields: Fields, line_feeds: npt.NDArray[np.int64], dialect: Dialect) -> Fields:
        """Return the fields up to the first that encloses whole rows: a stray mark opens it, and another closes it."""
        inside = np.searchsorted(line_feeds, fields.closed) > np.searchsorted(line_feeds, fields.opened)
        for number in np.flatnonzero(inside).tolist():
            opened, closed = int(fields.opened[number]), int(fields.closed[number])
            if holds_rows(data, opened, closed + 1, dialect.delimiter, self.columns, None):
                return Fields(fields.opened[:number], fields.closed[:number], BROKEN, opened)
        return fields

    def _is_lone(self, data: bytes, at: int, dialect: Dialect) -> bool:
        """Return whether the mark at `at`, which megabytes do not close, is a stray one: rows follow its line."""
        if len(data) - at <= MAX_ROW_BYTES:
            return False
        lines = data[at : at + MAX_ROW_BYTES].split(dialect.line_end, _LINES_OF_A_LOOK + 1)[1:-1]
        return bool(lines) and all(line.count(dialect.delimiter) == self.columns - 1 for line in lines)

    def skip_row(self, data: bytes, blocks: Blocks, dialect: Dialect) -> bytes:
        """Skip the row at the start of `data`, of which more than MAX_ROW_BYTES are there; return the data after it.

        Raises:
            DamagedSourceError: the row is a quoted field that the rest of the file does not close.
        """
        start, head, state, first = self.at, shown(data[:100]), PLAIN, 0
        delimiter, backslash = dialect.delimiter[0], dialect.quoting != DOUBLE
        if dialect.quoting != NONE and b'"' in data:
            fields = quoted_fields(data, quotes_of(data), 0, delimiter, backslash, False)
            if fields.state == OPEN:
                state, first = FIELD, fields.at + 1
        end, state = row_end(data, first, delimiter, backslash, dialect.line_end[0], state)
        while not end and not blocks.ended:
            self.at += len(data)
            data = blocks.next()
            end, state = row_end(data, 0, delimiter, backslash, dialect.line_end[0], state)
        if not end and state in (FIELD, ESCAPE):
            raise blocks.failure or DamagedSourceError(
                f"the quoted field at byte {start} is not closed up to the end of the file; it begins {head!r}"
            )
        self.reject(f"byte {start}", f"a row of more than {MAX_ROW_BYTES:,} bytes: {head}")
        end = end or len(data)
        self.at += end
        return data[end:]

    def _without_headers(self, block: memoryview, start: int) -> memoryview:
        """Drop lines that repeat the header, as a file has that others were appended to."""
        if not self.header or find(block, self.header) < 0:
            return block
        parts, kept = [], 0
        line = re.compile(b"(?:%s)?%s(?:\r?\n|\r|\\Z)" % (BYTE_ORDER_MARK, re.escape(self.header)))
        for found in line.finditer(block):
            if found.start() and block[found.start() - 1] not in b"\r\n":
                continue
            parts.append(block[kept : found.start()])
            kept = found.end()
            self.reject(f"byte {self.at + start + found.start()}", f"the header line again: {shown(self.header)}")
        return memoryview(b"".join([*parts, block[kept:]]))


def shown(raw: bytes) -> str:
    """Return bytes as text for a reject's detail."""
    return raw.decode("utf-8", "replace").rstrip("\r\n")
