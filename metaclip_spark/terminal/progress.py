"""What is shown while work goes on: a live line in a terminal, plain lines elsewhere (both on stderr)."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pyspark.sql import SparkSession
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from metaclip_spark.spark.session import is_connect

_EVERY = 0.5
_PLAIN_EVERY = 30.0


class Reporter:
    """Says what the run does. `quiet` says nothing (for --json and tests)."""

    def __init__(self, quiet: bool = False) -> None:
        self.console = Console(stderr=True, quiet=quiet, highlight=False)

    def say(self, text: str) -> None:
        """Print one line on stderr."""
        self.console.print(text, markup=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        """Print a warning on stderr."""
        self.console.print(f"warning: {text}", style="yellow", markup=False, soft_wrap=True)

    @contextmanager
    def stage(self, name: str, spark: SparkSession, total: int | None = None, unit: str = "tasks") -> Iterator[Stage]:
        """Show a stage while its body runs; ends with one line that says how long it took."""
        stage = Stage(name, spark, total, unit)
        started = time.monotonic()
        with self._live(stage):
            yield stage
        took = time.monotonic() - started
        rate = f", {stage.rows / took:,.0f} rows/s" if stage.rows and took > 0 else ""
        done = f"{stage.note}, " if stage.note else ""
        self.say(f"{name:<8} {done}{took:.1f} s{rate}")

    @contextmanager
    def _live(self, stage: Stage) -> Iterator[None]:
        if self.console.quiet:
            yield
            return
        if not self.console.is_terminal:
            with _ticking(lambda: self.say(stage.line()), _PLAIN_EVERY):
                yield
            return
        columns = [SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()]
        text = TextColumn("{task.fields[unit]}  {task.fields[rows]}")
        with Progress(*columns, text, TimeElapsedColumn(), console=self.console, transient=True) as bar:
            task = bar.add_task(stage.name, total=stage.total, unit=stage.unit, rows="")

            def refresh() -> None:
                done, total = stage.done()
                bar.update(task, completed=done, total=total or None, rows=stage.rows_text())

            with _ticking(refresh, _EVERY):
                yield


class Stage:
    """The state of a stage while it runs.

    Attributes:
        rows: rows committed so far.
        note: what the closing line says.
    """

    def __init__(self, name: str, spark: SparkSession, total: int | None, unit: str) -> None:
        self.name = name
        self.unit = unit
        self.total = total
        self.rows = 0
        self.note = ""
        self.committed = 0
        self._started = time.monotonic()
        self._tasks = tasks_over_connect(spark) if is_connect(spark) else tasks_of_context(spark)

    def done(self) -> tuple[int, int]:
        """Return (finished, total): committed sources and finished tasks of the running batch, or tasks."""
        finished, tasks = self._tasks()
        if self.total is not None:
            return min(self.committed + finished, self.total), self.total
        return finished, tasks

    def rows_text(self) -> str:
        """Return rows and rate, as far as they are known."""
        if not self.rows:
            return ""
        return f"{self.rows:,} rows, {self.rows / max(time.monotonic() - self._started, 1e-9):,.0f} rows/s"

    def line(self) -> str:
        """Return the stage's state as one plain line."""
        done, total = self.done()
        seconds = f"{time.monotonic() - self._started:.0f} s"
        tasks = f"{done:,} of {total:,} {self.unit}" if total else ""
        return "  ".join(part for part in (f"{self.name:<8}", tasks, self.rows_text(), seconds) if part)


Tasks = Callable[[], tuple[int, int]]
"""Returns how many tasks of the running stages are finished, and how many there are."""


def tasks_of_context(spark: SparkSession) -> Tasks:
    """Ask the SparkContext of this process."""
    tracker = spark.sparkContext.statusTracker()

    def tasks() -> tuple[int, int]:
        found = [tracker.getStageInfo(stage_id) for stage_id in tracker.getActiveStageIds()]
        return sum(info.numCompletedTasks for info in found if info), sum(info.numTasks for info in found if info)

    return tasks


def tasks_over_connect(spark: SparkSession) -> Tasks:
    """Keep what the server says last of the running operation's stages."""
    latest = [(0, 0)]

    def heard(stages: Any, inflight_tasks: int, operation_id: str | None, done: bool) -> None:
        running = [] if done else [stage for stage in stages or () if not stage.done]
        latest[0] = sum(s.num_completed_tasks for s in running), sum(s.num_tasks for s in running)

    spark.clearProgressHandlers()
    spark.registerProgressHandler(heard)
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
