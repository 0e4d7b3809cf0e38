"""The runs of a warehouse, put together from the log of events: which there are, what they drew, what they take."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from pyspark.sql import functions as F

from metaclip_spark.config import THINNING
from metaclip_spark.errors import ConfigError, WarehouseError
from metaclip_spark.warehouse.events import DONE, PRUNED, STARTED
from metaclip_spark.warehouse.tables import Warehouse, filter_equal

OF_A_RUN = ("entry_probabilities", "run_statistics", "curated_pairs", "survivors")
"""The tables that hold rows of one run, partitioned by it; the pool and its counts belong to none."""

TAKEN_DOWN = "takedown"
"""The stage that says how many pairs a subset has left after a takedown."""

_NOT_SHOWN = {"spark", "run_id", "pinned", "outcome"}


@dataclass
class Run:
    """What the table `runs` says of a run, and what its rows take.

    Attributes:
        outcome: finished, failed (the last attempt), unfinished, or pruned.
        began, ended: of the first and the last event.
        config: the resolved settings of the attempt that drew the subset, else of the last attempt.
        threshold, kept, snapshots, versions (of tables): of the last balance; None and empty where there was none.
            Pairs that were taken down since are not among those kept.
        earlier: the run whose subset was read in the pool's stead.
        bytes: table -> bytes of the files that hold the run's rows.
        stages: (stage, snapshot, at, rows) of what was done, oldest first.
        attempts: (attempt_id, at, event, error) of attempts as they ended, oldest first.
    """

    run_id: str
    outcome: str
    began: datetime
    ended: datetime
    config: dict[str, Any]
    metadata_ids: tuple[str, ...]
    threshold: int | None = None
    kept: int | None = None
    snapshots: list[str] = field(default_factory=list)
    drawn_at: datetime | None = None
    versions: dict[str, int] = field(default_factory=dict)
    earlier: str | None = None
    bytes: dict[str, int] = field(default_factory=dict)
    stages: list[tuple[str, str | None, datetime, int | None]] = field(default_factory=list)
    attempts: list[tuple[str, datetime, str, str]] = field(default_factory=list)

    @property
    def has_subset(self) -> bool:
        """Whether it was balanced, and not pruned since."""
        return self.threshold is not None and self.outcome != PRUNED

    @property
    def seed(self) -> int:
        """The seed of its draw."""
        return int(self.config.get("seed", 0))

    @property
    def unit(self) -> str:
        """What was drawn: `pair` or `image`."""
        return str(self.config.get("unit", "pair"))

    @property
    def is_thinned(self) -> bool:
        """Whether less than all pairs of its snapshots was balanced."""
        return any(self.config.get(name) for name in THINNING)

    @property
    def knows_its_odds(self) -> bool:
        """Whether each pair's part in the size to expect can still be told.

        Not where counts are another pool's, nor where the draw built on an earlier subset, which may have been drawn
        anew since.
        """
        return self.earlier is None and not self.config.get("freeze_counts")

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(self.bytes.values())


def known_runs(warehouse: Warehouse) -> list[Run]:
    """Return all runs, oldest first; reads the log of events, and which files hold rows of which run."""
    runs = logged_runs(warehouse)
    sizes = {name: bytes_by_run(warehouse, name) for name in OF_A_RUN}
    for run in runs:
        run.bytes = {name: found.get(run.run_id, 0) for name, found in sizes.items()}
    return runs


def logged_runs(warehouse: Warehouse) -> list[Run]:
    """Return all runs, oldest first, as the log of events has them."""
    events = [row.asDict() for row in warehouse.read("runs").orderBy("at").collect()]
    for event in events:
        event["at"] = event["at"].astimezone(timezone.utc)  # collected in the machine's own time zone
    by_run: dict[str, list[dict[str, Any]]] = {}
    for event in events:
        by_run.setdefault(event["run_id"], []).append(event)
    return [run_of(run_id, of_run) for run_id, of_run in by_run.items()]


def bytes_by_run(warehouse: Warehouse, name: str) -> dict[str, int]:
    """Return run_id -> bytes of the table's present files; no column is read."""
    if not warehouse.exists(name):
        return {}
    place = F.col("_metadata.file_path"), F.col("_metadata.file_size").alias("size")
    files = warehouse.read(name).select("run_id", *place).groupBy("run_id", "file_path").agg(F.max("size"))
    found = files.groupBy("run_id").agg(F.sum("max(size)").alias("size")).collect()
    return {row["run_id"]: row["size"] for row in found}


