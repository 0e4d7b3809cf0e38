"""Phrase look-up over tokens, straight on Arrow's buffers: no string is made, and no text is copied.

An entry is a sequence of tokens between single spaces, so matching is looking up phrases of a text's tokens.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from metaclip_spark.core.jit import bytes_of
from metaclip_spark.matchers.base import Matches, concat_matches, in_one_buffer, slices_by_bytes
from metaclip_spark.matchers.phrases import compiled_list
from metaclip_spark.matchers.phrases.builder import build
from metaclip_spark.matchers.phrases.scan import scan
from metaclip_spark.matchers.phrases.tokenizer import WINDOW, new_noted
from metaclip_spark.matchers.phrases.tokens import SHORT
from metaclip_spark.metadata import Metadata

SLICE_BYTES = 1 << 24
"""Texts looked up in one call, in bytes: their matches always fit 32-bit offsets."""
_NO_NULLS = np.zeros(0, np.bool_)


class PhraseMatcher:
    """Entries as phrases of tokens in hash tables (500,000 entries: about 17 MB)."""

    name = "phrases"
    window = WINDOW

    def __init__(self, metadata_id: str, tables: compiled_list.Compiled) -> None:
        self.metadata_id = metadata_id
        # Never writable, wherever they are from: to a kernel that is another type, and it is compiled for each.
        self._tables = compiled_list.Compiled(*(_read_only(array) for array in tables))
        self._room = threading.local()

    @classmethod
    def of(cls, metadata: Metadata) -> PhraseMatcher:
        """Compile a list (500,000 entries: about 0.3 s)."""
        return cls(metadata.metadata_id, build(metadata))

    @classmethod
    def read(cls, path: str | Path, metadata_id: str) -> PhraseMatcher:
        """Map a list that was compiled before; see `compiled_list.read`."""
        return cls(metadata_id, compiled_list.read(Path(path), metadata_id))

    def write(self, path: str | Path) -> None:
        """Write the compiled list to a file; see `compiled_list.write`."""
        compiled_list.write(Path(path), self._tables, self.metadata_id)

    def __reduce__(self) -> tuple:
        return type(self), (self.metadata_id, self._tables)

    def match(self, texts: pa.Array | pa.ChunkedArray) -> Matches:
        """See `Matcher.match`."""
        parts = [self._match_part(part) for part in _parts(texts)]
        return concat_matches(parts) if parts else Matches(np.zeros(1, np.int32), np.zeros(0, np.int32))

    def _match_part(self, texts: pa.Array) -> Matches:
        offsets = _offsets(texts)
        valid = texts.is_valid().to_numpy(zero_copy_only=False) if texts.null_count else _NO_NULLS
        data = texts.buffers()[2]
        if data is None or data.size < SHORT:  # fewer bytes than are read at once
            data = (data.to_pybytes() if data is not None else b"").ljust(SHORT, b"\0")
        return Matches(*scan(bytes_of(data), offsets, valid, self._tables, self._noted(), self.window))

    def _noted(self) -> tuple:
        """Return this thread's room to work in."""
        if not hasattr(self._room, "noted"):
            self._room.noted = new_noted(len(self._tables.levels))
        return self._room.noted


def _parts(texts: pa.Array | pa.ChunkedArray) -> Iterator[pa.Array]:
    """Cut texts into arrays of strings that are looked up in one call each."""
    for chunk in texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]:
        if len(chunk) == 0:
            continue
        plain = in_one_buffer(chunk)
        ends = _offsets(plain)
        if ends[-1] - ends[0] <= SLICE_BYTES:
            yield plain
        else:
            yield from slices_by_bytes(plain, SLICE_BYTES)


def _offsets(texts: pa.Array) -> np.ndarray:
    """Return where an array's texts start in its buffer, (texts + 1,) int64."""
    kind = np.int64 if pa.types.is_large_string(texts.type) else np.int32
    every = np.frombuffer(texts.buffers()[1], kind)
    return every[texts.offset : texts.offset + len(texts) + 1].astype(np.int64)


def _read_only(array: np.ndarray) -> np.ndarray:
    shown = array.view(np.ndarray)
    shown.flags.writeable = False
    return shown
