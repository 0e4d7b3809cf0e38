"""The rules of all hosts as a mapped file, and the look-up of urls in it.

A worker maps the file: 16 bytes for each host that has rules, and each text of rules once, however many hosts have it.
All processes of a machine share one copy, of which only the pages that are read are in memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from metaclip_spark.core.hashing.bloom_filter import keys_of_ids
from metaclip_spark.core.hashing.ids import pair_ids
from metaclip_spark.core.urls.origins import origins_of, path_of
from metaclip_spark.robots.rules import Rules
from metaclip_spark.storage.array_file import Kind, Layout, damaged, read_arrays, write_arrays

KIND = Kind(b"metaclip-spark robots\n", "a file of robots rules", 1)
_LAYOUTS = {
    "hashes": Layout("<u8"),
    "checks": Layout("<u4"),
    "slots": Layout("<u4"),
    "ends": Layout("<u8"),
    "texts": Layout("|u1"),
}
_NONE, _REDIRECT = np.uint32(0xFFFFFFFF), np.uint32(0xFFFFFFFE)
"""Slots of hosts without rules, and of those whose rules are those of another."""
_HOPS = 5
"""Redirects that are followed, as RFC 9309 asks."""
_REMEMBERED_CHARS = 4 << 20
"""Characters of the rules that a worker keeps parsed."""

Hashes = npt.NDArray[np.uint64]
Checks = npt.NDArray[np.uint32]
Slots = npt.NDArray[np.uint32]
"""The number of the rules of each key."""


class Written(NamedTuple):
    """What a file of rules consists of.

    Attributes:
        hosts: hosts with rules.
        texts: different texts of rules.
        lost: redirects to a robots.txt that is not there, or further than `_HOPS` away.
    """

    hosts: int
    texts: int
    lost: int


def write_index(path: Path, robots_id: str, batches: Iterable[pa.RecordBatch]) -> Written:
    """Write the file of rules from rows of the table `robots`: its columns `origin`, `target` and `rules`."""
    parts: list[tuple[Hashes, Checks, Slots]] = [_nothing()]
    target_parts: list[tuple[Hashes, Checks]] = [_nothing()[:2]]
    numbers: dict[bytes, int] = {}
    texts, ends = bytearray(), [0]
    for batch in batches:
        encoded = batch.column("rules").dictionary_encode()
        of_text = np.full(len(encoded.dictionary), _NONE)
        for at, text in enumerate(encoded.dictionary.cast(pa.binary()).to_pylist()):
            if text:
                of_text[at] = numbers.setdefault(blake2b(text, digest_size=16).digest(), len(numbers))
                if len(numbers) == len(ends):
                    texts += text
                    ends.append(len(texts))
        slots = of_text[encoded.indices.to_numpy(zero_copy_only=False)]
        redirects = pc.not_equal(batch.column("target"), "")
        slots[redirects.to_numpy(zero_copy_only=False)] = _REDIRECT
        parts.append((*_hashed(batch.column("origin")), slots))
        target_parts.append(_hashed(batch.column("target").filter(redirects)))
    hashes, checks, slots = (np.concatenate(column) for column in zip(*parts, strict=True))
    parts.clear()
    order = np.argsort(hashes, kind="stable")
    redirected = np.flatnonzero(slots == _REDIRECT)
    hashes, checks, slots = hashes[order], checks[order], slots[order]
    of_target = np.searchsorted(redirected, order[slots == _REDIRECT])
    target_hashes, target_checks = (np.concatenate(column)[of_target] for column in zip(*target_parts, strict=True))
    slots, lost = _followed(hashes, checks, slots, (target_hashes, target_checks))
    kept = slots != _NONE
    written = Written(int(kept.sum()), len(numbers), lost)
    arrays = {
        "hashes": hashes[kept],
        "checks": checks[kept],
        "slots": slots[kept],
        "ends": np.array(ends, np.uint64),
        "texts": np.frombuffer(texts, np.uint8),
    }
    write_arrays(path, KIND, {"robots": robots_id, "written": written._asdict()}, arrays)
    return written


class Robots:
    """The rules of all hosts, mapped from a file; picklable where the file can be read.

    Attributes:
        id: of the table that the file was written from.
        written: what the file consists of.
    """

    def __init__(self, path: Path, robots_id: str, written: Written, arrays: list[npt.NDArray[Any]]) -> None:
        self.path, self.id, self.written = path, robots_id, written
        self._hashes, self._checks, self._slots, self._ends, self._texts = arrays
        if not len(self._hashes) == len(self._checks) == len(self._slots) or not len(self._ends):
            raise damaged(path, "its arrays are not of one length")
        if len(self._slots) and int(self._slots.max()) >= len(self._ends) - 1 or self._ends[-1] != len(self._texts):
            raise damaged(path, "a host has rules that are not there")
        self._parsed: dict[int, Rules] = {}
        self._chars = 0

    @classmethod
    def read(cls, path: Path | str, robots_id: str) -> Robots:
        """Map a file that `write_index` wrote.

        Raises:
            MetadataError: the file is of another table, truncated or damaged.
        """
        header, arrays = read_arrays(Path(path), KIND, {"robots": robots_id}, _LAYOUTS)
        return cls(Path(path), robots_id, Written(**header["written"]), arrays)

    def __reduce__(self) -> tuple[Any, ...]:
        return Robots.read, (self.path, self.id)

    def __len__(self) -> int:
        return len(self._hashes)

    def reasons(self, urls: pa.Array) -> pa.Array:
        """Return why the robots.txt of a url's host refuses it.

        Args:
            urls: string array of n.

        Returns:
            String array of n; null where the url may be used: nothing refuses it, or its host is not in the file.
        """
        origins = origins_of(urls)
        slots = np.append(self._slots_of(origins.dictionary), _NONE)
        positions = pc.fill_null(origins.indices, len(origins.dictionary)).to_numpy(zero_copy_only=False)
        of_url = slots[positions]
        rows = np.flatnonzero(of_url != _NONE)
        if not len(rows):
            return pa.nulls(len(urls), pa.string())
        reasons: dict[str, str | None] = {}
        found: list[str | None] = [None] * len(urls)
        for row, url in zip(rows.tolist(), urls.take(pa.array(rows)).to_pylist(), strict=True):
            if url not in reasons:  # a page has many texts
                reasons[url] = self._rules(int(of_url[row])).reason(path_of(url))
            found[row] = reasons[url]
        return pa.array(found, pa.string())

    def _slots_of(self, origins: pa.Array) -> Slots:
        """Return the slot of each origin, or `_NONE`."""
        known = pc.is_valid(origins).to_numpy(zero_copy_only=False)
        slots = np.full(len(origins), _NONE)
        rows = _rows_of(self._hashes, self._checks, *_hashed(origins.drop_null()))
        slots[known] = np.where(rows >= 0, np.append(self._slots, _NONE)[rows], _NONE)
        return slots

    def _rules(self, slot: int) -> Rules:
        rules = self._parsed.get(slot)
        if rules is None:
            text = self._texts[int(self._ends[slot]) : int(self._ends[slot + 1])].tobytes().decode()
            if self._chars + len(text) > _REMEMBERED_CHARS:
                self._parsed.clear()
                self._chars = 0
            self._chars += len(text)
            rules = self._parsed[slot] = Rules(text)
        return rules


def _followed(hashes: Hashes, checks: Checks, slots: Slots, targets: tuple[Hashes, Checks]) -> tuple[Slots, int]:
    """Return the slots, a redirect's being that of where it leads, and the number of redirects that lead nowhere.

    Args:
        hashes: ascending; `checks` and `slots` are in their order.
        targets: the keys to which the redirects lead, in the order of the redirects.
    """
    redirects = np.flatnonzero(slots == _REDIRECT)
    leads_to = _rows_of(hashes, checks, *targets)
    current = leads_to.copy()
    for _ in range(_HOPS - 1):
        again = np.flatnonzero(current >= 0)
        again = again[slots[current[again]] == _REDIRECT]
        current[again] = leads_to[np.searchsorted(redirects, current[again])]
    there = np.flatnonzero(current >= 0)
    there = there[slots[current[there]] != _REDIRECT]
    followed = slots.copy()
    followed[redirects] = _NONE
    followed[redirects[there]] = slots[current[there]]
    return followed, len(redirects) - len(there)


def _nothing() -> tuple[Hashes, Checks, Slots]:
    return np.zeros(0, np.uint64), np.zeros(0, np.uint32), np.zeros(0, np.uint32)


def _hashed(keys: pa.Array) -> tuple[Hashes, Checks]:
    """Return 8 bytes of BLAKE2b of each key to search by, and 4 more to compare."""
    digests = pair_ids(pa.repeat(pa.scalar("robots"), len(keys)), keys)
    halves = np.ascontiguousarray(keys_of_ids(digests)).view("<u8").reshape(-1, 2)
    return halves[:, 0].copy(), halves[:, 1].astype(np.uint32)


def _rows_of(hashes: Hashes, checks: Checks, wanted: Hashes, wanted_checks: Checks) -> npt.NDArray[np.int64]:
    """Return the row of each wanted key, or -1.

    Args:
        hashes: ascending.
        checks: in the order of `hashes`; compared where hashes are equal.
    """
    rows = np.full(len(wanted), -1)
    at = np.searchsorted(hashes, wanted)
    left = np.arange(len(wanted))
    while len(left):
        left = left[at[left] < len(hashes)]
        left = left[hashes[at[left]] == wanted[left]]
        hit = checks[at[left]] == wanted_checks[left]
        rows[left[hit]] = at[left[hit]]
        left = left[~hit]
        at[left] += 1
    return rows
