"""Choose the first row of each key, in the order of the keys, from columns of Arrow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from metaclip_spark.core.hashing.bloom_filter import key_array

_ROWS_AT_ONCE = 1 << 16
_ID = "pair_id"


def rows_of_first(
    batches: Iterator[pa.RecordBatch],
    names: Sequence[str],
    key: str,
    order: Sequence[str],
    columns: Sequence[str],
    constants: Mapping[str, str],
) -> Iterator[pa.RecordBatch]:
    """Yield the rows that `first_rows` chooses, in its order. All rows are held.

    Args:
        names: names of the columns of the batches.
        columns: those to return: of the batches, and pair_id, which is the key in hexadecimal digits.
        constants: column -> its value in all rows, a string.
    """
    held = [batch for batch in batches if batch.num_rows]
    if not held:
        return
    table = pa.Table.from_batches(held).rename_columns(list(names))
    held.clear()
    for at, name in enumerate(names):  # one column after another, so that only one is there twice
        table = table.set_column(at, name, pa.chunked_array(table.column(at).combine_chunks()))
    kept = first_rows(table, key, order)
    for start in range(0, len(kept), _ROWS_AT_ONCE):
        part = table.take(pa.array(kept[start : start + _ROWS_AT_ONCE]))
        given = {name: hexadecimal(part[key].combine_chunks()) if name == _ID else part[name] for name in columns}
        given |= {name: pa.repeat(value, len(part)) for name, value in constants.items()}
        yield from pa.table(given).combine_chunks().to_batches()


def hexadecimal(keys: pa.Array) -> pa.Array:
    """Return binary keys of 16 bytes, none of them null, as hexadecimal digits.

    >>> hexadecimal(pa.array([bytes(range(16))], pa.binary())).to_pylist()
    ['000102030405060708090a0b0c0d0e0f']
    """
    raw = key_array(keys)
    offsets = (np.arange(len(raw) + 1) * 2 * raw.shape[1]).astype(np.int32)
    digits = np.ascontiguousarray(raw).tobytes().hex().encode()
    return pa.Array.from_buffers(pa.string(), len(raw), [None, pa.py_buffer(offsets), pa.py_buffer(digits)])


def first_rows(table: pa.Table, key: str, order: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return the first row of each key, without the keys whose first row is null in the first column of `order`.

    Only the rows of keys that occur twice are compared by `order`: the other rows are sorted by their key alone.

    Args:
        table: any rows.
        key: name of the column with the keys: 16 bytes each, none of them null.
        order: names of the columns that order the rows of a key, ascending, nulls first.

    Returns:
        int64: indices of rows, in the order of the keys.
    """
    halves = key_array(table[key].combine_chunks()).view(">u8").astype(np.uint64)
    high, low = halves[:, 0], halves[:, 1]
    by_key = np.argsort(high, kind="stable")
    repeated = np.zeros(len(by_key), dtype=bool)
    equal = np.flatnonzero(high[by_key[1:]] == high[by_key[:-1]])
    repeated[equal] = repeated[equal + 1] = True
    if not len(equal):
        return _not_null(table, order[0], by_key)
    some = by_key[repeated]
    ordered = some[_order(table.select([key, *order]).take(pa.array(some)))]
    is_first = np.ones(len(ordered), dtype=bool)
    is_first[1:] = (high[ordered[1:]] != high[ordered[:-1]]) | (low[ordered[1:]] != low[ordered[:-1]])
    kept = np.concatenate([by_key[~repeated], ordered[is_first]])
    return _not_null(table, order[0], kept[np.lexsort((low[kept], high[kept]))])


def _order(rows: pa.Table) -> npt.NDArray[np.int64]:
    """Return the indices that sort rows by all of their columns, ascending, nulls first."""
    names = []
    for name in rows.column_names:
        if rows[name].null_count:  # an option for nulls has other names in other versions of Arrow
            rows = rows.append_column(f"_{name}", rows[name].is_valid())
            names.append(f"_{name}")
        names.append(name)
    order = pc.sort_indices(rows, sort_keys=[(name, "ascending") for name in names])
    return np.asarray(order.to_numpy(), dtype=np.int64)


def _not_null(table: pa.Table, column: str, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    if not table[column].null_count:
        return rows
    valid: npt.NDArray[np.bool_] = table[column].is_valid().to_numpy()
    kept: npt.NDArray[np.int64] = rows[valid[rows]]
    return kept
