"""One call for one list, or for groups of texts with a list each: phrases and edge entries, united."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from metaclip_spark.core.jit import array_at, kernel, part
from metaclip_spark.matchers.edges.scan import scan_edges
from metaclip_spark.matchers.phrases.compiled_list import DEPTH, Compiled
from metaclip_spark.matchers.phrases.grouped_ids import with_capacity
from metaclip_spark.matchers.phrases.scan import scan

_PHRASES = 2 * len(Compiled._fields)
"""The numbers of a `Compiled` among addresses and sizes."""


@kernel
def scan_list(data, offsets, valid, c, s, window, edges, pages, slots, anchors, edge_s, edge_window):
    """Return the matches of texts; see `scan` for the first arguments, and `scan_edges` for the last."""
    ends, ids = scan(data, offsets, valid, c, s, window)
    edge_ends, edge_ids = scan_edges(data, offsets, valid, edges, pages, slots, anchors, edge_s, edge_window)
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


@kernel
def scan_groups(data, offsets, valid, bounds, tables, s, window, edge_s, edge_window):
    """Match groups of texts, each group with a list of its own, in one call.

    A call from Python costs as much as some hundred texts, and a batch may have texts of a hundred lists.

    Args:
        data, offsets, valid: the texts; see `scan`.
        bounds: (groups + 1,) int64, the first text of each group, and the end of the last.
        tables: (groups, 2 * arrays) int64, the list of each group; see `addresses_of`.
        s, window, edge_s, edge_window: the buffers and windows of `scan` and `scan_edges`.

    Returns:
        The number of ids of each text, (texts,) int32; and the ids, int32, ascending and distinct within a text.
    """
    counts = np.zeros(len(offsets) - 1, np.int32)
    out, total = np.empty((offsets[-1] - offsets[0]) // 6 + 1024, np.int32), 0
    for group in range(len(bounds) - 1):
        start, stop, table = bounds[group], bounds[group + 1], tables[group]
        rows, given = offsets[start : stop + 1], valid[start:stop]
        ends, ids = scan(data, rows, given, _phrases_at(table, 0), s, window)
        edges = _phrases_at(table, _PHRASES)
        if len(edges.rest_starts) > 1:
            pages = array_at(table[2 * _PHRASES], table[2 * _PHRASES + 1], np.uint16)
            slots = array_at(table[2 * _PHRASES + 2], table[2 * _PHRASES + 3], np.int32)
            anchors = array_at(table[2 * _PHRASES + 4], table[2 * _PHRASES + 5], np.uint8)
            edge_ends, edge_ids = scan_edges(data, rows, given, edges, pages, slots, anchors, edge_s, edge_window)
            if len(edge_ids):
                ends, ids = unite(ends, ids, edge_ends, edge_ids)
        out = with_capacity(out, total + len(ids))
        for at in range(len(ids)):
            out[total + at] = ids[at]
        total += len(ids)
        for text in range(stop - start):
            counts[start + text] = ends[text + 1] - ends[text]
    return counts, out[:total]


@part
def _phrases_at(table, at):
    """Return the `Compiled` whose addresses and sizes begin at a place of `table`."""
    depths = array_at(table[at + 14], table[at + 15], np.int64)
    return Compiled(
        array_at(table[at], table[at + 1], np.int64),
        array_at(table[at + 2], table[at + 3], np.uint64),
        array_at(table[at + 4], table[at + 5], np.uint32),
        array_at(table[at + 6], table[at + 7], np.uint8),
        array_at(table[at + 8], table[at + 9], np.uint16),
        array_at(table[at + 10], table[at + 11], np.uint64),
        array_at(table[at + 12], table[at + 13], np.uint16),
        depths.reshape((len(depths) // DEPTH, DEPTH)),
    )


def addresses_of(arrays: Iterable[npt.NDArray[Any]]) -> npt.NDArray[np.int64]:
    """Return the address and the number of elements of each array, (2 * arrays,) int64."""
    return np.array([value for array in arrays for value in (array.ctypes.data, array.size)], np.int64)
