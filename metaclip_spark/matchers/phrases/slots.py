"""Perfect hashing: a table in which each key has its own slot, so that a look-up reads one slot and compares.

Keys go to buckets of four on average. For each bucket a search finds a displacement that puts its keys in free slots
(compress, hash and displace: Belazzougui, Botelho and Dietzfelbinger, ESA 2009). Where the search fails, for example
for two keys with equal hashes, the keys of the bucket go to the overflow. A look-up scans the overflow slot
by slot.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metaclip_spark.core.jit import kernel, part

LOAD = 0.9
"""Share of the slots that keys may fill."""
BUCKET = 4
"""Keys per bucket, on average."""
_DISPLACEMENTS = 1 << 16

_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_ONE = np.uint64(1)
_DISPLACE = np.uint64(0x9E3779B97F4A7C15)
_MIX_A, _MIX_B, _MIX_C = (np.uint64(k) for k in (0xBF58476D1CE4E5B9, 0x94D049BB133111EB, 0xD6E8FEB86659FD93))
_RIGHT_A, _RIGHT_B = np.uint64(32), np.uint64(29)


@part
def mix(a: np.uint64, b: np.uint64, seed: np.uint64) -> np.uint64:
    """Return a 64-bit hash of two 64-bit words; all are uint64."""
    h = (a ^ seed) * _MIX_A
    h = (h ^ (h >> _RIGHT_A) ^ b * _MIX_C) * _MIX_B
    return h ^ (h >> _RIGHT_B)


@part
def bucket_of(h: np.uint64, buckets: np.uint64) -> np.uint64:
    """Return the bucket of a hash, from its low half; all are uint64."""
    return ((h & _LOW) * buckets) >> _HALF


@part
def slot_of(h: np.uint64, displacement: np.uint64, slots: np.uint64) -> np.uint64:
    """Return the slot of a hash whose bucket has this displacement; all are uint64, `slots` below 2**32."""
    return (((h * (displacement * _DISPLACE | _ONE)) >> _HALF) * slots) >> _HALF


def table_size(keys: int) -> tuple[int, int]:
    """Return the number of slots and the number of buckets of a table with this many keys."""
    return int(keys / LOAD) + 1, keys // BUCKET + 1


@kernel
def find_slots(
    hashes: npt.NDArray[np.uint64], slots: int, buckets: int
) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.int64]]:
    """Assign a slot to each key.

    Args:
        hashes: (n,) uint64, of the keys.
        slots, buckets: the sizes of the table; see `table_size`.

    Returns:
        The displacement of each bucket, (buckets,) uint16; and the slot of each key, (n,) int64, -1 for overflow.
    """
    n_slots = np.uint64(slots)
    displacements = np.zeros(buckets, np.uint16)
    slot_of_key = np.full(len(hashes), -1, np.int64)
    occupied = np.zeros(slots, np.bool_)
    starts, members = _group_by_bucket(hashes, buckets)
    for bucket in _largest_first(starts):
        start, stop = starts[bucket], starts[bucket + 1]
        if start == stop or _has_equal_hashes(hashes, members, start, stop):
            continue
        for displacement in range(_DISPLACEMENTS):
            at = start
            while at < stop:
                slot = np.int64(slot_of(hashes[members[at]], np.uint64(displacement), n_slots))
                if occupied[slot]:
                    break
                occupied[slot] = True
                slot_of_key[members[at]] = slot
                at += 1
            if at == stop:
                displacements[bucket] = displacement
                break
            for back in range(start, at):
                occupied[slot_of_key[members[back]]] = False
                slot_of_key[members[back]] = -1
    return displacements, slot_of_key


@kernel
def _group_by_bucket(
    hashes: npt.NDArray[np.uint64], buckets: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the start of each bucket's keys, (buckets + 1,) int64, and the keys ordered by bucket, (n,) int64."""
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
def _largest_first(starts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the buckets by descending number of keys, (buckets,) int64: large buckets are the hardest to displace."""
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
def _has_equal_hashes(
    hashes: npt.NDArray[np.uint64], members: npt.NDArray[np.int64], start: np.int64, stop: np.int64
) -> bool:
    """Return whether two keys of a bucket have equal hashes: no displacement can separate them."""
    for at in range(start, stop):
        for other in range(start, at):
            if hashes[members[at]] == hashes[members[other]]:
                return True
    return False
