"""Identities of images and pairs, and the keyed draw's key: functions of the row alone.

Source: the contract of the tables (`image_id` is upstream v2's; `pair_id` is ours).
"""

from __future__ import annotations

from hashlib import blake2b, sha224
from struct import Struct

_LENGTH = Struct("<Q").pack


def image_id(url: str) -> str:
    """Return the first 24 hex digits of sha224 of the url without tabs and spaces.

    >>> image_id("http://example.org/a b.jpg") == image_id("http://example.org/ab.jpg")
    True
    """
    if " " in url or "\t" in url:
        url = url.replace(" ", "").replace("\t", "")
    return sha224(url.encode()).hexdigest()[:24]


def pair_id(url: str, text: str) -> str:
    """Return the hex of blake2b (16 bytes) over: length of the url in bytes (8, little-endian), url, text."""
    raw = url.encode()
    return blake2b(_LENGTH(len(raw)) + raw + text.encode(), digest_size=16).hexdigest()
