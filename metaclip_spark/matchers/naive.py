"""Match by the definition: a substring scan of every entry over every text (about 40 texts per second)."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from metaclip_spark.core.text import spaced, spaced_entry
from metaclip_spark.matchers.base import Matches
from metaclip_spark.metadata import Metadata


class NaiveMatcher:
    """A matcher by the paper's definition; the oracle that every other engine is checked against."""

    name = "naive"

    def __init__(self, metadata: Metadata) -> None:
        self.metadata_id = metadata.metadata_id
        self._entries = [spaced_entry(entry) for entry in metadata.entries]

    def match_text(self, text: str) -> list[int]:
        """Return the ids of the entries that one text matches, ascending."""
        padded = spaced(text)
        return [i for i, entry in enumerate(self._entries) if entry in padded]

    def match(self, texts: pa.Array) -> Matches:
        """See `Matcher.match`."""
        rows = [[] if text is None else self.match_text(text) for text in texts.to_pylist()]
        offsets = np.zeros(len(rows) + 1, dtype=np.int32)
        np.cumsum([len(row) for row in rows], out=offsets[1:])
        return Matches(offsets, np.array([i for row in rows for i in row], dtype=np.int32))
