"""One call for one list: its phrases and its edge entries, united."""

from __future__ import annotations

import numpy as np

from metaclip_spark.core.jit import kernel
from metaclip_spark.matchers.edges.scan import scan_edges
from metaclip_spark.matchers.phrases.scan import scan


@kernel
def scan_list(data, offsets, valid, c, s, window, edges, pages, slots, edge_s, edge_window):
    """Return the matches of texts; see `scan` for the first arguments, and `scan_edges` for the last."""
    ends, ids = scan(data, offsets, valid, c, s, window)
    edge_ends, edge_ids = scan_edges(data, offsets, valid, edges, pages, slots, edge_s, edge_window)
    return unite(ends, ids, edge_ends, edge_ids)


@kernel
def unite(ends, ids, other_ends, other_ids):
    """Merge the ids of each text.

    Args:
        ends, other_ends: (texts + 1,) int32, offsets.
        ids, other_ids: int32, ascending within a text; no id is in both.

    Returns:
        Offsets, (texts + 1,) int32, and ids, int32, ascending and distinct within a text.
    """
    united_ends = np.empty(len(ends), np.int32)
    united = np.empty(len(ids) + len(other_ids), np.int32)
    united_ends[0] = 0
    n, a, b = 0, 0, 0
    for text in range(len(ends) - 1):
        a_end, b_end = ends[text + 1], other_ends[text + 1]
        while a < a_end and b < b_end:
            if ids[a] < other_ids[b]:
                united[n] = ids[a]
                a += 1
            else:
                united[n] = other_ids[b]
                b += 1
            n += 1
        while a < a_end:
            united[n] = ids[a]
            a, n = a + 1, n + 1
        while b < b_end:
            united[n] = other_ids[b]
            b, n = b + 1, n + 1
        united_ends[text + 1] = n
    return united_ends, united
