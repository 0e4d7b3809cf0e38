"""`runs list | show | prune`: what each run was, what it takes on disk, and letting go of old subsets."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from pyspark.sql import functions as F

from metaclip_spark.commands import open_warehouse
from metaclip_spark.config import Settings
from metaclip_spark.errors import ConfigError
from metaclip_spark.events import PRUNED, Attempt
from metaclip_spark.progress import Reporter
from metaclip_spark.steps.context import DONE, STARTED, leased
from metaclip_spark.tables import Warehouse
from metaclip_spark.terminal import console, print_rows

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
    def size(self) -> int:
        """Bytes on disk."""
        return sum(self.bytes.values())


def list_runs(settings: Settings, reporter: Reporter, as_json: bool) -> int:
    """Print every run, oldest first."""
    runs = known_runs(open_warehouse(settings, reporter))
    if as_json:
        print(json.dumps([_plain(run) for run in runs], ensure_ascii=False))
        return 0
    rows = [
        [
            run.run_id, f"{run.ended:%Y-%m-%d %H:%M}", run.outcome, _or_empty(run.threshold), _or_empty(run.kept),
            f"{run.size / 1e6:,.1f}", _chosen_by(run.config),
        ]
        for run in runs
    ]  # fmt: skip
    print_rows(["run", "last event, UTC", "outcome", "t", "pairs kept", "MB", "settings"], rows, whole=6)
    return 0


def show_run(settings: Settings, reporter: Reporter, run_id: str, as_json: bool) -> int:
    """Print all that is known of one run."""
    (run,) = _named(known_runs(open_warehouse(settings, reporter)), [run_id], settings)
    if as_json:
        print(json.dumps(_plain(run), ensure_ascii=False))
        return 0
    out = console()
    out.print(f"run {run.run_id}: {run.outcome}", markup=False, style="bold")
    subset = "no subset" if run.kept is None else f"t = {run.threshold:,}, {run.kept:,} pairs of {run.snapshots}"
    out.print(subset, markup=False)
    out.print()
    print_rows(["table", "bytes"], [[name, f"{size:,}"] for name, size in run.bytes.items()])
    out.print()
    stages = [
        [stage, snapshot or "", f"{at:%Y-%m-%d %H:%M:%S}", f"{rows or 0:,}"] for stage, snapshot, at, rows in run.stages
    ]
    print_rows(["stage", "snapshot", "done, UTC", "rows"], stages)
    out.print()
    attempts = [[attempt, f"{at:%Y-%m-%d %H:%M:%S}", event, error] for attempt, at, event, error in run.attempts]
    print_rows(["attempt", "last event, UTC", "", ""], attempts)
    out.print()
    out.print(json.dumps(run.config, ensure_ascii=False, indent=1), markup=False)
    return 0


def prune_runs(
    settings: Settings, reporter: Reporter, run_ids: Sequence[str], keep_last: int | None, dry_run: bool,
    retain_hours: float | None, as_json: bool,
) -> int:  # fmt: skip
    """Let go of the subsets of runs; the log of what they were stays."""
    if bool(run_ids) == (keep_last is not None):
        raise ConfigError("runs prune takes the run ids to let go of, or --keep-last N; `runs list` shows them.")
    warehouse = open_warehouse(settings, reporter)
    runs = known_runs(warehouse)
    going = _named(runs, run_ids, settings) if run_ids else older_than_last(runs, keep_last or 1)
    freed = sum(run.size for run in going)
    if not dry_run:
        with leased(warehouse, settings.lease_seconds):
            for run in going:
                prune(warehouse, run)
            for name in OF_A_RUN if retain_hours is not None else ():
                warehouse.vacuum(name, retain_hours)
    if as_json:
        told = [{"run_id": run.run_id, "bytes": run.size} for run in going]
        print(json.dumps({"pruned": told, "dry_run": dry_run}, ensure_ascii=False))
        return 0
    rows = [[run.run_id, f"{run.kept or 0:,}", f"{run.size / 1e6:,.1f}"] for run in going]
    print_rows(["run", "pairs kept", "MB"], rows)
    did = "would let" if dry_run else "let"
    console().print(f"{did} go of {len(going):,} runs, {freed / 1e6:,.1f} MB", markup=False)
    if going and not dry_run and retain_hours is None:
        reporter.say("Their files stay until the tables are vacuumed: --retain-hours H does that.")
    return 0


def older_than_last(runs: Iterable[Run], keep_last: int) -> list[Run]:
    """Return the runs that still hold rows, but for the last so many that were drawn to their end, oldest first.

    A run that is not drawn to its end and is newer than those stays, too: it may be at work.
    """
    drawn = sorted((run for run in runs if run.has_subset), key=lambda run: (run.drawn_at, run.run_id))
    if len(drawn) <= keep_last:
        return []
    border = drawn[-keep_last].drawn_at
    return [run for run in runs if run.size and (run.drawn_at or run.ended) < border]


def prune(warehouse: Warehouse, run: Run) -> None:
    """Delete the run's rows, and say so first: cut short, it is a run whose subset has to be drawn again."""
    said = {"error": f"pruned: {run.kept or 0} pairs, {run.size} bytes"}
    attempt = Attempt(warehouse, run.run_id, run.config, list(run.metadata_ids))
    attempt.record(PRUNED, "balance", fingerprint=PRUNED, rows=0, detail=said)
    for name in OF_A_RUN:
        warehouse.delete(name, f"run_id = '{run.run_id}'")


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


def _named(runs: Iterable[Run], run_ids: Sequence[str], settings: Settings) -> list[Run]:
    by_id = {run.run_id: run for run in runs}
    for run_id in run_ids:
        if run_id not in by_id:
            raise ConfigError(f"{settings.warehouse or settings.catalog} holds no run {run_id!r}; see runs list.")
    return [by_id[run_id] for run_id in dict.fromkeys(run_ids)]


def _chosen_by(config: Mapping[str, Any]) -> str:
    """Return the settings that decide a subset, as far as they are not the defaults."""
    names = ("tail_fraction", "target_size", "seed", "unit")
    default = {name: Settings.model_fields[name].default for name in names}
    return ", ".join(f"{name} {config[name]}" for name in names if config.get(name, default[name]) != default[name])


def _or_empty(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _plain(run: Run) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "outcome": run.outcome,
        "began": run.began.isoformat(),
        "ended": run.ended.isoformat(),
        "threshold": run.threshold,
        "pairs_kept": run.kept,
        "snapshots": run.snapshots,
        "metadata_ids": list(run.metadata_ids),
        "bytes": run.bytes,
        "stages": [
            {"stage": stage, "snapshot": snapshot, "at": at.isoformat(), "rows": rows}
            for stage, snapshot, at, rows in run.stages
        ],
        "attempts": [
            {"attempt_id": attempt, "at": at.isoformat(), "event": event, "error": error}
            for attempt, at, event, error in run.attempts
        ],
        "config": run.config,
    }
