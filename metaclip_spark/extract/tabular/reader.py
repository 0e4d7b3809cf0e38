"""Turn columns of a tabular pool into candidates, with the checks and the cleaning of texts from the web."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from metaclip_spark.candidates.batch import Candidates
from metaclip_spark.candidates.ledger import Ledger
from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.core.text import clean_text
from metaclip_spark.errors import DamagedSourceError
from metaclip_spark.extract.tabular.columns import Columns
from metaclip_spark.extract.tabular.delimited import delimited_names, read_delimited
from metaclip_spark.extract.tabular.jsonl import read_jsonl
from metaclip_spark.extract.tabular.parquet import read_parquet
from metaclip_spark.sources.files import Split
from metaclip_spark.storage.open import open_source

# This matches texts that clean_text may change: a control character or line end is inside, or an edge is not printable
# ASCII. Only these texts become Python strings.
_UNCLEAN = r"[\x00\t\n\r]|^[^!-~]|[^!-~]$"


def read_tabular(split: Split, options: ExtractOptions, ledger: Ledger) -> Iterator[Candidates]:
    """Read a split of a tabular pool; every row is one text."""
    for position, columns in read_columns(split, options, ledger):
        yield candidates_of(columns, position, options, ledger)


def read_columns(split: Split, options: ExtractOptions, ledger: Ledger) -> Iterator[tuple[int, Columns]]:
    """Yield (position of the first row, wanted columns) batch by batch.

    Raises:
        DamagedSourceError: a wanted column is missing.
        Exception: any error of the reader of a damaged file; earlier batches stay valid.
    """
    reader = {"parquet": read_parquet, "jsonl": read_jsonl}.get(split.source.format, read_delimited)
    yield from reader(split, options, ledger)


def column_names(uri: str, kind: str) -> list[str] | None:
    """Return a file's column names, or None for JSON lines, where every row names its own."""
    if kind == "jsonl":
        return None
    if kind != "parquet":
        return delimited_names(uri, kind)
    with open_source(uri) as raw:
        names: list[str] = pq.ParquetFile(raw).schema_arrow.names
        return names


def candidates_of(columns: Columns, position: int, options: ExtractOptions, ledger: Ledger) -> Candidates:
    """Check and clean one batch of rows; the ledger counts the rejects.

    Args:
        position: the first row's number in the source.

    Raises:
        DamagedSourceError: a column does not hold strings.
    """
    rows = len(columns[options.text_column])
    url, bad_url = utf8(columns[options.url_column], options.url_column)
    text, bad_text = utf8(columns[options.text_column], options.text_column)
    lang = key = None
    if options.lang_column:
        lang, _ = utf8(columns[options.lang_column], options.lang_column)
        lang = pc.if_else(pc.equal(lang, ""), pa.scalar(None, pa.string()), lang)
    if options.id_column:
        key, _ = utf8(columns[options.id_column], options.id_column)
    ledger.records_read += rows
    keep = _Keep(rows, position, ledger)
    keep.drop("broken_row", pc.or_(bad_url, bad_text), text, "not UTF-8")
    if key is not None:
        keep.drop("broken_row", pc.is_null(key), text, f"column {options.id_column!r} is null")
    keep.drop("no_text", pc.is_null(text), url)
    text = cleaned(text)
    keep.drop("empty_text", pc.equal(text, ""), url)
    ledger.texts_read += int(keep.mask.sum())
    trimmed = pc.utf8_trim_whitespace(url)
    keep.drop("no_url", pc.fill_null(pc.equal(trimmed, ""), True), text)
    keep.drop("data_url", pc.starts_with(trimmed, "data:", ignore_case=True), url)
    wanted = options.languages
    if lang is not None and wanted:
        # A row without a language is kept: its language may be identified later.
        keep.drop("language", pc.invert(pc.is_in(pc.fill_null(lang, wanted[0]), pa.array(wanted))), lang)
    batch = Candidates(
        url=url,
        text=text,
        text_source=pa.repeat(pa.scalar(options.text_column), rows),
        position=pa.array(np.arange(position, position + rows)),
        lang=lang,
        key=key,
        extra=extra_map({name: columns[name] for name in options.keep_columns}, rows),
    )
    return batch if keep.all else batch.select(pa.array(keep.mask))


