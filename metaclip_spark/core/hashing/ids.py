"""Identities of images and pairs, and the keyed draw's key: functions of the row alone.

Source: the contract of the tables (`image_id` is upstream v2's; `pair_id` is ours).
"""

from __future__ import annotations

from hashlib import blake2b, sha224
from struct import Struct

import numpy as np
import pyarrow as pa

from metaclip_spark.core.hashing.blake2b import blake2b_of_pairs
from metaclip_spark.core.hashing.sha224 import sha224_of_urls
from metaclip_spark.core.jit import buffers_of

_LENGTH = Struct("<Q").pack
_IMAGE_DIGITS = 24
_PAIR_DIGITS = 32


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


def image_ids(urls: pa.Array) -> pa.Array:
    """Return `image_id` of every url: a string array without nulls to one of the same length."""
    out = np.empty(_IMAGE_DIGITS * len(urls), np.uint8)
    sha224_of_urls(*buffers_of(urls), out)
    return _digits(out, _IMAGE_DIGITS)


def pair_ids(urls: pa.Array, texts: pa.Array) -> pa.Array:
    """Return `pair_id` of every url and the text at its place: two string arrays without nulls to one."""
    if len(urls) != len(texts):
        raise ValueError(f"as many urls as texts are expected, got {len(urls)} and {len(texts)}")
    out = np.empty(_PAIR_DIGITS * len(urls), np.uint8)
    blake2b_of_pairs(*buffers_of(urls), *buffers_of(texts), out)
    return _digits(out, _PAIR_DIGITS)


def _digits(out: np.ndarray, size: int) -> pa.Array:
    ends = np.arange(0, len(out) + 1, size, dtype=np.int32)
    return pa.StringArray.from_buffers(len(ends) - 1, pa.py_buffer(ends), pa.py_buffer(out))
