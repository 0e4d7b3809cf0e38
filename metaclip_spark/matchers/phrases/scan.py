"""Look texts up in a compiled list, many at a time.

The texts of a window are cut into tokens; every token is looked up; then every two neighbours with which some entry may
begin, every three, and so on. Each pass is a loop of its own with few branches that depend on the texts, and a place is
fetched by one loop and looked at by the next: so the processor waits for many places of the tables at once.
"""

from __future__ import annotations

import numpy as np

from metaclip_spark.core.jit import kernel
from metaclip_spark.matchers.phrases.compiled_list import Compiled
from metaclip_spark.matchers.phrases.grouped_ids import MOST_RANKED, distinct_sorted, group, with_room, write_rows
from metaclip_spark.matchers.phrases.lookup import look_up_entries, look_up_tokens
from metaclip_spark.matchers.phrases.tokenizer import ROWS, WINDOW, Noted, carry, cut


@kernel
def scan(data: np.ndarray, offsets: np.ndarray, valid: np.ndarray, c: Compiled, s: Noted, window: int):
    """Return the matches of texts.

    Args:
        data: (bytes,) uint8.
        offsets: (texts + 1,) int64, where the texts start in `data`.
        valid: (texts,) bool, or (0,) where no text is null.
        c: the compiled list.
        s: room to work in.
        window: bytes of texts that are worked on at a time, at most `WINDOW`.

    Returns:
        Offsets, (texts + 1,) int32, and entry ids, (matches,) int32, ascending and distinct within a text.
    """
    texts, depth = len(offsets) - 1, len(c.levels)
    ends = np.zeros(texts + 1, np.int32)
    out, total = np.empty((offsets[texts] - offsets[0]) // 6 + 1024, np.int32), 0
    rows, ids, grouped = np.empty(4 * WINDOW, np.int32), np.empty(4 * WINDOW, np.int32), np.empty(4 * WINDOW, np.int32)
    row_ends, ranked = np.zeros(ROWS + 2, np.int64), np.empty(2 * MOST_RANKED, np.int32)
    open_ids, n_open = np.empty(MOST_RANKED, np.int32), 0  # of the text in which the last window ended
    row, n, at, inside = 0, 0, offsets[0], False
    begin = at
    while row < texts:
        first = row
        row, n, at, begin, inside = cut(data, offsets, valid, row, n, at, begin, inside, s, window)
        look_up_tokens(data, n, c, s)
        # Of a text that goes on in the next window, the last tokens are looked at with the next.
        whole = max(n - depth, 0) if inside else n
        m, rows, ids = look_up_entries(whole, n, c, s, rows, ids)
        if n_open:
            rows, ids = with_room(rows, m + n_open), with_room(ids, m + n_open)
            rows[m : m + n_open], ids[m : m + n_open] = 0, open_ids[:n_open]
            m += n_open
        grouped, out = with_room(grouped, m + MOST_RANKED), with_room(out, total + m + 1)
        done = row - first
        group(rows, ids, m, done + 1, row_ends, grouped)
        total = write_rows(grouped, row_ends, done, ranked, out, total, ends[first + 1 : row + 1])
        start = row_ends[done - 1] if done else 0
        open_ids = with_room(open_ids, m - start + 1)
        n_open = distinct_sorted(grouped, start, m, ranked, open_ids, 0)
        n = carry(whole, n, s)
    return ends, out[:total]
