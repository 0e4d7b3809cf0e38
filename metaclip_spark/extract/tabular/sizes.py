"""Bound the memory of a batch: the bytes of each row, slices by bytes, and values that are too long to be kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.core.values import is_bytes, is_string, plain
from metaclip_spark.errors import DamagedSourceError
from metaclip_spark.extract.tabular.columns import BATCH_ROWS, Columns

BATCH_BYTES = 32 << 20
"""Maximum bytes of the rows that are processed at a time, unless one row has more."""
ROW_BYTES = 256 << 20
"""Maximum bytes of one row."""
URL_BYTES = 65_536
"""Maximum length of a url in bytes; no browser and few servers take longer ones."""
_START_BYTES = 100
"""Bytes that are left of a value that is too long, for the row of its reject."""

Sizes = npt.NDArray[np.int64]


def byte_caps(options: ExtractOptions) -> dict[str, int]:
    """Return the columns whose long values are left out, with the number of bytes that are surely too many."""
    caps = {options.url_column: URL_BYTES}
    if options.text_cap:
        caps[options.text_column] = 4 * options.text_cap  # a character has at most 4 bytes
    return caps


def slices_by_bytes(columns: Columns, caps: Mapping[str, int]) -> Iterator[tuple[int, Columns]]:
    """Yield (first row, columns) of slices of at most `BATCH_ROWS` rows and about `BATCH_BYTES`.

    Args:
        caps: column -> bytes above which a value is left out later, so that it counts as nothing here.

    Raises:
        DamagedSourceError: a row has more than `ROW_BYTES`.
    """
    rows = len(next(iter(columns.values())))
    if rows <= BATCH_ROWS and sum(map(_most_bytes, columns.values())) <= BATCH_BYTES:
        if rows:
            yield 0, columns
        return
    sizes = {name: row_bytes(column) for name, column in columns.items()}
    for name, cap in caps.items():
        if name in sizes:
            sizes[name] = np.where(sizes[name] > cap, 0, sizes[name])
    total: Sizes = np.zeros(rows, np.int64)
    for size in sizes.values():
        total += size
    if rows and int(total.max()) > ROW_BYTES:
        row = int(total.argmax())
        name, most = max(((name, int(size[row])) for name, size in sizes.items()), key=lambda item: item[1])
        raise DamagedSourceError(
            f"column {name!r} has a value of {most:,} bytes; expected rows of at most {ROW_BYTES:,} bytes. "
            "Leave the column out, or shorten its values."
        )
    ends = np.cumsum(total)
    start = 0
    while start < rows:
        before = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + BATCH_BYTES, side="right")))
        stop = min(stop, start + BATCH_ROWS, rows)
        whole = start == 0 and stop == rows
        yield start, columns if whole else {name: c.slice(start, stop - start) for name, c in columns.items()}
        start = stop


def _most_bytes(column: pa.Array) -> int:
    """Return the bytes of a column, or more; a dictionary inside it could stand for any number."""
    kind = column.type
    is_flat = is_string(kind) or is_bytes(kind) or pa.types.is_primitive(kind)
    return int(column.nbytes) if is_flat else BATCH_BYTES + 1


def row_bytes(column: pa.Array) -> Sizes:
    """Return the bytes of each row's value, int64, without expanding a dictionary."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        indices = pc.fill_null(column.indices.cast(pa.int64()), -1).to_numpy(zero_copy_only=False)
        sizes: Sizes = np.append(row_bytes(column.dictionary), 0)[indices]  # index -1 is the 0 at the end
        return sizes
    if isinstance(kind, pa.BaseExtensionType):
        return row_bytes(column.storage)
    if is_string(kind) or is_bytes(kind):
        return _lengths(column)
    if pa.types.is_struct(kind):
        return _sum(column.flatten(), len(column))
    if pa.types.is_map(kind):
        bounds = column.offsets.to_numpy().astype(np.int64)
        count = int(bounds[-1] - bounds[0])
        inside = _sum((part.slice(bounds[0], count) for part in (column.keys, column.items)), count)
        return _per_row(inside, bounds - bounds[0])
    if pa.types.is_nested(kind) and not pa.types.is_union(kind):
        lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False).astype(np.int64)
        return _per_row(row_bytes(column.flatten()), np.append(0, np.cumsum(lengths)))
    try:
        width = -(-kind.bit_width // 8)
    except ValueError:
        width = 0
    return np.full(len(column), width, np.int64)


def _sum(parts: Iterable[pa.Array], rows: int) -> Sizes:
    total = np.zeros(rows, np.int64)
    for part in parts:
        total += row_bytes(part)
    return total


def _per_row(sizes: Sizes, bounds: Sizes) -> Sizes:
    """Return the sums of the sizes between bounds that follow each other."""
    sums: Sizes = np.diff(np.append(0, np.cumsum(sizes))[bounds])
    return sums


def _lengths(column: pa.Array) -> Sizes:
    lengths: Sizes = pc.fill_null(pc.binary_length(plain(column)), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    return lengths


def shortened(column: pa.Array, limit: int) -> tuple[pa.Array, Sizes | None]:
    """Return a column with the start of each value that is longer than `limit` bytes, and the bytes of each row.

    The start is valid UTF-8. A dictionary stays one. Other columns than strings and bytes stay as they are.

    Returns:
        The column, and its values' bytes before; None if no value is longer.
    """
    if pa.types.is_dictionary(column.type):
        values, sizes = shortened(column.dictionary, limit)
        if sizes is None:
            return column, None
        return pa.DictionaryArray.from_arrays(column.indices, values), row_bytes(column)
    if not (is_string(column.type) or is_bytes(column.type)):
        return column, None
    sizes = _lengths(column)
    long = sizes > limit
    if not long.any():
        return column, None
    starts = [_start_of(column[int(row)]) for row in np.flatnonzero(long)]
    column = plain(column)
    return pc.replace_with_mask(column, pa.array(long), pa.array(starts, column.type)), sizes


def _start_of(value: pa.Scalar) -> bytes:
    start = bytes(memoryview(value.as_buffer())[:_START_BYTES])
    return start.decode(errors="ignore").encode()
