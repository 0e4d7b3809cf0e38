"""List the snapshots of a warehouse, with what each has of each entry list."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from metaclip_spark.steps.context import stored_pairs
from metaclip_spark.steps.snapshots.drop import known_snapshots
from metaclip_spark.warehouse.events import DONE
from metaclip_spark.warehouse.runs import RunLog
from metaclip_spark.warehouse.tables import Warehouse


@dataclass(frozen=True)
class Listed:
    """A snapshot of one list.

    Attributes:
        metadata_id: the list; None where sources were planned, and no pair is stored.
        pairs: number of pairs of its complete batches.
        seen: number of pairs that occur in it, whether another snapshot has them or not.
        sources: status -> number of deduplicated sources; empty where `match` made the pairs.
        batches: number of complete batches.
        state: complete, not counted, or interrupted.
        runs: the runs that drew from it as it is in the warehouse.
    """

    snapshot: str
    metadata_id: str | None
    pairs: int
    seen: int
    sources: dict[str, int]
    batches: int
    state: str
    runs: list[str]


def listed_snapshots(warehouse: Warehouse, log: RunLog) -> list[Listed]:
    """Return the snapshots, in order, one for each list that has pairs of it."""
    lists = sorted({metadata_id for event in log.stage_events for metadata_id in event.metadata_ids})
    runs, found = log.runs(), []
    for snapshot in known_snapshots(warehouse, log):
        of_lists = [metadata_id for metadata_id in lists if snapshot in log.pool_snapshots(metadata_id)]
        for metadata_id in of_lists:
            pool = {"metadata_id": metadata_id, "snapshot": snapshot}
            state = log.pool_state(metadata_id, snapshot)
            drawn = [run for run in runs if run.pools.get(snapshot) is not None and metadata_id in run.metadata_ids]
            sources = Counter(warehouse.rows("sources", ["status"], **pool)["status"].to_pylist())
            found.append(
                Listed(
                    snapshot,
                    metadata_id,
                    0 if state is None else _pairs(warehouse, log, metadata_id, snapshot),
                    warehouse.count("sightings", **pool),
                    dict(sorted(sources.items())),
                    0 if state is None else len(state.batches),
                    _state(log, metadata_id, snapshot),
                    [run.run_id for run in drawn],
                )
            )
        if not of_lists:
            found.append(Listed(snapshot, None, 0, 0, {}, 0, "not deduplicated", []))
    return found


def _pairs(warehouse: Warehouse, log: RunLog, metadata_id: str, snapshot: str) -> int:
    if not log.is_open(metadata_id, snapshot):
        return warehouse.count("pairs", metadata_id=metadata_id, snapshot=snapshot)  # without reading a row
    return stored_pairs(warehouse, metadata_id, {snapshot: log.pool_state(metadata_id, snapshot)}).count()


def _state(log: RunLog, metadata_id: str, snapshot: str) -> str:
    if log.is_open(metadata_id, snapshot):
        return "interrupted"
    state, last = log.pool_state(metadata_id, snapshot), log.last("count", snapshot=snapshot, metadata_id=metadata_id)
    is_counted = state is not None and last is not None and (last.event, last.fingerprint) == (DONE, state.fingerprint)
    return "complete" if is_counted else "not counted"
