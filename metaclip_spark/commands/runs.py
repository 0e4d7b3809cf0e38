"""The commands `runs list`, `runs show` and `runs prune`: show runs and their bytes on disk; delete old subsets."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from metaclip_spark.commands.opening import held, open_warehouse
from metaclip_spark.config.settings import Settings
from metaclip_spark.core.wording import counted, size
from metaclip_spark.errors import ConfigError
from metaclip_spark.terminal.console import console
from metaclip_spark.terminal.progress import Reporter
from metaclip_spark.terminal.tables import print_rows
from metaclip_spark.warehouse.current import name_current_run
from metaclip_spark.warehouse.events import PRUNED
from metaclip_spark.warehouse.runs import OF_A_RUN, Run, RunLog, known_runs
from metaclip_spark.warehouse.tables import Warehouse


def list_runs(settings: Settings, reporter: Reporter, as_json: bool) -> int:
    """Print all runs, oldest first; return 0."""
    runs = known_runs(open_warehouse(settings, reporter, takes_older=True))
    if as_json:
        print(json.dumps([_plain(run) for run in runs], ensure_ascii=False))
        return 0
    rows = [
        [
            run.run_id,
            f"{run.ended:%Y-%m-%d %H:%M}",
            run.outcome,
            _or_empty(run.threshold),
            _or_empty(run.kept),
            f"{run.size / 1e6:,.1f}",
            "; ".join([*filter(None, [_chosen_by(run.config)]), *_gone(run)]),
        ]
        for run in runs
    ]
    print_rows(["run", "last event, UTC", "outcome", "t", "pairs kept", "MB", "settings"], rows, whole=6)
    return 0


def show_run(settings: Settings, reporter: Reporter, run_id: str, as_json: bool) -> int:
    """Print one run: its subset, bytes, stages, attempts and settings; return 0.

    Raises:
        ConfigError: there is no such run.
    """
    (run,) = _named(known_runs(open_warehouse(settings, reporter, takes_older=True)), [run_id], settings)
    if as_json:
        print(json.dumps(_plain(run), ensure_ascii=False))
        return 0
    out = console()
    out.print(f"run {run.run_id}: {run.outcome}", markup=False, style="bold")
    subset = (
        "no subset" if run.kept is None else f"t = {run.threshold:,}, {counted(run.kept, 'pair')} of {run.snapshots}"
    )
    out.print(subset, markup=False)
    if run.gone:
        out.print(f"dropped or replaced since the draw: {', '.join(run.gone)}", markup=False)
    out.print()
    print_rows(["table", "bytes"], [[name, f"{size:,}"] for name, size in run.bytes.items()])
    out.print()
    stages = [
        [stage, snapshot or "", f"{at:%Y-%m-%d %H:%M:%S}", f"{rows or 0:,}"] for stage, snapshot, at, rows in run.stages
    ]
    print_rows(["stage", "snapshot", "done, UTC", "rows"], stages)
    out.print()
    if run.used:
        print_rows(["stage", "snapshot", "seconds", "core-hours", "MB read", "MB shuffled"], _used_rows(run.used))
        out.print()
    attempts = [[attempt, f"{at:%Y-%m-%d %H:%M:%S}", event, error] for attempt, at, event, error in run.attempts]
    print_rows(["attempt", "last event, UTC", "", ""], attempts)
    out.print()
    out.print(json.dumps(run.config, ensure_ascii=False, indent=1), markup=False)
    return 0


def prune_runs(
    settings: Settings,
    reporter: Reporter,
    run_ids: Sequence[str],
    keep_last: int | None,
    dry_run: bool,
    retain_hours: float | None,
    as_json: bool,
) -> int:
    """Delete the subsets of runs; the log of the runs stays. Return 0.

    Args:
        run_ids: the runs whose subsets are deleted.
        keep_last: instead of `run_ids`: the number of last subsets to keep.
        retain_hours: also delete the files that no version of the last `retain_hours` hours needs.

    Raises:
        ConfigError: there is no such run, or not exactly one of `run_ids` and `keep_last` is given.
    """
    if bool(run_ids) == (keep_last is not None):
        raise ConfigError("runs prune takes the ids of the runs to delete, or --keep-last N; `runs list` shows them.")
    warehouse = open_warehouse(settings, reporter, takes_lease=not dry_run)
    with contextlib.nullcontext() if dry_run else held(warehouse, settings, reporter):
        runs = known_runs(warehouse)
        chosen = _named(runs, run_ids, settings) if run_ids else older_than_last(runs, keep_last or 1)
        if not dry_run:
            for run in chosen:
                prune(warehouse, run)
            name_current_run(warehouse, RunLog(warehouse))
            if retain_hours is not None:
                for name in OF_A_RUN:
                    warehouse.vacuum(name, retain_hours)
    freed = sum(run.size for run in chosen)
    if as_json:
        pruned = [{"run_id": run.run_id, "bytes": run.size} for run in chosen]
        print(json.dumps({"pruned": pruned, "dry_run": dry_run}, ensure_ascii=False))
        return 0
    rows = [[run.run_id, f"{run.kept or 0:,}", f"{run.size / 1e6:,.1f}"] for run in chosen]
    print_rows(["run", "pairs kept", "MB"], rows)
    verb = "would delete" if dry_run else "deleted"
    console().print(f"{verb} {counted(len(chosen), 'run')}, {size(freed)}", markup=False)
    if chosen and not dry_run and retain_hours is None:
        reporter.say("Their files stay until the tables are vacuumed: --retain-hours H does that.")
    return 0


def older_than_last(runs: Iterable[Run], keep_last: int) -> list[Run]:
    """Return the runs that store rows and are older than the last `keep_last` subsets, oldest first.

    A newer run without a subset is kept as well: it may still be running.
    """
    drawn = sorted((run.drawn_at, run.run_id) for run in runs if run.has_subset and run.drawn_at is not None)
    if len(drawn) <= keep_last:
        return []
    border, _ = drawn[-keep_last]
    return [run for run in runs if run.size and (run.drawn_at or run.ended) < border]


def prune(warehouse: Warehouse, run: Run) -> None:
    """Log that a run is pruned, then delete its rows.

    So a subset does not count as stored if its deletion was interrupted.
    """
    detail = {"error": f"pruned: {counted(run.kept or 0, 'pair')}, {counted(run.size, 'byte')}"}
    attempt = RunLog(warehouse).attempt(run.run_id, run.config, run.metadata_ids)
    attempt.record(PRUNED, "balance", fingerprint=PRUNED, rows=0, detail=detail)
    for name in OF_A_RUN:
        warehouse.delete(name, run_id=run.run_id)


def _used_rows(used: Iterable[Mapping[str, Any]]) -> list[list[str]]:
    """Return what stages took as rows of a table; what could not be measured is empty."""

    def number(one: Mapping[str, Any], name: str, unit: float, digits: int) -> str:
        return "" if one.get(name) is None else f"{one[name] / unit:,.{digits}f}"

    return [
        [
            str(one["stage"]),
            str(one.get("snapshot") or ""),
            number(one, "seconds", 1, 1),
            number(one, "core_seconds", 3600, 4),
            number(one, "read_bytes", 1e6, 1),
            number(one, "shuffled_bytes", 1e6, 1),
        ]
        for one in used
    ]


def _named(runs: Iterable[Run], run_ids: Sequence[str], settings: Settings) -> list[Run]:
    by_id = {run.run_id: run for run in runs}
    for run_id in run_ids:
        if run_id not in by_id:
            raise ConfigError(f"{settings.warehouse or settings.catalog} holds no run {run_id!r}; see runs list.")
    return [by_id[run_id] for run_id in dict.fromkeys(run_ids)]


def _chosen_by(config: Mapping[str, Any]) -> str:
    """Return the settings that decide a subset and differ from their defaults, in words."""
    names = ("tail_fraction", "target_size", "seed", "unit")
    default = {name: Settings.model_fields[name].default for name in names}
    return ", ".join(f"{name} {config[name]}" for name in names if config.get(name, default[name]) != default[name])


def _gone(run: Run) -> list[str]:
    return [f"dropped since: {', '.join(run.gone)}"] if run.gone else []


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
        "dropped_snapshots": run.gone,
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
        "used": run.used,
        "config": run.config,
    }
