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

Keys = npt.NDArray[np.uint64]
"""The hashes of keys, (n, 2) uint64."""
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
    keys, slots, targets = [np.zeros((0, 2), np.uint64)], [np.zeros(0, np.uint32)], [np.zeros((0, 2), np.uint64)]
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
        found = of_text[encoded.indices.to_numpy(zero_copy_only=False)]
        redirects = pc.not_equal(batch.column("target"), "")
        found[redirects.to_numpy(zero_copy_only=False)] = _REDIRECT
        keys.append(_hashes(batch.column("origin")))
        slots.append(found)
        targets.append(_hashes(batch.column("target").filter(redirects)))
    all_keys, all_slots = np.concatenate(keys), np.concatenate(slots)
    all_slots, lost = _followed(all_keys, all_slots, np.concatenate(targets))
    kept = np.flatnonzero(all_slots != _NONE)
    kept = kept[np.argsort(all_keys[kept, 0], kind="stable")]
    arrays = {
        "hashes": all_keys[kept, 0],
        "checks": _checks(all_keys[kept]),
        "slots": all_slots[kept],
        "ends": np.array(ends, np.uint64),
        "texts": np.frombuffer(bytes(texts), np.uint8),
    }
    written = Written(len(kept), len(numbers), lost)
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
        keys = _hashes(origins.drop_null())
        rows = _rows_of(self._hashes, self._checks, keys)
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


def _followed(keys: Keys, slots: Slots, targets: Keys) -> tuple[Slots, int]:
    """Return the slots, a redirect's being that of where it leads, and the number of redirects that lead nowhere.

    Args:
        targets: the keys to which the redirects lead, in their order.
    """
    order = np.argsort(keys[:, 0], kind="stable")
    redirects = np.flatnonzero(slots == _REDIRECT)
    rows = _rows_of(keys[order, 0], _checks(keys[order]), targets)
    leads_to = np.full(len(keys) + 1, -1)  # the last element is that of the row -1
    leads_to[redirects] = np.where(rows >= 0, np.append(order, -1)[rows], -1)
    at = np.append(slots, _NONE)
    current = leads_to[redirects]
    for _ in range(_HOPS - 1):
        current = np.where(at[current] == _REDIRECT, leads_to[current], current)
    arrived = (current >= 0) & (at[current] != _REDIRECT)
    followed = slots.copy()
    followed[redirects] = np.where(arrived, at[current], _NONE)
    return followed, int((~arrived).sum())


def _hashes(keys: pa.Array) -> Keys:
    """Return BLAKE2b (16 bytes) of each key, as (n, 2) uint64."""
    digests = pair_ids(pa.repeat(pa.scalar("robots"), len(keys)), keys)
    return np.ascontiguousarray(keys_of_ids(digests)).view("<u8").reshape(-1, 2)


def _checks(keys: Keys) -> npt.NDArray[np.uint32]:
    return keys[:, 1].astype(np.uint32)


def _rows_of(hashes: npt.NDArray[np.uint64], checks: npt.NDArray[np.uint32], keys: Keys) -> npt.NDArray[np.int64]:
    """Return the row of each key, or -1.

    Args:
        hashes: ascending.
        checks: in the order of `hashes`; compared where hashes are equal.
    """
    rows = np.full(len(keys), -1)
    at = np.searchsorted(hashes, keys[:, 0])
    wanted = _checks(keys)
    open_keys = np.arange(len(keys))
    while len(open_keys):
        here = at[open_keys]
        inside = here < len(hashes)
        open_keys, here = open_keys[inside], here[inside]
        same = hashes[here] == keys[open_keys, 0]
        open_keys, here = open_keys[same], here[same]
        hit = checks[here] == wanted[open_keys]
        rows[open_keys[hit]] = here[hit]
        open_keys = open_keys[~hit]
        at[open_keys] += 1
    return rows
