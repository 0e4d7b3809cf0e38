"""Keys, hashes and draws of Arrow arrays: the same values as in Spark, bit for bit."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from metaclip_spark.core.entry_lists import SMALL
from metaclip_spark.core.sampling import DRAW_SCALE, draw_key

_SPARK_SEED = 42
"""The initial seed of Spark's `xxhash64(a, b)`; the hash of a then seeds the hash of b."""
_OF_32_BITS = 1 << 31


def pair_keys(urls: pa.Array, texts: pa.Array) -> pa.Array:
    """Return the `pair_id` of each url and text, strings; null where either is null."""
    from metaclip_spark.core.hashing.ids import pair_ids  # needs numba; the rest of this module does not

    nulls = pc.or_(urls.is_null(), texts.is_null())
    ids = pair_ids(pc.fill_null(urls, ""), pc.fill_null(texts, ""))
    return pc.if_else(nulls, pa.scalar(None, pa.string()), ids)


def image_keys(urls: pa.Array) -> pa.Array:
    """Return the `image_id` of each url, strings; null where the url is null."""
    from metaclip_spark.core.hashing.ids import image_ids  # needs numba; the rest of this module does not

    return pc.if_else(urls.is_null(), pa.scalar(None, pa.string()), image_ids(pc.fill_null(urls, "")))


def key_of(unit: str) -> str:
    """Return the column that keys the draw of a unit: an image has one draw for all of its texts.

    >>> key_of("image"), key_of("pair")
    ('image_id', 'pair_id')
    """
    return "image_id" if unit == "image" else "pair_id"


def hashes(keys: pa.Array, seed: int, purpose: str) -> npt.NDArray[np.uint64]:
    """Return the 64-bit hash of each key, uint64: Spark's `xxhash64(draw_key(seed, purpose), key)`.

    Args:
        keys: strings without nulls, such as pair ids.
        seed: the seed of the draw.
        purpose: the decision that the hash is for; see `draw_key`.
    """
    seeded = xxhash.xxh64_intdigest(draw_key(seed, purpose).encode(), seed=_SPARK_SEED)
    # A small table needs no compilation, and the loop takes Arrow's offsets of 32 bits.
    if len(keys) >= SMALL and keys.get_total_buffer_size() < _OF_32_BITS and find_spec("numba"):
        from metaclip_spark.core.hashing.xxh64 import xxh64
        from metaclip_spark.core.jit import buffers_of

        return xxh64(*buffers_of(keys), seeded)
    hashed = (xxhash.xxh64_intdigest(key.encode(), seed=seeded) for key in keys.to_pylist())
    return np.fromiter(hashed, dtype=np.uint64, count=len(keys))


def draws(keys: pa.Array, seed: int, purpose: str = "draw") -> npt.NDArray[np.float64]:
    """Return the draw u of each key, in [0, 1): bit for bit `metaclip_spark.stages.columns.draw` of Spark.

    Args:
        keys: strings without nulls, such as pair ids.
        seed: the seed of the draw.
        purpose: the decision that the draw is for; see `draw_key`.

    Returns:
        float64, shape (keys,).
    """
    return (hashes(keys, seed, purpose) >> np.uint64(11)).astype(np.float64) * DRAW_SCALE


def smallest_of(images: pa.Array, keys: pa.Array, seed: int) -> npt.NDArray[np.bool_]:
    """Return a mask of one row per image: the one whose key has the smallest hash; the key breaks ties.

    Args:
        images, keys: strings without nulls, one per row.
        seed: the seed of the hash, whose purpose is "choose".
    """
    ranks = pc.rank(keys, tiebreaker="dense").to_numpy()
    codes = images.dictionary_encode().indices.to_numpy()
    order = np.lexsort((ranks, hashes(keys, seed, "choose"), codes))
    chosen = np.zeros(len(images), dtype=bool)
    chosen[order[np.flatnonzero(np.diff(codes[order], prepend=-1))]] = True
    return chosen
