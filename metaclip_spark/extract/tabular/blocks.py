"""Read the text of a tabular file in blocks of one size, inflated if it is gzip."""

from __future__ import annotations

import gzip
import io
from typing import BinaryIO

from metaclip_spark.extract.tabular.parts import Lines
from metaclip_spark.sources.files import Split
from metaclip_spark.storage.magic import BYTE_ORDER_MARK, GZIP_MAGIC, HEAD_BYTES, check_head

BLOCK_BYTES = 1 << 20
"""Bytes of text that are read at once."""
MAX_ROW_BYTES = 16 << 20
"""Bytes of the longest row or line that is read; a longer one is a reject."""
_PIECE_BYTES = 1 << 16


class Blocks:
    """The text of a file in blocks, without its byte order mark.

    The text of a gzip file is the same in every block whatever the sizes of the reads: what is decided by a block is
    decided alike each time.

    Attributes:
        failure: the error that ended the file; the blocks before it are valid.
        ended: whether the last block was returned.
        start: position of the first block in the file.
    """

    def __init__(self, raw: BinaryIO, kind: str, part: Split | None = None) -> None:
        """Check what the file is by its first bytes.

        Args:
            part: read only the lines that begin in this split; None: read the whole file. Of a gzip file the first
                split has all lines.

        Raises:
            DamagedSourceError: the file is empty, or is not text of this kind.
        """
        self.failure: Exception | None = None
        self.ended = False
        magic = raw.read(len(GZIP_MAGIC))
        raw.seek(0)
        # Every file of `open_source` is a BufferedIOBase.
        self._stream: io.BufferedIOBase = gzip.GzipFile(fileobj=raw) if magic == GZIP_MAGIC else raw  # type: ignore[assignment]
        self.start = 0
        index = 0
        if part is not None and part.of > 1:
            index = part.index
            if magic != GZIP_MAGIC:
                self._stream = lines = Lines(raw, part.start, part.stop)
                self.start = lines.first
            elif index:
                self._stream = io.BytesIO()
        self._held = self._read(BLOCK_BYTES)
        if index:
            return
        if not self._held and self.failure is not None:
            raise self.failure
        check_head(self._held[:HEAD_BYTES], kind, is_inflated=magic == GZIP_MAGIC)
        self._held = self._held.removeprefix(BYTE_ORDER_MARK)

    def next(self, before: bytes = b"") -> bytes:
        """Return `before` and the next block after it.

        A block has BLOCK_BYTES, or as many as `before` if these are more, up to the longest row; at both ends of the
        file, and before a failure, it is shorter.
        """
        if self._held:
            held, self._held = self._held, b""
            return before + held
        return self._read(max(BLOCK_BYTES, min(len(before), MAX_ROW_BYTES - len(before))), before)

    def _read(self, size: int, before: bytes = b"") -> bytes:
        parts = [before]
        try:
            # Small pieces: an error takes the piece along in which it occurs.
            while size and not self.ended:
                part = self._stream.read1(min(size, _PIECE_BYTES))
                self.ended = not part
                parts.append(part)
                size -= len(part)
        except MemoryError:
            raise
        except Exception as error:
            self.failure, self.ended = error, True
        return b"".join(parts)
