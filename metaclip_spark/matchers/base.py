"""The interface of every matching engine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

SLICE_BYTES = 1 << 22
"""UTF-8 bytes of text per call of an engine's inner loop; this bounds its memory, whatever the size of the batch."""


class Matches(NamedTuple):
    """Matched entry ids of a batch of texts, in Arrow's list layout.

    Attributes:
        offsets: int32, shape (texts + 1,); the ids of text i are `ids[offsets[i]:offsets[i + 1]]`.
        ids: int32, ascending and distinct within a text.
    """

    offsets: npt.NDArray[np.int32]
    ids: npt.NDArray[np.int32]

    def to_arrow(self) -> pa.ListArray:
        """Return `list<int32>`, one list per text, without a copy."""
        return pa.ListArray.from_arrays(pa.array(self.offsets), pa.array(self.ids))

    @property
    def counts(self) -> npt.NDArray[np.int32]:
        """The number of matches per text, int32, shape (texts,)."""
        return np.diff(self.offsets)


class Matcher(Protocol):
    """An engine that is compiled for one entry list; picklable, so that it can be broadcast."""

    name: str
    metadata_id: str

    def match(self, texts: pa.Array) -> Matches:
        """Match an Arrow array of strings (string, large_string or string_view); a null text matches nothing."""
        ...


def in_one_buffer(texts: pa.Array) -> pa.Array:
    """Return the texts as string or large_string. The bytes of a string_view are in many buffers, and are copied."""
    if pa.types.is_string(texts.type) or pa.types.is_large_string(texts.type):
        return texts
    return texts.cast(pa.large_string())


def slices_by_bytes(texts: pa.Array, limit: int = SLICE_BYTES) -> Iterator[pa.Array]:
    """Split an array into slices of at most `limit` bytes of text; a longer text is a slice by itself."""
    import pyarrow.compute as pc

    ends = np.cumsum(pc.fill_null(pc.binary_length(texts), 0).to_numpy(zero_copy_only=False).astype(np.int64))
    start = 0
    while start < len(texts):
        before = int(ends[start - 1]) if start else 0
        stop = max(int(np.searchsorted(ends, before + limit, side="right")), start + 1)
        yield texts.slice(start, stop - start)
        start = stop


def concat_matches(parts: list[Matches]) -> Matches:
    """Concatenate the matches of consecutive slices."""
    if len(parts) == 1:
        return parts[0]
    lengths = np.concatenate([part.counts for part in parts]) if parts else np.zeros(0, np.int32)
    total = int(lengths.sum(dtype=np.int64))
    if total > np.iinfo(np.int32).max:
        raise OverflowError(f"{total} matches in one batch do not fit int32 offsets; use smaller batches")
    offsets = np.zeros(len(lengths) + 1, dtype=np.int32)
    np.cumsum(lengths, out=offsets[1:])
    ids = np.concatenate([part.ids for part in parts]) if parts else np.zeros(0, np.int32)
    return Matches(offsets, ids)


def matched_ids(matcher: Matcher, texts: pa.Array) -> pa.ListArray:
    """Return the entry ids of each text, `list<int32>`, ascending and distinct; null where the text is null."""
    matches = matcher.match(texts)
    nulls = texts.is_null() if texts.null_count else None
    return pa.ListArray.from_arrays(pa.array(matches.offsets), pa.array(matches.ids), mask=nulls)
