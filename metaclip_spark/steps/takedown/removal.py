"""Take rows down: find them, stage them, and remove them from tables, exports and reports.

`steps/takedown/rows.py` describes the order of the writes, and why each of them may be repeated.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa
from pyspark.sql import DataFrame

from metaclip_spark.core.wording import counted
from metaclip_spark.schemas import TAKEN
from metaclip_spark.spark.broadcast import Broadcast
from metaclip_spark.steps.takedown.exports import rewrite_exports
from metaclip_spark.steps.takedown.list import add_takedowns, new_of, stored_takedowns, unmatched_of, with_lists
from metaclip_spark.steps.takedown.rows import (
    TakenOfPool,
    check_purge,
    correct_run,
    count_rows,
    find_taken,
    listed_values,
    purge_files,
    ranges_of_ids,
    recount,
    refuse_open_drop,
    remove_pairs,
    remove_rejects,
    taken_of_pools,
)
from metaclip_spark.takedown.copies import check_files, remove_file, stale_reports
from metaclip_spark.takedown.hashes import COUNTED, Takedowns
from metaclip_spark.terminal.progress import Reporter
from metaclip_spark.warehouse.events import DONE
from metaclip_spark.warehouse.runs import TAKEN_DOWN, TAKEN_FROM_POOL, Run, RunLog
from metaclip_spark.warehouse.tables import Warehouse, filter_equal


@dataclass
class Summary:
    """The summary of a takedown: the rows and files that it removed, or would remove.

    Attributes:
        listed, new: kind -> number of listed values, and of those that were not taken down before.
        unmatched: kind -> number of listed hashes of urls, or pair ids, that no pair of the tables has.
        rows: table -> rows removed.
        exports: file -> pairs removed.
        reports: the removed files.
        runs: run_id -> pairs that the subset has left.
        recounted: (metadata_id, snapshot, number of entries whose count changed).
    """

    takedown_id: str
    listed: dict[str, int]
    dry_run: bool
    retain_hours: float | None
    new: dict[str, int] = field(default_factory=dict)
    unmatched: dict[str, int] = field(default_factory=dict)
    rows: Counter[str] = field(default_factory=Counter)
    exports: dict[str, int] = field(default_factory=dict)
    reports: list[str] = field(default_factory=list)
    runs: dict[str, int] = field(default_factory=dict)
    recounted: list[tuple[str, str, int]] = field(default_factory=list)


def preview(warehouse: Warehouse, lists: Mapping[str, pa.Array], summary: Summary) -> None:
    """Count the rows that a takedown would remove, in the summary; write nothing.

    Args:
        lists: kind -> its values, from `read_lists`.
    """
    check_files(warehouse.root)
    known = stored_takedowns(warehouse)
    wanted = with_lists(known, lists)
    takedowns = Broadcast.of(warehouse.spark, wanted)
    summary.new = new_of(known, wanted, lists)
    removed = find_taken(warehouse, takedowns, summary.takedown_id)
    with contextlib.suppress(Exception):  # where the platform does not cache, each table finds the rows again
        removed = removed.persist()
    _count_unmatched(warehouse, removed, wanted, takedowns, lists, summary)
    summary.rows.update(count_rows(warehouse, removed, takedowns))
    summary.exports = rewrite_exports(warehouse, removed, takedowns, dry_run=True)
    summary.reports = [] if warehouse.root is None else stale_reports(warehouse.root, wanted, [])


def take_down(warehouse: Warehouse, reporter: Reporter, lists: Mapping[str, pa.Array], summary: Summary) -> None:
    """Remove the rows that the lists name, and count them in the summary; the caller holds the lease."""
    refuse_open_drop(warehouse, RunLog(warehouse))
    # What can fail is looked at before the first write: after it, no other command may write until this one has ended.
    check_files(warehouse.root)
    if summary.retain_hours is not None:
        check_purge(warehouse)
    known = stored_takedowns(warehouse)
    wanted = with_lists(known, lists)
    # After this first write no listed pair can come back, whatever happens to this process.
    add_takedowns(warehouse, known, wanted, summary.takedown_id)
    summary.new = new_of(known, wanted, lists)
    takedown = _Takedown(warehouse, reporter, wanted, Broadcast.of(warehouse.spark, wanted), RunLog(warehouse), summary)
    if not warehouse.read(TAKEN.name).isEmpty():
        reporter.say("A takedown was interrupted; it is finished first.")
        takedown.finish()
    takedown.find()
    _count_unmatched(warehouse, warehouse.read(TAKEN.name), wanted, takedown.takedowns, lists, summary)
    takedown.finish()
    if summary.retain_hours is not None:
        with reporter.stage("purge", warehouse.spark):
            purge_files(warehouse, summary.retain_hours)


def _count_unmatched(
    warehouse: Warehouse,
    removed: DataFrame,
    wanted: Takedowns,
    takedowns: Broadcast[Takedowns],
    lists: Mapping[str, pa.Array],
    summary: Summary,
) -> None:
    """Count the listed hashes and ids that no pair has, in the summary, before the pairs are removed."""
    if not lists.keys().isdisjoint(COUNTED):
        matched = listed_values(warehouse, removed, takedowns)
        summary.unmatched = unmatched_of(wanted, lists, matched)


@dataclass
class _Takedown:
    """The writes of a takedown after its list is stored."""

    warehouse: Warehouse
    reporter: Reporter
    wanted: Takedowns
    takedowns: Broadcast[Takedowns]
    log: RunLog
    summary: Summary

    def find(self) -> None:
        """Stage the pairs to remove in the table `taken`."""
        bounded = self.warehouse.bounded_batches("pairs")
        with self.reporter.stage("find", self.warehouse.spark) as stage, bounded:
            removed = find_taken(self.warehouse, self.takedowns, self.summary.takedown_id)
            rows = self.warehouse.append(TAKEN.name, removed).rows
            stage.note = f"{counted(rows, 'row')} of pairs to remove"

    def finish(self) -> None:
        """Remove the staged pairs, and correct what depends on them; each write may be repeated."""
        warehouse, summary = self.warehouse, self.summary
        removed = warehouse.read(TAKEN.name)
        first = removed.select("takedown_id").first()
        with self.reporter.stage("takedown", warehouse.spark) as stage:
            summary.exports.update(rewrite_exports(warehouse, removed, self.takedowns))
            affected = [] if first is None else self._correct_runs(removed, first[0])
            self._remove_reports(affected)
            summary.rows.update(remove_rejects(warehouse, self.takedowns))
            if first is not None:
                pools = taken_of_pools(warehouse, removed)
                for pool in pools:
                    self._log_pool(pool, first[0])
                summary.rows.update(remove_pairs(warehouse, removed))
                for metadata_id, snapshot in [(pool.metadata_id, pool.snapshot) for pool in pools if pool.pairs]:
                    changed = recount(warehouse, self.log, metadata_id, snapshot)
                    summary.recounted.append((metadata_id, snapshot, changed))
                for run in affected:
                    summary.runs[run.run_id] = self._log_size(run, first[0])
                warehouse.delete(TAKEN.name)
            warehouse.remove_files(TAKEN.name)
            stage.note = f"{counted(sum(summary.rows.values()), 'row')} removed"

    def _correct_runs(self, removed: DataFrame, takedown_id: str) -> list[Run]:
        """Correct the sums of every run that has a subset; return the runs that lose pairs of their pool."""
        drawn, ranges = [run for run in self.log.runs() if run.has_subset], ranges_of_ids(removed)
        return [run for run in drawn if correct_run(self.warehouse, removed, ranges, run, takedown_id)]

    def _log_pool(self, pool: TakenOfPool, takedown_id: str) -> None:
        """Log how many pairs a pool loses, under the run that stored its pairs last. The first such event counts."""
        run_id = self.log.stored_by(pool.metadata_id, pool.snapshot) or takedown_id
        attempt = self.log.attempt(run_id, {}, [pool.metadata_id])
        lost = sum(pool.pairs.values())
        detail = {"takedown_id": takedown_id, "pairs": sorted(pool.pairs.items()), "seen": pool.seen}
        attempt.record(DONE, TAKEN_FROM_POOL, snapshot=pool.snapshot, fingerprint=takedown_id, rows=lost, detail=detail)

    def _log_size(self, run: Run, takedown_id: str) -> int:
        """Log how many pairs a run's subset has left, and return it; the balance of the run stays done."""
        kept = filter_equal(self.warehouse.read("curated_pairs"), run_id=run.run_id).count()
        attempt = self.log.attempt(run.run_id, run.config, run.metadata_ids)
        attempt.record(
            DONE, TAKEN_DOWN, fingerprint=takedown_id, rows=kept, detail={"takedown_id": takedown_id, "pools": True}
        )
        return kept

    def _remove_reports(self, affected: list[Run]) -> None:
        if self.warehouse.root is None:
            return
        for place in stale_reports(self.warehouse.root, self.wanted, [run.run_id for run in affected]):
            remove_file(place)
            self.summary.reports.append(place)
            self.reporter.say(
                f"removed {place}: its numbers or samples are no longer true; `report --run-id` writes it again."
            )
