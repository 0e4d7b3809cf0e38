"""Sample texts of entries, before and after balancing, without Spark: which entries, and the lowest hashes of each.

A text of an entry is sampled if the hash s of its pair is among the PER_SIDE lowest of the entry's pairs, in the pool
or in the subset. Only pairs below a cut are compared, where ENOUGH of them are expected.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from metaclip_spark.core.draw import hashes

PER_SIDE = 10
"""Number of texts of an entry, of the pool and of the subset."""
FREQUENT, OTHERS = 1_000, 500
"""Number of most frequent entries with texts, and of others that a keyed hash chooses."""
ENOUGH = 40
"""Expected number of pairs of an entry below its cut. Fewer than 10 are practically impossible (1 in 10**8)."""
TEXT_PAIRS = 5_000_000
"""Expected number of pairs whose texts reach Python, without class names. A rare entry would need all of them."""
LENGTH = 600
"""Maximum number of characters of a text that is kept."""
ROWS = pa.schema(
    [
        ("entry_id", pa.int32()),
        ("curated", pa.bool_()),
        ("s", pa.float64()),
        ("pair_id", pa.string()),
        ("url", pa.string()),
        ("text", pa.string()),
    ]
)

Sides = tuple[Sequence[tuple[str, str, str]], Sequence[tuple[str, str, str]]]
"""(text, url, pair id) of an entry's pairs in the pool, and in the subset, each in the order of the hash."""


def chosen_entries(
    counts: npt.NDArray[np.int64], seed: int, first: Sequence[int] = (), pool: int = 0
) -> npt.NDArray[np.int64]:
    """Return the ids of the entries whose texts are sampled, in the order in which the page takes them.

    Args:
        counts: int64 by entry id.
        first: ids of entries that come before all others, such as those of class names.
        pool: size of the pool in pairs. Of a pool of more than TEXT_PAIRS, rare entries are not chosen.
    """
    order = np.argsort(-counts, kind="stable")
    order = order[counts[order] >= (1 if pool <= TEXT_PAIRS else ENOUGH * pool / TEXT_PAIRS)]
    others = np.sort(order[FREQUENT:])
    keyed = hashes(pa.array(map(str, others.tolist()), pa.string()), seed, "entry texts")
    others = others[np.lexsort((others, keyed))][:OTHERS]
    named = np.array([at for at in first if counts[at] > 0], np.int64)
    ids = np.concatenate([named, order[:FREQUENT], others])
    return ids[np.sort(np.unique(ids, return_index=True)[1])]


def cuts(
    chosen: npt.NDArray[np.int64], counts: npt.NDArray[np.int64], curated: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Return the cut of s by side (pool, subset) and entry id, float64; 0 for entries that are not chosen.

    Args:
        counts, curated: int64 by entry id, of the pool and of the subset. A count that is too small costs time only.
    """
    found = np.zeros((2, len(counts)))
    for side, of in enumerate((counts, curated)):
        found[side, chosen] = np.minimum(1.0, ENOUGH / np.maximum(of[chosen], 1))
    return found


def lowest(rows: pa.Table) -> pa.Table:
    """Return the rows with the lowest s, at most PER_SIDE for each entry and side; a pair counts once for each."""
    order = [(name, "ascending") for name in ("entry_id", "curated", "s", "pair_id")]
    rows = rows.sort_by(order)
    group = rows["entry_id"].to_numpy().astype(np.int64) * 2 + rows["curated"].to_numpy()
    s = rows["s"].to_numpy()
    is_new = np.ones(len(rows), bool)
    is_new[1:] = (np.diff(group) != 0) | (np.diff(s) != 0)
    rows, group = rows.filter(pa.array(is_new)), group[is_new]
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    rank = np.arange(len(group)) - np.repeat(starts, np.diff([*starts, len(group)]))
    return rows.filter(pa.array(rank < PER_SIDE))


def by_entry(rows: pa.Table, chosen: npt.NDArray[np.int64]) -> dict[int, Sides]:
    """Return the texts of each chosen entry that has some, in the order of `chosen`."""
    found: dict[int, tuple[list[tuple[str, str, str]], ...]] = {at: ([], []) for at in chosen.tolist()}
    for row in lowest(rows).to_pylist():
        pair = row["text"] or "", row["url"] or "", row["pair_id"]
        found[row["entry_id"]][row["curated"]].append(pair)
    return {entry_id: (before, after) for entry_id, (before, after) in found.items() if before or after}


def rows_of(
    batch: pa.RecordBatch,
    rows: npt.NDArray[np.int64],
    ids: npt.NDArray[np.int32],
    text_cuts: npt.NDArray[np.float64],
) -> pa.Table:
    """Return the texts of a batch that may be among the lowest, as ROWS.

    Args:
        batch: columns curated, s, pair_id, url, text; the last three may be null above the highest cut.
        rows, ids: the row and the entry id of each match.
    """
    curated = batch.column("curated").to_numpy(zero_copy_only=False)
    wanted = batch.column("s").to_numpy()[rows] < text_cuts[curated[rows].astype(np.int8), ids]
    found = batch.select(["curated", "s", "pair_id", "url", "text"]).take(pa.array(rows[wanted]))
    columns = [pa.array(ids[wanted]), *found.columns[:-1], pc.utf8_slice_codeunits(found.column("text"), 0, LENGTH)]
    return pa.Table.from_arrays(
        [column.cast(field.type) for column, field in zip(columns, ROWS, strict=True)], schema=ROWS
    )
