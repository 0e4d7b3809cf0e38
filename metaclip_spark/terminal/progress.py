"""Progress on stderr: a live line in a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from metaclip_spark.core.wording import agrees, counted
from metaclip_spark.spark.session import is_connect

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyspark.sql import SparkSession
    from pyspark.sql.connect.shell.progress import StageInfo

_LIVE_SECONDS = 0.5
_PLAIN_SECONDS = 30.0
"""Seconds between two updates, in a terminal and elsewhere."""


class Reporter:
    """A reporter of progress and warnings on stderr.

    Args:
        quiet: print nothing (for --json and tests).
    """

    def __init__(self, quiet: bool = False) -> None:
        self.console = Console(stderr=True, quiet=quiet, highlight=False, emoji=False)

    def say(self, text: str) -> None:
        """Print one line on stderr."""
        self.console.print(text, markup=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        """Print a warning on stderr."""
        self.console.print(f"warning: {text}", style="yellow", markup=False, soft_wrap=True)

    @contextmanager
    def stage(self, name: str, spark: SparkSession, total: int | None = None, unit: str = "task") -> Iterator[Stage]:
        """Show the progress of a stage while its body runs, then print one line with its duration.

        Args:
            total: number of units of the stage; None: the tasks of Spark are counted.
            unit: name of a unit, in the singular.
        """
        stage = Stage(name, spark, total, unit)
        started = time.monotonic()
        with self._live(stage):
            yield stage
        seconds = time.monotonic() - started
        rate = f", {stage.pairs / seconds:,.0f} pairs/s" if stage.pairs and seconds > 0 else ""
        note = f"{stage.note}, " if stage.note else ""
        self.say(f"{name:<8} {note}{seconds:.1f} s{rate}")

    @contextmanager
    def _live(self, stage: Stage) -> Iterator[None]:
        if self.console.quiet:
            yield
            return
        if not self.console.is_terminal:
            with _ticking(lambda: self.say(stage.line()), _PLAIN_SECONDS):
                yield
            return
        columns = [SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()]
        text = TextColumn("{task.fields[unit]}  {task.fields[pairs]}")
        with Progress(*columns, text, TimeElapsedColumn(), console=self.console, transient=True) as bar:
            unit = agrees(stage.total or 0, stage.unit, f"{stage.unit}s")
            task = bar.add_task(stage.name, total=stage.total, unit=unit, pairs="")

            def refresh() -> None:
                done, total = stage.done()
                bar.update(task, completed=done, total=total or None, pairs=stage.pairs_text())

            with _ticking(refresh, _LIVE_SECONDS):
                yield


class Stage:
    """The state of a stage while it runs.

    Attributes:
        pairs: number of pairs committed; 0 where the stage counts none.
        committed: number of units committed.
        note: text for the last line.
    """

    def __init__(self, name: str, spark: SparkSession, total: int | None, unit: str) -> None:
        self.name = name
        self.unit = unit
        self.total = total
        self.pairs = 0
        self.note = ""
        self.committed = 0
        self._started = time.monotonic()
        self._tasks = tasks_over_connect(spark) if is_connect(spark) else tasks_of_context(spark)

    def done(self) -> tuple[int, int]:
        """Return (finished, total) in units of the stage, or in tasks of Spark if the stage has no total.

        Tasks of the running batch count as finished units.
        """
        finished, tasks = self._tasks()
        if self.total is not None:
            return min(self.committed + finished, self.total), self.total
        return finished, tasks

    def pairs_text(self) -> str:
        """Return the number of pairs and their rate; empty before the first commit."""
        if not self.pairs:
            return ""
        rate = self.pairs / max(time.monotonic() - self._started, 1e-9)
        return f"{counted(self.pairs, 'pair')}, {rate:,.0f} pairs/s"

    def line(self) -> str:
        """Return the state of the stage as one plain line."""
        done, total = self.done()
        seconds = f"{time.monotonic() - self._started:.0f} s"
        tasks = f"{done:,} of {counted(total, self.unit)}" if total else ""
        return "  ".join(part for part in (f"{self.name:<8}", tasks, self.pairs_text(), seconds) if part)


Tasks = Callable[[], tuple[int, int]]
"""A function that returns (finished, total) for the tasks of the running Spark stages."""


def tasks_of_context(spark: SparkSession) -> Tasks:
    """Return a function that reads the numbers from the SparkContext of this process."""
    tracker = spark.sparkContext.statusTracker()

    def tasks() -> tuple[int, int]:
        infos = [tracker.getStageInfo(stage_id) for stage_id in tracker.getActiveStageIds()]
        return sum(info.numCompletedTasks for info in infos if info), sum(info.numTasks for info in infos if info)

    return tasks


def tasks_over_connect(spark: SparkSession) -> Tasks:
    """Return a function that reads the last report of the server about the running operation."""
    latest = [(0, 0)]

    def update(stages: Iterable[StageInfo] | None, inflight_tasks: int, operation_id: str | None, done: bool) -> None:
        running = [] if done else [stage for stage in stages or () if not stage.done]
        latest[0] = sum(s.num_completed_tasks for s in running), sum(s.num_tasks for s in running)

    spark.clearProgressHandlers()
    spark.registerProgressHandler(update)  # type: ignore[arg-type]  # the documentation of pyspark registers a function
    return lambda: latest[0]


@contextmanager
def _ticking(call: Callable[[], None], seconds: float) -> Iterator[None]:
    stop = threading.Event()

    def loop() -> None:
        while not stop.wait(seconds):
            try:
                call()
            except Exception as error:
                sys.stderr.write(f"progress display stopped: {error}\n")
                return

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
