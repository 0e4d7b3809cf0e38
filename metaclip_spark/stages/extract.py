"""Extract and match in one pass: each task reads one or more splits, and returns tagged rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

import pyarrow as pa

from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.core.worldwide.list_choice import ListChoice
from metaclip_spark.errors import ConfigError
from metaclip_spark.extract.isolated import read_isolated, read_with_ledger
from metaclip_spark.extract.language import IDENTIFIERS, load_identifier
from metaclip_spark.extract.sorted_runs import in_sorted_runs
from metaclip_spark.extract.task import TASK, Stamp, Tools, extract_split, retry_key, with_retries
from metaclip_spark.filters import Filters
from metaclip_spark.matchers import Matcher
from metaclip_spark.robots.index import Robots
from metaclip_spark.schemas import EXTRACTED
from metaclip_spark.sources.files import Split
from metaclip_spark.spark.broadcast import Broadcast
from metaclip_spark.spark.embedded import is_embedded, workers_at_once
from metaclip_spark.spark.workers import Workers, in_fork, leave_out_pandas
from metaclip_spark.takedown.hashes import Takedowns

if TYPE_CHECKING:  # a process that reads sources for the embedded engine imports this module, and needs no Spark
    from pyspark.sql import DataFrame, SparkSession

ISOLATED_FROM = 2
"""The attempt at a task of Spark, counted from 0, from which on it reads each split in a process of its own."""

PROCESS_BYTES = 4 << 20
"""Bytes of sources for which another process of the embedded engine is worth its start, which takes a core a second."""


@dataclass(frozen=True)
class BroadcastTools:
    """The tools of extraction, broadcast to the workers. A worker loads the language identifier by its name."""

    filters: Broadcast[Filters] | None = None
    matcher: Broadcast[Matcher] | None = None
    identifier: str | None = None
    takedowns: Broadcast[Takedowns] | None = None
    workers: Broadcast[Workers] | None = None
    lists: ListChoice | None = None
    robots: Broadcast[Robots] | None = None

    def with_workers(self, spark: SparkSession, options: ExtractOptions) -> BroadcastTools:
        """Return the tools, with processes that read sources if the session is the embedded engine's."""
        if not is_embedded(spark):
            return self
        in_files = BroadcastTools(
            None if self.filters is None else self.filters.in_file(),
            None if self.matcher is None else self.matcher.in_file(),
            self.identifier,
            None if self.takedowns is None else self.takedowns.in_file(),
            lists=self.lists,
            robots=None if self.robots is None else self.robots.in_file(),
        )
        return replace(self, workers=Broadcast.of(spark, Workers(unpacked, in_files, options)))

    def unpack(self, options: ExtractOptions) -> Tools:
        """Return the tools. Only a worker can call this.

        Raises:
            ConfigError: the worker's language identifier is not the driver's, which `options` names.
        """
        identifier = load_identifier(self.identifier) if self.identifier is not None else None
        if identifier is not None and f"{identifier.name}:{identifier.version}" != options.identifier:
            raise ConfigError(
                f"language identifier: this worker has {identifier.name}:{identifier.version}, the driver "
                f"{options.identifier}. Install the same packages on the workers."
            )
        return Tools(
            filters=self.filters.value if self.filters is not None else None,
            matcher=self.matcher.value if self.matcher is not None else None,
            identifier=identifier,
            takedowns=self.takedowns.value if self.takedowns is not None else None,
            lists=self.lists,
            robots=self.robots.value if self.robots is not None else None,
        )


def unpacked(tools: BroadcastTools, options: ExtractOptions) -> Tools:
    """Return the tools; a process that reads sources for the embedded engine calls this once."""
    pa.set_memory_pool(pa.system_memory_pool())
    if not options.filters and (tools.identifier is None or tools.identifier in IDENTIFIERS):
        leave_out_pandas()
    return tools.unpack(options)


