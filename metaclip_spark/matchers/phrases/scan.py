"""Look up texts in a compiled list, many at a time.

The texts of a window are tokenized. Every token is looked up; then every two neighbours that may begin an entry, every
three, and so on. Few branches of these loops depend on the texts. One loop prefetches a slot, and the next reads it.
So the processor waits for many slots of the tables at once.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metaclip_spark.core.jit import kernel
from metaclip_spark.matchers.phrases.compiled_list import Compiled
from metaclip_spark.matchers.phrases.grouped_ids import (
    MAX_RANKED,
    RANKED,
    distinct_sorted,
    group,
    with_capacity,
    write_rows,
)
from metaclip_spark.matchers.phrases.lookup import look_up_entries, look_up_tokens
from metaclip_spark.matchers.phrases.tokenizer import ROWS, WINDOW, Buffers, carry, tokenize


@kernel
def scan(
    data: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    valid: npt.NDArray[np.bool_],
    c: Compiled,
    s: Buffers,
    window: int,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Return the matches of texts.

    Args:
        data: (bytes,) uint8.
        offsets: (texts + 1,) int64, the starts of the texts in `data`, and the end of the last.
        valid: (texts,) bool, or (0,) where no text is null.
        c: the compiled list.
        s: the buffers.
        window: bytes of text per window, at most `WINDOW`.

    Returns:
        Offsets, (texts + 1,) int32, and entry ids, (matches,) int32, ascending and distinct within a text.
    """
    texts, max_depth = len(offsets) - 1, len(c.depths)
    ends = np.zeros(texts + 1, np.int32)
    out, total = np.empty((offsets[texts] - offsets[0]) // 6 + 1024, np.int32), 0
    rows, ids, grouped = np.empty(4 * WINDOW, np.int32), np.empty(4 * WINDOW, np.int32), np.empty(4 * WINDOW, np.int32)
    row_ends, ranked = np.zeros(ROWS + 2, np.int64), np.empty(RANKED, np.int32)
    open_ids, n_open = np.empty(MAX_RANKED, np.int32), 0  # of the text in which the last window ended
    row, n, at, inside = 0, 0, offsets[0], False
    begin = at
    while row < texts:
        first = row
        row, n, at, begin, inside = tokenize(data, offsets, valid, row, n, at, begin, inside, s, window)
        look_up_tokens(data, n, c, s)
        # Where a text continues in the next window, its last tokens are looked up with that window.
        whole = max(n - max_depth, 0) if inside else n
        m, rows, ids = look_up_entries(whole, n, c, s, rows, ids)
        if n_open:
            rows, ids = with_capacity(rows, m + n_open), with_capacity(ids, m + n_open)
            for i in range(n_open):
                rows[m + i], ids[m + i] = 0, open_ids[i]
            m += n_open
        grouped, out = with_capacity(grouped, m + MAX_RANKED), with_capacity(out, total + m + 1)
        done = row - first
        group(rows, ids, m, done + 1, row_ends, grouped)
        total = write_rows(grouped, row_ends, done, ranked, out, total, ends[first + 1 : row + 1])
        start = row_ends[done - 1] if done else 0
        open_ids = with_capacity(open_ids, m - start + 1)
        n_open = distinct_sorted(grouped, start, m, ranked, open_ids, 0)
        n = carry(whole, n, s)
    return ends, out[:total]
