"""Say which text files can be cut at the ends of their lines, so that several tasks read them."""

from __future__ import annotations

from metaclip_spark.core.byte_find import find
from metaclip_spark.storage.magic import BYTE_ORDER_MARK, GZIP_MAGIC
from metaclip_spark.storage.open import is_remote, local_path

TEXT_FORMATS = ("tsv", "csv", "jsonl")
_BLOCK = 4 << 20
_OPENINGS = tuple(sign + b'"' for sign in (b"\t", b",", b";", b"|", b"\n", b"\r"))
"""The start of a quoted field, whatever the delimiter is."""


def is_cut_at_lines(uri: str, kind: str, quoting: str) -> bool:
    """Return whether every line end of a file ends a row, so that the file can be cut there.

    A row of JSON lines has none inside. A quoted field of TSV or CSV may have, so such a file is cut if marks are text
    (`quoting` is "none"), or if no field begins with one. To know that, a local file is read once, up to the first such
    field. A remote file is not: it is cut with "none" alone. A gzip file has no place to begin at, and is never cut.

    Args:
        uri: a local path, or the uri of a remote file.
        kind: its format, out of `TEXT_FORMATS`.
        quoting: one of `candidates.options.QUOTINGS`.
    """
    if uri.lower().endswith(".gz"):
        return False
    if is_remote(uri):
        return kind == "jsonl" or quoting == "none"
    try:
        with open(local_path(uri), "rb") as file:
            head = file.read(len(BYTE_ORDER_MARK)).removeprefix(BYTE_ORDER_MARK)
            if head.startswith(GZIP_MAGIC):
                return False
            if kind == "jsonl" or quoting == "none":
                return True
            before = b"\n"  # the first field follows nothing
            while block := head + file.read(_BLOCK):
                head = b""
                text = before + block
                if before == b"\n" and text[1:6].lower().startswith((b"sep=", b'"sep=')):
                    return False  # another delimiter, which Excel names
                if find(text, b'"') >= 0 and any(find(text, opening) >= 0 for opening in _OPENINGS):
                    return False
                before = block[-1:]
    except OSError:
        return False  # the task that reads it says why it cannot be read
    return True
