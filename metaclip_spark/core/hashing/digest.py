"""Hash plain values to stable ids of runs, batches and settings; hash files."""

from __future__ import annotations

import hashlib
import json
from hashlib import blake2b
from pathlib import Path


def digest_of(value: object) -> str:
    """Return the hash of a JSON value, 16 hex digits; the order of keys does not matter.

    >>> digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})
    True
    """
    canonical = json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return blake2b(canonical.encode(), digest_size=8).hexdigest()


def batch_digest(*parts: object) -> str:
    """Return the id of a batch of work: the hash of its parts."""
    return digest_of([str(part) for part in parts])


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
