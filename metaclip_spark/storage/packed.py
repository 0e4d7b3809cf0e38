"""Plain values packed into letters, as a page of HTML carries them: JSON, gzip, base64."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from base64 import b64decode, b64encode
from typing import Any

ENTRIES, TEXTS = "entries", "entry-texts"
"""Names of a data card's blocks: the numbers of entries, and their sample texts with the urls of the images."""
_BLOCK = re.compile(r'<script type="application/octet-stream" id="([a-z-]+)">([A-Za-z0-9+/=]*)</script>')


def packed(values: Any) -> str:
    """Serialize plain values. The letters of base64 have no meaning in HTML, whatever the values are."""
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    return b64encode(gzip.compress(text.encode(), 6, mtime=0)).decode()


def block(name: str, values: Any) -> str:
    """Return the element of a page that carries values under a name. No browser runs or shows it."""
    return f'<script type="application/octet-stream" id="{name}">{packed(values)}</script>'


def split_blocks(page: str) -> tuple[str, dict[str, Any]]:
    """Return a page without the elements of `block`, and their values by name; None for values that are damaged."""
    return _BLOCK.sub("", page), {name: _unpacked(letters) for name, letters in _BLOCK.findall(page)}


def _unpacked(letters: str) -> Any:
    try:
        return json.loads(gzip.decompress(b64decode(letters)))
    except (ValueError, OSError, EOFError, zlib.error):
        return None
