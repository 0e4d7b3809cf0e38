"""The context that a command passes to its steps, and queries about the state of the warehouse."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.config.settings import Settings
from metaclip_spark.core.wording import counted
from metaclip_spark.core.worldwide.list_choice import ListChoice
from metaclip_spark.counts.files import read_counts
from metaclip_spark.counts.given import GivenCounts, laid_out
from metaclip_spark.errors import ConfigError
from metaclip_spark.matchers import Matcher, compile_matcher
from metaclip_spark.matchers.worldwide.by_section import compiled_lists
from metaclip_spark.metadata import Metadata
from metaclip_spark.metadata.worldwide.entries import WorldwideMetadata
from metaclip_spark.schemas import TABLES
from metaclip_spark.spark.broadcast import Broadcast, broadcast_lists, broadcast_matcher, broadcast_robots
from metaclip_spark.stages.extract import BroadcastTools
from metaclip_spark.steps.extraction import Extraction
from metaclip_spark.steps.optouts.stored import in_words
from metaclip_spark.steps.takedown.list import stored_takedowns
from metaclip_spark.terminal.progress import Reporter
from metaclip_spark.warehouse.events import Attempt, StageEvent
from metaclip_spark.warehouse.pools import PoolState, batches_of
from metaclip_spark.warehouse.runs import RunLog
from metaclip_spark.warehouse.tables import Commit, Warehouse, filter_equal

POOL = ("metadata_id", "snapshot")
"""The columns that name a pool."""

NO_LIST = "none"
"""The metadata_id of pairs that were not matched with any list yet."""

NO_METADATA = Metadata((), NO_LIST)
"""The metadata of a context that matches no texts: a list without entries."""


@dataclass
class Context:
    """The context of a command that reads a warehouse.

    Attributes:
        metadata: the entry list; NO_METADATA where texts are not matched.
    """

    warehouse: Warehouse
    settings: Settings
    metadata: Metadata
    reporter: Reporter
    log: RunLog

    @property
    def spark(self) -> SparkSession:
        """The session of the warehouse."""
        return self.warehouse.spark

    @property
    def metadata_id(self) -> str:
        """The id of the list, or `none` where texts are not matched."""
        return self.metadata.metadata_id

    @property
    def has_list(self) -> bool:
        """Whether texts are matched with a list."""
        return self.metadata_id != NO_LIST

    @cached_property
    def matcher(self) -> Broadcast[Matcher]:
        """The list, or the lists of all languages, compiled in the driver once and broadcast to the workers."""
        if isinstance(self.metadata, WorldwideMetadata):
            with self.reporter.stage("lists", self.spark) as stage:
                matcher = compiled_lists(self.metadata, self.settings.matcher)
                stage.note = f"{counted(len(matcher.sections.names), 'list')} compiled or found compiled"
            return broadcast_lists(self.spark, matcher)
        return broadcast_matcher(self.spark, compile_matcher(self.metadata, self.settings.matcher))

    @cached_property
    def given_counts(self) -> GivenCounts | None:
        """The counts of --counts by the entries of the list, read once; None where it is not given.

        Raises:
            InputError: the file cannot be read, or its counts are of another list.
        """
        path = self.settings.counts
        return None if path is None else laid_out(read_counts(path), self.metadata, path)

    @property
    def lists(self) -> ListChoice | None:
        """The list of each language; None where one list is used for all texts."""
        return self.metadata.list_choice(drop_unknown=self.settings.unsure == "drop")

    def last(self, stage: str, snapshot: str | None = None, run_id: str | None = None) -> StageEvent | None:
        """Return the last event of a stage for this list; events later than the pinned versions are ignored."""
        pinned = self.settings.pinned
        return self.log.last(stage, snapshot=snapshot, metadata_id=self.metadata_id, run_id=run_id, pinned=pinned)

    def pool_state(self, snapshot: str) -> PoolState | None:
        """Return (fingerprint, batches) of a snapshot's pool; None while no batch of it is complete."""
        return self.log.pool_state(self.metadata_id, snapshot, pinned=self.settings.pinned)

    def pool_snapshots(self) -> list[str]:
        """Return the snapshots that have pairs of this list, complete or not, in order."""
        return self.log.pool_snapshots(self.metadata_id, self.settings.pinned)

    def check_snapshots(self, *coming: str) -> list[str]:
        """Return the stored and the coming snapshots, in order.

        Args:
            coming: snapshots that this command is about to read.

        Raises:
            ConfigError: `--snapshots` names another one.
        """
        there = sorted({*self.pool_snapshots(), *coming})
        for name in self.settings.snapshots:
            if name not in there:
                raise ConfigError(f"snapshot {name!r} has no pairs of this list; there are {there}.")
        return there

    def chosen_pools(self) -> dict[str, PoolState]:
        """Return snapshot -> (fingerprint, batches) of the snapshots to count and balance.

        A batch whose deduplication was interrupted is left out, with a warning.

        Raises:
            ConfigError: no snapshot is left.
        """
        there = self.check_snapshots()
        chosen = {}
        for name in self.settings.snapshots or there:
            state = self.pool_state(name)
            if state is None:
                self.reporter.warn(f"snapshot {name} is skipped: its deduplication was interrupted; run it again.")
            else:
                chosen[name] = state
                if not self.settings.pinned and self.log.is_open(self.metadata_id, name):
                    self.reporter.warn(
                        f"the last pairs of snapshot {name} are left out: their deduplication was interrupted; run it "
                        "again."
                    )
        if not chosen:
            raise ConfigError("there are no pairs of this list to balance; run extract and dedup first.")
        return chosen

    def chosen_snapshots(self) -> list[str]:
        """Return the snapshots to count and balance; see `chosen_pools`."""
        return list(self.chosen_pools())


