"""Compile edge entries: build the tables of `EdgeTables`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metaclip_spark.matchers.edges.tables import PAGE, PAGES, EdgeTables
from metaclip_spark.matchers.phrases.builder import set_single_entries, transition_tables
from metaclip_spark.matchers.phrases.compiled_list import HASH_BITS, HEAD, NO_ENTRY, SLOTS, TOKEN_WORDS, Compiled

_SPACE = 32
_BECOME_SPACE = [9, 10, 13]


def build_edges(codes: npt.NDArray[np.uint32], firsts: npt.NDArray[np.int64], hash_bits: int = 64) -> EdgeTables:
    """Compile the edge entries of a list.

    Args:
        codes: (characters,) uint32, the code points of the edge entries, remaining boundary spaces included.
        firsts: (entries + 1,) int64, the first character of each entry of the list, and the end of the last; an entry
            that is no edge entry has no characters.
        hash_bits: the number of bits of a hash that are used. With fewer bits keys collide, which only costs time.
    """
    distinct, inverse, counts = np.unique(codes, return_inverse=True, return_counts=True)
    slot_of = np.empty(len(distinct), np.int64)
    slot_of[np.argsort(-counts, kind="stable")] = np.arange(len(distinct))
    tokens = np.zeros((len(distinct) + 1) * TOKEN_WORDS, np.uint64)
    tokens[3::TOKEN_WORDS] = NO_ENTRY
    slot_of_character = slot_of[inverse]
    set_single_entries(tokens, firsts, slot_of_character)
    transitions, displacements, depths = transition_tables(tokens, firsts, slot_of_character, 0, hash_bits)
    head = np.zeros(HEAD, np.int64)
    head[[SLOTS, HASH_BITS]] = len(distinct), hash_bits
    phrases = Compiled(
        head,
        tokens,
        np.zeros(len(distinct) + 1, np.uint32),
        np.zeros(0, np.uint8),
        np.zeros(0, np.uint16),
        transitions,
        displacements,
        depths,
    )
    return EdgeTables(phrases, *_pages(distinct, slot_of), _anchors(codes, firsts))


def _pages(
    distinct: npt.NDArray[np.uint32], slot_of: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.int32]]:
    """Return the arrays `pages` and `slots`. Page 1 is ASCII's; there, TAB, LF and CR have the slot of the space."""
    used = np.unique(np.append(distinct // PAGE, 0))
    pages = np.zeros(PAGES, np.uint16)
    pages[used] = np.arange(1, len(used) + 1)
    slots = np.full((len(used) + 1, PAGE), len(distinct), np.int32)
    slots[pages[distinct // PAGE], distinct % PAGE] = slot_of
    slots[1, _BECOME_SPACE] = slots[1, _SPACE]
    return pages, slots.reshape(-1)


def _anchors(codes: npt.NDArray[np.uint32], firsts: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """Return the array `anchors`. An entry that begins with its boundary space has its edge character at its end."""
    starts, ends = firsts[:-1][np.diff(firsts) > 0], firsts[1:][np.diff(firsts) > 0]
    edges = np.where(codes[starts] == _SPACE, codes[ends - 1], codes[starts])
    bounds, leads, shifts = [0x80, 0x800, 0x10000], np.array([0, 0xC0, 0xE0, 0xF0]), np.array([0, 6, 12, 18])
    width = np.searchsorted(bounds, edges, side="right")
    anchors = np.zeros(256, np.uint8)
    anchors[leads[width] | (edges >> shifts[width])] = 1
    return anchors
