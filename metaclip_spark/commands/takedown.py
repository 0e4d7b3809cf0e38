"""`takedown`: rows of urls and domains go from every table, and do not come back."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame

from metaclip_spark.commands.opening import open_warehouse
from metaclip_spark.config import Settings
from metaclip_spark.errors import ConfigError
from metaclip_spark.export.place import EXPORTS
from metaclip_spark.schemas import TAKEN
from metaclip_spark.spark.broadcast import Broadcast
from metaclip_spark.steps.takedown_exports import rewrite_exports
from metaclip_spark.steps.takedown_list import add_takedowns, stored_takedowns, with_lists
from metaclip_spark.steps.takedown_rows import (
    correct_run,
    count_rows,
    find_taken,
    purge_files,
    recount,
    remove_pairs,
    remove_rejects,
    snapshots_of,
)
from metaclip_spark.takedown.copies import remove_file, stale_reports
from metaclip_spark.takedown.hashes import DOMAIN, PAGE_DOMAIN, URL, Takedowns
from metaclip_spark.takedown.lists import read_lists
from metaclip_spark.terminal.progress import Reporter
from metaclip_spark.terminal.tables import console, print_rows
from metaclip_spark.warehouse.events import DONE, Attempt, StageEvent
from metaclip_spark.warehouse.lease import leased
from metaclip_spark.warehouse.runs import TAKEN_DOWN, Run, logged_runs
from metaclip_spark.warehouse.tables import Warehouse, filter_equal

_NAMES = {URL: "urls", DOMAIN: "domains", PAGE_DOMAIN: "domains of pages"}


@dataclass
class Told:
    """What a takedown did, or would do."""

    takedown_id: str
    listed: dict[str, int]
    new: dict[str, int]
    dry_run: bool
    retain_hours: float | None
    rows: Counter = field(default_factory=Counter)
    exports: dict[str, int] = field(default_factory=dict)
    reports: list[str] = field(default_factory=list)
    runs: dict[str, int] = field(default_factory=dict)
    recounted: list[tuple[str, str, int]] = field(default_factory=list)


def takedown(
    settings: Settings,
    reporter: Reporter,
    urls: str | None,
    domains: str | None,
    page_domains: str | None,
    retain_hours: float | None,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Take down what the files list; return the exit status."""
    lists = read_lists(urls, domains, page_domains)
    if not lists and retain_hours is None:
        raise ConfigError(
            "takedown takes --urls FILE, --domains FILE or --page-domains FILE: what is to go. (--retain-hours alone "
            "removes the files of earlier takedowns.)"
        )
    warehouse = open_warehouse(settings, reporter)
    told = Told(uuid.uuid4().hex[:16], {kind: len(values) for kind, values in lists.items()}, {}, dry_run, retain_hours)
    if dry_run:
        _look(warehouse, lists, told)
    else:
        with leased(warehouse, settings.lease_seconds):
            known = stored_takedowns(warehouse)
            wanted = with_lists(known, lists)
            # First of all: from here on nothing of it comes back, whatever becomes of this process.
            told.new = add_takedowns(warehouse, known, wanted, told.takedown_id)
            _take(warehouse, reporter, wanted, told)
            if retain_hours is not None:
                with reporter.stage("purge", warehouse.spark):
                    purge_files(warehouse, retain_hours)
    print(json.dumps(_plain(told), ensure_ascii=False)) if as_json else _print(told, reporter)
    return 0


def _look(warehouse: Warehouse, lists: Mapping[str, pa.Array], told: Told) -> None:
    """Say what would go; write nothing."""
    known = stored_takedowns(warehouse)
    wanted = with_lists(known, lists)
    broadcast = Broadcast.of(warehouse.spark, wanted)
    told.new = {kind: len(hashes) - (len(known.hashes[kind]) if known else 0) for kind, hashes in wanted.hashes.items()}
    gone = find_taken(warehouse, broadcast, told.takedown_id, _stage_events(warehouse))
    with contextlib.suppress(Exception):  # where the platform keeps nothing, it is found anew for each table
        gone = gone.persist()
    told.rows.update(count_rows(warehouse, gone, broadcast))
    told.exports = rewrite_exports(warehouse, gone, broadcast, dry_run=True)
    told.reports = [] if warehouse.root is None else stale_reports(warehouse.root, wanted, [])


def _take(warehouse: Warehouse, reporter: Reporter, wanted: Takedowns, told: Told) -> None:
    """Find what goes and remove it: first what a takedown that was cut short had found."""
    broadcast = Broadcast.of(warehouse.spark, wanted)
    if not warehouse.read(TAKEN.name).isEmpty():
        reporter.say("A takedown was cut short; it is finished first.")
        _finish(warehouse, reporter, wanted, broadcast, told)
    with reporter.stage("find", warehouse.spark) as stage:
        gone = find_taken(warehouse, broadcast, told.takedown_id, _stage_events(warehouse))
        stage.rows = warehouse.append(TAKEN.name, gone).rows
        stage.note = f"{stage.rows:,} rows of pairs to remove"
    _finish(warehouse, reporter, wanted, broadcast, told)


