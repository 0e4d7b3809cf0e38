"""Sum entry counts over Arrow batches."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from metaclip_spark.core.entry_lists import add_counts, list_layout
from metaclip_spark.errors import InputError

BLOCK = 4096
"""Entries per block; a task returns its sums in blocks."""


class EntrySums:
    """Entry counts, or sums of weights, over the batches that were added.

    Attributes:
        sums: int64, by entry id. The array grows where a batch has a larger id.
    """

    def __init__(self, n_entries: int = 0) -> None:
        self.sums = np.zeros(n_entries, dtype=np.int64)

    def add(self, entry_ids: pa.ListArray, kept: npt.NDArray[np.bool_] | None = None) -> None:
        """Count the pairs of a batch.

        Args:
            entry_ids: `list<int32>`; an id occurs at most once in a list.
            kept: bool, shape (pairs,): the pairs to count; None counts all of them.

        Raises:
            InputError: an id is negative.
        """
        offsets, ids = self._offsets_and_ids(entry_ids)
        add_counts(ids if kept is None else ids[np.repeat(kept, np.diff(offsets))], self.sums)

    def add_weighted(self, entry_ids: pa.ListArray, weights: npt.NDArray[np.int64]) -> None:
        """Add the weight of each pair to the sums of its entries.

        Args:
            entry_ids: `list<int32>`; an id occurs at most once in a list.
            weights: int64, shape (pairs,); see `sampling.weights_of`. Sums of integers are order-independent.

        Raises:
            InputError: an id is negative.
        """
        offsets, ids = self._offsets_and_ids(entry_ids)
        np.add.at(self.sums, ids, np.repeat(weights, np.diff(offsets)))

    def _offsets_and_ids(self, entry_ids: pa.ListArray) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
        """Return the layout of the lists, and grow `sums` to the largest id."""
        offsets, ids = list_layout(entry_ids)
        lowest = int(ids.min(initial=0))
        if lowest < 0:
            raise InputError(f"entry_ids holds {lowest}, expected positions in the entry list, from 0; run match again")
        self._grow(int(ids.max(initial=-1)) + 1)
        return offsets, ids

    def to_blocks(self) -> pa.RecordBatch:
        """Return (block int32, sums binary): the blocks of entries in which any entry matched.

        A sum takes four bytes, or eight where a sum of its block needs them, whatever the pool's size.
        """
        padded = np.zeros((-(-len(self.sums) // BLOCK), BLOCK), np.int64)
        padded.reshape(-1)[: len(self.sums)] = self.sums
        matched = np.flatnonzero(padded.any(axis=1))
        packed = [_pack(padded[block]) for block in matched]
        return pa.record_batch({"block": pa.array(matched, pa.int32()), "sums": pa.array(packed, pa.binary())})

    def add_blocks(self, blocks: pa.Array, sums: pa.Array) -> None:
        """Add the blocks that `to_blocks` returned in other tasks."""
        numbers = blocks.to_pylist()
        self._grow((max(numbers, default=-1) + 1) * BLOCK)
        for block, packed in zip(numbers, sums, strict=True):
            raw = packed.as_buffer()
            added = np.frombuffer(raw, "<u4" if raw.size == 4 * BLOCK else "<u8")
            self.sums[block * BLOCK : (block + 1) * BLOCK] += added.astype(np.int64)

    def _grow(self, size: int) -> None:
        if size > len(self.sums):
            self.sums = np.concatenate([self.sums, np.zeros(size - len(self.sums), np.int64)])

    def to_arrow(self) -> pa.RecordBatch:
        """Return (entry_id int32, count int64) of the entries that matched, ascending."""
        matched = np.flatnonzero(self.sums)
        return pa.record_batch({"entry_id": pa.array(matched.astype(np.int32)), "count": pa.array(self.sums[matched])})


def _pack(sums: npt.NDArray[Any]) -> bytes:
    return sums.astype("<u4" if sums.max() < 1 << 32 else "<u8").tobytes()
