"""Damage to the files of compiled lists and of language models, for tests that they are refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xxhash

from metaclip_spark.storage import array_file


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


def sealed(path: Path, change: Callable[[dict[str, Any], dict[str, npt.NDArray[Any]]], None]) -> None:
    """Change a file of arrays, and make its checksum right again, as an attacker would.

    Args:
        change: changes the header, or the values of the arrays.
    """
    raw = path.read_bytes()
    at = raw.index(b"{")
    header, body = json.loads(raw[at : array_file._HEADER]), bytearray(raw[array_file._HEADER :])
    arrays = {
        name: np.frombuffer(body, entry["dtype"], int(np.prod(entry["shape"])), entry["at"] - array_file._HEADER)
        for name, entry in header["arrays"].items()
    }
    change(header, arrays)
    del arrays
    path.write_bytes(array_file.sealed(raw[:at], header, xxhash.xxh3_64(body)) + body)
