"""Sum entry counts over Arrow batches."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from metaclip_spark.core.entry_lists import add_counts, laid_out
from metaclip_spark.errors import InputError

BLOCK = 4096
"""Entries whose sums travel together."""


class EntrySums:
    """How many pairs match each entry, over the batches that were added.

    Attributes:
        sums: int64, by entry id; as long as was asked for, or as the ids that came made it.
    """

    def __init__(self, n_entries: int = 0) -> None:
        self.sums = np.zeros(n_entries, dtype=np.int64)

    def add(self, entry_ids: pa.ListArray, kept: np.ndarray | None = None) -> None:
        """Count the pairs of a batch; an id stands at most once in a list.

        Args:
            kept: bool, the pairs that are counted; all of them where it is not given.

        Raises:
            InputError: an id is negative.
        """
        offsets, ids = self._checked(entry_ids)
        add_counts(ids if kept is None else ids[np.repeat(kept, np.diff(offsets))], self.sums)

    def add_weighted(self, entry_ids: pa.ListArray, weights: np.ndarray) -> None:
        """Add each pair's weight to the sums of its entries.

        Args:
            weights: int64, a pair each (see `sampling.weights_of`): sums of integers are free of order.

        Raises:
            InputError: an id is negative.
        """
        offsets, ids = self._checked(entry_ids)
        np.add.at(self.sums, ids, np.repeat(weights, np.diff(offsets)))

    def _checked(self, entry_ids: pa.ListArray) -> tuple[np.ndarray, np.ndarray]:
        offsets, ids = laid_out(entry_ids)
        low, room = int(ids.min(initial=0)), int(ids.max(initial=-1)) + 1
        if low < 0:
            raise InputError(f"entry_ids holds {low}, expected positions in the entry list, from 0; run match again")
        self._make_room(room)
        return offsets, ids

    def to_blocks(self) -> pa.RecordBatch:
        """Return (block int32, sums binary) of the blocks of entries in which any matched: what a task hands on.

        A sum takes four bytes, eight where one of its block needs them, whatever the pool's size.
        """
        padded = np.zeros((-(-len(self.sums) // BLOCK), BLOCK), np.int64)
        padded.reshape(-1)[: len(self.sums)] = self.sums
        matched = np.flatnonzero(padded.any(axis=1))
        packed = [_packed(padded[block]) for block in matched]
        return pa.record_batch({"block": pa.array(matched, pa.int32()), "sums": pa.array(packed, pa.binary())})

    def add_blocks(self, blocks: pa.Array, sums: pa.Array) -> None:
        """Add what `to_blocks` of other tasks returned."""
        numbers = blocks.to_pylist()
        self._make_room((max(numbers, default=-1) + 1) * BLOCK)
        for block, packed in zip(numbers, sums, strict=True):
            raw = packed.as_buffer()
            added = np.frombuffer(raw, "<u4" if raw.size == 4 * BLOCK else "<u8")
            self.sums[block * BLOCK : (block + 1) * BLOCK] += added.astype(np.int64)

    def _make_room(self, size: int) -> None:
        if size > len(self.sums):
            self.sums = np.concatenate([self.sums, np.zeros(size - len(self.sums), np.int64)])

    def to_arrow(self) -> pa.RecordBatch:
        """Return (entry_id int32, count int64) of the entries that matched, ascending."""
        matched = np.flatnonzero(self.sums)
        return pa.record_batch({"entry_id": pa.array(matched.astype(np.int32)), "count": pa.array(self.sums[matched])})


def _packed(sums: np.ndarray) -> bytes:
    return sums.astype("<u4" if sums.max() < 1 << 32 else "<u8").tobytes()
