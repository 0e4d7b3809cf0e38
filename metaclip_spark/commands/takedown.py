"""The command `takedown`: delete urls, domains and pairs from the warehouse, and keep them out."""

from __future__ import annotations

import json
import uuid
from typing import Any

from metaclip_spark.commands.opening import held, open_warehouse
from metaclip_spark.config.settings import Settings
from metaclip_spark.core.wording import agrees, counted
from metaclip_spark.errors import ConfigError
from metaclip_spark.export.place import EXPORTS
from metaclip_spark.steps.takedown.removal import Summary, preview, take_down
from metaclip_spark.takedown.hashes import DOMAIN, FORMS, PAGE_DOMAIN, PAIR_ID, URL, URL_MD5, URL_SHA256
from metaclip_spark.takedown.lists import ListFiles, read_lists
from metaclip_spark.terminal.console import console
from metaclip_spark.terminal.progress import Reporter
from metaclip_spark.terminal.tables import print_rows

_NAMES = {
    URL: ("url", "urls"),
    DOMAIN: ("domain", "domains"),
    PAGE_DOMAIN: ("domain of pages", "domains of pages"),
    URL_SHA256: ("SHA-256 of a url", "SHA-256 of urls"),
    URL_MD5: ("MD5 of a url", "MD5 of urls"),
    PAIR_ID: ("pair id", "pair ids"),
}


def takedown(
    settings: Settings,
    reporter: Reporter,
    files: ListFiles,
    retain_hours: float | None,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Take down the values of some files; return 0.

    Args:
        files: the lists, one value per line.
        retain_hours: also delete the files that no version of the last `retain_hours` hours needs.
        dry_run: count what would be removed, and write nothing.

    Raises:
        ConfigError: no file is given, and `retain_hours` is None.
    """
    lists = read_lists(files)
    if not lists and retain_hours is None:
        raise ConfigError(
            "takedown needs a list; expected --urls FILE, --domains FILE, --page-domains FILE, --url-hashes FILE or "
            "--pair-ids FILE. (--retain-hours alone removes the files of earlier takedowns.)"
        )
    warehouse = open_warehouse(settings, reporter, takes_lease=not dry_run)
    listed = {kind: len(values) for kind, values in lists.items()}
    summary = Summary(uuid.uuid4().hex[:16], listed, dry_run, retain_hours)
    if dry_run:
        preview(warehouse, lists, summary)
    else:
        with held(warehouse, settings, reporter):
            take_down(warehouse, reporter, lists, summary)
    if as_json:
        print(json.dumps(_plain(summary), ensure_ascii=False))
    else:
        _print(summary, reporter)
    return 0


def _plain(summary: Summary) -> dict[str, Any]:
    return {
        "takedown_id": summary.takedown_id,
        "dry_run": summary.dry_run,
        "listed": summary.listed,
        "new": summary.new,
        "unmatched": summary.unmatched,
        "rows": dict(summary.rows),
        "exports": summary.exports,
        "reports": summary.reports,
        "runs": summary.runs,
        "recounted": [
            {"metadata_id": metadata_id, "snapshot": snapshot, "entries_changed": changed}
            for metadata_id, snapshot, changed in summary.recounted
        ],
        "retain_hours": summary.retain_hours,
    }


def _unmatched(kind: str, number: int, listed: int) -> str:
    """Return a sentence about the listed values of a kind that no pair of the tables has."""
    tried = "" if kind == PAIR_ID else f" A url was hashed {FORMS}."
    of_them = f"{number:,} of {counted(listed, *_NAMES[kind])}"
    return f"{of_them} {agrees(number, 'matches', 'match')} no pair that the tables have.{tried}"


def _print(summary: Summary, reporter: Reporter) -> None:
    rows = [[name, f"{number:,}"] for name, number in summary.rows.items()]
    rows += [[f"{EXPORTS}: {place}", f"{number:,}"] for place, number in summary.exports.items()]
    print_rows(["table", "rows that would go" if summary.dry_run else "rows removed"], rows)
    out = console()
    listed = ", ".join(counted(number, *_NAMES[kind]) for kind, number in summary.listed.items()) or "nothing"
    new = sum(summary.new.values())
    out.print(f"takedown {summary.takedown_id}: {listed} listed, {new:,} of them new", markup=False)
    for kind, number in summary.unmatched.items():
        reporter.say(_unmatched(kind, number, summary.listed[kind]))
    for run_id, kept in summary.runs.items():
        out.print(
            f"run {run_id} has {counted(kept, 'pair')} left; its t and probabilities are as they were", markup=False
        )
    for metadata_id, snapshot, changed in summary.recounted:
        entries = f"{counted(changed, 'entry', 'entries')} {agrees(changed, 'has', 'have')}"
        out.print(f"snapshot {snapshot}, list {metadata_id[:16]}: {entries} another count", markup=False)
    if summary.dry_run:
        reporter.say("Nothing was changed (--dry-run).")
    elif summary.retain_hours is None:
        reporter.say(
            "Old files still hold the rows until the tables are vacuumed: `takedown --retain-hours H` removes the "
            "files that no version of the last H hours needs."
        )
    elif summary.retain_hours:
        reporter.say(
            f"Files that a version of the last {summary.retain_hours:g} hours needs still hold the rows, those of this "
            f"takedown among them. When that time is over, `takedown --retain-hours {summary.retain_hours:g}` removes "
            "them; --retain-hours 0 does so now."
        )
