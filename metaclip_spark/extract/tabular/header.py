"""Read the header of a TSV or CSV: its names, its delimiter and its line ends."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass

from metaclip_spark.core.byte_find import find

DELIMITERS = {"tsv": b"\t", "csv": b","}
_OTHERS = b"\t,;|"
_MAX_LINES = 100
_SAMPLE_BYTES = 1 << 16
_SEPARATOR_LINE = re.compile(rb'"?sep=(.)"?\r?(?:\n|\Z)', re.IGNORECASE)


@dataclass(frozen=True)
class Header:
    """The header of a file.

    Attributes:
        names: without outer white space; the positions "0", "1", ... of a file without a header line.
        delimiter: one byte.
        line_end: a line feed (a CRLF ends in one), or the carriage return of a file without line feeds.
        line: the header line without its end, or b"" without a header line.
        is_quoted: whether a name is quoted.
        end: position of the first row.
    """

    names: list[str]
    delimiter: bytes
    line_end: bytes
    line: bytes
    is_quoted: bool
    end: int


def header_of(data: bytes, kind: str, headless: bool, quoted: bool) -> Header | None:
    """Read the header at the start of a file; return None if there is no line.

    Args:
        data: the first block of the file.
        kind: "tsv" or "csv".
        headless: the file has no header line.
        quoted: whether names may be quoted.
    """
    line_end = b"\r" if b"\n" not in data and b"\r" in data else b"\n"
    separator = _SEPARATOR_LINE.match(data)  # Excel's
    start = separator.end() if separator else 0
    start += len(data[start : start + _SAMPLE_BYTES]) - len(data[start : start + _SAMPLE_BYTES].lstrip(b"\r\n"))
    if start >= len(data):
        return None
    end = _line_end(data, start, line_end)
    line = data[start:end]
    delimiter = separator[1] if separator else delimiter_of(line, DELIMITERS[kind])
    marked = quoted and begins_with_mark(line, delimiter)
    if marked:
        for _ in range(_MAX_LINES):
            if line.count(b'"') % 2 == 0 or end >= len(data):
                break
            end = _line_end(data, end, line_end)
            line = data[start:end]
    if not headless:
        names = _quoted_names(line, delimiter) if marked else _text(line).split(delimiter.decode("latin-1"))
        return Header([name.strip() for name in names], delimiter, line_end, line.rstrip(b"\r\n"), marked, end)
    if delimiter == b"\t" or not marked:
        lines = data[start : start + _SAMPLE_BYTES].split(line_end)
        columns = _columns_of(lines[:-1] or lines, delimiter)
    else:
        columns = len(_quoted_names(line, delimiter))
    return Header([str(number) for number in range(columns)], delimiter, line_end, b"", False, start)


def delimiter_of(line: bytes, default: bytes) -> bytes:
    """Return the delimiter of a header: the default, or the only other one in a line without the default.

    >>> delimiter_of(b"url;text", b","), delimiter_of(b"url,text", b",")
    (b';', b',')
    """
    if default in line:
        return default
    found = [bytes([sign]) for sign in _OTHERS if sign in line]
    return found[0] if len(found) == 1 else default


def begins_with_mark(data: bytes, delimiter: bytes) -> bool:
    """Return whether a field begins with a quotation mark."""
    return data.startswith(b'"') or any(find(data, sign + b'"') >= 0 for sign in (delimiter, b"\n", b"\r"))


def _columns_of(lines: list[bytes], delimiter: bytes) -> int:
    """Return the number of columns that most of these lines have."""
    counts = Counter(line.count(delimiter) for line in lines if line.strip())
    return max(counts, key=lambda number: (counts[number], number)) + 1 if counts else 1


def _quoted_names(line: bytes, delimiter: bytes) -> list[str]:
    return next(csv.reader(io.StringIO(_text(line), newline=""), delimiter=delimiter.decode("latin-1")), [])


def _line_end(data: bytes, start: int, sign: bytes) -> int:
    return data.find(sign, start) + 1 or len(data)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace").rstrip("\r\n")
