"""Merge the partial sums of all tasks (`task_sums`) into the composition of a pool, without Spark."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from metaclip_spark.report.composition import entry_texts
from metaclip_spark.report.composition.model import LEAST, Composition, EntryDomains, PairDrawn, Part, Parts
from metaclip_spark.report.composition.task_sums import (
    ENTRIES,
    LISTS,
    PAIR,
    PARTIAL,
    PARTS,
    PER_ENTRY,
    TEXTS,
    Plan,
    packed_stream,
    partial_rows,
    text_rows,
)

SHOWN_PAIRS = 50
"""Number of kept pairs and of dropped pairs that the page shows."""
LISTED = 100
"""Number of most frequent values of the pool, and of the subset, that are listed by name."""
LISTS_LISTED = 1000
"""The same for the lists of languages: more than there are, so that all are listed."""


def merge_rows(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Merge the rows of one or several (kind, value). All rows of each (kind, value) must be in the batches.

    Yields:
        For languages, text sources and domains: the most frequent values by name, and one row with a null value, the
        sums over all values, and the number of values (digits in `packed`). For entries: (entry_id, pairs, squares,
        top_pairs, top_domain), packed. For pairs: the kept and the dropped pairs with the lowest hashes. For texts:
        those with the lowest hashes of each entry, packed.
    """
    received = list(batches)
    # Spark sends string or large_string, depending on its version.
    rows = pa.Table.from_batches(received).cast(PARTIAL) if received else PARTIAL.empty_table()
    for kind in PARTS:
        yield from _most_frequent(kind, rows.filter(pc.equal(rows["kind"], kind)))
    entries = rows.filter(pc.equal(rows["kind"], ENTRIES))
    for block in pc.unique(entries["value"]).to_pylist():
        of_block = entries.filter(pc.equal(entries["value"], block))["packed"]
        yield partial_rows(
            ENTRIES, [block], [0], [0], [packed_stream(_by_entry([_unpacked(blob) for blob in of_block]))]
        )
    packed = rows.filter(pc.equal(rows["kind"], TEXTS))["packed"]
    if len(packed):
        yield from text_rows(pa.concat_tables([_unpacked(blob) for blob in packed]))
    yield from _lowest_pairs(rows.filter(pc.equal(rows["kind"], PAIR)).to_pylist())


def composition_of(rows: pa.Table, plan: Plan, counts: npt.NDArray[np.int64]) -> Composition:
    """Combine the results of `merge_rows` from all tasks into the composition.

    Args:
        counts: int64 by entry id.
    """
    parts = {kind: _parts(kind, rows.filter(pc.equal(rows["kind"], kind))) for kind in PARTS}
    entries = rows.filter(pc.equal(rows["kind"], ENTRIES))["packed"]
    packed = rows.filter(pc.equal(rows["kind"], TEXTS))["packed"]
    sampled = pa.concat_tables([entry_texts.ROWS.empty_table(), *[_unpacked(blob) for blob in packed]])
    pairs = list(_lowest_pairs(rows.filter(pc.equal(rows["kind"], PAIR)).to_pylist()))
    drawn = [row for batch in pairs for row in batch.to_pylist()]
    return Composition(
        languages=parts["lang"],
        text_sources=parts["text_source"],
        lists=parts[LISTS],
        domains=parts["domain"],
        domain_share=plan.domain_share,
        entry_domains=_entry_domains([_unpacked(blob) for blob in entries], counts),
        drawn=[_pair_drawn(row) for row in drawn],
        texts=entry_texts.by_entry(sampled, plan.with_texts),
    )


def _most_frequent(kind: str, rows: pa.Table) -> Iterator[pa.RecordBatch]:
    if not len(rows):
        return
    sums = rows.group_by("value").aggregate([("pool", "sum"), ("curated", "sum")])
    values, pool, curated = (sums[name].combine_chunks() for name in ("value", "pool_sum", "curated_sum"))
    chosen = pa.array(_listed(kind, values, pool.to_numpy(), curated.to_numpy()))
    yield partial_rows(kind, values.take(chosen), pool.take(chosen), curated.take(chosen))
    yield partial_rows(kind, [None], [pc.sum(pool).as_py()], [pc.sum(curated).as_py()], [b"%d" % len(values)])


