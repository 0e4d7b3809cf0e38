"""What a pool is made of: what is looked at, and what a task sums; `composed` has what becomes of it. No Spark.

A task hands on rows of one schema (`PARTIAL`). Rows of equal (kind, value) meet in one place:

- `lang`, `text_source`, `domain`: pairs of the pool and of the subset with this value;
- `entries`: (entry, domain, pairs) of one block of entries, packed as Arrow's stream, with a dictionary of its own;
- `pair`: a pair that may be among those shown, packed as JSON; what also comes from the subset was kept.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metaclip_spark.core.counts import BLOCK
from metaclip_spark.core.entry_lists import laid_out, running_products
from metaclip_spark.core.urls.hosts import normal_host, written_hosts

PARTIAL_DDL = "kind string, value string, pool bigint, curated bigint, packed binary"
PARTIAL = pa.schema(
    [
        ("kind", pa.string()),
        ("value", pa.string()),
        ("pool", pa.int64()),
        ("curated", pa.int64()),
        ("packed", pa.binary()),
    ]
)

PER_ENTRY = 100
"""Pairs of an entry whose domains are looked at, in expectation; all of them where there are fewer."""
DOMAIN_PAIRS = 30_000_000
"""Pairs of the pool whose domains are counted, in expectation; all of them where there are fewer."""
PARTS = ("lang", "text_source", "domain")
ENTRIES, PAIR = "entries", "pair"
_FLUSH = 1 << 22
"""Rows of (entry, domain) that a task holds before it hands on what it has."""
_ENOUGH = 220
"""Expected pairs below the cut of a sample: fewer than 50 of them are never seen (under 1 in 10**30)."""
_MOST = 1_000_000


@dataclass(frozen=True, eq=False)
class Plan:
    """What is looked at, by the hash s in [0, 1) of a pair.

    Attributes:
        entry_shares: float64, by entry id; an entry looks at the domains of pairs with s below its share.
        probabilities: float64, entry probabilities of the run, by entry id; 0 for what it did not count.
        domain_share: domains are counted of pairs with s below this.
        cut_kept, cut_dropped: pairs that may be shown are those with s below it.
    """

    entry_shares: np.ndarray
    probabilities: np.ndarray
    domain_share: float
    cut_kept: float
    cut_dropped: float


def make_plan(counts: np.ndarray, probabilities: np.ndarray, pool: int, curated: int) -> Plan:
    """Return what to look at in a pool of that many pairs, of which so many were kept.

    Args:
        counts: int64, by entry id.
        probabilities: float64, by entry id; NaN where an entry was not counted.
    """
    dropped = max(pool - curated, 1)
    return Plan(
        entry_shares=PER_ENTRY / np.maximum(counts, PER_ENTRY).astype(np.float64),
        probabilities=np.nan_to_num(probabilities, nan=0.0),
        domain_share=min(1.0, DOMAIN_PAIRS / max(pool, 1)),
        cut_kept=min(1.0, _ENOUGH / max(curated, 1)),
        cut_dropped=min(1.0, _ENOUGH / dropped, _MOST / max(pool, 1)),
    )


@dataclass
class TaskSums:
    """What one task found.

    `add` takes batches with the columns of `stages.composition`; `rows` hands on what there is.
    """

    plan: Plan
    _hosts: dict[str, int] = field(default_factory=dict)
    _written: dict[str, int] = field(default_factory=dict)
    _sums: dict[str, tuple[Counter, Counter]] = field(
        default_factory=lambda: {kind: (Counter(), Counter()) for kind in PARTS[:2]}
    )
    _domains: np.ndarray = field(default_factory=lambda: np.zeros((2, 1024), np.int64))
    _entries: list[np.ndarray] = field(default_factory=list)
    _held: int = 0
    _pairs: list[tuple[str, bool, bytes]] = field(default_factory=list)

    def add(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """Sum a batch; yields what has become too much to hold."""
        curated = batch.column("curated").to_numpy(zero_copy_only=False)
        s = batch.column("s").to_numpy()
        for kind, sums in self._sums.items():
            _count(batch.column(kind), curated, sums)
        offsets, ids = laid_out(batch.column("entry_ids"))
        rows = np.repeat(np.arange(len(s)), np.diff(offsets))
        shares = self.plan.entry_shares
        looked_at = s[rows] < shares[ids] if len(ids) else np.zeros(0, bool)
        rows, ids = rows[looked_at], ids[looked_at]
        self._add_hosts(batch.column("url"), curated, s < self.plan.domain_share, rows, ids)
        self._add_pairs(batch, curated)
        if self._held > _FLUSH:
            yield self._entry_rows()

    def _add_hosts(
        self, urls: pa.Array, curated: np.ndarray, counted: np.ndarray, rows: np.ndarray, ids: np.ndarray
    ) -> None:
        needed = counted.copy()
        needed[rows] = True
        codes = np.zeros(len(needed), np.int64)
        codes[needed] = self._codes(urls.filter(pa.array(needed)))
        for at, which in enumerate((counted & ~curated, counted & curated)):
            np.add.at(self._domains[at], codes[which], 1)
        if len(ids):
            self._entries.append((ids.astype(np.int64) << 32) | codes[rows])
            self._held += len(ids)

    def _codes(self, urls: pa.Array) -> np.ndarray:
        """Return the number of each url's host, which is the task's own."""
        hosts = written_hosts(urls)
        codes, known = self._written, self._hosts
        names = [*hosts.dictionary.to_pylist(), ""]
        for name in names:
            if name not in codes:
                codes[name] = known.setdefault(normal_host(name).removeprefix("www."), len(known))
        while len(known) > self._domains.shape[1]:
            self._domains = np.concatenate([self._domains, np.zeros_like(self._domains)], axis=1)
        numbers = np.fromiter((codes[name] for name in names), np.int64, len(names))
        return numbers[hosts.indices.fill_null(len(names) - 1).to_numpy()]

    def _add_pairs(self, batch: pa.RecordBatch, curated: np.ndarray) -> None:
        there = pc.is_valid(batch.column("pair_id"))
        found = batch.filter(there)
        if not len(found):
            return
        drawn = running_products(*laid_out(found.column("entry_ids")), self.plan.probabilities)
        kept = curated[there.to_numpy(zero_copy_only=False)]
        for at, row in enumerate(found.select(["pair_id", "s", "url", "text", "p", "u"]).to_pylist()):
            p = row["p"] if kept[at] else float(drawn[at])
            packed = json.dumps([row["s"], row["url"], row["text"], p, row["u"]]).encode()
            self._pairs.append((row["pair_id"], bool(kept[at]), packed))

    def rows(self) -> Iterator[pa.RecordBatch]:
        """Yield all that was not yielded yet."""
        yield self._entry_rows()
        for kind, (pool, curated) in self._sums.items():
            values = list(pool | curated)
            yield partial_rows(kind, values, [pool[value] for value in values], [curated[value] for value in values])
        pool, curated = self._domains[:, : len(self._hosts)]
        counted = np.flatnonzero(pool + curated)
        names = pa.array(list(self._hosts), pa.string()).take(pa.array(counted))
        yield partial_rows("domain", names, pool[counted], curated[counted])
        if self._pairs:
            ids, kept, packed = zip(*self._pairs, strict=True)
            yield partial_rows(PAIR, ids, [int(not one) for one in kept], [int(one) for one in kept], packed)

    def _entry_rows(self) -> pa.RecordBatch:
        if not self._entries:
            return partial_rows(ENTRIES, [], [], [])
        keys, pairs = np.unique(np.concatenate(self._entries), return_counts=True)
        self._entries, self._held = [], 0
        ids, codes = (keys >> 32).astype(np.int32), keys & 0xFFFFFFFF
        names = pa.array(list(self._hosts), pa.string())
        blocks = ids // BLOCK
        starts = np.flatnonzero(np.diff(blocks, prepend=-1))
        numbers, packed = blocks[starts].tolist(), []
        for start, stop in zip(starts, [*starts[1:], len(ids)], strict=True):
            used, at = np.unique(codes[start:stop], return_inverse=True)
            domains = pa.DictionaryArray.from_arrays(pa.array(at.astype(np.int32)), names.take(pa.array(used)))
            columns = {"entry_id": pa.array(ids[start:stop]), "domain": domains, "pairs": pa.array(pairs[start:stop])}
            packed.append(packed_stream(pa.record_batch(columns)))
        zeros = [0] * len(numbers)
        return partial_rows(ENTRIES, [str(number) for number in numbers], zeros, zeros, packed)


def _count(values: pa.Array, curated: np.ndarray, sums: tuple[Counter, Counter]) -> None:
    encoded = pc.fill_null(values, "").dictionary_encode()
    codes, names = encoded.indices.to_numpy(), encoded.dictionary.to_pylist()
    for which, of in zip((~curated, curated), sums, strict=True):
        for name, number in zip(names, np.bincount(codes[which], minlength=len(names)).tolist(), strict=True):
            if number:
                of[name] += number


def partial_rows(kind: str, values: object, pool: object, curated: object, packed: object = None) -> pa.RecordBatch:
    """Return rows of `PARTIAL`; the columns as lists or arrays of equal length."""
    values = pa.array(values, pa.string())
    packed = pa.nulls(len(values), pa.binary()) if packed is None else pa.array(packed, pa.binary())
    kinds = pa.array([kind] * len(values), pa.string())
    return pa.record_batch([kinds, values, pa.array(pool, pa.int64()), pa.array(curated, pa.int64()), packed], PARTIAL)


def packed_stream(batch: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()
