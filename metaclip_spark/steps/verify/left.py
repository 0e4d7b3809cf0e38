"""Check what must not be there: pairs that were taken down, and staging that is left."""

from __future__ import annotations

import os

from pyspark.sql import functions as F

from metaclip_spark.core.wording import counted
from metaclip_spark.schemas import TAKEN
from metaclip_spark.spark.broadcast import Broadcast
from metaclip_spark.stages.verify.rows import taken_down, taken_down_rejects
from metaclip_spark.steps.takedown.exports import rewrite_exports
from metaclip_spark.steps.takedown.list import stored_takedowns
from metaclip_spark.steps.takedown.rows import PAIR_TABLES, REJECT_TABLES
from metaclip_spark.steps.verify.inspection import Check, Inspection
from metaclip_spark.takedown.copies import exported_files, partial_exports, stale_reports
from metaclip_spark.warehouse.files import STAGING

STAGED = ("extracted", "outcomes", "survivors", "taken")
"""Tables that are empty when no command is at work, and none was interrupted."""
_OWNER = {"curated_pairs": "run_id", "survivors": "run_id"}
_NEXT = {
    "extracted": "run `dedup`, or the same `run`",
    "outcomes": "run `dedup`, or the same `run`",
    "survivors": "run the same `balance` again",
    "taken": "run the same `takedown` again",
}


def takedowns(look: Inspection, check: Check) -> None:
    """Look for what was taken down in every table with urls, in exports and in reports."""
    stored = stored_takedowns(look.warehouse)
    if stored is None:
        return  # nothing was taken down
    broadcast = Broadcast.of(look.warehouse.spark, stored, key=f"takedowns:{stored.id}")
    for name in PAIR_TABLES:
        if look.has(check, name, "pair_id", "url", "page_url"):
            owner = _OWNER.get(name, "snapshot")
            rows = look.read(name).where(F.col("url").isNotNull())
            check.take(taken_down(rows, name, broadcast, owner), "pair")
    for name in REJECT_TABLES:
        if look.has(check, name, "record", "detail"):
            rows = look.read(name).where("record IS NOT NULL OR detail IS NOT NULL")
            check.take(taken_down_rejects(rows, name, broadcast), "reject")
    root = look.warehouse.root
    if root is None:
        check.skip("exports and reports: a catalog has no folder for them")
        return
    nothing = look.warehouse.spark.createDataFrame([], TAKEN.ddl)
    check.count(len(exported_files(root)), "exported file")
    for file, number in rewrite_exports(look.warehouse, nothing, broadcast, dry_run=True).items():
        check.add("exports", file, "no pair that was taken down", counted(number, "pair"))
    for file in stale_reports(root, stored, []):
        check.add("reports", file, "no url that was taken down", "a url")


def staging(look: Inspection, check: Check) -> None:
    """Look for rows in tables of staging, and for files that a killed process left."""
    for name in STAGED:
        check.count(1, "table")
        if not look.exists(name):
            continue
        number = look.read(name).count()
        if number:
            check.add(name, f"table {name}", "no rows", f"{counted(number, 'row')}; {_NEXT[name]}")
    root = look.warehouse.root
    if root is None or not look.warehouse.reads_logs:
        check.skip("files in the folder of staging, and partial exports: the warehouse is no local folder")
        return
    check.count(1, "folder")
    folder = os.path.join(root, STAGING)
    if os.path.isdir(folder):
        files = sum(len(names) for _, _, names in os.walk(folder))
        check.add(
            STAGING, folder, "no such folder", f"{counted(files, 'file')}; the next command that writes removes it"
        )
    for file in partial_exports(root):
        check.add("exports", file, "no partial file", "a file that an interrupted `export` left")
