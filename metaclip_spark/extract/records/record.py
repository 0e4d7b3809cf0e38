"""A WARC record: its header fields and its content block."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

from metaclip_spark.errors import DamagedSourceError

_NO_BLOCK = memoryview(b"")
_FOLD = re.compile(rb"\r?\n[ \t]+")
_SPACE_BEFORE_COLON = re.compile(rb"(?<=\n)([^\s:]+)[ \t]+:")


class Record:
    """A WARC record.

    Attributes:
        payload: the content block, a view of the bytes that were read; empty if the block was skipped.
        skipped: whether the block was skipped, because it is longer than the dialect's limit.
        raw: (n,) uint8 for kernels, the bytes that the block is part of; None if they are not available.
        start: the block's position in `raw`.
        holds_json: whether the record is known to be no response and to hold JSON. If False, read the header.
    """

    __slots__ = ("_fields", "_head", "_head_bytes", "holds_json", "payload", "raw", "skipped", "start")

    def __init__(
        self,
        head: bytes | memoryview,
        payload: memoryview = _NO_BLOCK,
        raw: npt.NDArray[np.uint8] | None = None,
        start: int = 0,
        holds_json: bool = False,
        head_bytes: int | None = None,
        skipped: bool = False,
    ) -> None:
        """Take the header without the empty line after it; `head_bytes` gives its length if `head` is longer."""
        self.start = start
        self._head = head
        self._head_bytes = head_bytes
        self.payload = payload
        self.raw = raw
        self.holds_json = holds_json
        self.skipped = skipped
        self._fields: tuple[bytes, bytes] | None = None  # the header as it is, and in lower case

    def get(self, name: bytes) -> bytes:
        """Return a header field by its lower-case name: the last one if it is repeated, b"" if it is missing.

        White space before the colon is ignored, and an indented line continues the line before it.
        """
        if self._fields is None:
            head = unfolded(bytes(self._head[: self._head_bytes]))
            self._fields = head, head.lower()
        head, lowered = self._fields
        start = lowered.rfind(b"\n" + name + b":") + 1
        if not start:
            return b""
        end = head.find(b"\n", start)
        return head[start + len(name) + 1 : end if end >= 0 else None].strip()

    def length(self, most: int) -> int:
        """Return the content block's length in bytes, as the header gives it.

        Raises:
            DamagedSourceError: the field is missing, is no number, or is larger than `most`.
        """
        value = self.get(b"content-length")
        if not value.isdigit() or len(value) > 18 or int(value) > most:
            raise DamagedSourceError(f"a record without a usable Content-Length: got {value[:40]!r}")
        return int(value)


def unfolded(head: bytes) -> bytes:
    """Return a header with one line per field and no white space before the colons."""
    if b"\n " in head or b"\n\t" in head:
        head = _FOLD.sub(b" ", head)
    if b" :" in head or b"\t:" in head:
        head = _SPACE_BEFORE_COLON.sub(rb"\1:", head)
    return head
