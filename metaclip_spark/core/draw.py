"""Keys, hashes and draws of Arrow arrays: the same values as in Spark, bit for bit."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from metaclip_spark.core.sampling import DRAW_SCALE, draw_key

_SPARK_SEED = 42
"""Where Spark's `xxhash64(a, b)` begins: the hash of a, seeded with this, seeds the hash of b."""


def pair_keys(urls: pa.Array, texts: pa.Array) -> pa.Array:
    """Return `pair_id` of each url and text, strings; null where either is null."""
    from metaclip_spark.core.hashing.ids import pair_ids  # imports numba, which nothing else here needs

    nulls = pc.or_(urls.is_null(), texts.is_null())
    ids = pair_ids(pc.fill_null(urls, ""), pc.fill_null(texts, ""))
    return pc.if_else(nulls, pa.scalar(None, pa.string()), ids)


def image_keys(urls: pa.Array) -> pa.Array:
    """Return `image_id` of each url, strings; null where the url is."""
    from metaclip_spark.core.hashing.ids import image_ids

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
