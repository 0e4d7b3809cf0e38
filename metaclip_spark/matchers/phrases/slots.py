"""Perfect hashing: a table in which each key has a place of its own, so that a look-up reads one place and compares.

Keys are put into buckets of four on average; for each bucket a number, its move, is sought with which the places of its
keys are free (compress, hash and displace: Belazzougui, Botelho and Dietzfelbinger, ESA 2009). Keys for which none is
found, such as two with equal hashes, are left over: a user of the table looks through those one by one.
"""

from __future__ import annotations

import numpy as np

from metaclip_spark.core.jit import inline, kernel

LOAD = 0.9
BUCKET = 4
_MOVES = 1 << 16

_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_ONE = np.uint64(1)
_STEP = np.uint64(0x9E3779B97F4A7C15)
_MIX_A, _MIX_B, _MIX_C = (np.uint64(k) for k in (0xBF58476D1CE4E5B9, 0x94D049BB133111EB, 0xD6E8FEB86659FD93))
_RIGHT_A, _RIGHT_B = np.uint64(32), np.uint64(29)


@inline
def mixed(a: int, b: int, seed: int) -> int:
    """Return a 64-bit hash of two 64-bit words; all are uint64."""
    h = (a ^ seed) * _MIX_A
    h = (h ^ (h >> _RIGHT_A) ^ b * _MIX_C) * _MIX_B
    return h ^ (h >> _RIGHT_B)


@inline
def bucket_of(h: int, buckets: int) -> int:
    """Return the bucket of a hash, from its low half; all are uint64."""
    return ((h & _LOW) * buckets) >> _HALF


@inline
def place_of(h: int, move: int, places: int) -> int:
    """Return the place of a hash whose bucket has this move; all are uint64, `places` below 2**32."""
    return (((h * (move * _STEP | _ONE)) >> _HALF) * places) >> _HALF


def room_for(keys: int) -> tuple[int, int]:
    """Return how many places and buckets a table of so many keys has."""
    return int(keys / LOAD) + 1, keys // BUCKET + 1


@kernel
def find_places(hashes: np.ndarray, places: int, buckets: int) -> tuple[np.ndarray, np.ndarray]:
    """Give every key a place of its own.

    Args:
        hashes: (n,) uint64, of the keys.
        places, buckets: see `room_for`.

    Returns:
        Moves of the buckets, (buckets,) uint16; and the keys' places, (n,) int64, -1 for a key that is left over.
    """
    n_places = np.uint64(places)
    moves = np.zeros(buckets, np.uint16)
    found = np.full(len(hashes), -1, np.int64)
    taken = np.zeros(places, np.bool_)
    starts, members = _grouped(hashes, buckets)
    for bucket in _largest_first(starts):
        start, stop = starts[bucket], starts[bucket + 1]
        if start == stop or _alike(hashes, members, start, stop):
            continue
        for move in range(_MOVES):
            at = start
            while at < stop:
                place = np.int64(place_of(hashes[members[at]], np.uint64(move), n_places))
                if taken[place]:
                    break
                taken[place] = True
                found[members[at]] = place
                at += 1
            if at == stop:
                moves[bucket] = move
                break
            for back in range(start, at):
                taken[found[members[back]]] = False
                found[members[back]] = -1
    return moves, found


@kernel
def _grouped(hashes: np.ndarray, buckets: int) -> tuple[np.ndarray, np.ndarray]:
    """Return where each bucket's keys start, (buckets + 1,) int64, and the keys bucket by bucket, (n,) int64."""
    starts = np.zeros(buckets + 1, np.int64)
    for h in hashes:
        starts[np.int64(bucket_of(h, np.uint64(buckets))) + 1] += 1
    for bucket in range(buckets):
        starts[bucket + 1] += starts[bucket]
    at, members = starts.copy(), np.empty(len(hashes), np.int64)
    for key in range(len(hashes)):
        bucket = np.int64(bucket_of(hashes[key], np.uint64(buckets)))
        members[at[bucket]] = key
        at[bucket] += 1
    return starts, members


@kernel
def _largest_first(starts: np.ndarray) -> np.ndarray:
    """Return the buckets by how many keys they have, (buckets,) int64: what is hard to place goes first."""
    buckets = len(starts) - 1
    largest = 0
    for bucket in range(buckets):
        largest = max(largest, starts[bucket + 1] - starts[bucket])
    at = np.zeros(largest + 2, np.int64)
    for bucket in range(buckets):
        at[largest - (starts[bucket + 1] - starts[bucket]) + 1] += 1
    for size in range(largest + 1):
        at[size + 1] += at[size]
    order = np.empty(buckets, np.int64)
    for bucket in range(buckets):
        rank = largest - (starts[bucket + 1] - starts[bucket])
        order[at[rank]] = bucket
        at[rank] += 1
    return order


@kernel
def _alike(hashes: np.ndarray, members: np.ndarray, start: int, stop: int) -> bool:
    """Return whether two keys of a bucket have one hash: no move can part them."""
    for at in range(start, stop):
        for other in range(start, at):
            if hashes[members[at]] == hashes[members[other]]:
                return True
    return False
