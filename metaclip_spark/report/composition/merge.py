"""What a pool is made of, put together from what tasks summed (`composing`). No Spark."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metaclip_spark.report.composition.model import LEAST, Composition, EntryDomains, PairDrawn, Part, Parts
from metaclip_spark.report.composition.task_sums import (
    ENTRIES,
    PAIR,
    PARTIAL,
    PARTS,
    PER_ENTRY,
    Plan,
    packed_stream,
    partial_rows,
)

SHOWN_PAIRS = 50
"""Pairs of each kind, kept and dropped, that the page shows."""
LISTED = 100
"""Values that are kept by name: so many of the most frequent in the pool, and as many of the subset's."""


def meet(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield what is known of the kinds and values that met here: equal ones are all among these batches.

    Of languages, text sources and domains the most frequent by name, and under a null how many pairs there are in
    all, and (`packed`: digits) how many values. Of entries (entry_id, pairs, squares, top_pairs, top_domain), packed.
    """
    there = list(batches)
    # Spark sends string or large_string, as its version has it.
    found = pa.Table.from_batches(there).cast(PARTIAL) if there else PARTIAL.empty_table()
    for kind in PARTS:
        yield from _most_frequent(kind, found.filter(pc.equal(found["kind"], kind)))
    entries = found.filter(pc.equal(found["kind"], ENTRIES))
    for block in pc.unique(entries["value"]).to_pylist():
        of_block = entries.filter(pc.equal(entries["value"], block))["packed"]
        yield partial_rows(ENTRIES, [block], [0], [0], [packed_stream(_by_entry([_unpacked(one) for one in of_block]))])
    yield from _lowest_pairs(found.filter(pc.equal(found["kind"], PAIR)).to_pylist())


def composition_of(found: pa.Table, plan: Plan, counts: np.ndarray) -> Composition:
    """Return what `meet` found in all places together."""
    parts = {kind: _parts(found.filter(pc.equal(found["kind"], kind))) for kind in PARTS}
    entries = found.filter(pc.equal(found["kind"], ENTRIES))["packed"]
    pairs = list(_lowest_pairs(found.filter(pc.equal(found["kind"], PAIR)).to_pylist()))
    drawn = [row for batch in pairs for row in batch.to_pylist()]
    return Composition(
        languages=parts["lang"],
        text_sources=parts["text_source"],
        domains=parts["domain"],
        domain_share=plan.domain_share,
        entry_domains=_entry_domains([_unpacked(one) for one in entries], counts),
        drawn=[_pair_drawn(row) for row in drawn],
    )


def _most_frequent(kind: str, found: pa.Table) -> Iterator[pa.RecordBatch]:
    if not len(found):
        return
    sums = found.group_by("value").aggregate([("pool", "sum"), ("curated", "sum")])
    values, pool, curated = (sums[name].combine_chunks() for name in ("value", "pool_sum", "curated_sum"))
    chosen = pa.array(_listed(values, pool.to_numpy(), curated.to_numpy()))
    yield partial_rows(kind, values.take(chosen), pool.take(chosen), curated.take(chosen))
    yield partial_rows(kind, [None], [pc.sum(pool).as_py()], [pc.sum(curated).as_py()], [b"%d" % len(values)])


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
    return pa.record_batch(
        {
            "entry_id": pa.array(ids[starts]),
            "pairs": pa.array(np.add.reduceat(pairs, starts)),
            "squares": pa.array(np.add.reduceat(pairs * pairs, starts)),
            "top_pairs": pa.array(most),
            "top_domain": names.take(pa.array(place[ranks[top]])),
        }
    )


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
    """Yield the kept and the dropped pairs with the lowest hashes; one that the subset holds, too, is kept."""
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


def _unpacked(packed: pa.Scalar) -> pa.Table:
    return pa.ipc.open_stream(packed.as_buffer()).read_all()
