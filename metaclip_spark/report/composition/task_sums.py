"""Sum the composition of a pool, without Spark: the plan of the pass, and the sums of one task.

`merge` merges the sums of all tasks. A task yields rows of one schema (`PARTIAL`). All rows of equal (kind, value) are
merged in one task:

- `lang`, `text_source`, `list_lang`, `domain`: pairs of the pool and of the subset with this value;
- `entries`: (entry, domain, pairs) of one block of entries, packed as an Arrow stream with its dictionary of domains;
- `pair`: a pair that the page may show, packed as JSON. A pair that is also in the subset was kept;
- `texts`: sample texts of one block of entries, packed as an Arrow stream.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from metaclip_spark.core.counts import BLOCK
from metaclip_spark.core.entry_lists import list_layout, running_products
from metaclip_spark.core.urls.hosts import normal_host, written_hosts
from metaclip_spark.core.urls.registered import domain_of
from metaclip_spark.core.weights.pairs import PairWeights
from metaclip_spark.report.composition import entry_texts

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
"""Expected number of pairs per entry whose domains are counted. All pairs of a rarer entry are counted."""
DOMAIN_PAIRS = 30_000_000
"""Expected number of pairs of the pool whose domains are counted. All pairs of a smaller pool are counted."""
LISTS = "list_lang"
PARTS = ("lang", "text_source", LISTS, "domain")
ENTRIES, PAIR, TEXTS = "entries", "pair", "texts"
_FLUSH = 1 << 22
"""Rows of (entry, domain) that a task buffers before it yields them."""
_TRIM = 1 << 16
"""Rows of sample texts that a task buffers before it drops those that are not among the lowest."""
_ENOUGH = 220
"""Expected number of pairs below the cut of a sample. Fewer than 50 are practically impossible (under 1 in 10**30)."""
_MOST = 1_000_000


@dataclass(frozen=True, eq=False)
class Plan:
    """The pairs that the pass examines, by the hash s in [0, 1) of a pair.

    Attributes:
        entry_shares: float64 by entry id. An entry's domains are counted in the pairs with s below the entry's share.
        probabilities: float64 by entry id, the entry probabilities of the run; 0 for entries without a count.
        domain_share: the domains of the pool are counted in the pairs with s below this share.
        cut_kept, cut_dropped: the page may show kept and dropped pairs with s below the cut.
        weights: the factors of the pairs' probabilities.
        with_texts: int64, the ids of the entries with sample texts, in the order of the page.
        text_cuts: float64 by side (pool, subset) and entry id; an entry's texts are pairs with s below the cut.
    """

    entry_shares: npt.NDArray[np.float64]
    probabilities: npt.NDArray[np.float64]
    domain_share: float
    cut_kept: float
    cut_dropped: float
    with_texts: npt.NDArray[np.int64]
    text_cuts: npt.NDArray[np.float64]
    weights: PairWeights | None = None

    @property
    def cuts(self) -> tuple[float, float]:
        """Pairs with s above these cuts, of the pool and of the subset, are not shown: nobody needs their texts."""
        pool, subset = self.text_cuts.max(axis=1, initial=0.0).tolist()
        return max(self.cut_dropped, pool), max(self.cut_kept, self.cut_dropped, subset)


def make_plan(
    counts: npt.NDArray[np.int64],
    probabilities: npt.NDArray[np.float64],
    pool: int,
    curated: int,
    weights: PairWeights | None = None,
    with_texts: npt.NDArray[np.int64] | None = None,
    text_cuts: npt.NDArray[np.float64] | None = None,
) -> Plan:
    """Plan the pass over a pool.

    Args:
        counts: int64 by entry id.
        probabilities: float64 by entry id; NaN for an entry that was not counted.
        pool, curated: sizes of the pool and of the curated subset, in pairs.
        weights: the factors of the pairs' probabilities; None: every pair weighs 1.
        with_texts, text_cuts: `chosen_entries` and `cuts` of `entry_texts`; None: no texts of entries are sampled.
    """
    dropped = max(pool - curated, 1)
    return Plan(
        entry_shares=PER_ENTRY / np.maximum(counts, PER_ENTRY).astype(np.float64),
        probabilities=np.nan_to_num(probabilities, nan=0.0),
        domain_share=min(1.0, DOMAIN_PAIRS / max(pool, 1)),
        cut_kept=min(1.0, _ENOUGH / max(curated, 1)),
        cut_dropped=min(1.0, _ENOUGH / dropped, _MOST / max(pool, 1)),
        weights=weights,
        with_texts=np.zeros(0, np.int64) if with_texts is None else with_texts,
        text_cuts=np.zeros((2, len(counts))) if text_cuts is None else text_cuts,
    )


@dataclass
class TaskSums:
    """The partial sums of one task.

    `add` takes batches with the columns of `stages.composition`, and `rows` yields the sums.
    """

    plan: Plan
    _known: dict[str, int] = field(default_factory=dict)
    _written: dict[str, int] = field(default_factory=dict)
    _sums: dict[str, tuple[Counter[str], Counter[str]]] = field(
        default_factory=lambda: {kind: (Counter(), Counter()) for kind in PARTS[:-1]}
    )
    _domains: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros((2, 1024), np.int64))
    _entries: list[npt.NDArray[np.int64]] = field(default_factory=list)
    _buffered: int = 0
    _pairs: list[tuple[str, bool, bytes]] = field(default_factory=list)
    _texts: list[pa.Table] = field(default_factory=list)
    _texts_buffered: int = 0

    def add(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """Add a batch. Yields rows if the buffer is full."""
        curated = batch.column("curated").to_numpy(zero_copy_only=False)
        s = batch.column("s").to_numpy()
        for kind, sums in self._sums.items():
            _count(batch.column(kind), curated, sums)
        offsets, ids = list_layout(batch.column("entry_ids"))
        rows = np.repeat(np.arange(len(s)), np.diff(offsets))
        shares = self.plan.entry_shares
        if len(ids) and len(self.plan.with_texts):
            self._add_texts(batch, rows, ids)
        sampled = ~curated[rows] & (s[rows] < shares[ids]) if len(ids) else np.zeros(0, bool)
        rows, ids = rows[sampled], ids[sampled]
        self._add_domains(batch.column("url"), curated, s < self.plan.domain_share, rows, ids)
        self._add_pairs(batch, curated)
        if self._buffered > _FLUSH:
            yield self._entry_rows()

    def _add_domains(
        self,
        urls: pa.Array,
        curated: npt.NDArray[np.bool_],
        counted: npt.NDArray[np.bool_],
        rows: npt.NDArray[np.int64],
        ids: npt.NDArray[np.int32],
    ) -> None:
        needed = counted.copy()
        needed[rows] = True
        codes = np.zeros(len(needed), np.int64)
        codes[needed] = self._codes(urls.filter(pa.array(needed)))
        for at, which in enumerate((counted & ~curated, counted & curated)):
            np.add.at(self._domains[at], codes[which], 1)
        if len(ids):
            self._entries.append((ids.astype(np.int64) << 32) | codes[rows])
            self._buffered += len(ids)

    def _codes(self, urls: pa.Array) -> npt.NDArray[np.int64]:
        """Return the code of each url's domain. A code is valid in this task only."""
        hosts = written_hosts(urls)
        written, known = self._written, self._known
        names = [*hosts.dictionary.to_pylist(), ""]
        codes = list(map(written.get, names))
        if None in codes:
            for at, name in enumerate(names):
                if codes[at] is None:
                    codes[at] = written[name] = known.setdefault(domain_of(normal_host(name)), len(known))
        while len(known) > self._domains.shape[1]:
            self._domains = np.concatenate([self._domains, np.zeros_like(self._domains)], axis=1)
        by_name = np.array(codes, np.int64)
        of_urls: npt.NDArray[np.int64] = by_name[hosts.indices.fill_null(len(names) - 1).to_numpy()]
        return of_urls

    def _add_pairs(self, batch: pa.RecordBatch, curated: npt.NDArray[np.bool_]) -> None:
        may_be_shown = pc.is_valid(batch.column("u"))
        pairs = batch.filter(may_be_shown)
        if not len(pairs):
            return
        probabilities = running_products(*list_layout(pairs.column("entry_ids")), self.plan.probabilities)
        if self.plan.weights is not None:
            probabilities = probabilities * self.plan.weights.of(pairs.column("weight_text"), pairs.column("list_lang"))
        kept = curated[may_be_shown.to_numpy(zero_copy_only=False)]
        for at, row in enumerate(pairs.select(["pair_id", "s", "url", "text", "p", "u"]).to_pylist()):
            p = row["p"] if kept[at] else float(probabilities[at])
            packed = json.dumps([row["s"], row["url"], row["text"], p, row["u"]]).encode()
            self._pairs.append((row["pair_id"], bool(kept[at]), packed))

    def _add_texts(self, batch: pa.RecordBatch, rows: npt.NDArray[np.int64], ids: npt.NDArray[np.int32]) -> None:
        found = entry_texts.rows_of(batch, rows, ids, self.plan.text_cuts)
        self._texts.append(found)
        self._texts_buffered += len(found)
        if self._texts_buffered > _TRIM:
            self._texts = [entry_texts.lowest(pa.concat_tables(self._texts))]
            self._texts_buffered = len(self._texts[0])

    def rows(self) -> Iterator[pa.RecordBatch]:
        """Yield all rows that `add` did not yield."""
        yield self._entry_rows()
        if self._texts:
            yield from text_rows(pa.concat_tables(self._texts))
        for kind, (pool, curated) in self._sums.items():
            values = list(pool | curated)
            yield partial_rows(kind, values, [pool[value] for value in values], [curated[value] for value in values])
        pool, curated = self._domains[:, : len(self._known)]
        counted = np.flatnonzero(pool + curated)
        names = pa.array(list(self._known), pa.string()).take(pa.array(counted))
        yield partial_rows("domain", names, pool[counted], curated[counted])
        if self._pairs:
            ids, kept, packed = zip(*self._pairs, strict=True)
            yield partial_rows(
                PAIR, ids, [int(not is_kept) for is_kept in kept], [int(is_kept) for is_kept in kept], packed
            )

    def _entry_rows(self) -> pa.RecordBatch:
        if not self._entries:
            return partial_rows(ENTRIES, [], [], [])
        keys, pairs = np.unique(np.concatenate(self._entries), return_counts=True)
        self._entries, self._buffered = [], 0
        ids, codes = (keys >> 32).astype(np.int32), keys & 0xFFFFFFFF
        names = pa.array(list(self._known), pa.string())
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


