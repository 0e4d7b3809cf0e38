"""Lists in worldwide mode without compiled kernels: the definition, and pyahocorasick as the fallback without numba."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from metaclip_spark.core.worldwide.switches import Switches, edge_spaced_entry, prepared, spaced_text
from metaclip_spark.matchers.base import Matches, in_one_buffer
from metaclip_spark.matchers.worldwide.needles import Needles, with_repeats
from metaclip_spark.metadata import Metadata


class AhocorasickList:
    """A list in a pyahocorasick automaton of the spaced entries."""

    name = "ahocorasick"

    def __init__(self, metadata: Metadata, switches: Switches) -> None:
        from metaclip_spark.matchers.ahocorasick import AhocorasickMatcher

        needles = Needles.of(metadata.entries, switches)
        self.metadata_id, self.switches, self.n_entries = metadata.metadata_id, switches, len(metadata.entries)
        self._matcher = AhocorasickMatcher(metadata, needles.texts())
        self._repeats = needles.repeats
        self.nbytes = self._matcher.nbytes

    def match(self, texts: pa.Array, buffered: Any = None) -> Matches:
        """See `CompiledList.match`."""
        found = self._matcher.match(prepared(in_one_buffer(texts), self.switches))
        return Matches(*with_repeats(*found, self._repeats))


class NaiveList:
    """A list by the definition: a substring scan of every entry over every text."""

    name = "naive"

    def __init__(self, metadata: Metadata, switches: Switches) -> None:
        self.metadata_id, self.switches, self.n_entries = metadata.metadata_id, switches, len(metadata.entries)
        self._entries = [edge_spaced_entry(entry, switches) for entry in metadata.entries]
        self.nbytes = sum(len(entry or "") for entry in self._entries)

    def match(self, texts: pa.Array, buffered: Any = None) -> Matches:
        """See `CompiledList.match`."""
        rows: list[list[int]] = []
        for text in texts.to_pylist():
            padded = "" if text is None else spaced_text(text, self.switches)
            rows.append([i for i, entry in enumerate(self._entries) if entry is not None and entry in padded])
        offsets = np.zeros(len(rows) + 1, dtype=np.int32)
        np.cumsum([len(row) for row in rows], out=offsets[1:])
        return Matches(offsets, np.array([i for row in rows for i in row], dtype=np.int32))
