"""The compiled edge entries: tables of characters, and of transitions between them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from metaclip_spark.matchers.phrases.compiled_list import Compiled, problem_of

PAGE_BITS = 8
PAGE = 1 << PAGE_BITS
"""Code points per page."""
PAGES = 0x110000 // PAGE


class EdgeTables(NamedTuple):
    """The arrays of compiled edge entries.

    A character's slot is a number that only characters of the entries have. Frequent characters have low slots, so that
    they are close to each other in memory. The last slot means a character of no entry.

    Attributes:
        phrases: the tables of a phrase matcher whose tokens are single characters. Of its `tokens`, only the filter
            and the entry are used: a character is identified by its slot.
        pages: (PAGES,) uint16, the page of each 256 code points in `slots`; page 0 has no character.
        slots: (pages * PAGE,) int32, the slot of each code point.
        anchors: (256,) uint8, 1 for the first bytes of the edge characters. A text without such a byte matches no edge
            entry: each begins or ends with its edge character.
    """

    phrases: Compiled
    pages: npt.NDArray[np.uint16]
    slots: npt.NDArray[np.int32]
    anchors: npt.NDArray[np.uint8]


def edge_problem_of(edges: EdgeTables, n_entries: int) -> str | None:
    """Return why kernels would read outside of the tables of edge entries; None if they would not."""
    problem = problem_of(edges.phrases, n_entries, hashed=False)
    if problem is not None:
        return f"edge entries: {problem}"
    pages, slots = edges.pages, edges.slots
    if len(pages) != PAGES or len(slots) % PAGE or len(slots) < 2 * PAGE or len(edges.anchors) != 256:
        return f"there are {len(pages)} pages, {len(slots)} characters and {len(edges.anchors)} first bytes"
    if (pages >= len(slots) // PAGE).any() or (slots < 0).any() or (slots >= len(edges.phrases.rest_starts)).any():
        return "a character has a page or a slot that is not there"
    return None
