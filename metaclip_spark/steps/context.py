"""What every step works with, and what the log of events says is done."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from functools import cached_property

from pyspark.sql import DataFrame, SparkSession

from metaclip_spark.config import Settings
from metaclip_spark.errors import ConfigError
from metaclip_spark.matchers import compile_matcher
from metaclip_spark.metadata import Metadata
from metaclip_spark.spark.broadcast import Broadcast, broadcast_matcher
from metaclip_spark.stages.extract import BroadcastTools
from metaclip_spark.steps.extraction import Extraction
from metaclip_spark.steps.takedown_list import stored_takedowns
from metaclip_spark.terminal.progress import Reporter
from metaclip_spark.warehouse.events import DONE, Attempt, StageEvent
from metaclip_spark.warehouse.tables import Commit, Warehouse, filter_equal

NO_LIST = "none"
"""metadata_id of pairs that were not matched with any list yet."""


@dataclass
class Context:
    """One command at work on one warehouse."""

    spark: SparkSession
    warehouse: Warehouse
    settings: Settings
    metadata: Metadata | None
    reporter: Reporter
    attempt: Attempt
    extraction: Extraction | None = None

    def of_snapshot(self, name: str) -> Context:
        """Return the same context at work on another snapshot; the compiled list is shared."""
        other = replace(self, settings=self.settings.model_copy(update={"snapshot": name}))
        if self.extraction is not None:
            other.__dict__.update(tools=self.tools, matcher=self.matcher)
        return other

    @property
    def metadata_id(self) -> str:
        """The list's id, or `none` where texts are not matched."""
        return self.metadata.metadata_id if self.metadata is not None else NO_LIST

    @cached_property
    def matcher(self) -> Broadcast | None:
        """The list, compiled here once and sent to the workers; None where there is no list."""
        if self.metadata is None:
            return None
        return broadcast_matcher(self.spark, compile_matcher(self.metadata, self.settings.matcher))

    @cached_property
    def tools(self) -> BroadcastTools:
        """What extraction's workers need, on its way to them."""
        filters = None
        if self.extraction.filters is not None:
            filters = Broadcast.of(
                self.spark, self.extraction.filters, key=f"filters:{self.extraction.options.extract_id}"
            )
        return BroadcastTools(filters, self.matcher, self.extraction.identifier, self._takedowns())

    def _takedowns(self) -> Broadcast | None:
        """What may not come back, on its way to the workers; None where nothing was taken down."""
        taken = stored_takedowns(self.warehouse)
        return None if taken is None else Broadcast.of(self.spark, taken, key=f"takedowns:{taken.id}")

    def last(self, stage: str, snapshot: str | None = None, run_id: str | None = None) -> StageEvent | None:
        """Return the last event of a stage on this list, of what was done up to the pinned versions."""
        of = {"snapshot": snapshot, "metadata_id": self.metadata_id, "run_id": run_id}
        return self.attempt.last(stage, **of, pinned=self.settings.pinned)

    def pool_state(self, snapshot: str) -> tuple[str, int] | None:
        """Return (fingerprint, pinned version of pairs) of a snapshot's pool; None while it is not complete."""
        for stage in ("dedup", "match"):
            event = self.last(stage, snapshot)
            if event is not None and event.event == DONE:
                return event.fingerprint, event.versions["pairs"]
            if event is not None:
                return None
        return None

    def pool_snapshots(self) -> list[str]:
        """Return the snapshots that have pairs of this list, complete or not, in order."""
        pools = [event for event in self.attempt.stage_events if event.stage in ("dedup", "match")]
        pools = [event for event in pools if event.is_within(self.settings.pinned)]
        return sorted({event.snapshot for event in pools if self.metadata_id in event.metadata_ids})

    def check_snapshots(self, *coming: str) -> list[str]:
        """Return the snapshots there are, and those that are coming; refuse a chosen one that is none of them."""
        there = sorted({*self.pool_snapshots(), *coming})
        for name in self.settings.snapshots:
            if name not in there:
                raise ConfigError(f"snapshot {name!r} has no pairs of this list; there are {there}.")
        return there

    def chosen_snapshots(self) -> list[str]:
        """Return the snapshots to count and balance; those cut short are left out, and that is said."""
        there = self.check_snapshots()
        chosen = []
        for name in self.settings.snapshots or there:
            if self.pool_state(name) is None:
                self.reporter.warn(f"snapshot {name} is left out: its deduplication was cut short; run it again.")
            else:
                chosen.append(name)
        if not chosen:
            raise ConfigError("there are no pairs of this list to balance; run extract and dedup first.")
        return chosen


def append_missing(ctx: Context, table: str, rows: DataFrame, txn: str, **there: str) -> Commit:
    """Append rows that the table does not hold, also where equal ones were appended once and deleted since (a retry).

    Delta drops a transaction that it has seen, whatever became of its rows: so the table is asked whether they are
    there (rows with these values), and they are appended under the next name where they are not.
    """
    for number in itertools.count():
        commit = ctx.warehouse.append(table, rows, txn=f"{txn}:{number}" if number else txn)
        if commit.was_new or not filter_equal(in_pool(ctx, table, ctx.settings.snapshot), **there).isEmpty():
            return commit
    raise AssertionError("unreachable")


def in_pool(ctx: Context, table: str, snapshot: str, version: int | None = None):
    """Return a table's rows of one snapshot and this list."""
    return filter_equal(ctx.warehouse.read(table, version), metadata_id=ctx.metadata_id, snapshot=snapshot)
