"""The command `upgrade`: bring the tables of an earlier release to the format of this one."""

from __future__ import annotations

import contextlib
import json

from metaclip_spark.commands.opening import held, open_warehouse
from metaclip_spark.config.settings import Settings
from metaclip_spark.schemas import FORMAT
from metaclip_spark.steps.upgrade import upgrade_step, upgraded
from metaclip_spark.terminal.console import console
from metaclip_spark.terminal.progress import Reporter
from metaclip_spark.warehouse.format import stored_format


def upgrade(settings: Settings, reporter: Reporter, dry_run: bool, as_json: bool) -> int:
    """Upgrade a warehouse; return 0.

    Args:
        dry_run: print what would be done, and change nothing.
    """
    warehouse = open_warehouse(settings, reporter, takes_lease=not dry_run, takes_older=True)
    found = stored_format(warehouse)
    with contextlib.nullcontext() if dry_run else held(warehouse, settings, reporter):
        done = upgrade_step(warehouse, reporter, dry_run)
    if as_json:
        print(json.dumps({"from": found, "to": FORMAT, "dry_run": dry_run, "changes": done}, ensure_ascii=False))
        return 0
    for line in done:
        console().print(line, markup=False)
    console().print(upgraded(found, done, dry_run), markup=False)
    return 0