@dataclass
class RunContext(Context):
    """The context of a command that works on one run.

    Attributes:
        attempt_id: the id of this command; only a command that writes logs it.
        config: the resolved configuration of the run, without secrets.
    """

    run_id: str
    attempt_id: str
    config: Mapping[str, object]


@dataclass
class WritingContext(RunContext):
    """The context of a command that writes, while it holds the lease of the warehouse.

    Attributes:
        attempt: writes the events of this command.
    """

    attempt: Attempt

    def of_snapshot(
        self, name: str, options: ExtractOptions, load_tools: Callable[[], BroadcastTools]
    ) -> ExtractContext:
        """Return a context that extracts the sources of one snapshot."""
        return ExtractContext(
            warehouse=self.warehouse,
            settings=self.settings.model_copy(update={"snapshot": name}),
            metadata=self.metadata,
            reporter=self.reporter,
            log=self.log,
            run_id=self.run_id,
            attempt_id=self.attempt_id,
            config=self.config,
            attempt=self.attempt,
            options=options,
            load_tools=load_tools,
        )


@dataclass
class ExtractContext(WritingContext):
    """The context of a command that extracts sources.

    Attributes:
        options: the settings that decide which rows leave a source.
        load_tools: returns `tools`; the contexts of all snapshots share it.
    """

    options: ExtractOptions
    load_tools: Callable[[], BroadcastTools]

    @property
    def tools(self) -> BroadcastTools:
        """The tools, which are loaded and broadcast to the workers at the first use: a list takes time to compile."""
        return self.load_tools()


def broadcast_tools(ctx: Context, extraction: Extraction) -> BroadcastTools:
    """Broadcast the tools of extraction to the workers: the filters, the compiled list, the takedown list."""
    filters = None
    if extraction.filters is not None:
        filters = Broadcast.of(ctx.spark, extraction.filters, key=f"filters:{extraction.options.extract_id}")
    matcher = ctx.matcher if ctx.has_list else None
    stored = stored_takedowns(ctx.warehouse)
    takedowns = None if stored is None else Broadcast.of(ctx.spark, stored, key=f"takedowns:{stored.id}")
    robots = None
    if extraction.robots is not None:
        with ctx.reporter.stage("robots", ctx.spark) as stage:
            robots, written = broadcast_robots(ctx.spark, extraction.robots.id, extraction.robots.write)
            stage.note = in_words(written)
    tools = BroadcastTools(filters, matcher, extraction.identifier, takedowns, lists=ctx.lists, robots=robots)
    return tools.with_workers(ctx.spark, extraction.options)


def append_missing(ctx: Context, table: str, rows: DataFrame | pa.Table, txn: str, **there: str) -> Commit:
    """Append rows that the table lacks.

    Delta drops a transaction that was committed before, even if its rows were deleted since (a retry). So this function
    checks whether the table has rows with the value `there`. If there are none, it appends under the next name.

    Args:
        there: a column, and the value that the rows have in it.
    """
    for number in itertools.count():
        commit = ctx.warehouse.append(table, rows, txn=f"{txn}:{number}" if number else txn)
        if commit.was_new or _has(ctx, table, **there):
            return commit
    raise AssertionError("unreachable")


def _has(ctx: Context, table: str, **there: str) -> bool:
    """Return whether a table has rows of the snapshot with a value."""
    pool = {"metadata_id": ctx.metadata_id, "snapshot": ctx.settings.snapshot}
    ((column, value),) = there.items()
    if column in TABLES[table].stats_columns:
        return value in ctx.warehouse.values(table, column, **pool)
    return bool(ctx.warehouse.rows(table, [column], **pool, **there).num_rows)


def rows_in_pool(ctx: Context, table: str, snapshot: str, columns: Sequence[str]) -> pa.Table:
    """Return columns of a small table's rows of one snapshot and this list, without a Spark job where that is possible.

    Shape: one row per split (`planned`) or source (`sources`) of the snapshot.
    """
    return ctx.warehouse.rows(table, columns, metadata_id=ctx.metadata_id, snapshot=snapshot)


def in_pool(ctx: Context, table: str, snapshot: str) -> DataFrame:
    """Return a table's rows of one snapshot and this list. Of `pairs`, these may be of a batch that is not complete."""
    return filter_equal(ctx.warehouse.read(table), metadata_id=ctx.metadata_id, snapshot=snapshot)


def pairs_of(ctx: Context, pools: Mapping[str, PoolState | None]) -> DataFrame:
    """Return the pairs of some pools of this list: the rows of their batches, in the latest version of `pairs`."""
    return stored_pairs(ctx.warehouse, ctx.metadata_id, pools)


def stored_pairs(warehouse: Warehouse, metadata_id: str, pools: Mapping[str, PoolState | None]) -> DataFrame:
    """Return the pairs of some pools, as `pairs_of`, of any list."""
    of_list = filter_equal(warehouse.read("pairs"), metadata_id=metadata_id, snapshot=sorted(pools))
    return filter_equal(of_list, batch_id=batches_of(pools))
