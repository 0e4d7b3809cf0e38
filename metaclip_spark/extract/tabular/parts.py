"""Read the lines of a file that begin in one part of it, as other tasks read those of the other parts."""

from __future__ import annotations

import io
from typing import BinaryIO

PART_ROWS = 1 << 40
"""Positions of the rows of one part begin at its number times this, so that they have the order of the file."""
_PIECE_BYTES = 1 << 16


def shown_row(position: int) -> str:
    """Return the place of a row, counted from 0, for the row of its reject.

    >>> shown_row(17), shown_row(3 * PART_ROWS + 17)
    ('row 17', 'row 17 of part 3')
    """
    part, row = divmod(position, PART_ROWS)
    return f"row {row} of part {part}" if part else f"row {row}"


class Lines(io.BufferedIOBase):
    """The bytes of the lines whose first byte is in [start, stop). A file without a line end there has none.

    Attributes:
        first: position of the first byte.
    """

    def __init__(self, raw: BinaryIO, start: int, stop: int) -> None:
        self._raw = raw
        self._stop = stop
        self._held = b""
        self._ended = False
        self.first = self._at = self._begin(start)

    def read1(self, size: int = -1, /) -> bytes:
        """Return the next bytes, at most `size`, which is positive; b"" after the last line."""
        if self._ended:
            return b""
        if not self._held:
            self._held = self._raw.read1(size)  # type: ignore[attr-defined]  # every file of `open_source` has it
        piece, self._held = self._held[:size], self._held[size:]
        self._ended = not piece
        if self._at + len(piece) >= self._stop:
            end = piece.find(b"\n", max(0, self._stop - 1 - self._at)) + 1
            if end:
                piece, self._ended = piece[:end], True
        self._at += len(piece)
        return piece

    def _begin(self, start: int) -> int:
        """Go to the first line that begins at `start` or after it; return its position."""
        if not start:
            self._raw.seek(0)
            return 0
        self._raw.seek(start - 1)
        at = start - 1
        while piece := self._raw.read1(_PIECE_BYTES):  # type: ignore[attr-defined]
            end = piece.find(b"\n") + 1
            if end:
                self._held = piece[end:]
                first: int = at + end
                self._ended = first >= self._stop
                return first
            at += len(piece)
        self._ended = True
        return at
