"""The commands `snapshots list`, `snapshots drop` and `snapshots replace`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from metaclip_spark.commands import curation
from metaclip_spark.commands.opening import checked_input, held, need_metadata, open_warehouse, run_id_of
from metaclip_spark.config.settings import Settings
from metaclip_spark.core.wording import agrees, counted
from metaclip_spark.errors import ConfigError
from metaclip_spark.steps.snapshots.drop import Dropped, drop_step, known_snapshots, preview_drop
from metaclip_spark.steps.snapshots.listing import listed_snapshots
from metaclip_spark.steps.takedown.rows import refuse_open_takedown
from metaclip_spark.terminal.progress import Reporter
from metaclip_spark.terminal.tables import print_rows
from metaclip_spark.warehouse.events import STARTED
from metaclip_spark.warehouse.runs import RunLog


def list_snapshots(settings: Settings, reporter: Reporter, as_json: bool) -> int:
    """Print all snapshots, one line for each list that has pairs of it; return 0."""
    warehouse = open_warehouse(settings, reporter)
    found = listed_snapshots(warehouse, RunLog(warehouse))
    if as_json:
        print(json.dumps([asdict(one) for one in found], ensure_ascii=False))
        return 0
    rows = [
        [
            one.snapshot,
            (one.metadata_id or "")[:16],
            ", ".join(f"{number:,} {status}" for status, number in one.sources.items()),
            f"{one.pairs:,}",
            f"{one.seen:,}",
            f"{one.batches:,}",
            one.state,
            f"{len(one.runs):,}",
        ]
        for one in found
    ]
    print_rows(["snapshot", "list", "sources", "pairs", "seen", "batches", "state", "runs"], rows)
    return 0


def drop_snapshot(settings: Settings, reporter: Reporter, name: str, dry_run: bool, as_json: bool) -> int:
    """Remove a snapshot from the warehouse; return 0.

    Args:
        dry_run: count what would be deleted and moved, and write nothing.

    Raises:
        ConfigError: there is no such snapshot, or the deduplication of another one was interrupted.
        WarehouseError: a takedown was interrupted.
    """
    warehouse = open_warehouse(settings, reporter, takes_lease=not dry_run)
    if dry_run:
        refuse_open_takedown(warehouse)
        summary = preview_drop(warehouse, RunLog(warehouse), name)
    else:
        with held(warehouse, settings, reporter):
            refuse_open_takedown(warehouse)
            summary = drop_step(warehouse, reporter, RunLog(warehouse), name)
    if as_json:
        print(json.dumps(_plain(summary, dry_run), ensure_ascii=False))
    else:
        _print(summary, dry_run, reporter)
    return 0


def replace_snapshot(settings: Settings, reporter: Reporter, name: str, as_json: bool) -> int:
    """Drop a snapshot, then read it again as `run` does; return the exit status of the run.

    An interrupted command goes on where it stopped. The same command again does nothing.

    Raises:
        ConfigError: the settings name another snapshot, or there is no such snapshot.
    """
    settings = _of_snapshot(settings, name)
    metadata = need_metadata(settings)
    given, _ = checked_input(settings, Reporter(quiet=True))  # before anything is dropped
    run_id = settings.run_id or run_id_of(settings, metadata.metadata_id, given)
    warehouse = open_warehouse(settings, reporter, takes_lease=True)
    with held(warehouse, settings, reporter):
        refuse_open_takedown(warehouse)
        log = RunLog(warehouse)
        last = log.last_drop(name)
        begun = last is not None and last.detail.get("replaced_by") == run_id
        if begun and last is not None and last.event != STARTED:
            reporter.say(f"snapshot {name} was dropped already; reading it goes on.")
        elif name in known_snapshots(warehouse, log) or any(event.snapshot == name for event in log.open_drops()):
            _say(drop_step(warehouse, reporter, log, name, run_id), reporter)
        else:
            raise ConfigError(f"there is no snapshot {name!r} to replace; `run --snapshot {name}` reads a new one.")
    return curation.run(settings, reporter, as_json)


def _of_snapshot(settings: Settings, name: str) -> Settings:
    if settings.crawl and (settings.crawl, settings.snapshot) == ((name,), "default"):
        return settings
    if len(settings.crawl) > 1 or "snapshot" in settings.model_fields_set and settings.snapshot != name:
        raise ConfigError(
            f"snapshots replace reads one snapshot, {name}; got --snapshot {settings.snapshot} and --crawl "
            f"{', '.join(settings.crawl) or 'not given'}. Leave --snapshot out, and give one --crawl at most."
        )
    return Settings(**{**settings.model_dump(exclude_unset=True), "snapshot": name})


def _plain(summary: Dropped, dry_run: bool) -> dict[str, Any]:
    moved = [
        {"metadata_id": metadata_id, "snapshot": snapshot, "pairs": pairs}
        for (metadata_id, snapshot), pairs in summary.moved.items()
    ]
    return {
        "snapshot": summary.snapshot,
        "dry_run": dry_run,
        "rows": summary.rows,
        "moved": moved,
        "runs": summary.runs,
    }


def _print(summary: Dropped, dry_run: bool, reporter: Reporter) -> None:
    rows = [[name, f"{number:,}"] for name, number in summary.rows.items()]
    print_rows(["table", "rows that would go" if dry_run else "rows deleted"], rows)
    _say(summary, reporter)
    if dry_run:
        reporter.say("Nothing was changed (--dry-run).")
    else:
        reporter.say("Old files still hold the rows until the tables are vacuumed.")


def _say(summary: Dropped, reporter: Reporter) -> None:
    for (metadata_id, snapshot), number in summary.moved.items():
        pairs = f"{counted(number, 'pair')} {agrees(number, 'belongs', 'belong')}"
        reporter.say(f"list {metadata_id[:16]}: {pairs} to snapshot {snapshot} now.")
    if summary.runs:
        reporter.say(
            f"{counted(len(summary.runs), 'run')} drew from snapshot {summary.snapshot}: {', '.join(summary.runs)}. "
            "Their subsets stay; `runs list`, reports and exports say that it was dropped."
        )
