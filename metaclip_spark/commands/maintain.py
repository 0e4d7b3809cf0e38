"""The command `maintain`: merge small files, remove old ones, shorten the logs."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict

from metaclip_spark.commands.opening import held, open_warehouse
from metaclip_spark.config.settings import Settings
from metaclip_spark.core.wording import counted, size
from metaclip_spark.steps.maintain import Maintained, Upkeep, maintained
from metaclip_spark.terminal.console import console
from metaclip_spark.terminal.progress import Reporter
from metaclip_spark.terminal.tables import print_rows


def maintain(settings: Settings, reporter: Reporter, upkeep: Upkeep, dry_run: bool, as_json: bool) -> int:
    """Maintain all tables of the warehouse, or print what would be done; return 0, or 1 if a table was left as it is.

    Args:
        dry_run: change nothing, and do not take the lease.
    """
    warehouse = open_warehouse(settings, reporter, takes_lease=not dry_run)
    done: list[Maintained] = []
    with contextlib.nullcontext() if dry_run else held(warehouse, settings, reporter):
        for table in maintained(warehouse, upkeep, dry_run):
            done.append(table)
            if table.problem is not None:
                reporter.warn(f"table {table.table} was left as it is: {table.problem}.")
    if as_json:
        print(json.dumps({"dry_run": dry_run, "tables": [asdict(table) for table in done]}))
    else:
        _print(done, reporter, upkeep, dry_run)
    return int(any(table.problem is not None for table in done))


def _print(done: list[Maintained], reporter: Reporter, upkeep: Upkeep, dry_run: bool) -> None:
    rows = [
        [
            table.table,
            f"{table.partitions:,}",
            f"{table.bytes / 1e6:,.1f}",
            f"{table.files:,}",
            f"{table.merged:,}",
            f"{table.after:,}",
            f"{table.old:,}",
        ]
        for table in done
    ]
    names = ["table", "partitions", "MB", "files", "too small", "files after", "old files"]
    print_rows(names, rows)
    merged, old = sum(table.merged for table in done), sum(table.old for table in done)
    would = "would merge" if dry_run else "merged"
    remove = "remove" if dry_run else "removed"
    console().print(
        f"{would} {counted(merged, 'file')} up to {size(upkeep.target)} each, and {remove} {counted(old, 'file')} that "
        f"no version of the last {upkeep.retain_hours:g} hours needs",
        markup=False,
    )
    if dry_run:
        reporter.say("Nothing was changed (--dry-run). Files are old only some time after they are merged.")
    elif merged and upkeep.retain_hours:
        reporter.say(
            f"The merged files stay for {upkeep.retain_hours:g} hours, for those who read older versions; the next "
            "maintain removes them."
        )
