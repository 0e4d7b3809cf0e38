"""What is searched for each entry of a list in worldwide mode: its needle, and which entries have none."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from metaclip_spark.core.text import PADDED
from metaclip_spark.core.worldwide.edge_rule import edge_table
from metaclip_spark.core.worldwide.switches import Switches, normalised

_NEVER = (9, 10, 13)
_PADDED_CODES = tuple(map(ord, PADDED))
# Spacing puts a space on each side of every padded character. So two of them are never a single space apart.
_IMPOSSIBLE = re.compile("(?<=[^ ])P|P(?=[^ ])|P P".replace("P", f"[{re.escape(PADDED)}]"))


@dataclass(frozen=True)
class Needles:
    """The strings that are searched for the entries of a list.

    Attributes:
        entries: the entries in the form in which they are compared.
        codes: (characters,) uint32, the code points of all entries.
        firsts: (entries + 1,) int64, the first character of each entry in `codes`, and the end of the last.
        searched: (entries,) bool; False for an entry that can never match, and for a repeat.
        left, right: (entries,) bool, whether the entry keeps its boundary space.
        repeats: (n, 2) int32, ascending: an entry, and the earlier entry that the switches make equal to it.
    """

    entries: Sequence[str]
    codes: npt.NDArray[np.uint32]
    firsts: npt.NDArray[np.int64]
    searched: npt.NDArray[np.bool_]
    left: npt.NDArray[np.bool_]
    right: npt.NDArray[np.bool_]
    repeats: npt.NDArray[np.int32]

    @classmethod
    def of(cls, entries: Sequence[str], switches: Switches) -> Needles:
        """Apply the switches and the edge rule to the entries of a list."""
        if switches.changes_entries:
            entries = normalised(pa.array(entries, pa.large_string()), switches).to_pylist()
        codes = np.frombuffer("".join(entries).encode("utf-32-le"), np.uint32)
        lengths = np.fromiter(map(len, entries), np.int64, len(entries))
        firsts = np.zeros(len(entries) + 1, np.int64)
        np.cumsum(lengths, out=firsts[1:])
        searched, repeats = lengths > 0, np.zeros((0, 2), np.int32)
        if switches.changes_entries:
            searched &= ~np.fromiter(map(str.isspace, entries), np.bool_, len(entries))
            repeats = _repeats(entries, searched)
            searched[repeats[:, 0]] = False
        searched[_owners(firsts, np.isin(codes, _NEVER))] = False
        left, right = np.ones(len(entries), np.bool_), np.ones(len(entries), np.bool_)
        some = np.flatnonzero(lengths > 0)
        table = edge_table(switches.kana_hangul_edges)
        left[some], right[some] = ~table[codes[firsts[some]]], ~table[codes[firsts[some + 1] - 1]]
        for at in _owners(firsts, np.isin(codes, _PADDED_CODES)).tolist():
            sides = int(left[at]), int(right[at])
            # The phrase matcher knows itself which of its entries never match.
            if sides != (1, 1) and _IMPOSSIBLE.search(" " * sides[0] + entries[at] + " " * sides[1]):
                searched[at] = False
        return cls(entries, codes, firsts, searched, left, right, repeats)

    @property
    def at_edges(self) -> npt.NDArray[np.int64]:
        """The ids of the edge entries: those that are searched and lost a space."""
        return np.flatnonzero(self.searched & ~(self.left & self.right))

    def phrases(self) -> tuple[str, ...]:
        """Return the entries that keep both spaces; in the place of each other, an entry that can never match."""
        kept = (self.searched & self.left & self.right).tolist()
        return tuple(entry if keeps else "\n" for entry, keeps in zip(self.entries, kept, strict=True))

    def texts(self) -> list[str | None]:
        """Return the needles as strings; None for an entry that is not searched."""
        rows = zip(self.entries, self.searched.tolist(), self.left.tolist(), self.right.tolist(), strict=True)
        return [" " * left + entry + " " * right if searched else None for entry, searched, left, right in rows]

    def edge_codes(self) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
        """Return the arguments of `build_edges`: the code points of the edge entries with their spaces, and firsts."""
        ids = self.at_edges
        left, right = self.left[ids].astype(np.int64), self.right[ids].astype(np.int64)
        lengths = np.diff(self.firsts)[ids]
        of_all = np.zeros(len(self.entries), np.int64)
        of_all[ids] = lengths + left + right
        firsts = np.zeros(len(of_all) + 1, np.int64)
        np.cumsum(of_all, out=firsts[1:])
        codes = np.full(firsts[-1], ord(" "), np.uint32)
        # Character k of all edge entries goes from its place in the list to the same place after the entry's space.
        before = np.cumsum(lengths) - lengths
        k = np.arange(lengths.sum()) - np.repeat(before, lengths)
        codes[np.repeat(firsts[ids] + left, lengths) + k] = self.codes[np.repeat(self.firsts[ids], lengths) + k]
        return codes, firsts


def _owners(firsts: npt.NDArray[np.int64], marked: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Return the entries that have a marked character, ascending and distinct."""
    return np.unique(np.searchsorted(firsts, np.flatnonzero(marked), side="right") - 1)


def _repeats(entries: Sequence[str], searched: npt.NDArray[np.bool_]) -> npt.NDArray[np.int32]:
    """Return the entries that equal an earlier one, and the first that they equal; see `Needles.repeats`."""
    first: dict[str, int] = {}
    found = [
        (at, first[entry])
        for at, (entry, used) in enumerate(zip(entries, searched.tolist(), strict=True))
        if used and first.setdefault(entry, at) != at
    ]
    return np.array(found, np.int32).reshape(-1, 2)


def with_repeats(
    offsets: npt.NDArray[np.int32], ids: npt.NDArray[np.int32], repeats: npt.NDArray[np.int32]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Add to each text the entries that equal one of its entries under the switches.

    Args:
        offsets: (texts + 1,) int32.
        ids: int32, ascending and distinct within a text.
        repeats: see `Needles.repeats`.
    """
    if not len(repeats):
        return offsets, ids
    of = np.argsort(repeats[:, 1], kind="stable")
    earlier = repeats[of, 1]
    start, stop = np.searchsorted(earlier, ids, "left"), np.searchsorted(earlier, ids, "right")
    found = stop - start
    rows = np.repeat(np.arange(len(offsets) - 1, dtype=np.int64), np.diff(offsets))
    k = np.arange(found.sum()) - np.repeat(np.cumsum(found) - found, found)
    added = repeats[of[np.repeat(start, found) + k], 0].astype(np.int64)
    keys = np.sort(np.concatenate([rows << 32 | ids, np.repeat(rows, found) << 32 | added]))
    starts = np.searchsorted(keys, np.arange(len(offsets), dtype=np.int64) << 32)
    return starts.astype(np.int32), (keys & 0xFFFFFFFF).astype(np.int32)
