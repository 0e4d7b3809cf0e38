"""Sort the rows of a task by their key in runs, so that a reader of some keys skips most of what the task wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from metaclip_spark.core.hashing.key_prefix import LEADING_DIGITS

RUN_ROWS = 1 << 17
"""Number of rows of a run, which a task holds: some 45 MB. A WAT file has fewer matched pairs."""
GROUP_ROWS = 1 << 12
"""Number of rows of a row group of a sorted file. A reader of one prefix of 32 reads one group of a run, or two."""

Batches = Iterator[pa.RecordBatch]


def in_sorted_runs(work: Callable[[Batches], Batches], run_rows: int = RUN_ROWS) -> Callable[[Batches], Batches]:
    """Return a function whose batches are those of `work`, sorted by `pair_id` in runs of about `run_rows` rows.

    Rows without a pair_id come first in their run.
    """

    def sorted_work(batches: Batches) -> Batches:
        held: list[pa.RecordBatch] = []
        rows = 0
        for batch in work(batches):
            held.append(batch)
            rows += batch.num_rows
            if rows >= run_rows:
                yield from _sorted(held)
                rows = 0
        yield from _sorted(held)

    return sorted_work


def _sorted(held: list[pa.RecordBatch]) -> Batches:
    """Yield the rows of batches by pair_id, in small batches; empty the list."""
    if not held:
        return
    run = pa.Table.from_batches(held).combine_chunks()
    held.clear()
    order = _order(run["pair_id"].combine_chunks())
    for start in range(0, len(order), GROUP_ROWS):
        yield from run.take(pa.array(order[start : start + GROUP_ROWS])).combine_chunks().to_batches()


def _order(pair_ids: pa.Array) -> npt.NDArray[np.int64]:
    """Return the indices that sort ids by their leading digits, nulls first."""
    filled = pc.fill_null(pair_ids, "\0" * LEADING_DIGITS)
    leading = pc.utf8_slice_codeunits(pc.utf8_rpad(filled, LEADING_DIGITS, "0"), 0, LEADING_DIGITS)
    leading = leading.cast(pa.binary())
    if pc.max(pc.binary_length(leading)).as_py() != LEADING_DIGITS:  # ids of the input, with letters of several bytes
        return np.asarray(pc.sort_indices(leading).to_numpy(), dtype=np.int64)
    words = np.frombuffer(leading.cast(pa.binary(LEADING_DIGITS)).buffers()[1], dtype=">u8", count=len(leading))
    return np.argsort(words.astype(np.uint64), kind="stable")
