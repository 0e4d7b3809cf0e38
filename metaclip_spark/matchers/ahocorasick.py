"""Match with pyahocorasick's Aho-Corasick automaton, one call for many texts.

The texts of a slice are joined by line feeds and scanned in one call. So Python's cost is per match, and not per text.
This is exact: a spaced text has no line feed, and no entry with a line feed is compiled. So no match can cross from one
text into the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import ahocorasick
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from metaclip_spark.core.text import PADDED, spaced_entry
from metaclip_spark.matchers.base import Matches, concat_matches, in_one_buffer, slices_by_bytes
from metaclip_spark.metadata import Metadata

_NEVER = frozenset("\t\n\r")


class AhocorasickMatcher:
    """A matcher with a pyahocorasick automaton of the spaced entries (500,000 entries: about 94 MB)."""

    name = "ahocorasick"

    def __init__(self, metadata: Metadata, searched: Sequence[str | None] | None = None) -> None:
        """Compile a list.

        Args:
            metadata: the entry list.
            searched: the string that is searched for each entry, or None for an entry that is not searched; by
                default, the entry between two spaces.
        """
        self.metadata_id = metadata.metadata_id
        automaton = ahocorasick.Automaton(ahocorasick.STORE_INTS)
        for entry_id, entry in enumerate(map(spaced_entry, metadata.entries) if searched is None else searched):
            if entry is not None and _NEVER.isdisjoint(entry):  # a spaced text has none of these
                automaton.add_word(entry, entry_id)
        automaton.make_automaton()
        self._automaton = automaton

    @property
    def nbytes(self) -> int:
        """The bytes of the automaton."""
        return int(self._automaton.get_stats()["total_size"])

    def match(self, texts: pa.Array) -> Matches:
        """See `Matcher.match`."""
        if len(texts) == 0:
            return Matches(np.zeros(1, np.int32), np.zeros(0, np.int32))
        return concat_matches([self._match_slice(part) for part in slices_by_bytes(in_one_buffer(texts))])

    def _match_slice(self, texts: pa.Array) -> Matches:
        joined = joined_spaced(texts.to_pylist())
        if len(self._automaton) == 0:
            return Matches(np.zeros(len(texts) + 1, np.int32), np.zeros(0, np.int32))
        # Each row has the last position of a match and its entry id.
        matches = np.fromiter(chain.from_iterable(self._automaton.iter(joined)), dtype=np.int64).reshape(-1, 2)
        rows = np.searchsorted(text_ends(joined), matches[:, 0])
        # One sort makes the ids of each text ascending and distinct.
        keys = np.unique((rows << 32) | matches[:, 1])
        offsets = np.searchsorted(keys, np.arange(len(texts) + 1, dtype=np.int64) << 32).astype(np.int32)
        return Matches(offsets, (keys & 0xFFFFFFFF).astype(np.int32))


def joined_spaced(texts: list[str | None]) -> str:
    """Return the spaced texts joined by line feeds, equal to `"\\n".join(map(spaced, texts))`."""
    plain = ["" if text is None else text for text in texts]
    joined = "\n".join(plain)
    if joined.count("\n") != len(plain) - 1:
        joined = "\n".join([text.replace("\n", " ") for text in plain])
    joined = " " + joined.replace("\n", " \n ") + " "
    for char in PADDED:
        joined = joined.replace(char, f" {char} ")
    return joined.replace("\t", " ").replace("\r", " ")


def text_ends(joined: str) -> npt.NDArray[np.int64]:
    """Return the positions of the line feeds between texts, in characters, int64."""
    if joined.isascii():
        return np.flatnonzero(np.frombuffer(joined.encode("ascii"), dtype=np.uint8) == 10)
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    return np.flatnonzero(codes == 10)
