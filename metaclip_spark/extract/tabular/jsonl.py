"""Read columns of JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from metaclip_spark.candidates.ledger import Ledger
from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.core.text import without_surrogates
from metaclip_spark.extract.tabular.columns import BATCH_ROWS, Columns, check_columns, inflated
from metaclip_spark.sources.files import Split
from metaclip_spark.storage.open import open_source


def read_jsonl(split: Split, options: ExtractOptions, ledger: Ledger) -> Iterator[tuple[int, Columns]]:
    uri = split.source.uri
    failure: Exception | None = None
    rows: list[dict[str, Any]] = []
    position = number = 0
    with open_source(uri) as raw:
        stream = inflated(raw, uri)
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
