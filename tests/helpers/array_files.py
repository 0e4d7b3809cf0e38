"""Damage to the files of compiled lists, for tests that they are refused."""

from __future__ import annotations

import re


def damaged(raw: bytes, how: str) -> bytes:
    """Return the bytes of a file of arrays, damaged in one way."""
    changed = bytearray(raw)
    if how == "truncated":
        return raw[:-64]
    if how == "cut in its header":
        return raw[:100]
    if how == "empty":
        return b""
    if how == "foreign":
        return b"PAR1" + raw[4:]
    if how == "another format":
        return re.sub(rb'"format": [0-9]+', b'"format": 9', raw, count=1)
    if how == "another rule":
        return raw.replace(b'"rule": "edge1"', b'"rule": "edge9"', 1)
    if how == "another header":
        return raw.replace(b'{"format"', b'}"format"', 1)
    assert how == "flipped", how
    changed[-200] ^= 1
    return bytes(changed)
