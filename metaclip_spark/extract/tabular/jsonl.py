"""Read columns of JSON lines."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from metaclip_spark.candidates.ledger import Ledger
from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.core.byte_find import count
from metaclip_spark.core.text import without_surrogates
from metaclip_spark.errors import WrongKindError
from metaclip_spark.extract.tabular.blocks import MAX_ROW_BYTES, Blocks
from metaclip_spark.extract.tabular.columns import BATCH_ROWS, Columns
from metaclip_spark.extract.tabular.names import file_options
from metaclip_spark.extract.tabular.parts import PART_ROWS, shown_row
from metaclip_spark.sources.files import Split
from metaclip_spark.storage.magic import BYTE_ORDER_MARK
from metaclip_spark.storage.open import open_source

_SHOWN_BYTES = 100
_STRING_OR_NULL = {str, type(None)}
_KINDS = {str: "a string", list: "a list", dict: "an object", bool: "a boolean", int: "a number", float: "a number"}


@dataclass
class Rows:
    """The objects of a block of lines.

    Attributes:
        lines, first: the block's lines, and the number of the first.
        values: the objects.
        places: position in `lines` of each object.
    """

    lines: list[bytes]
    first: int
    values: list[dict[str, Any]] = field(default_factory=list)
    places: list[int] = field(default_factory=list)


def read_jsonl(split: Split, options: ExtractOptions, ledger: Ledger) -> Iterator[tuple[int, Columns]]:
    """Yield (position of the first row, columns), as `read_columns` does.

    Raises:
        WrongKindError: no line of the first ones is an object.
        ColumnError: none of the first rows has a url, or none a text.
        Exception: any error of a damaged file, after the rows before it.
    """
    position, is_named, path = split.index * PART_ROWS, False, split.source.source_path
    with open_source(split.source.uri) as raw:
        if split.index:  # the names are those of the file's first rows, in every part
            for first, lines in lines_of(Blocks(raw, "jsonl")):
                rows = _rows_of(lines, first, Ledger(), check_kind=True)
                if rows.values:
                    options, is_named = _named(rows, options, path), True
                    break
        blocks = Blocks(raw, "jsonl", split)
        for first, lines in lines_of(blocks):
            rows = _rows_of(lines, position - position % PART_ROWS + first, ledger, check_kind=not is_named)
            if rows.values and not is_named:
                options, is_named = _named(rows, options, path), True
            columns = _columns_of(rows, options, ledger)
            for start in range(0, len(columns[options.url_column]), BATCH_ROWS):
                ledger.bytes_read = raw.tell() - split.start
                yield position + start, {name: column.slice(start, BATCH_ROWS) for name, column in columns.items()}
            position += len(rows.values)
        ledger.bytes_read = split.stop - split.start if split.of > 1 else raw.tell()
        ledger.opened(raw)
    if blocks.failure is not None:
        raise blocks.failure


def _named(rows: Rows, options: ExtractOptions, path: str) -> ExtractOptions:
    """Return the options with the names that the first rows have for the wanted columns."""
    names = list(dict.fromkeys(name for row in rows.values for name in row))
    return file_options(names, options, path, by_row=True)


def lines_of(blocks: Blocks) -> Iterator[tuple[int, list[bytes]]]:
    """Yield (number of the first, lines) of each block; of a line longer than MAX_ROW_BYTES, its first bytes.

    A line that a failure interrupts is not yielded.
    """
    number, size = 1, 0
    kept: list[bytes] = []
    sign = b""
    while True:
        block = blocks.next()
        sign = sign or (b"\r" if b"\n" not in block and b"\r" in block else b"\n")
        *whole, rest = block.split(sign)
        if whole:
            whole[0] = b"".join([*kept, whole[0]])
            yield number, whole
            number += len(whole)
            kept, size = [], 0
        if size <= MAX_ROW_BYTES:
            kept.append(rest)
        size += len(rest)
        if blocks.ended:
            break
    if size and blocks.failure is None:
        yield number, [b"".join(kept)]


def _rows_of(lines: list[bytes], first: int, ledger: Ledger, check_kind: bool) -> Rows:
    """Parse lines; a blank line is nothing, and a line without an object is a reject.

    Raises:
        WrongKindError: `check_kind`, and the lines are no objects, or a JSON document on many lines.
    """
    rows = Rows(lines, first)
    problems, first_problem, is_cut = 0, "", False
    parse = json.JSONDecoder().raw_decode
    add_values, add_place = rows.values.append, rows.places.append
    for place, line in enumerate(lines):
        line = line.strip()
        if not line:
            continue
        try:
            if len(line) > MAX_ROW_BYTES:
                raise ValueError(f"a line of more than {MAX_ROW_BYTES:,} bytes")
            text = line.removeprefix(BYTE_ORDER_MARK).decode("utf-8", "surrogatepass")
            values, end = parse(text)
            if type(values) is dict and end == len(text):
                add_values(values)
                add_place(place)
                continue
            problem = f"expected an object, got {_kind_of(values)}"
            if end < len(text):
                problem = f"expected one value, got more after character {end}"
        except (ValueError, RecursionError) as error:
            problem = str(error)
            if not problems and not rows.values and isinstance(error, json.JSONDecodeError):
                is_cut = line[:1] == b"{" and error.pos >= len(error.doc)
        first_problem = first_problem or f"{_line(first + place)}: {problem}: {line[:_SHOWN_BYTES]!r}"
        problems += 1
        _reject(ledger, "broken_json", first + place, problem, line)
    if check_kind and problems and (not rows.values or (is_cut and problems > len(rows.values))):
        what = "a JSON document on several lines" if is_cut else "not JSON lines"
        raise WrongKindError(
            f"the file is {what}: {first_problem}; expected one JSON object per line, in UTF-8. "
            "jq can write it so: jq -c '.[]' for an array, jq -c . for objects on several lines."
        )
    return rows


def _columns_of(rows: Rows, options: ExtractOptions, ledger: Ledger) -> Columns:
    """Return the wanted columns; a row with a wrong kind of value is a reject."""
    broken: dict[int, str] = {}
    columns: dict[str, list[Any]] = {}
    text = b"\n".join(rows.lines)
    for name in options.columns:
        values = columns[name] = [row.get(name) for row in rows.values]
        if not set(map(type, values)) <= _STRING_OR_NULL:
            for at, value in enumerate(values):
                problem = _problem_of(value, name, options)
                if problem:
                    broken.setdefault(at, problem)
        key = json.dumps(name, ensure_ascii=False).encode()
        if count(text, key) > len(values):
            for at, place in enumerate(rows.places):
                if rows.lines[place].count(key) > 1 and name in _repeated_keys(rows.lines[place]):
                    broken.setdefault(at, f"the key {name!r} is there twice")
    for at, problem in sorted(broken.items()):
        place = rows.places[at]
        _reject(ledger, "broken_row", rows.first + place, problem, rows.lines[place])
    if broken:
        columns = {name: [v for at, v in enumerate(values) if at not in broken] for name, values in columns.items()}
    return {name: _strings(values) for name, values in columns.items()}


def _problem_of(value: object, name: str, options: ExtractOptions) -> str:
    if type(value) in _STRING_OR_NULL:
        return ""
    if name in (options.url_column, options.text_column, options.lang_column):
        return f"{name!r} is {_kind_of(value)}, expected a string"
    is_number = type(value) is int or (type(value) is float and value == value)
    if name == options.id_column and not is_number:
        return f"{name!r} is {_kind_of(value)}, expected a string or a number"
    return ""


def _repeated_keys(line: bytes) -> set[str]:
    """Return the keys that the outermost object of a line has more than once."""
    pairs: list[tuple[str, Any]] = []

    def keep(found: list[tuple[str, Any]]) -> dict[str, Any]:
        pairs[:] = found  # the outermost object is the last to be complete
        return dict(found)

    json.loads(line, object_pairs_hook=keep)
    return {name for name, number in Counter(name for name, _ in pairs).items() if number > 1}


def _reject(ledger: Ledger, reason: str, number: int, problem: str, line: bytes) -> None:
    ledger.records_read += 1
    ledger.reject(reason, _line(number), f"{problem}: {line[:_SHOWN_BYTES]!r}")


def _line(number: int) -> str:
    return shown_row(number).replace("row", "line", 1)


def _kind_of(value: object) -> str:
    if value is None:
        return "null"
    return f"{_KINDS[type(value)]} ({value})" if isinstance(value, int | float) else _KINDS[type(value)]


def _strings(values: list[Any]) -> pa.Array:
    """Return values as strings; a value that is none becomes its JSON."""
    if not set(map(type, values)) <= _STRING_OR_NULL:
        values = [
            value if type(value) in _STRING_OR_NULL else json.dumps(value, ensure_ascii=False) for value in values
        ]
    try:
        return pa.array(values, pa.string())
    except UnicodeEncodeError:
        return pa.array([None if value is None else without_surrogates(value) for value in values], pa.string())
