"""Look texts up in a compiled list, many at a time.

The texts of a window are cut into tokens; every token is looked up; then every two neighbours with which some entry may
begin, every three, and so on. Each pass is a loop of its own with few branches that depend on the texts, and a place is
fetched by one loop and looked at by the next: so the processor waits for many places of the tables at once.
"""

from __future__ import annotations

import numpy as np

from metaclip_spark.kernels import kernel
from metaclip_spark.matchers.phrases.compiled import Compiled
from metaclip_spark.matchers.phrases.cutting import ROWS, WINDOW, Noted, cut
from metaclip_spark.matchers.phrases.grouping import MOST_RANKED, appended, distinct_sorted, group, larger
from metaclip_spark.matchers.phrases.looking_up import first_pairs, look_up_steps, look_up_tokens, note_entries


@kernel
def scan(  # noqa: ANN201 - a tuple of arrays
    data: np.ndarray, offsets: np.ndarray, valid: np.ndarray, c: Compiled, s: Noted, window: int
):
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
    rows, ids = np.empty(4 * WINDOW, np.int32), np.empty(4 * WINDOW, np.int32)
    grouped, starts = np.empty(4 * WINDOW, np.int32), np.zeros(ROWS + 2, np.int64)
    open_ids, n_open, ranked = np.empty(MOST_RANKED, np.int32), 0, np.empty(2 * MOST_RANKED, np.int32)
    row, n, at, inside = 0, 0, offsets[0], False
    begin = at
    while row < texts:
        first = row
        row, n, at, begin, inside = cut(data, offsets, valid, row, n, at, begin, inside, s, window)
        look_up_tokens(data, n, c, s)
        # Of a text that goes on in the next window, the last tokens are looked at with the next.
        whole = max(n - depth, 0) if inside else n
        if len(ids) < n:
            rows, ids = larger(rows, n), larger(ids, n)
        m = note_entries(whole, c, s, rows, ids)
        left = first_pairs(whole, n, c, s) if depth else 0
        for level in range(depth):
            if left == 0:
                break
            if len(ids) < m + left:
                rows, ids = larger(rows, m + left), larger(ids, m + left)
            left, m = look_up_steps(level, left, n, c, s, rows, ids, m)
        if len(grouped) < m + MOST_RANKED:
            grouped = larger(grouped, m + MOST_RANKED)
        group(rows, ids, m, row - first + 1, starts, grouped)
        if len(out) < total + m + n_open + 1:
            out = larger(out, total + m + n_open + 1)
        begin_of = 0
        for r in range(row - first):
            if r == 0 and n_open:
                open_ids = appended(open_ids, n_open, grouped, 0, starts[0])
                total += distinct_sorted(open_ids, 0, n_open + starts[0], ranked, out, total)
                n_open = 0
            else:
                total += distinct_sorted(grouped, begin_of, starts[r], ranked, out, total)
            begin_of = starts[r]
            ends[first + r + 1] = total
        if inside:
            open_ids = appended(open_ids, n_open, grouped, begin_of, m)
            n_open += m - begin_of
            for i in range(n - whole):
                s.start[i], s.size[i], s.row[i] = s.start[whole + i], s.size[whole + i], 0
            n -= whole
        else:
            n = 0
    return ends, out[:total]
