"""What a pool is made of, found in one pass: what a task sums, what meets, and what comes out. No Spark.

A task hands on rows of one schema (`PARTIAL`). Rows of equal (kind, value) meet in one place:

- `lang`, `text_source`, `domain`: pairs of the pool and of the subset with this value;
- `entries`: (entry, domain, pairs) of one block of entries, packed as Arrow's stream, with a dictionary of its own;
- `pair`: a pair that may be among those shown, packed as JSON; what also comes from the subset was kept.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metaclip_spark.batches import BLOCK
from metaclip_spark.entry_lists import laid_out, running_products
from metaclip_spark.filters.hosts import hosts_of
from metaclip_spark.report.composition import LEAST, Composition, EntryDomains, PairDrawn, Part, Parts

PARTIAL_DDL = "kind string, value string, pool bigint, curated bigint, packed binary"
PARTIAL = pa.schema(
    [("kind", pa.string()), ("value", pa.string()), ("pool", pa.int64()), ("curated", pa.int64()),
     ("packed", pa.binary())]
)  # fmt: skip

SHOWN_PAIRS = 50
"""Pairs of each kind, kept and dropped, that the page shows."""
PER_ENTRY = 100
"""Pairs of an entry whose domains are looked at, in expectation; all of them where there are fewer."""
DOMAIN_PAIRS = 30_000_000
"""Pairs of the pool whose domains are counted, in expectation; all of them where there are fewer."""
LISTED = 100
"""Values that are kept by name: so many of the most frequent in the pool, and as many of the subset's."""
_PARTS = ("lang", "text_source", "domain")
_ENTRIES, _PAIR = "entries", "pair"
_FLUSH = 1 << 22
"""Rows of (entry, domain) that a task holds before it hands on what it has."""
_ENOUGH = 220
"""Expected pairs below the cut of a sample: fewer than SHOWN_PAIRS of them are never seen (under 1 in 10**30)."""
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
    _sums: dict[str, tuple[Counter, Counter]] = field(
        default_factory=lambda: {kind: (Counter(), Counter()) for kind in _PARTS[:2]}
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
        hosts = hosts_of(urls)
        known = self._hosts
        names = [(host or "").removeprefix("www.") for host in hosts.dictionary.to_pylist()]
        numbers = [known.setdefault(name, len(known)) for name in names]
        none = known.setdefault("", len(known))
        while len(known) > self._domains.shape[1]:
            self._domains = np.concatenate([self._domains, np.zeros_like(self._domains)], axis=1)
        indices = hosts.indices.fill_null(len(numbers)).to_numpy()
        return np.array([*numbers, none], np.int64)[indices]

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
            yield _rows(kind, values, [pool[value] for value in values], [curated[value] for value in values])
        pool, curated = self._domains[:, : len(self._hosts)]
        counted = np.flatnonzero(pool + curated)
        names = pa.array(list(self._hosts), pa.string()).take(pa.array(counted))
        yield _rows("domain", names, pool[counted], curated[counted])
        if self._pairs:
            ids, kept, packed = zip(*self._pairs, strict=True)
            yield _rows(_PAIR, ids, [int(not one) for one in kept], [int(one) for one in kept], packed)

    def _entry_rows(self) -> pa.RecordBatch:
        if not self._entries:
            return _rows(_ENTRIES, [], [], [])
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
            packed.append(_packed(pa.record_batch(columns)))
        zeros = [0] * len(numbers)
        return _rows(_ENTRIES, [str(number) for number in numbers], zeros, zeros, packed)


def meet(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield what is known of the kinds and values that met here: equal ones are all among these batches.

    Of languages, text sources and domains the most frequent by name, and under a null how many pairs there are in
    all, and (`packed`: digits) how many values. Of entries (entry_id, pairs, squares, top_pairs, top_domain), packed.
    """
    found = pa.Table.from_batches(batches, PARTIAL)
    for kind in _PARTS:
        yield from _most_frequent(kind, found.filter(pc.equal(found["kind"], kind)))
    entries = found.filter(pc.equal(found["kind"], _ENTRIES))
    for block in pc.unique(entries["value"]).to_pylist():
        of_block = entries.filter(pc.equal(entries["value"], block))["packed"]
        yield _rows(_ENTRIES, [block], [0], [0], [_packed(_by_entry([_unpacked(one) for one in of_block]))])
    yield from _lowest_pairs(found.filter(pc.equal(found["kind"], _PAIR)).to_pylist())


def composition_of(found: pa.Table, plan: Plan, counts: np.ndarray) -> Composition:
    """Return what `meet` found in all places together."""
    parts = {kind: _parts(found.filter(pc.equal(found["kind"], kind))) for kind in _PARTS}
    entries = found.filter(pc.equal(found["kind"], _ENTRIES))["packed"]
    pairs = list(_lowest_pairs(found.filter(pc.equal(found["kind"], _PAIR)).to_pylist()))
    drawn = [row for batch in pairs for row in batch.to_pylist()]
    return Composition(
        languages=parts["lang"],
        text_sources=parts["text_source"],
        domains=parts["domain"],
        domain_share=plan.domain_share,
        entry_domains=_entry_domains([_unpacked(one) for one in entries], counts),
        drawn=[_pair_drawn(row) for row in drawn],
    )


def _count(values: pa.Array, curated: np.ndarray, sums: tuple[Counter, Counter]) -> None:
    encoded = pc.fill_null(values, "").dictionary_encode()
    codes, names = encoded.indices.to_numpy(), encoded.dictionary.to_pylist()
    for which, of in zip((~curated, curated), sums, strict=True):
        for name, number in zip(names, np.bincount(codes[which], minlength=len(names)).tolist(), strict=True):
            if number:
                of[name] += number


def _most_frequent(kind: str, found: pa.Table) -> Iterator[pa.RecordBatch]:
    if not len(found):
        return
    sums = found.group_by("value").aggregate([("pool", "sum"), ("curated", "sum")])
    values, pool, curated = (sums[name].combine_chunks() for name in ("value", "pool_sum", "curated_sum"))
    chosen = pa.array(_listed(values, pool.to_numpy(), curated.to_numpy()))
    yield _rows(kind, values.take(chosen), pool.take(chosen), curated.take(chosen))
    yield _rows(kind, [None], [pc.sum(pool).as_py()], [pc.sum(curated).as_py()], [b"%d" % len(values)])


def _listed(values: pa.Array, pool: np.ndarray, curated: np.ndarray) -> np.ndarray:
    """Return the places of the most frequent values: the pool's order, equal ones by name."""
    by_name = pc.rank(values).to_numpy()
    first = np.lexsort((by_name, -pool))
    chosen = np.union1d(first[:LISTED], np.lexsort((by_name, -curated))[:LISTED])
    return first[np.isin(first, chosen)]


def _by_entry(tables: list[pa.Table]) -> pa.RecordBatch:
    """Add up (entry, domain, pairs), and return a row an entry."""
    whole = pa.concat_tables(tables).unify_dictionaries().combine_chunks()
    domains = whole["domain"].combine_chunks()
    names = domains.dictionary
    by_name = pc.rank(names).to_numpy().astype(np.int64)  # so that equal pairs are decided by name
    keys = (whole["entry_id"].to_numpy().astype(np.int64) << 32) | by_name[domains.indices.to_numpy()]
    order = np.argsort(keys, kind="stable")
    keys, pairs = keys[order], whole["pairs"].to_numpy()[order]
    first = np.flatnonzero(np.diff(keys, prepend=-1))
    keys, pairs = keys[first], np.add.reduceat(pairs, first)
    ids, ranks = (keys >> 32).astype(np.int32), keys & 0xFFFFFFFF
    starts = np.flatnonzero(np.diff(ids, prepend=-1))
    most = np.maximum.reduceat(pairs, starts)
    is_most = np.flatnonzero(pairs == np.repeat(most, np.diff([*starts, len(ids)])))
    top = is_most[np.searchsorted(is_most, starts)]
    place = np.zeros(len(names) + 1, np.int64)
    place[by_name] = np.arange(len(names))
    return pa.record_batch({
        "entry_id": pa.array(ids[starts]),
        "pairs": pa.array(np.add.reduceat(pairs, starts)),
        "squares": pa.array(np.add.reduceat(pairs * pairs, starts)),
        "top_pairs": pa.array(most),
        "top_domain": names.take(pa.array(place[ranks[top]])),
    })  # fmt: skip


def _entry_domains(blocks: list[pa.Table], counts: np.ndarray) -> EntryDomains | None:
    """Return what is known of the entries that are judged."""
    if not blocks:
        return None
    whole = pa.concat_tables(blocks).combine_chunks()
    judged = counts[whole["entry_id"].to_numpy()] >= LEAST
    whole = whole.filter(pa.array(judged)).sort_by("entry_id")
    pairs = whole["pairs"].to_numpy()
    return EntryDomains(
        entry_ids=whole["entry_id"].to_numpy(),
        pairs=pairs,
        effective=pairs.astype(np.float64) ** 2 / whole["squares"].to_numpy(),
        top_pairs=whole["top_pairs"].to_numpy(),
        top_domains=whole["top_domain"].to_pylist(),
        per_entry=PER_ENTRY,
    )


def _lowest_pairs(rows: list[dict]) -> Iterator[pa.RecordBatch]:
    """Yield the kept and the dropped pairs with the lowest hashes; a pair of the subset is kept, wherever else it is."""
    by_id: dict[str, dict] = {}
    for row in rows:
        if row["curated"] or row["value"] not in by_id:
            by_id[row["value"]] = row
    ordered = sorted(by_id.values(), key=lambda row: (json.loads(row["packed"])[0], row["value"]))
    for kept in (1, 0):
        chosen = [row for row in ordered if row["curated"] == kept][:SHOWN_PAIRS]
        if chosen:
            yield pa.RecordBatch.from_pylist(chosen, PARTIAL)


def _pair_drawn(row: dict) -> PairDrawn:
    _, url, text, p, u = json.loads(row["packed"])
    return PairDrawn(row["value"], url, text, bool(row["curated"]), p, u)


def _parts(found: pa.Table) -> Parts:
    named = found.filter(pc.is_valid(found["value"]))
    sums = found.filter(pc.is_null(found["value"]))
    if not len(sums):
        return Parts()
    pool, curated = named["pool"].to_numpy(), named["curated"].to_numpy()
    values = named["value"].combine_chunks()
    listed = [
        Part(values[at].as_py(), int(pool[at]), int(curated[at])) for at in _listed(values, pool, curated).tolist()
    ]
    number = sum(int(digits) for digits in sums["packed"].to_pylist())
    return Parts(listed, number, pc.sum(sums["pool"]).as_py(), pc.sum(sums["curated"]).as_py())


def _rows(kind: str, values: object, pool: object, curated: object, packed: object = None) -> pa.RecordBatch:
    """Return rows of `PARTIAL`; the columns as lists or arrays of equal length."""
    values = pa.array(values, pa.string())
    packed = pa.nulls(len(values), pa.binary()) if packed is None else pa.array(packed, pa.binary())
    kinds = pa.array([kind] * len(values), pa.string())
    return pa.record_batch([kinds, values, pa.array(pool, pa.int64()), pa.array(curated, pa.int64()), packed], PARTIAL)


def _packed(batch: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def _unpacked(packed: pa.Scalar) -> pa.Table:
    return pa.ipc.open_stream(packed.as_buffer()).read_all()
