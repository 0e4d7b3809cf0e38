"""Blocklists of domains: read, compiled for millions of names, and looked up by host."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from metaclip_spark.core.urls.domains import any_above, parse_domains
from metaclip_spark.core.urls.hosts import hosts_of
from metaclip_spark.storage.lines import read_lines

_SLICE = 1 << 16


@dataclass(frozen=True, eq=False)
class Blocklist:
    """A picklable set of domains; each blocks itself and its subdomains, and takes the bytes of its name and 16 more.

    Attributes:
        hashes: n, ascending: `_hash` of each domain.
        domains: string array of n, in the order of `hashes`; compared if hashes are equal.
        id: 16 hex digits of the sha256 over the sorted domains.
    """

    hashes: npt.NDArray[np.uint64]
    domains: pa.Array
    id: str

    @classmethod
    def from_domains(cls, domains: Iterable[str] | pa.Array) -> Blocklist:
        """Compile domains in normal form (`normal_host`); repeats count once."""
        given = domains if isinstance(domains, pa.Array) else pa.array(list(domains), pa.large_string())
        distinct = given.unique()
        ordered = distinct.take(pc.sort_indices(distinct))
        digest = hashlib.sha256()
        hashes = np.empty(len(ordered), dtype=np.uint64)
        for start in range(0, len(ordered), _SLICE):  # slices limit how many domains are Python strings at once
            names = ordered.slice(start, _SLICE).cast(pa.large_binary()).to_pylist()
            hashes[start : start + len(names)] = [_hash(name) for name in names]
            digest.update(b"".join(name + b"\n" for name in names))
        order = np.argsort(hashes, kind="stable")
        return cls(hashes[order], ordered.take(pa.array(order)), digest.hexdigest()[:16])

    def __len__(self) -> int:
        return len(self.hashes)

    def blocks(self, urls: pa.Array) -> pa.Array:
        """Return whether the host of each url is on the list, or below a domain on the list.

        Args:
            urls: string array of n; a null, or a url without a host, is not blocked.

        Returns:
            Boolean array of n, without nulls.
        """
        hosts = hosts_of(urls)
        verdicts = pa.array(any_above(hosts.dictionary.to_pylist(), self._contains))
        return pc.fill_null(verdicts.take(hosts.indices), False)

    def _contains(self, names: list[str]) -> list[bool]:
        if not names or not len(self):
            return [False] * len(names)
        keys = np.array([_hash(name.encode()) for name in names], dtype=np.uint64)
        at = np.searchsorted(self.hashes, keys)
        candidates = np.flatnonzero(self.hashes[np.minimum(at, len(self) - 1)] == keys)
        found = [False] * len(names)
        for index in candidates.tolist():
            position = int(at[index])
            while position < len(self) and self.hashes[position] == keys[index] and not found[index]:
                found[index] = self.domains[position].as_py() == names[index]
                position += 1
        return found


def _hash(raw: bytes) -> int:
    return int.from_bytes(blake2b(raw, digest_size=8).digest(), "little")


def load_blocklist(path: str | Path) -> Blocklist:
    """Read and compile a list of domains, plain or gzip; `parse_domains` describes its lines.

    Raises:
        ConfigError: the file cannot be read, holds no domain, or has a line that cannot be a domain.
    """
    return Blocklist.from_domains(parse_domains(read_lines(path, "blocklist"), f"blocklist {path}"))