def _finish(warehouse: Warehouse, reporter: Reporter, wanted: Takedowns, broadcast: Broadcast, told: Told) -> None:
    """Do all that follows from what is staged, in steps each of which may be made again."""
    gone = warehouse.read(TAKEN.name)
    first = gone.select("takedown_id").first()
    with reporter.stage("takedown", warehouse.spark) as stage:
        told.exports.update(rewrite_exports(warehouse, gone, broadcast))
        affected = [] if first is None else _correct_runs(warehouse, gone, first[0])
        _remove_reports(warehouse, reporter, wanted, affected, told)
        told.rows.update(remove_rejects(warehouse, broadcast))
        if first is not None:
            told.rows.update(remove_pairs(warehouse, gone))
            for metadata_id, snapshot in snapshots_of(gone):
                told.recounted.append((metadata_id, snapshot, recount(warehouse, metadata_id, snapshot)))
            for run in affected:
                told.runs[run.run_id] = _note(warehouse, run, first[0])
            warehouse.delete(TAKEN.name, "true")
        warehouse.remove_files(TAKEN.name)
        stage.rows = sum(told.rows.values())
        stage.note = f"{stage.rows:,} rows removed"


def _correct_runs(warehouse: Warehouse, gone: DataFrame, takedown_id: str) -> list[Run]:
    """Correct the sums of every run that has a subset; return those that lose pairs of their pool."""
    drawn = [run for run in logged_runs(warehouse) if run.has_subset]
    return [run for run in drawn if correct_run(warehouse, gone, run, takedown_id)]


def _note(warehouse: Warehouse, run: Run, takedown_id: str) -> int:
    """Say in the log how many pairs the run's subset has left, and return it; the draw itself stays done."""
    kept = filter_equal(warehouse.read("curated_pairs"), run_id=run.run_id).count()
    attempt = Attempt(warehouse, run.run_id, run.config, list(run.metadata_ids))
    detail = {"takedown_id": takedown_id}
    attempt.record(DONE, TAKEN_DOWN, fingerprint=takedown_id, rows=kept, detail=detail)
    return kept


def _remove_reports(
    warehouse: Warehouse, reporter: Reporter, wanted: Takedowns, affected: list[Run], told: Told
) -> None:
    if warehouse.root is None:
        return
    for place in stale_reports(warehouse.root, wanted, [run.run_id for run in affected]):
        remove_file(place)
        told.reports.append(place)
        reporter.say(f"removed {place}: its numbers or samples are no longer true; `report --run-id` writes it anew.")


def _stage_events(warehouse: Warehouse) -> list[StageEvent]:
    return Attempt(warehouse, "", {}, []).stage_events


def _plain(told: Told) -> dict[str, Any]:
    return {
        "takedown_id": told.takedown_id,
        "dry_run": told.dry_run,
        "listed": told.listed,
        "new": told.new,
        "rows": dict(told.rows),
        "exports": told.exports,
        "reports": told.reports,
        "runs": told.runs,
        "recounted": [
            {"metadata_id": metadata_id, "snapshot": snapshot, "entries_changed": changed}
            for metadata_id, snapshot, changed in told.recounted
        ],
        "retain_hours": told.retain_hours,
    }


def _print(told: Told, reporter: Reporter) -> None:
    rows = [[name, f"{number:,}"] for name, number in told.rows.items()]
    rows += [[f"{EXPORTS}: {place}", f"{number:,}"] for place, number in told.exports.items()]
    print_rows(["table", "rows that would go" if told.dry_run else "rows removed"], rows)
    out = console()
    listed = ", ".join(f"{number:,} {_NAMES[kind]}" for kind, number in told.listed.items()) or "nothing"
    new = sum(told.new.values())
    out.print(f"takedown {told.takedown_id}: {listed} listed, {new:,} of them new", markup=False)
    for run_id, kept in told.runs.items():
        out.print(f"run {run_id} has {kept:,} pairs left; its t and probabilities are as they were", markup=False)
    for metadata_id, snapshot, changed in told.recounted:
        out.print(f"snapshot {snapshot}, list {metadata_id[:16]}: {changed:,} entries have another count", markup=False)
    if told.dry_run:
        reporter.say("Nothing was changed (--dry-run).")
    elif told.retain_hours is None:
        reporter.say(
            "Old files still hold the rows until the tables are vacuumed: `takedown --retain-hours H` removes the "
            "files that no version of the last H hours needs."
        )
    elif told.retain_hours:
        reporter.say(
            f"Files that a version of the last {told.retain_hours:g} hours needs are still there, and hold the rows; "
            "vacuum once more when that time is over."
        )