class _Keep:
    """The mask of a batch's rows that are kept; a row is counted under the first reason that drops it."""

    def __init__(self, rows: int, position: int, ledger: Ledger) -> None:
        self.mask: npt.NDArray[np.bool_] = np.ones(rows, dtype=np.bool_)
        self._position = position
        self._ledger = ledger

    @property
    def all(self) -> bool:
        """Whether all rows are kept."""
        return bool(self.mask.all())

    def drop(self, reason: str, where: pa.Array, details: pa.Array, note: str = "") -> None:
        """Drop the rows for which `where` is true; the detail of a reject is the note, or its row of `details`."""
        dropped = self.mask & pc.fill_null(where, False).to_numpy(zero_copy_only=False)
        rows = np.flatnonzero(dropped)
        if len(rows):
            examples = ((f"row {self._position + row}", note or details[int(row)].as_py()) for row in rows)
            self._ledger.reject_many(reason, len(rows), examples)
            self.mask &= ~dropped


def utf8(column: pa.Array, name: str) -> tuple[pa.Array, pa.Array]:
    """Return a column as strings, and a boolean array of the rows that are not UTF-8, which become null.

    Raises:
        DamagedSourceError: the column does not hold strings.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.dictionary_decode(), kind.value_type
    if not _is_text(kind):
        raise DamagedSourceError(f"column {name!r} has type {kind}; expected strings")
    try:
        column.validate(full=True)  # the strings of a file may not be UTF-8
        return column.cast(pa.string()), pa.repeat(pa.scalar(False), len(column))
    except pa.ArrowInvalid:
        column = column.cast(pa.large_binary())
        values = [None if raw is None else _decoded(raw) for raw in column.to_pylist()]
        bad = [v is None and raw.is_valid for v, raw in zip(values, column, strict=True)]
        return pa.array(values, pa.string()), pa.array(bad)


def _is_text(kind: pa.DataType) -> bool:
    is_string = pa.types.is_string(kind) or pa.types.is_large_string(kind) or kind == pa.string_view()
    return bool(is_string or pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _decoded(raw: bytes) -> str | None:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None


def cleaned(texts: pa.Array) -> pa.Array:
    """Return `clean_text` of every text; a null becomes an empty text."""
    texts = pc.fill_null(texts, "")
    unclean = pc.match_substring_regex(texts, _UNCLEAN)
    if not pc.any(unclean).as_py():
        return texts
    fixed = [clean_text(text) for text in texts.filter(unclean).to_pylist()]
    return pc.replace_with_mask(texts, unclean, pa.array(fixed, pa.string()))


def extra_map(columns: Columns, rows: int) -> pa.Array | None:
    """Return the kept columns as one map<string, string> per row, or None without kept columns."""
    if not columns:
        return None
    names = list(columns)
    values = pa.concat_arrays([_as_string(columns[name]) for name in names])
    # Column-major -> row-major: the value of row r and column c is at c * rows + r.
    order = np.arange(len(names) * rows).reshape(len(names), rows).T.ravel()
    keys = pa.array(np.tile(np.arange(len(names), dtype=np.int32), rows))
    offsets = pa.array(np.arange(rows + 1, dtype=np.int32) * len(names))
    return pa.MapArray.from_arrays(offsets, pa.array(names).take(keys), values.take(pa.array(order)))


def _as_string(column: pa.Array) -> pa.Array:
    if _is_text(column.type) or pa.types.is_dictionary(column.type) and _is_text(column.type.value_type):
        return utf8(column, "")[0]
    try:
        return column.cast(pa.string())
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        return pa.array([None if v is None else _as_json(v) for v in column.to_pylist()], pa.string())


def _as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