def _listed(
    kind: str, values: pa.Array, pool: npt.NDArray[np.int64], curated: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Return the positions of the most frequent values, in the order of the pool. Ties are ordered by name."""
    most = LISTS_LISTED if kind == LISTS else LISTED
    by_name = pc.rank(values).to_numpy()
    first = np.lexsort((by_name, -pool))
    chosen = np.union1d(first[:most], np.lexsort((by_name, -curated))[:most])
    return first[np.isin(first, chosen)]


def _by_entry(tables: list[pa.Table]) -> pa.RecordBatch:
    """Sum (entry, domain, pairs) to one row per entry."""
    whole = pa.concat_tables(tables).unify_dictionaries().combine_chunks()
    domains = whole["domain"].combine_chunks()
    names = domains.dictionary
    by_name = pc.rank(names).to_numpy().astype(np.int64)  # so that the name breaks ties
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
    position = np.zeros(len(names) + 1, np.int64)
    position[by_name] = np.arange(len(names))
    return pa.record_batch(
        {
            "entry_id": pa.array(ids[starts]),
            "pairs": pa.array(np.add.reduceat(pairs, starts)),
            "squares": pa.array(np.add.reduceat(pairs * pairs, starts)),
            "top_pairs": pa.array(most),
            "top_domain": names.take(pa.array(position[ranks[top]])),
        }
    )


def _entry_domains(blocks: list[pa.Table], counts: npt.NDArray[np.int64]) -> EntryDomains | None:
    """Return the domains of the entries with at least LEAST pairs, or None without any rows."""
    if not blocks:
        return None
    whole = pa.concat_tables(blocks).combine_chunks()
    enough = counts[whole["entry_id"].to_numpy()] >= LEAST
    whole = whole.filter(pa.array(enough)).sort_by("entry_id")
    pairs = whole["pairs"].to_numpy()
    return EntryDomains(
        entry_ids=whole["entry_id"].to_numpy(),
        pairs=pairs,
        effective=pairs.astype(np.float64) ** 2 / whole["squares"].to_numpy(),
        top_pairs=whole["top_pairs"].to_numpy(),
        top_domains=whole["top_domain"].to_pylist(),
        per_entry=PER_ENTRY,
    )


def _lowest_pairs(rows: list[dict[str, Any]]) -> Iterator[pa.RecordBatch]:
    """Yield the kept and the dropped pairs with the lowest hashes. A pair that is also in the subset is kept."""
    by_id: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row["curated"] or row["value"] not in by_id:
            by_id[row["value"]] = row
    ordered = sorted(by_id.values(), key=lambda row: (json.loads(row["packed"])[0], row["value"]))
    for kept in (1, 0):
        chosen = [row for row in ordered if row["curated"] == kept][:SHOWN_PAIRS]
        if chosen:
            yield pa.RecordBatch.from_pylist(chosen, PARTIAL)


def _pair_drawn(row: dict[str, Any]) -> PairDrawn:
    _, url, text, p, u = json.loads(row["packed"])
    return PairDrawn(row["value"], url, text, bool(row["curated"]), p, u)


def _parts(kind: str, rows: pa.Table) -> Parts:
    named = rows.filter(pc.is_valid(rows["value"]))
    sums = rows.filter(pc.is_null(rows["value"]))
    if not len(sums):
        return Parts()
    pool, curated = named["pool"].to_numpy(), named["curated"].to_numpy()
    values = named["value"].combine_chunks()
    listed = [
        Part(values[at].as_py(), int(pool[at]), int(curated[at]))
        for at in _listed(kind, values, pool, curated).tolist()
    ]
    number = sum(int(digits) for digits in sums["packed"].to_pylist())
    return Parts(listed, number, pc.sum(sums["pool"]).as_py(), pc.sum(sums["curated"]).as_py())


def _unpacked(packed: pa.Scalar) -> pa.Table:
    return pa.ipc.open_stream(packed.as_buffer()).read_all()
