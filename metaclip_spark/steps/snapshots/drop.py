"""The drop step: remove a snapshot from every table, and give the pairs that other snapshots saw to the next of these.

Delta has no commit over several tables. So the start of a drop is logged first, with its id. From then on the snapshot
has no pool, and other commands refuse to write. Rows are moved before anything is deleted; each write happens once
(`txn`), or may be repeated. The moved rows are a new batch of the snapshot that gets them, which counts when its event
is logged. The next drop finishes an interrupted one.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from metaclip_spark.core.hashing.digest import batch_digest
from metaclip_spark.core.wording import counted
from metaclip_spark.errors import ConfigError
from metaclip_spark.extract.language import UNKNOWN
from metaclip_spark.schemas import ENTRY_COUNTS, TABLES
from metaclip_spark.stages.count import count
from metaclip_spark.stages.snapshot import moved
from metaclip_spark.terminal.progress import Reporter
from metaclip_spark.warehouse.events import DONE, STARTED, StageEvent
from metaclip_spark.warehouse.pools import DROP
from metaclip_spark.warehouse.runs import RunLog
from metaclip_spark.warehouse.tables import Warehouse, filter_equal

OF_A_SNAPSHOT = (
    "pairs",
    "pair_keys",
    "sightings",
    "outcomes",
    "extracted",
    "sources",
    "rejects",
    "planned",
    "entry_counts",
)
"""Tables with rows of one snapshot, in the order in which a drop deletes them. Subsets of runs are kept."""


@dataclass
class Dropped:
    """The summary of a drop.

    Attributes:
        rows: table -> rows of the snapshot that were deleted, or would be.
        moved: (metadata_id, snapshot) -> pairs that this snapshot got.
        runs: the runs that drew from the snapshot.
    """

    snapshot: str
    rows: dict[str, int] = field(default_factory=dict)
    moved: dict[tuple[str, str], int] = field(default_factory=dict)
    runs: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Move:
    """Where the pairs of one list go.

    Attributes:
        origin: the list whose sightings decide: this one, or the one that `match` read.
        order: the other snapshots with a pool of the origin, by the time of their first deduplication.
        owners: those of `order` that have a pool of this list.
    """

    metadata_id: str
    origin: str
    order: tuple[str, ...]
    owners: tuple[str, ...]

    def batch(self, drop_id: str, owner: str) -> str:
        """Return the batch of the pairs that a snapshot gets."""
        return batch_digest("move", drop_id, owner, self.metadata_id)


def known_snapshots(warehouse: Warehouse, log: RunLog) -> list[str]:
    """Return the snapshots that have a pool, or sources that were planned, in order."""
    lists = {metadata_id for event in log.stage_events for metadata_id in event.metadata_ids}
    pools = [name for metadata_id in lists for name in log.pool_snapshots(metadata_id)]
    return sorted({*pools, *warehouse.values("planned", "snapshot")})


def preview_drop(warehouse: Warehouse, log: RunLog, snapshot: str) -> Dropped:
    """Count what a drop would delete and move; write nothing.

    Raises:
        ConfigError: there is no such snapshot, or the deduplication of another one was interrupted.
    """
    _check(warehouse, log, snapshot)
    summary = _counted(warehouse, log, snapshot)
    for move in _moves(log, snapshot):
        rows = _moved(warehouse, snapshot, move, "preview").groupBy("snapshot").agg(F.count("*").alias("n")).collect()
        summary.moved.update({(move.metadata_id, row["snapshot"]): row["n"] for row in rows})
    return summary


def drop_step(
    warehouse: Warehouse, reporter: Reporter, log: RunLog, snapshot: str, replaced_by: str | None = None
) -> Dropped:
    """Drop a snapshot; the caller holds the lease. An interrupted drop of any snapshot is finished first.

    Args:
        replaced_by: the run that reads the snapshot again.

    Raises:
        ConfigError: there is no such snapshot, or the deduplication of another one was interrupted.
    """
    for event in log.open_drops():
        if event.snapshot != snapshot:
            reporter.say(f"The drop of snapshot {event.snapshot} was interrupted; it is finished first.")
            _Drop(warehouse, reporter, log, event).finish()
    started = next((event for event in log.open_drops() if event.snapshot == snapshot), None)
    if started is None:
        _check(warehouse, log, snapshot)
        started = _start(log, snapshot, replaced_by)
    return _Drop(warehouse, reporter, log, started).finish()


def _check(warehouse: Warehouse, log: RunLog, snapshot: str) -> None:
    there = known_snapshots(warehouse, log)
    if snapshot not in there:
        raise ConfigError(f"there is no snapshot {snapshot!r}; there are {there}. `snapshots list` shows them.")
    lists = {metadata_id for event in log.stage_events for metadata_id in event.metadata_ids}
    for metadata_id in sorted(lists):
        for other in log.pool_snapshots(metadata_id):
            if other != snapshot and log.is_open(metadata_id, other):
                raise ConfigError(
                    f"the deduplication or matching of snapshot {other} was interrupted; finish it first (`dedup`, "
                    f"`match`, or the same `run`). It has left out pairs that {snapshot} has. Nothing was dropped."
                )


def _start(log: RunLog, snapshot: str, replaced_by: str | None) -> StageEvent:
    """Log the start of a drop. What it needs from the log is stored with it: events of the snapshot count no more."""
    drop_id = uuid.uuid4().hex[:16]
    states = log.states()
    moves = [
        {"metadata_id": move.metadata_id, "origin": move.origin, "order": move.order, "owners": move.owners}
        for move in _moves(log, snapshot)
    ]
    runs = [run.run_id for run in log.runs() if snapshot in run.pools and run.pools[snapshot] is not None]
    lists = sorted({metadata_id for metadata_id, name in states if name == snapshot})
    detail = {"moves": moves, "runs": runs, "replaced_by": replaced_by}
    run_id = next((log.stored_by(metadata_id, snapshot) for metadata_id in lists), None) or drop_id
    attempt = log.attempt(run_id, {}, lists)
    attempt.record(STARTED, DROP, snapshot=snapshot, fingerprint=drop_id, detail=detail)
    return log.open_drops()[-1]


def _moves(log: RunLog, snapshot: str) -> list[_Move]:
    """Return where the pairs of each list go; lists that `match` made come first, so that all see the same owners."""
    states = log.states()
    origins = {}
    for event in log.stage_events:
        if event.stage == "match" and event.snapshot == snapshot and event.event == DONE:
            origins[event.metadata_ids[0]] = event.detail["origin"]
    first: dict[tuple[str, str | None], int] = {}
    for at, event in enumerate(log.stage_events):
        if event.stage == DROP:
            first = {key: place for key, place in first.items() if key[1] != event.snapshot}
        if event.stage in ("dedup", "match") and event.event == DONE:
            first.setdefault((event.metadata_ids[0], event.snapshot), at)
    moves = []
    for metadata_id, name in states:
        if name == snapshot:
            read = log.last("dedup", snapshot=snapshot, metadata_id=metadata_id) is not None
            origin = metadata_id if read else origins.get(metadata_id, metadata_id)
            others = [other for of, other in states if of == origin and other != snapshot]
            order = sorted(others, key=lambda other, of=origin: first[of, other])  # type: ignore[misc]
            owners = [other for other in order if (metadata_id, other) in states]
            moves.append(_Move(metadata_id, origin, tuple(order), tuple(owners)))
    return sorted(moves, key=lambda move: (move.metadata_id == move.origin, move.metadata_id))


def _moved(warehouse: Warehouse, snapshot: str, move: _Move, drop_id: str) -> DataFrame:
    """Return the rows of a list that go to other snapshots."""
    pairs = filter_equal(warehouse.read("pairs"), metadata_id=move.metadata_id)
    seen = filter_equal(warehouse.read("sightings"), metadata_id=move.origin, snapshot=move.order)
    owned = filter_equal(warehouse.read("pairs"), metadata_id=move.origin, snapshot=move.order)
    batches = [move.batch(drop_id, owner) for owner in move.order]
    rows = moved(filter_equal(pairs, snapshot=snapshot), seen, owned.select("pair_id"), move.order, batches)
    return filter_equal(rows, snapshot=move.owners)


def _counted(warehouse: Warehouse, log: RunLog, snapshot: str) -> Dropped:
    of = {"snapshot": snapshot}
    rows = {
        name: warehouse.count(name, **of)
        if "snapshot" in TABLES[name].partitioned_by
        else filter_equal(warehouse.read(name), **of).count()
        for name in OF_A_SNAPSHOT
        if warehouse.exists(name)
    }
    runs = [run.run_id for run in log.runs() if run.pools.get(snapshot) is not None]
    return Dropped(snapshot, rows, runs=runs)


@dataclass
class _Drop:
    """The writes of a drop after its start is logged."""

    warehouse: Warehouse
    reporter: Reporter
    log: RunLog
    started: StageEvent

    @property
    def snapshot(self) -> str:
        return str(self.started.snapshot)

    @property
    def drop_id(self) -> str:
        return self.started.fingerprint

    @property
    def moves(self) -> list[_Move]:
        return [
            _Move(each["metadata_id"], each["origin"], tuple(each["order"]), tuple(each["owners"]))
            for each in self.started.detail["moves"]
        ]

    def finish(self) -> Dropped:
        """Make all writes that are left; return the summary, whose numbers are of what this process found."""
        warehouse = self.warehouse
        with self.reporter.stage("drop", warehouse.spark) as stage:
            summary = _counted(warehouse, self.log, self.snapshot)
            summary.runs = list(self.started.detail["runs"])
            for move in self.moves:
                if move.owners:
                    rows = _moved(warehouse, self.snapshot, move, self.drop_id)
                    warehouse.append("pairs", rows, txn=f"{self.drop_id}:{move.metadata_id}")
            for move in self.moves:
                numbers = self._numbers(move)
                summary.moved.update({(move.metadata_id, owner): number for owner, number in numbers.items()})
            counts = {key: self._correct_counts(*key) for key in summary.moved}
            *tables, last = OF_A_SNAPSHOT
            for name in tables:
                warehouse.delete(name, snapshot=self.snapshot)
            warehouse.remove_files("extracted")
            for (metadata_id, owner), number in summary.moved.items():
                self._log_batch(metadata_id, owner, number, counts[metadata_id, owner])
            warehouse.delete(last, snapshot=self.snapshot)
            stage.note = (
                f"snapshot {self.snapshot}: {counted(summary.rows.get('pairs', 0), 'pair')}, "
                f"{sum(summary.moved.values()):,} of them moved"
            )
        attempt = self.log.attempt(self.started.run_id, {}, self.started.metadata_ids)
        detail = {name: self.started.detail[name] for name in ("runs", "replaced_by")}
        attempt.record(DONE, DROP, snapshot=self.snapshot, fingerprint=self.drop_id, detail=detail)
        return summary

    def _rows_of(self, move: _Move, *owners: str) -> DataFrame:
        """Return the rows that a list got by this drop."""
        batches = [move.batch(self.drop_id, owner) for owner in owners or move.owners]
        of_list = filter_equal(
            self.warehouse.read("pairs"), metadata_id=move.metadata_id, snapshot=owners or move.owners
        )
        return filter_equal(of_list, batch_id=batches)

    def _numbers(self, move: _Move) -> dict[str, int]:
        rows = self._rows_of(move).groupBy("snapshot").agg(F.count("*").alias("n")).collect() if move.owners else []
        return {row["snapshot"]: row["n"] for row in sorted(rows, key=lambda row: move.order.index(row["snapshot"]))}

    def _correct_counts(self, metadata_id: str, owner: str) -> int | None:
        """Add the moved pairs to the counts of a snapshot; return the version of the counts, or None.

        None: the snapshot was not counted, or the text of an entry is not known. Then the next `count` counts it.
        """
        warehouse, pool = self.warehouse, {"metadata_id": metadata_id, "snapshot": owner}
        move = next(each for each in self.moves if each.metadata_id == metadata_id)
        state = self._state_before(move, owner)
        last = self.log.last("count", snapshot=owner, metadata_id=metadata_id)
        if state is None or last is None or last.event != DONE or last.fingerprint != state:
            return None
        before = warehouse.rows("entry_counts", ["entry_id", "entry", "count"], **pool).to_pylist()
        of_dropped = warehouse.rows(
            "entry_counts", ["entry_id", "entry"], metadata_id=metadata_id, snapshot=self.snapshot
        )
        entries = {row["entry_id"]: row["entry"] for row in [*of_dropped.to_pylist(), *before]}
        sums = {row["entry_id"]: row["count"] for row in before}
        for row in count(self._rows_of(move, owner)).toArrow().to_pylist():
            sums[row["entry_id"]] = sums.get(row["entry_id"], 0) + row["count"]
        if not sums.keys() <= entries.keys():
            return None
        rows = [
            {**pool, "lang": UNKNOWN, "entry_id": entry_id, "entry": entries[entry_id], "count": number}
            for entry_id, number in sums.items()
        ]
        table = pa.Table.from_pylist(rows, ENTRY_COUNTS.arrow)
        txn = f"{self.drop_id}:{metadata_id}:{owner}"
        return warehouse.replace("entry_counts", table, txn=txn, metadata_id=metadata_id, snapshot=owner).version

    def _state_before(self, move: _Move, owner: str) -> str | None:
        """Return the pool of a snapshot before it got pairs by this drop."""
        states = self.log.states().get((move.metadata_id, owner), ())
        before = [state for state in states if state.fingerprint != move.batch(self.drop_id, owner)]
        return before[-1].fingerprint if before else None

    def _log_batch(self, metadata_id: str, owner: str, number: int, counts: int | None) -> None:
        """Log that a snapshot has a new batch, and that it is counted."""
        move = next(each for each in self.moves if each.metadata_id == metadata_id)
        batch = move.batch(self.drop_id, owner)
        matched = metadata_id != move.origin
        detail: Mapping[str, object] = {"batches": [], "moved_from": self.snapshot}
        if matched:
            origin = next(each for each in self.moves if each.metadata_id == move.origin)
            detail = {
                "batches": [origin.batch(self.drop_id, owner)],
                "origin": move.origin,
                "moved_from": self.snapshot,
            }
        run_id = self.log.stored_by(metadata_id, owner) or self.started.run_id
        attempt = self.log.attempt(run_id, {}, [metadata_id])
        versions = {"pairs": self.warehouse.version("pairs") or 0}
        common = {"snapshot": owner, "fingerprint": batch, "detail": detail}
        attempt.record(DONE, "match" if matched else "dedup", versions=versions, rows=number, **common)  # type: ignore[arg-type]
        if counts is not None:
            attempt.record(DONE, "count", versions={**versions, "entry_counts": counts}, **common)  # type: ignore[arg-type]
