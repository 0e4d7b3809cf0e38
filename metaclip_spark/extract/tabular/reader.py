"""Turn columns of a tabular pool into candidates, with the checks and the cleaning of texts from the web."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from metaclip_spark.candidates.batch import Candidates
from metaclip_spark.candidates.ledger import Ledger
from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.core.text import clean_text
from metaclip_spark.core.urls.valid_hosts import bad_hosts
from metaclip_spark.core.values import KEY_TYPES, is_bytes, is_string, key_strings, plain, value_strings
from metaclip_spark.errors import DamagedSourceError
from metaclip_spark.extract.tabular.columns import Columns
from metaclip_spark.extract.tabular.delimited import delimited_names, read_delimited
from metaclip_spark.extract.tabular.jsonl import read_jsonl
from metaclip_spark.extract.tabular.names import UID, partition_values, without_partitions
from metaclip_spark.extract.tabular.parquet import parquet_names, read_parquet
from metaclip_spark.extract.tabular.parts import shown_row
from metaclip_spark.extract.tabular.sizes import URL_BYTES, Sizes, byte_caps, shortened
from metaclip_spark.sources.files import Source, Split, whole

# This matches texts that clean_text may change: a control character or line end is inside, or an edge is not printable
# ASCII. Only these texts become Python strings.
_UNCLEAN = r"[\x00\t\n\r]|^[^!-~]|[^!-~]$"


def read_tabular(split: Split, options: ExtractOptions, ledger: Ledger) -> Iterator[Candidates]:
    """Read a split of a tabular pool; every row is one text."""
    path = split.source.source_path
    for position, columns in read_columns(split, options, ledger):
        url, text = [*columns, *columns][:2]  # twice: one column may be both
        more = (UID,) if UID in columns and UID not in options.columns else ()  # of DataComp's layout
        named = replace(options, url_column=url, text_column=text, keep_columns=(*options.keep_columns, *more))
        yield candidates_of(with_partitions(columns, options, path), position, named, ledger)


def read_columns(split: Split, options: ExtractOptions, ledger: Ledger) -> Iterator[tuple[int, Columns]]:
    """Yield (position of the first row, wanted columns) batch by batch, by the names that the file has for them.

    The columns have the order of `ExtractOptions.columns`: the urls first, then the texts.

    Raises:
        DamagedSourceError: a wanted column is missing.
        Exception: any error of the reader of a damaged file; earlier batches stay valid.
    """
    reader = {"parquet": read_parquet, "jsonl": read_jsonl}.get(split.source.format, read_delimited)
    yield from reader(split, in_files(options, split.source.source_path), ledger)


def in_files(options: ExtractOptions, source_path: str) -> ExtractOptions:
    """Return the options without the columns of the path, if urls and texts are named by position.

    A file without a header line has no names that could come before the path's.
    """
    if not (options.url_column.isdigit() and options.text_column.isdigit()):
        return options
    return without_partitions(options, partition_values(source_path))


def with_partitions(columns: Columns, options: ExtractOptions, source_path: str) -> Columns:
    """Return the columns, and for the wanted ones that the file lacks the values of the path's folders."""
    values = partition_values(source_path)
    of_path = [name for name in options.columns if name in values and name not in columns]
    if not of_path:
        return columns
    rows = len(next(iter(columns.values())))
    return columns | {name: pa.repeat(pa.scalar(values[name], pa.string()), rows) for name in of_path}


def column_names(source: Source, options: ExtractOptions) -> list[str]:
    """Return a file's column names; none for a file that is read by position, the wanted ones of JSON lines.

    Raises:
        ColumnError: the first rows of JSON lines have no url, or no text.
        Exception: any error of the reader of a damaged file.
    """
    options = in_files(options, source.source_path)
    if source.format == "parquet":
        return parquet_names(source.uri)
    if source.format != "jsonl":
        return [] if options.by_position else delimited_names(source.uri, source.format, options.quoting)
    for _, columns in read_jsonl(whole(source), options, Ledger()):
        return list(columns)
    return []


def candidates_of(columns: Columns, position: int, options: ExtractOptions, ledger: Ledger) -> Candidates:
    """Check and clean one batch of rows; the ledger counts the rejects.

    Args:
        position: the first row's number in the source.

    Raises:
        DamagedSourceError: a column has a type that cannot be what it is named for.
    """
    rows = len(columns[options.text_column])
    columns, long = _without_long_values(columns, options)
    url, bad_url = utf8(columns[options.url_column], options.url_column, "--url-column")
    text, bad_text = utf8(columns[options.text_column], options.text_column, "--text-column")
    lang = key = None
    if options.lang_column:
        lang, _ = utf8(columns[options.lang_column], options.lang_column, "--lang-column")
        lang = pc.if_else(pc.equal(lang, ""), pa.scalar(None, pa.string()), lang)
    if options.id_column:
        key, bad_key = _keys(columns[options.id_column], options.id_column)
    ledger.records_read += rows  # no column is refused from here on
    keep = _Keep(rows, position, ledger)
    keep.drop("broken_row", pc.or_(bad_url, bad_text), text, "not UTF-8")
    if key is not None:
        keep.drop("broken_row", bad_key, text, f"column {options.id_column!r} is not UTF-8")
        keep.drop("broken_row", pc.is_null(key), text, f"column {options.id_column!r} is null")
    keep.drop("no_text", pc.is_null(text), url)
    text = cleaned(text)
    keep.drop("empty_text", pc.equal(text, ""), url)
    ledger.texts_read += int(keep.mask.sum())
    if options.text_cap:
        _drop_long_texts(keep, text, long.get(options.text_column), options.text_cap)
    trimmed = pc.utf8_trim_whitespace(url)
    keep.drop("no_url", pc.fill_null(pc.equal(trimmed, ""), True), text)
    keep.drop("data_url", pc.starts_with(trimmed, "data:", ignore_case=True), url)
    if (sizes := long.get(options.url_column)) is not None:
        keep.drop("bad_url", pa.array(sizes > URL_BYTES), lambda row: f"a url of {sizes[row]:,} bytes")
    keep.drop("bad_url", pa.array(bad_hosts(url)), url)
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
    )
    kept = {name: columns[name] for name in options.keep_columns}
    if not keep.all:
        mask = pa.array(keep.mask)
        batch, kept = batch.select(mask), {name: column.filter(mask) for name, column in kept.items()}
    return replace(batch, extra=extra_map(kept, len(batch))) if kept else batch


