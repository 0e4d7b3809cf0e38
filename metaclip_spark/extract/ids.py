"""Identities of images and pairs, and the keyed draw's key: functions of the row alone.

Source: the contract of the tables (`image_id` is upstream v2's; `pair_id` is ours).
"""

from __future__ import annotations

from collections.abc import Sequence
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


def image_ids(urls: Sequence[str]) -> list[str]:
    """Return `image_id` of every url; a url that repeats is hashed once."""
    known = {url: image_id(url) for url in dict.fromkeys(urls)}
    return [known[url] for url in urls]


def pair_ids(urls: Sequence[str], texts: Sequence[str]) -> list[str]:
    """Return `pair_id` of every url and the text at its place."""
    new, length = blake2b(digest_size=16).copy, _LENGTH  # a copy costs less than a hash made anew
    ids = []
    for url, text in zip(urls, texts, strict=True):
        raw = url.encode()
        digest = new()
        digest.update(length(len(raw)) + raw + text.encode())
        ids.append(digest.hexdigest())
    return ids
