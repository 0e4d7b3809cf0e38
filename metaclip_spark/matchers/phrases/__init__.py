"""Look up phrases of tokens directly in Arrow's buffers, without Python strings and without copies of the texts.

An entry is a sequence of tokens between single spaces. So matching is the look-up of the phrases of a text's tokens.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from metaclip_spark.core.jit import bytes_of
from metaclip_spark.matchers.base import Matches, concat_matches, in_one_buffer, slices_by_bytes
from metaclip_spark.matchers.phrases import compiled_list
from metaclip_spark.matchers.phrases.builder import build
from metaclip_spark.matchers.phrases.scan import scan
from metaclip_spark.matchers.phrases.tokenizer import WINDOW, Buffers, new_buffers
from metaclip_spark.matchers.phrases.tokens import SHORT
from metaclip_spark.metadata import Metadata

SLICE_BYTES = 1 << 24
"""Bytes of text per call; the matches of this many bytes always fit 32-bit offsets."""
_NO_NULLS = np.zeros(0, np.bool_)


class PhraseMatcher:
    """A matcher that looks up phrases of tokens in hash tables (500,000 entries: about 17 MB)."""

    name = "phrases"
    window = WINDOW

    def __init__(self, metadata_id: str, tables: compiled_list.Compiled) -> None:
        self.metadata_id = metadata_id
        # All arrays are read-only. A writable array is another type to a kernel, and would need another compilation.
        self._tables = compiled_list.Compiled(*(read_only(array) for array in tables))
        self._per_thread = threading.local()

    @classmethod
    def of(cls, metadata: Metadata) -> PhraseMatcher:
        """Compile a list (500,000 entries: about 0.3 s)."""
        return cls(metadata.metadata_id, build(metadata))

    @classmethod
    def read(cls, path: str | Path, metadata_id: str) -> PhraseMatcher:
        """Map a compiled list from a file; see `compiled_list.read`."""
        return cls(metadata_id, compiled_list.read(Path(path), metadata_id))

    def write(self, path: str | Path) -> None:
        """Write the compiled list to a file; see `compiled_list.write`."""
        compiled_list.write(Path(path), self._tables, self.metadata_id)

    def __reduce__(self) -> tuple[type[PhraseMatcher], tuple[str, compiled_list.Compiled]]:
        return type(self), (self.metadata_id, self._tables)

    def match(self, texts: pa.Array | pa.ChunkedArray) -> Matches:
        """See `Matcher.match`."""
        parts = [self._match_part(part) for part in parts_of(texts)]
        return concat_matches(parts) if parts else Matches(np.zeros(1, np.int32), np.zeros(0, np.int32))

    def _match_part(self, texts: pa.Array) -> Matches:
        return Matches(*scan(*arrays_of(texts), self._tables, self._buffers(), self.window))

    def _buffers(self) -> Buffers:
        """Return the buffers of this thread."""
        if not hasattr(self._per_thread, "buffers"):
            self._per_thread.buffers = new_buffers(len(self._tables.depths))
        buffers: Buffers = self._per_thread.buffers
        return buffers


def parts_of(texts: pa.Array | pa.ChunkedArray) -> Iterator[pa.Array]:
    """Split texts into arrays of strings for one call each."""
    for chunk in texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]:
        if len(chunk) == 0:
            continue
        plain = in_one_buffer(chunk)
        ends = offsets_of(plain)
        if ends[-1] - ends[0] <= SLICE_BYTES:
            yield plain
        else:
            yield from slices_by_bytes(plain, SLICE_BYTES)


def arrays_of(texts: pa.Array) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Return the arguments `data`, `offsets` and `valid` of `scan` for an array of string or large_string."""
    valid = texts.is_valid().to_numpy(zero_copy_only=False) if texts.null_count else _NO_NULLS
    data = texts.buffers()[2]
    if data is None or data.size < SHORT:  # kernels read this many bytes at once
        data = (data.to_pybytes() if data is not None else b"").ljust(SHORT, b"\0")
    return bytes_of(data), offsets_of(texts), valid


def offsets_of(texts: pa.Array) -> npt.NDArray[np.int64]:
    """Return the offsets of an array's texts in its buffer, (texts + 1,) int64."""
    kind = np.int64 if pa.types.is_large_string(texts.type) else np.int32
    offsets: npt.NDArray[Any] = np.frombuffer(texts.buffers()[1], kind)
    return offsets[texts.offset : texts.offset + len(texts) + 1].astype(np.int64)


def read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a read-only view of an array."""
    view = array.view(np.ndarray)
    view.flags.writeable = False
    return view
