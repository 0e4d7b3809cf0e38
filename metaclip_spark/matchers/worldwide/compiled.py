"""The compiled form of one language's list in worldwide mode: phrases, edge entries and repeats, in one file."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from metaclip_spark.core.worldwide.switches import Switches, prepared
from metaclip_spark.matchers.base import Matches, concat_matches
from metaclip_spark.matchers.edges.builder import build_edges
from metaclip_spark.matchers.edges.characters import WINDOW as EDGE_WINDOW
from metaclip_spark.matchers.edges.characters import new_character_buffers
from metaclip_spark.matchers.edges.tables import EdgeTables, edge_problem_of
from metaclip_spark.matchers.phrases import arrays_of, parts_of, read_only
from metaclip_spark.matchers.phrases.builder import build
from metaclip_spark.matchers.phrases.compiled_list import LAYOUTS, MAX_ENTRIES, NAMES, Compiled, problem_of
from metaclip_spark.matchers.phrases.scan import scan
from metaclip_spark.matchers.phrases.tokenizer import WINDOW, Buffers, new_buffers
from metaclip_spark.matchers.worldwide.groups import addresses_of, scan_list
from metaclip_spark.matchers.worldwide.needles import Needles, with_repeats
from metaclip_spark.metadata import Metadata
from metaclip_spark.storage.array_file import Kind, Layout, damaged, read_arrays, write_arrays

KIND = Kind(b"metaclip-spark worldwide list\n", "a compiled list of worldwide mode", 3)
"""The kind of the file. A change of the tables, the hashes or the edge rule needs another format."""
_ARRAYS = {
    **LAYOUTS,
    **{f"edge_{name}": layout for name, layout in LAYOUTS.items()},
    "pages": Layout("<u2"),
    "slots": Layout("<i4"),
    "anchors": Layout("|u1"),
    "repeats": Layout("<i4", 2),
}


class Buffered(threading.local):
    """The buffers of this thread, for the lists of a matcher: one set, as large as the deepest list needs."""

    def __init__(self) -> None:
        self._depths = [-1, -1]
        self._buffers: list[Buffers] = [None, None]  # type: ignore[list-item]  # made below, before they are returned

    def of(self, depth: int, edge_depth: int) -> list[Buffers]:
        """Return buffers of phrases and of characters for lists of these depths."""
        for at, (make, needed) in enumerate([(new_buffers, depth), (new_character_buffers, edge_depth)]):
            if self._depths[at] < needed:
                self._depths[at], self._buffers[at] = needed, make(needed)
        return self._buffers


class CompiledList:
    """The matcher of one list, under the edge rule.

    Attributes:
        metadata_id: the id of the list.
        switches: what the list was compiled for.
        n_entries: the number of entries of the list.
        nbytes: bytes of the tables.
        depths: the transitions of the longest phrase, and of the longest edge entry.
        addresses: the tables as numbers; see `scan_groups`.
    """

    name = "compiled"
    window, edge_window = WINDOW, EDGE_WINDOW

    def __init__(
        self,
        metadata_id: str,
        switches: Switches,
        n_entries: int,
        phrases: Compiled,
        edges: EdgeTables,
        repeats: npt.NDArray[np.int32],
    ) -> None:
        self.metadata_id, self.switches, self.n_entries = metadata_id, switches, n_entries
        # All arrays are read-only. A writable array is another type to a kernel, and would need another compilation.
        self._phrases = Compiled(*(read_only(array) for array in phrases))
        self._edges = Compiled(*(read_only(array) for array in edges.phrases))
        self._characters = (read_only(edges.pages), read_only(edges.slots), read_only(edges.anchors))
        self._repeats = read_only(repeats)
        self.nbytes = sum(array.nbytes for array in self._arrays())
        self._has_edges = len(self._edges.rest_starts) > 1
        self.depths = len(self._phrases.depths), len(self._edges.depths)
        self.addresses = addresses_of(self._arrays())

    @classmethod
    def of(cls, metadata: Metadata, switches: Switches, hash_bits: int = 64) -> CompiledList:
        """Compile a list; see `build` for `hash_bits`."""
        needles = Needles.of(metadata.entries, switches)
        phrases = build(Metadata(needles.phrases(), metadata.metadata_id), hash_bits)
        edges = build_edges(*needles.edge_codes(), hash_bits)
        return cls(metadata.metadata_id, switches, len(metadata.entries), phrases, edges, needles.repeats)

    def __reduce__(self) -> tuple[type[CompiledList], tuple[Any, ...]]:
        # The addresses are of this process.
        edges = EdgeTables(self._edges, *self._characters)
        return type(self), (self.metadata_id, self.switches, self.n_entries, self._phrases, edges, self._repeats)

    def write(self, path: Path, source: str) -> None:
        """Write the compiled list to a file, atomically.

        Args:
            source: the hash of the list's own file; `read` compares it.
        """
        about = {"metadata_id": self.metadata_id, "rule": self.switches.rule, "source": source}
        arrays = dict(zip(_ARRAYS, self._arrays(), strict=True))
        write_arrays(path, KIND, {**about, "entries": self.n_entries}, arrays)

    @classmethod
    def read(cls, path: Path, switches: Switches, source: str) -> CompiledList:
        """Map a compiled list into memory. All processes of a machine share one copy.

        Raises:
            MetadataError: the file is not such a list, is of another list, rule or format, is truncated, or is damaged.
        """
        header, arrays = read_arrays(path, KIND, {"rule": switches.rule, "source": source}, _ARRAYS)
        one, two = len(NAMES), 2 * len(NAMES)
        edges = EdgeTables(Compiled(*arrays[one:two]), *arrays[two:-1])
        phrases = Compiled(*arrays[:one])
        n_entries, metadata_id = header.get("entries"), header.get("metadata_id")
        if type(n_entries) is not int or not 0 <= n_entries <= MAX_ENTRIES or not isinstance(metadata_id, str):
            raise damaged(path, f"it is of list {metadata_id!r} with {n_entries!r} entries"[:200])
        problem = problem_of(phrases, n_entries) or edge_problem_of(edges, n_entries)
        repeats = arrays[-1]
        if problem is None and (repeats.shape[1] != 2 or (repeats < 0).any() or (repeats >= n_entries).any()):
            problem = "an entry repeats one that is not there"
        if problem is not None:
            raise damaged(path, problem)
        return cls(metadata_id, switches, n_entries, phrases, edges, repeats)

    def _arrays(self) -> tuple[npt.NDArray[np.generic], ...]:
        return (*self._phrases, *self._edges, *self._characters, self._repeats)

    def match(self, texts: pa.Array | pa.ChunkedArray, buffered: Buffered | None = None) -> Matches:
        """Match texts; see `Matcher.match`.

        Args:
            buffered: buffers that several lists share.
        """
        buffered = buffered or Buffered()
        parts = [
            self.match_arrays(*arrays_of(prepared(part, self.switches)), buffered=buffered) for part in parts_of(texts)
        ]
        return concat_matches(parts) if parts else Matches(np.zeros(1, np.int32), np.zeros(0, np.int32))

    def match_arrays(
        self,
        data: npt.NDArray[np.uint8],
        offsets: npt.NDArray[np.int64],
        valid: npt.NDArray[np.bool_],
        buffered: Buffered,
    ) -> Matches:
        """Match texts that the switches were applied to already, of at most `SLICE_BYTES`; see `scan`."""
        buffers, edge_buffers = buffered.of(*self.depths)
        phrases = (data, offsets, valid, self._phrases, buffers, self.window)
        if self._has_edges:
            ends, ids = scan_list(*phrases, self._edges, *self._characters, edge_buffers, self.edge_window)
        else:
            ends, ids = scan(*phrases)
        return Matches(*with_repeats(ends, ids, self._repeats))
