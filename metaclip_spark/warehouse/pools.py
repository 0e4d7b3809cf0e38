"""The pools of a warehouse: which batches of `pairs` a snapshot had at some time, as the log of runs tells it.

A batch is what one deduplication, one matching or one move added to a pool: the rows of `pairs` with its fingerprint as
their `batch_id`. So an earlier pool is a set of batches of the latest version of `pairs`. No earlier version is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from metaclip_spark.warehouse.events import DONE, StageEvent

DROP = "drop snapshot"
"""The stage that removes a snapshot from the warehouse. Events of the snapshot before it count no more."""
OF_POOL = ("dedup", "match")
"""The stages that add a batch to a pool. The fingerprint of their event is the batch's id, and the pool's from then."""


class PoolState(NamedTuple):
    """The pool of a snapshot at some time.

    Attributes:
        fingerprint: names the state: the batch that came last.
        batches: ids of the pool's batches, oldest first.
        version: the version of `pairs` that the last batch left. It orders states, for --pinned; it is never read.
    """

    fingerprint: str
    batches: tuple[str, ...]
    version: int = -1


States = Mapping[tuple[str, str], Sequence[PoolState]]
"""(metadata_id, snapshot) -> the states of the pool that is in the warehouse, oldest first."""


def states_of_pools(events: Iterable[StageEvent], pinned: Mapping[str, int] = {}) -> States:
    """Return the states of all pools; a snapshot that was dropped has none, and neither has a pool without a batch.

    Args:
        events: the stages of all runs, oldest first.
        pinned: table -> version; events that name a later version are ignored, except for a drop.
    """
    states: dict[tuple[str, str], list[PoolState]] = {}
    for event in events:
        if event.snapshot is None:
            continue
        if event.stage == DROP:
            states = {key: of_pool for key, of_pool in states.items() if key[1] != event.snapshot}
        if event.stage not in OF_POOL or not event.is_within(pinned):
            continue
        for metadata_id in event.metadata_ids:
            of_pool = states.setdefault((metadata_id, event.snapshot), [])
            if event.stage == "match" and "batches" not in event.detail:
                of_pool.clear()  # earlier releases replaced what they had matched before
            batches = of_pool[-1].batches if of_pool else ()
            if event.event == DONE and event.fingerprint not in batches:
                version = event.versions.get("pairs", -1)
                of_pool.append(PoolState(event.fingerprint, (*batches, event.fingerprint), version))
    return {key: of_pool for key, of_pool in states.items() if of_pool}


def after_drop(events: Sequence[StageEvent], snapshot: str) -> Sequence[StageEvent]:
    """Return the events that came after the last drop of a snapshot, finished or not; all if it was never dropped."""
    for at in range(len(events) - 1, -1, -1):
        if events[at].stage == DROP and events[at].snapshot == snapshot:
            return events[at + 1 :]
    return events


def state_of(states: Iterable[PoolState], fingerprint: str | None) -> PoolState | None:
    """Return the state with a fingerprint; None where the warehouse has it no more."""
    return next((state for state in states if state.fingerprint == fingerprint), None)


def pools_of_draw(events: Sequence[StageEvent], states: States, draw: StageEvent) -> dict[str, PoolState | None]:
    """Return snapshot -> the pool that a balance drew from; None where the warehouse has it no more.

    Args:
        events: the stages of all runs, oldest first.
        draw: the event of the balance.
    """
    (metadata_id,) = draw.metadata_ids
    named: Mapping[str, str] = draw.detail.get("counted") or draw.detail.get("pools") or {}
    pools: dict[str, PoolState | None] = {}
    for snapshot in draw.detail["snapshots"]:
        fingerprint = named.get(snapshot) or _then(events, draw, metadata_id, snapshot)
        pools[snapshot] = state_of(states.get((metadata_id, snapshot), ()), fingerprint)
    return pools


def _then(events: Sequence[StageEvent], draw: StageEvent, metadata_id: str, snapshot: str) -> str | None:
    """Return the fingerprint of a pool when a balance began, of a release that did not log it with the balance."""
    pinned = {name: version for name, version in draw.versions.items() if name == "pairs"}
    before = states_of_pools(events[: events.index(draw)], pinned).get((metadata_id, snapshot))
    return before[-1].fingerprint if before else None


def batches_of(pools: Mapping[str, PoolState | None]) -> list[str]:
    """Return the batches of some pools."""
    return [batch for state in pools.values() if state is not None for batch in state.batches]