def run_of(run_id: str, events: list[dict[str, Any]]) -> Run:
    """Put a run's events, oldest first, together; bytes are left to be asked for."""
    about = [event for event in events if event["stage"] is None]
    balances = [event for event in events if event["stage"] == "balance"]
    last = balances[-1] if balances else None
    drawn = next((event for event in reversed(balances) if event["event"] == DONE), None)
    if last is not None and last["event"] == STARTED:
        drawn = None  # drawn anew, and cut short between its tables
    run = Run(run_id, _outcome(about, last), events[0]["at"], events[-1]["at"], {}, tuple(events[-1]["metadata_ids"]))
    if drawn is not None:
        detail = json.loads(drawn["config"])
        run.threshold, run.snapshots = int(detail["threshold"]), list(detail["snapshots"])
        run.kept, run.drawn_at, run.metadata_ids = drawn["rows"], drawn["at"], tuple(drawn["metadata_ids"])
        run.versions = dict(drawn["versions"])
        run.earlier = detail.get("earlier")
        for event in events[events.index(drawn) :]:
            if event["stage"] == TAKEN_DOWN:
                run.kept = event["rows"]
    started = [event for event in about if event["event"] == "started"]
    of_drawn = [event for event in started if drawn is not None and event["attempt_id"] == drawn["attempt_id"]]
    for event in (of_drawn or started)[-1:]:
        run.config = {k: v for k, v in json.loads(event["config"]).items() if k not in _NOT_SHOWN}
    run.stages = [(e["stage"], e["snapshot"], e["at"], e["rows"]) for e in events if e["event"] == DONE]
    ends = {event["attempt_id"]: event for event in about}
    run.attempts = [
        (attempt, e["at"], e["event"], json.loads(e["config"]).get("error", "") if e["event"] == "failed" else "")
        for attempt, e in ends.items()
    ]
    return run


def _outcome(about: list[dict[str, Any]], balance: dict[str, Any] | None) -> str:
    if balance is not None and balance["event"] == PRUNED:
        return PRUNED
    last = about[-1]["event"] if about else "started"
    return "unfinished" if last == "started" else last


def drawn_run(warehouse: Warehouse, run_id: str) -> Run:
    """Return a run that has a curated subset.

    Raises:
        ConfigError: there is no such run, or it has none.
    """
    events = [row.asDict() for row in filter_equal(warehouse.read("runs"), run_id=run_id).orderBy("at").collect()]
    where = warehouse.root or warehouse.catalog
    if not events:
        raise ConfigError(f"{where} holds no run {run_id!r}; see runs list.")
    run = run_of(run_id, events)
    last = [event["event"] for event in events if event["stage"] == "balance"][-1:]
    if last != [DONE]:
        why = "it was pruned" if last == [PRUNED] else "it was not balanced to its end"
        raise ConfigError(f"run {run_id} has no curated subset: {why}; run balance first.")
    return run


def last_balanced_run(warehouse: Warehouse) -> str:
    """Return the run whose subset was drawn last, of those that were not pruned since."""
    rows = warehouse.read("runs").where("stage = 'balance'").orderBy("at").select("run_id", "event").collect()
    drawn: dict[str, None] = {}
    for run_id, event in rows:
        drawn.pop(run_id, None)
        if event == DONE:
            drawn[run_id] = None
    if not drawn:
        raise WarehouseError(f"{warehouse.root or warehouse.catalog} holds no curated subset yet; run balance first.")
    return next(reversed(drawn))
