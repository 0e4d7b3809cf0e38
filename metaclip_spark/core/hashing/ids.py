"""Compute the ids of images and pairs, and the hashes by which others name urls.

An id depends on its row alone, and is a key of the draw. Source: upstream v2 defines `image_id`; this project defines
`pair_id`.
"""

from __future__ import annotations

from hashlib import blake2b, sha224
from struct import Struct

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from metaclip_spark.core.hashing.blake2b import blake2b_of_pairs
from metaclip_spark.core.hashing.md5 import md5_of_strings
from metaclip_spark.core.hashing.sha2 import sha224_of_urls, sha256_of_strings
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
    """Return the hex digits of BLAKE2b (16 bytes) over the length of the url (8 bytes, little-endian), url and text."""
    raw = url.encode()
    return blake2b(_LENGTH(len(raw)) + raw + text.encode(), digest_size=16).hexdigest()


def image_ids(urls: pa.Array) -> pa.Array:
    """Return the `image_id` of each url; both are string arrays without nulls."""
    out = np.empty(_IMAGE_DIGITS * len(urls), np.uint8)
    sha224_of_urls(*buffers_of(urls), out)
    return _digits(out, _IMAGE_DIGITS)


def pair_ids(urls: pa.Array, texts: pa.Array) -> pa.Array:
    """Return the `pair_id` of each url and its text; all are string arrays of one length, without nulls."""
    if len(urls) != len(texts):
        raise ValueError(f"expected as many urls as texts, got {len(urls)} and {len(texts)}")
    out = np.empty(_PAIR_DIGITS * len(urls), np.uint8)
    blake2b_of_pairs(*buffers_of(urls), *buffers_of(texts), out)
    return _digits(out, _PAIR_DIGITS)


def sha256_digits(strings: pa.Array) -> pa.Array:
    """Return the 64 hex digits of SHA-256 of each string; both are string arrays without nulls."""
    out = np.empty(64 * len(strings), np.uint8)
    sha256_of_strings(*buffers_of(strings), out)
    return _digits(out, 64)


def md5_digits(strings: pa.Array) -> pa.Array:
    """Return the 32 hex digits of MD5 of each string; both are string arrays without nulls."""
    out = np.empty(32 * len(strings), np.uint8)
    md5_of_strings(*buffers_of(strings), out)
    return _digits(out, 32)


def _digits(out: npt.NDArray[np.uint8], size: int) -> pa.Array:
    ends = np.arange(0, len(out) + 1, size, dtype=np.int32)
    return pa.StringArray.from_buffers(len(ends) - 1, pa.py_buffer(ends), pa.py_buffer(out))