def _without_long_values(columns: Columns, options: ExtractOptions) -> tuple[Columns, dict[str, Sizes]]:
    """Return the columns with the starts of values that are too long, and the bytes of the values before."""
    long: dict[str, Sizes] = {}
    for name, limit in byte_caps(options).items():
        column, sizes = shortened(columns[name], limit)
        if sizes is not None:
            columns, long[name] = columns | {name: column}, sizes
    return columns, long


def _drop_long_texts(keep: _Keep, text: pa.Array, sizes: Sizes | None, cap: int) -> None:
    if sizes is not None:
        keep.drop("text_cap", pa.array(sizes > 4 * cap), lambda row: f"{sizes[row]:,} bytes")
    if (pc.max(pc.binary_length(text)).as_py() or 0) > cap:
        chars = pc.utf8_length(text)
        keep.drop("text_cap", pc.greater(chars, cap), lambda row: f"{chars[row].as_py():,} characters")


def _keys(column: pa.Array, name: str) -> tuple[pa.Array, pa.Array]:
    """Return keys as strings, and a boolean array of the rows that are not UTF-8, which become null."""
    column = plain(column)
    if is_string(column.type) or is_bytes(column.type):  # the bytes of TSV and CSV; those of Parquet are hex by now
        return utf8(column, name, "--id-column")
    keys = key_strings(column)
    if keys is None:
        hint = "write it as integers or strings" if pa.types.is_floating(column.type) else "name another column"
        raise DamagedSourceError(
            f"column {name!r} has type {_shown(column.type)}; expected keys: {KEY_TYPES}. For --id-column, {hint}."
        )
    return keys, pa.repeat(pa.scalar(False), len(keys))


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

    def drop(self, reason: str, where: pa.Array, details: pa.Array | Callable[[int], str], note: str = "") -> None:
        """Drop the rows for which `where` is true; the detail of a reject is the note, or its row of `details`."""
        detail = details if callable(details) else lambda row: details[row].as_py()
        dropped = self.mask & pc.fill_null(where, False).to_numpy(zero_copy_only=False)
        rows = np.flatnonzero(dropped)
        if len(rows):
            examples = ((shown_row(self._position + int(row)), note or detail(int(row))) for row in rows)
            self._ledger.reject_many(reason, len(rows), examples)
            self.mask &= ~dropped


def utf8(column: pa.Array, name: str, flag: str = "--text-column") -> tuple[pa.Array, pa.Array]:
    """Return a column as strings, and a boolean array of the rows that are not UTF-8, which become null.

    A column without any value has Arrow's null type; its rows are nulls.

    Args:
        flag: the flag that names the column, for the error.

    Raises:
        DamagedSourceError: the column does not hold strings.
    """
    column = plain(column)
    kind = column.type
    if pa.types.is_null(kind):
        return column.cast(pa.string()), pa.repeat(pa.scalar(False), len(column))
    if not (is_string(kind) or is_bytes(kind)):
        raise DamagedSourceError(
            f"column {name!r} has type {_shown(kind)}; expected strings. {_advice(kind, name, flag)}"
        )
    try:
        column.validate(full=True)  # the strings of a file may not be UTF-8
        return column.cast(pa.string()), pa.repeat(pa.scalar(False), len(column))
    except pa.ArrowInvalid:
        column = column.cast(pa.large_binary())
        values = [None if raw is None else _decoded(raw) for raw in column.to_pylist()]
        bad = [v is None and raw.is_valid for v, raw in zip(values, column, strict=True)]
        return pa.array(values, pa.string()), pa.array(bad)


def _advice(kind: pa.DataType, name: str, flag: str) -> str:
    if pa.types.is_nested(kind) and not pa.types.is_struct(kind) and not pa.types.is_map(kind):
        return (
            f"Name a column with one value per row with {flag}, or write one row per value first "
            f"(pandas: df.explode({name!r}); SQL: unnest)."
        )
    if pa.types.is_struct(kind) or pa.types.is_map(kind):
        return f"Write the field that you mean as a column of its own, and name it with {flag}."
    return f"Name another column with {flag}."


def _shown(kind: pa.DataType) -> str:
    return str(kind)[:200]


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
    column = plain(column)
    if not (is_string(column.type) or is_bytes(column.type)):
        return value_strings(column)
    strings, bad = utf8(column, "")
    if not pc.any(bad).as_py():
        return strings
    raw = column.cast(pa.large_binary()).filter(bad).to_pylist()
    return pc.replace_with_mask(strings, bad, pa.array([value.decode(errors="replace") for value in raw], pa.string()))