def extract(
    spark: SparkSession,
    splits: Sequence[Split],
    options: ExtractOptions,
    tools: BroadcastTools,
    stamp: Stamp,
    max_tasks: int | None = None,
    in_key_order: bool = False,
    isolated: bool = False,
) -> DataFrame:
    """Read, filter, match, reduce and identify sources in the workers.

    A source that kills its worker ends its task. From the third attempt on, a task reads each split in a process of its
    own, whose death ends the split as failed or partial (`extract.isolated`). So the others go on.

    Args:
        in_key_order: whether each task sorts its rows by their key, in runs.
        max_tasks: maximum number of tasks, and so of concurrent fetches. Each task may read several splits in turn.
        isolated: read each split in a process of its own from the first attempt on.

    Reads: the sources themselves. Writes: nothing.
    Rows: 1:n, tagged by `kind`: pairs, a sample of the rejects, and one outcome per split. All rows are one
    stream, so that a split's rows and its outcome are committed together or not at all.
    Shuffle: none. Source: paper, section 3.2.
    """
    listed = list(splits)
    if tools.workers is not None and (isolated or len(listed) > 1):
        return _extract_in_processes(
            spark, listed, options, tools.workers, tools.takedowns, stamp, max_tasks, in_key_order
        )

    def work(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        # Arrow's default allocator retains about 50 MB of freed memory. The system's allocator keeps the worker small.
        pa.set_memory_pool(pa.system_memory_pool())
        own = tools.unpack(options)
        attempt = _attempt()
        # The first split of the task counts its attempts.
        again = {retry_key(TASK, "attempted again"): attempt} if attempt else {}
        for batch in batches:
            for index in batch.column(0).to_pylist():
                split = listed[index]
                if isolated or attempt >= ISOLATED_FROM:
                    run = partial(in_fork, read_with_ledger, own, split, options, stamp)
                    read = read_isolated(run, split, options, own.takedowns, stamp)
                else:
                    read = extract_split(split, options, own, stamp)
                yield from (with_retries(rows, again) for rows in read)
                again = {}

    tasks = max(1, min(len(listed), max_tasks or len(listed)))
    rows = in_sorted_runs(work) if in_key_order else work
    return spark.range(0, len(listed), 1, tasks).mapInArrow(rows, EXTRACTED.ddl)


def worth_of_processes(splits: Sequence[Split]) -> int:
    """Return for how many processes that read at the same time splits have enough bytes; at least 1."""
    sizes = [split.bytes or PROCESS_BYTES for split in splits]  # an unknown size may be large
    return max(1, min(len(splits), -(-sum(sizes) // PROCESS_BYTES)))


def _extract_in_processes(
    spark: SparkSession,
    splits: list[Split],
    options: ExtractOptions,
    workers: Broadcast[Workers],
    takedowns: Broadcast[Takedowns] | None,
    stamp: Stamp,
    max_tasks: int | None,
    in_key_order: bool,
) -> DataFrame:
    """Extract in processes, because the tasks of the embedded engine share one interpreter.

    Each task takes the next split that no other task has taken, so a long split delays no other.
    """
    tasks = min(worth_of_processes(splits), max_tasks or len(splits), workers_at_once())
    queue = Broadcast.of(spark, SimpleQueue[Split]())
    for split in splits:
        queue.value.put(split)

    def work(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for _ in batches:
            pass
        covered = takedowns.value if takedowns is not None else None
        while True:
            try:
                split = queue.value.get_nowait()
            except Empty:
                break
            run = partial(workers.value.run, read_with_ledger, split, options, stamp)
            yield from read_isolated(run, split, options, covered, stamp)

    rows = in_sorted_runs(work) if in_key_order else work
    return spark.range(0, tasks, 1, tasks).mapInArrow(rows, EXTRACTED.ddl)


def _attempt() -> int:
    """Return the number of this attempt at the task, counted from 0. The embedded engine attempts once."""
    from pyspark import TaskContext  # pyspark-client, of the embedded engine, has none

    context = TaskContext.get()
    return context.attemptNumber() if context is not None else 0
