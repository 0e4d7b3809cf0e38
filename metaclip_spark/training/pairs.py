"""One row per pair, from rows of an export; the sampled pairs of an epoch, in its order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from metaclip_spark.core.checks import need_names
from metaclip_spark.core.draw import draws, hashes
from metaclip_spark.errors import InputError

_LISTED = {
    "pair_ids": "pair_id",
    "texts": "text",
    "langs": "lang",
    "entry_ids": "entry_ids",
    "sampling_probabilities": "sampling_probability",
    "extras": "extra",
}
"""List columns of a row per image -> columns of a row per pair."""
_KEY, _STATUS = "__key__", "status"
_DICTS = 128
"""Rows that are made into dicts at a time. They die young: of 10,000 at a time, with their lists, the garbage collector
looks at each again and again, and takes five times as long as making them."""
_FOR_DRAW = {_KEY, _STATUS, "image_id", "pair_ids", "sampling_probability", "sampling_probabilities"}


@dataclass(frozen=True)
class Draw:
    """How an epoch samples and shuffles pairs.

    Attributes:
        epoch, seed: the epoch's number, and the seed.
        unit: `pair` or `image`, what has one draw; None if every pair is in the epoch.
        columns: names of the columns of the pairs; None for all.
    """

    epoch: int
    seed: int
    unit: str | None
    columns: tuple[str, ...] | None = None

    def read(self, names: Sequence[str], file: str) -> list[str]:
        """Return the columns of a file that must be read.

        Raises:
            InputError: the file lacks a column of `columns`.
        """
        if self.columns is None:
            return list(names)
        of_pair = {name: name for name in names} | {_LISTED[name]: name for name in names if name in _LISTED}
        of_pair |= {"pair_id": _KEY} if _KEY in names else {}
        need_names(sorted(of_pair), file, self.columns, "The loader's `columns` names it.")
        wanted = _FOR_DRAW | {of_pair[name] for name in self.columns}
        return [name for name in names if name in wanted]

    def read_to_count(self, names: Sequence[str]) -> list[str]:
        """Return the columns of a file that say which pairs are in the epoch."""
        return [name for name in names if name in _FOR_DRAW]

    def count(self, rows: pa.Table, file: str) -> int:
        """Return the number of the rows' pairs that are in the epoch."""
        rows, ids, _ = _of_pairs(rows, file)
        return len(ids) if self.unit is None else int(self._kept(rows, ids, file).sum())

    def pairs(self, rows: pa.Table, file: str) -> pa.Table:
        """Return the rows' pairs that are in the epoch, shuffled."""
        rows, ids, image = _of_pairs(rows, file)
        kept = np.arange(len(ids)) if self.unit is None else np.flatnonzero(self._kept(rows, ids, file))
        order = np.argsort(hashes(ids.take(pa.array(kept)), self.seed, f"order-{self.epoch}"), kind="stable")
        kept = kept[order]
        if image is None:
            pairs = rows.append_column("pair_id", ids).take(pa.array(kept))
        else:
            of_image, of_pair = pa.array(image[kept]), pa.array(kept)
            listed = [name for name in rows.column_names if name in _LISTED]
            named = {_LISTED[name] for name in listed}
            rest = [name for name in rows.column_names if name not in _LISTED and name not in named]
            columns = {name: rows.column(name).take(of_image) for name in rest}
            for name in listed:
                flat = pc.list_flatten(rows.column(name))
                _check_lengths(flat, ids, file)
                columns[_LISTED[name]] = flat.take(of_pair)
            pairs = pa.table(columns)
        return pairs if self.columns is None else pairs.select(list(self.columns))

    def _kept(self, rows: pa.Table, ids: pa.Array, file: str) -> npt.NDArray[np.bool_]:
        """Return whether each pair is in the epoch."""
        if _KEY in rows.column_names:
            p, image = rows.column("sampling_probability").to_numpy(), None
        else:
            flat = pc.list_flatten(rows.column("sampling_probabilities"))
            _check_lengths(flat, ids, file)
            p, image = flat.to_numpy(), _image_of(rows)
        if self.unit == "pair":
            units = ids
        else:
            units = rows.column("image_id").combine_chunks()
            units = units if image is None else units.take(pa.array(image))
        return np.asarray(draws(units, self.seed, f"epoch-{self.epoch}") < p)


def _of_pairs(rows: pa.Table, file: str) -> tuple[pa.Table, pa.Array, npt.NDArray[np.int64] | None]:
    """Return the rows that were downloaded, the ids of their pairs, and each pair's row; None if a row is a pair."""
    if _STATUS in rows.column_names:
        rows = rows.filter(pc.equal(rows.column(_STATUS), "success"))
    if _KEY in rows.column_names:
        return rows, rows.column(_KEY).combine_chunks(), None
    rows = rows.combine_chunks()
    ids = pc.list_flatten(rows.column("pair_ids")).combine_chunks()
    return rows, ids, _image_of(rows)


def _image_of(rows: pa.Table) -> npt.NDArray[np.int64]:
    lengths = pc.fill_null(pc.list_value_length(rows.column("pair_ids")), 0).to_numpy()
    return np.repeat(np.arange(rows.num_rows), lengths)


def check_columns(names: Sequence[str], file: str) -> None:
    """Check that a file is one of an export.

    Raises:
        InputError: it lacks a column.
    """
    if _KEY in names:
        need_names(names, file, ["image_id", "sampling_probability"], "It is not an export.")
        return
    wanted = ["image_id", "pair_ids", "texts", "sampling_probabilities"]
    hint = "It is not an export; img2dataset keeps these columns with --save_additional_columns."
    need_names(names, file, wanted, hint)


def _check_lengths(flat: pa.ChunkedArray, ids: pa.Array, file: str) -> None:
    if len(flat) != len(ids):
        raise InputError(f"{file}: an image has lists of different lengths; the file is not an export's.")


def dicts_of(pairs: pa.Table) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table as dicts.

    >>> list(dicts_of(pa.table({"text": ["a cat"], "entry_ids": [[3]]})))
    [{'text': 'a cat', 'entry_ids': [3]}]
    """
    for part in pairs.to_batches(_DICTS):
        yield from part.to_pylist()
