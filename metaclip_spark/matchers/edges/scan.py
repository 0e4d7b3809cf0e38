"""Search texts for edge entries, many at a time.

The characters of a window are read; then each is looked up, then every two neighbours that may begin an entry, every
three, and so on, as in `metaclip_spark.matchers.phrases.scan`. No step waits for the one before it, as the steps of an
automaton do: so the processor waits for many slots of the tables at once. In return, the work is bounded by the text's
characters times those of the longest entry, and not by the text's alone.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metaclip_spark.core.jit import kernel
from metaclip_spark.matchers.edges.characters import find_from_characters, keep_last, read_characters
from metaclip_spark.matchers.phrases.compiled_list import Compiled
from metaclip_spark.matchers.phrases.grouped_ids import MAX_RANKED, RANKED, group, with_capacity, write_rows
from metaclip_spark.matchers.phrases.tokenizer import ROWS, Buffers

_FULL = 1 << 16
"""Entries that are found before they are grouped by text."""


@kernel
def scan_edges(
    data: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    valid: npt.NDArray[np.bool_],
    c: Compiled,
    pages: npt.NDArray[np.uint16],
    slots: npt.NDArray[np.int32],
    anchors: npt.NDArray[np.uint8],
    s: Buffers,
    window: int,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Return the edge entries that texts match.

    Args:
        data: (bytes,) uint8.
        offsets: (texts + 1,) int64, the starts of the texts in `data`, and the end of the last.
        valid: (texts,) bool, or (0,) where no text is null.
        c, pages, slots, anchors: the arrays of `EdgeTables`.
        s: the buffers; see `new_character_buffers`.
        window: characters per window, at most `WINDOW`.

    Returns:
        Offsets, (texts + 1,) int32, and entry ids, (matches,) int32, ascending and distinct within a text.
    """
    texts, max_depth, none = len(offsets) - 1, len(c.depths), len(c.rest_starts) - 1
    ends = np.zeros(texts + 1, np.int32)
    out, total = np.empty((offsets[texts] - offsets[0]) // 6 + 1024, np.int32), 0
    rows, ids, grouped = np.empty(1 << 13, np.int32), np.empty(1 << 13, np.int32), np.empty(1 << 13, np.int32)
    row_ends, ranked = np.zeros(ROWS + 2, np.int64), np.empty(RANKED, np.int32)
    row, n, at, inside = 0, 0, offsets[0], False
    while row < texts:
        first, m = row, 0
        while row < texts and row - first < ROWS and (inside or m < _FULL):
            row, at, inside, n = read_characters(
                data, offsets, valid, row, first, at, inside, n, n + window, pages, slots, anchors, none, s
            )
            # Where a text continues in the next window, its last characters are looked up with that window.
            whole = max(n - max_depth, 0) if inside else n
            m, rows, ids = find_from_characters(whole, n, c, s, rows, ids, m)
            n = keep_last(whole, n, s)
        done = row - first
        grouped, out = with_capacity(grouped, m + MAX_RANKED), with_capacity(out, total + m + 1)
        group(rows, ids, m, done, row_ends, grouped)
        total = write_rows(grouped, row_ends, done, ranked, out, total, ends[first + 1 : row + 1])
    return ends, out[:total]
