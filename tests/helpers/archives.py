"""Bytes of files that are made in memory."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable


def written(write: Callable[[io.BytesIO], object]) -> bytes:
    """Return the bytes that a function writes."""
    out = io.BytesIO()
    write(out)
    return out.getvalue()


def zipped(text: str) -> bytes:
    """Return a zip archive with one TSV."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.tsv", text)
    return out.getvalue()
