"""The work on one Arrow batch, without Spark: what Python workers do for the stages, and what local verbs do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from metaclip_spark.entry_lists import add_counts, laid_out, running_products
from metaclip_spark.errors import InputError
from metaclip_spark.matchers.base import Matcher
from metaclip_spark.sampling import DRAW_SCALE, draw_key

BLOCK = 4096
"""Entries whose sums travel together."""
_SPARK_SEED = 42
"""Where Spark's `xxhash64(a, b)` begins: the hash of a, seeded with this, seeds the hash of b."""


def need_names(columns: Sequence[str], stage: str, wanted: Sequence[str], hint: str) -> None:
    """Refuse columns that lack one of those wanted, saying what is there and what to do."""
    for name in wanted:
        if name not in columns:
            raise InputError(f"{stage}: column {name!r} is missing; got {list(columns)}. {hint}")


def matched_ids(matcher: Matcher, texts: pa.Array) -> pa.ListArray:
    """Return `list<int32>`: each text's entry ids, ascending and distinct; null where the text is null."""
    matches = matcher.match(texts)
    nulls = texts.is_null() if texts.null_count else None
    return pa.ListArray.from_arrays(pa.array(matches.offsets), pa.array(matches.ids), mask=nulls)


class EntrySums:
    """How many pairs match each entry, over the batches that were added.

    Attributes:
        sums: int64, by entry id; as long as was asked for, or as the ids that came made it.
    """

    def __init__(self, n_entries: int = 0) -> None:
        self.sums = np.zeros(n_entries, dtype=np.int64)

    def add(self, entry_ids: pa.ListArray, kept: np.ndarray | None = None) -> None:
        """Count the pairs of a batch; an id stands at most once in a list.

        Args:
            kept: bool, the pairs that are counted; all of them where it is not given.

        Raises:
            InputError: an id is negative.
        """
        offsets, ids = self._checked(entry_ids)
        add_counts(ids if kept is None else ids[np.repeat(kept, np.diff(offsets))], self.sums)

    def add_weighted(self, entry_ids: pa.ListArray, weights: np.ndarray) -> None:
        """Add each pair's weight to the sums of its entries.

        Args:
            weights: int64, a pair each (see `sampling.weights_of`): sums of integers are free of order.

        Raises:
            InputError: an id is negative.
        """
        offsets, ids = self._checked(entry_ids)
        np.add.at(self.sums, ids, np.repeat(weights, np.diff(offsets)))

    def _checked(self, entry_ids: pa.ListArray) -> tuple[np.ndarray, np.ndarray]:
        offsets, ids = laid_out(entry_ids)
        low, room = int(ids.min(initial=0)), int(ids.max(initial=-1)) + 1
        if low < 0:
            raise InputError(f"entry_ids holds {low}, expected positions in the entry list, from 0; run match again")
        self._make_room(room)
        return offsets, ids

    def to_blocks(self) -> pa.RecordBatch:
        """Return (block int32, sums binary) of the blocks of entries in which any matched: what a task hands on.

        A sum takes four bytes, eight where one of its block needs them, whatever the pool's size.
        """
        padded = np.zeros((-(-len(self.sums) // BLOCK), BLOCK), np.int64)
        padded.reshape(-1)[: len(self.sums)] = self.sums
        matched = np.flatnonzero(padded.any(axis=1))
        packed = [_packed(padded[block]) for block in matched]
        return pa.record_batch({"block": pa.array(matched, pa.int32()), "sums": pa.array(packed, pa.binary())})

    def add_blocks(self, blocks: pa.Array, sums: pa.Array) -> None:
        """Add what `to_blocks` of other tasks returned."""
        numbers = blocks.to_pylist()
        self._make_room((max(numbers, default=-1) + 1) * BLOCK)
        for block, packed in zip(numbers, sums, strict=True):
            raw = packed.as_buffer()
            added = np.frombuffer(raw, "<u4" if raw.size == 4 * BLOCK else "<u8")
            self.sums[block * BLOCK : (block + 1) * BLOCK] += added.astype(np.int64)

    def _make_room(self, size: int) -> None:
        if size > len(self.sums):
            self.sums = np.concatenate([self.sums, np.zeros(size - len(self.sums), np.int64)])

    def to_arrow(self) -> pa.RecordBatch:
        """Return (entry_id int32, count int64) of the entries that matched, ascending."""
        matched = np.flatnonzero(self.sums)
        return pa.record_batch({"entry_id": pa.array(matched.astype(np.int32)), "count": pa.array(self.sums[matched])})


def _packed(sums: np.ndarray) -> bytes:
    return sums.astype("<u4" if sums.max() < 1 << 32 else "<u8").tobytes()


def batch_probability(entry_ids: pa.ListArray, by_entry: np.ndarray) -> np.ndarray:
    """Return p(pair) for an Arrow list<int32> array, float64; 0 for a null.

    Args:
        by_entry: float64, entry probabilities by entry id; NaN where an entry was not counted.

    Raises:
        InputError: a pair matches an entry that was never counted.
    """
    p = running_products(*laid_out(entry_ids), by_entry)
    if np.isnan(p).any():
        raise InputError("a pair matches an entry that was never counted: pairs and counts differ; run count again")
    return p


def pair_keys(urls: pa.Array, texts: pa.Array) -> pa.Array:
    """Return `pair_id` of each url and text, strings; null where either is null."""
    from metaclip_spark.extract.ids import pair_ids  # imports numba, which nothing else here needs

    nulls = pc.or_(urls.is_null(), texts.is_null())
    ids = pair_ids(pc.fill_null(urls, ""), pc.fill_null(texts, ""))
    return pc.if_else(nulls, pa.scalar(None, pa.string()), ids)


def image_keys(urls: pa.Array) -> pa.Array:
    """Return `image_id` of each url, strings; null where the url is."""
    from metaclip_spark.extract.ids import image_ids

    return pc.if_else(urls.is_null(), pa.scalar(None, pa.string()), image_ids(pc.fill_null(urls, "")))


def hashes(keys: pa.Array, seed: int, purpose: str) -> np.ndarray:
    """Return the 64-bit hash of each key: Spark's `xxhash64(draw_key(seed, purpose), key)`, as uint64.

    Args:
        keys: strings without nulls, such as pair ids.
    """
    seeded = xxhash.xxh64_intdigest(draw_key(seed, purpose).encode(), seed=_SPARK_SEED)
    hashed = (xxhash.xxh64_intdigest(key.encode(), seed=seeded) for key in keys.to_pylist())
    return np.fromiter(hashed, dtype=np.uint64, count=len(keys))


def draws(keys: pa.Array, seed: int, purpose: str = "draw") -> np.ndarray:
    """Return u in [0, 1) of each key: what `metaclip_spark.stages.columns.draw` is in Spark, bit for bit.

    Args:
        keys: strings without nulls, such as pair ids.

    Returns:
        float64, shape (keys,).
    """
    return (hashes(keys, seed, purpose) >> np.uint64(11)).astype(np.float64) * DRAW_SCALE


def smallest_of(images: pa.Array, keys: pa.Array, seed: int) -> np.ndarray:
    """Return which row of each image has the smallest hash of its key ("choose"), equal ones by the key; bool.

    Args:
        images, keys: strings without nulls, a row each.
    """
    ranks = pc.rank(keys, tiebreaker="dense").to_numpy()
    codes = images.dictionary_encode().indices.to_numpy()
    order = np.lexsort((ranks, hashes(keys, seed, "choose"), codes))
    chosen = np.zeros(len(images), dtype=bool)
    chosen[order[np.flatnonzero(np.diff(codes[order], prepend=-1))]] = True
    return chosen