def text_rows(rows: pa.Table) -> Iterator[pa.RecordBatch]:
    """Yield the sample texts that are among the lowest, a row for each block of entries."""
    rows = entry_texts.lowest(rows).combine_chunks()
    blocks = rows["entry_id"].to_numpy() // BLOCK
    starts = np.flatnonzero(np.diff(blocks, prepend=-1)).tolist()
    for start, stop in zip(starts, [*starts[1:], len(blocks)], strict=True):
        (batch,) = rows.slice(start, stop - start).to_batches()
        yield partial_rows(TEXTS, [str(blocks[start])], [0], [0], [packed_stream(batch)])


def _count(values: pa.Array, curated: npt.NDArray[np.bool_], sums: tuple[Counter[str], Counter[str]]) -> None:
    encoded = pc.fill_null(values, "").dictionary_encode()
    codes, names = encoded.indices.to_numpy(), encoded.dictionary.to_pylist()
    for which, counter in zip((~curated, curated), sums, strict=True):
        for name, number in zip(names, np.bincount(codes[which], minlength=len(names)).tolist(), strict=True):
            if number:
                counter[name] += number


def partial_rows(kind: str, values: Any, pool: Any, curated: Any, packed: Any = None) -> pa.RecordBatch:
    """Return rows of `PARTIAL` from columns: lists or arrays of equal length."""
    names = pa.array(values, pa.string())
    blobs = pa.nulls(len(names), pa.binary()) if packed is None else pa.array(packed, pa.binary())
    kinds = pa.array([kind] * len(names), pa.string())
    return pa.record_batch([kinds, names, pa.array(pool, pa.int64()), pa.array(curated, pa.int64()), blobs], PARTIAL)


def packed_stream(batch: pa.RecordBatch) -> bytes:
    """Serialize a batch as an Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    stream: bytes = sink.getvalue().to_pybytes()
    return stream
