"""Domains whose pages and images are left out: a file of them, compiled for millions, and the look-up."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metaclip_spark.core.urls.domains import any_above, read_domains
from metaclip_spark.core.urls.hosts import hosts_of

_SLICE = 1 << 16


@dataclass(frozen=True, eq=False)
class Blocklist:
    """A set of domains; each blocks itself and its subdomains. Picklable: each name and 16 bytes.

    Attributes:
        hashes: uint64 array of n, ascending: `_hash` of each domain.
        domains: string array of n, in the order of `hashes`; it decides where hashes collide.
        id: 16 hex digits of the sha256 over the sorted domains.
    """

    hashes: np.ndarray
    domains: pa.Array
    id: str

    @classmethod
    def from_domains(cls, domains: Iterable[str] | pa.Array) -> Blocklist:
        """Compile domains that are normal already (`normal_host`); repeats count once."""
        given = domains if isinstance(domains, pa.Array) else pa.array(list(domains), pa.large_string())
        distinct = given.unique()
        ordered = distinct.take(pc.sort_indices(distinct))
        digest = hashlib.sha256()
        hashes = np.empty(len(ordered), dtype=np.uint64)
        for start in range(0, len(ordered), _SLICE):  # not all as Python strings at once
            names = ordered.slice(start, _SLICE).cast(pa.large_binary()).to_pylist()
            hashes[start : start + len(names)] = [_hash(name) for name in names]
            digest.update(b"".join(name + b"\n" for name in names))
        order = np.argsort(hashes, kind="stable")
        return cls(hashes[order], ordered.take(pa.array(order)), digest.hexdigest()[:16])

    def __len__(self) -> int:
        return len(self.hashes)

    def blocks(self, urls: pa.Array) -> pa.Array:
        """Return whether the host of each url is on the list, or under a domain that is.

        Args:
            urls: string array of n; a null, or what has no host, is not blocked.

        Returns:
            Boolean array of n, without nulls.
        """
        hosts = hosts_of(urls)
        verdicts = pa.array(any_above(hosts.dictionary.to_pylist(), self._holds))
        return pc.fill_null(verdicts.take(hosts.indices), False)

    def _holds(self, names: list[str]) -> list[bool]:
        if not names or not len(self):
            return [False] * len(names)
        keys = np.array([_hash(name.encode()) for name in names], dtype=np.uint64)
        at = np.searchsorted(self.hashes, keys)
        near = np.flatnonzero(self.hashes[np.minimum(at, len(self) - 1)] == keys)
        held = [False] * len(names)
        for index in near.tolist():
            place = int(at[index])
            while place < len(self) and self.hashes[place] == keys[index] and not held[index]:
                held[index] = self.domains[place].as_py() == names[index]
                place += 1
        return held


def _hash(raw: bytes) -> int:
    return int.from_bytes(blake2b(raw, digest_size=8).digest(), "little")


def load_blocklist(path: str | Path) -> Blocklist:
    """Compile a list of domains, as `read_domains` reads it."""
    return Blocklist.from_domains(read_domains(path, "blocklist"))
