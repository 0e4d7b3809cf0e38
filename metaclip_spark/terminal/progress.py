"""Progress on stderr: a live line in a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from metaclip_spark.core.secrets import masked
from metaclip_spark.core.wording import counted, duration, one_line, size
from metaclip_spark.spark.session import is_connect
from metaclip_spark.spark.usage import Meter, Usage, described
from metaclip_spark.storage.tally import Progress as Read
from metaclip_spark.storage.tally import Tallies
from metaclip_spark.terminal.console import PlainConsole
from metaclip_spark.terminal.events import Events, JsonLines, metrics_sink

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyspark.sql import SparkSession
    from pyspark.sql.connect.shell.progress import StageInfo

_LIVE_SECONDS = 0.5
_PLAIN_SECONDS = 30.0
"""Seconds between two updates, in a terminal and elsewhere."""
_SURE_SECONDS = 5.0
_SURE_SHARE = 0.02
"""Seconds since the first bytes, and share of all bytes read meanwhile, after which the time left is estimated."""


class Reporter:
    """A reporter of progress and warnings on stderr.

    Args:
        quiet: print nothing (for --json and tests).
        log_format: text, or json: one JSON object per line (`terminal.events`), and no bar.
        metrics: where numbers go to, as `--metrics` takes it; None: nowhere.

    Attributes:
        stages: names of the stages that ended, in order; none where a command found all work done.
        used: (stage, snapshot, what it took) of the stages that ended, in order.
        events: gets all that happens.
    """

    def __init__(self, quiet: bool = False, log_format: str = "text", metrics: str | None = None) -> None:
        # A notebook's cell has no terminal: plain lines, on the cell's stderr.
        silent = quiet or log_format == "json"
        self.console = PlainConsole(stderr=True, quiet=silent, highlight=False, emoji=False, force_jupyter=False)
        self.stages: list[str] = []
        self.used: list[tuple[str, str | None, Usage]] = []
        self.events = Events()
        self._running: dict[str, str | None] = {}
        if metrics is not None:
            self.events.sinks.append(metrics_sink(metrics))
        if log_format == "json":
            self.events.sinks.append(JsonLines(sys.stderr))

    def say(self, text: str) -> None:
        """Print one line on stderr."""
        self.events.emit("message", level="info", message=text)
        self.console.print(one_line(masked(text)), markup=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        """Print a warning on stderr."""
        self.events.emit("message", level="warning", message=text)
        self.console.print(f"warning: {one_line(masked(text))}", style="yellow", markup=False, soft_wrap=True)

    def retried(self, what: str, kind: str, number: int = 1, **of: str | None) -> None:
        """Emit that something was tried again.

        Args:
            what: request, task, process, batch, source or commit.
            kind: why, without what differs from one time to the next.
            of: stage and snapshot, or the table of a commit.
        """
        self.events.emit("retried", **{**self._running, **of}, what=what, kind=kind, retries=number)

    @contextmanager
    def stage(
        self,
        name: str,
        spark: SparkSession,
        total: int | None = None,
        unit: str = "task",
        record: str = "record",
        planned: int = 0,
        snapshot: str | None = None,
    ) -> Iterator[Stage]:
        """Show the progress of a stage while its body runs, then print one line with its duration.

        Args:
            total: number of units of the stage; None: the tasks of Spark are counted.
            unit: name of a unit, in the singular.
            record: name of what a unit consists of, in the singular.
            planned: bytes of all units, for the time left; 0 if they are unknown.
            snapshot: of the stage; None if it has not exactly one.
        """
        shown = not self.console.quiet or bool(self.events.sinks)
        tallies = None if not shown or total is None else Tallies()
        stage = Stage(name, spark, total, unit, record, planned, tallies)
        of_stage = {"stage": name, "snapshot": snapshot}
        self.events.emit("stage_started", **of_stage)
        meter = Meter(spark, time.monotonic)
        run_id = self.events.common.get("run_id", "")
        where = f" of snapshot {snapshot}" if snapshot else ""
        group = "-".join(part for part in ("metaclip", run_id, name, snapshot) if part)
        try:
            text = f"metaclip {name}{where}, run {run_id}"
            stage.describe = lambda part: described(spark, group, text, part)
            self._running = of_stage
            with described(spark, group, text), self._live(stage, of_stage):
                yield stage
        finally:
            self._running = {}
            if tallies is not None:
                tallies.remove()
        used = meter.read()
        self.used.append((name, snapshot, used))
        numbers = {**of_stage, **stage.numbers(), **used.plain}
        self.events.emit("stage_done", **numbers, note=stage.note or None)
        rate = f", {stage.pairs / used.seconds:,.0f} pairs/s" if stage.pairs and used.seconds > 0 else ""
        note = f"{stage.note}, " if stage.note else ""
        if not self.console.quiet:
            self.console.print(masked(f"{name:<8} {note}{used.seconds:.1f} s{rate}"), markup=False, soft_wrap=True)
        self.stages.append(name)

    def usage(self) -> list[dict[str, object]]:
        """Return what each stage took that ended, as plain values."""
        return [{"stage": name, "snapshot": snapshot, **used.plain} for name, snapshot, used in self.used]

    @contextmanager
    def _live(self, stage: Stage, of_stage: dict[str, str | None]) -> Iterator[None]:
        if self.events.sinks:

            def emit() -> None:
                self.events.emit("progress", **of_stage, **stage.numbers())

            with _ticking(emit, _PLAIN_SECONDS), self._shown(stage):
                yield
            return
        with self._shown(stage):
            yield

    @contextmanager
    def _shown(self, stage: Stage) -> Iterator[None]:
        if self.console.quiet:
            yield
            return
        if not self.console.is_terminal:
            with _ticking(lambda: self.say(stage.line()), _PLAIN_SECONDS):
                yield
            return
        columns = [SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[state]}")]
        with Progress(*columns, TimeElapsedColumn(), console=self.console, transient=True) as bar:
            task = bar.add_task(stage.name, total=None, state="")

            def refresh() -> None:
                share = stage.share()
                bar.update(task, completed=share or 0.0, total=None if share is None else 1.0, state=stage.state())

            with _ticking(refresh, _LIVE_SECONDS):
                yield


class Stage:
    """The state of a stage while it runs.

    Attributes:
        pairs: number of pairs committed; 0 where the stage counts none.
        note: text for the last line.
        describe: returns a context in which Spark's jobs are also named after a part of the stage, such as a batch.
    """

    def __init__(
        self,
        name: str,
        spark: SparkSession,
        total: int | None,
        unit: str,
        record: str = "record",
        planned: int = 0,
        tallies: Tallies | None = None,
    ) -> None:
        self.name = name
        self.pairs = 0
        self.note = ""
        self.describe: Callable[[str], AbstractContextManager[None]] = lambda part: nullcontext()
        self._waits = ""
        self._unit, self._record = unit, record
        self._total, self._planned = total, planned
        self._tallies = tallies
        self._committed = Read()
        self._started = time.monotonic()
        self._first: tuple[float, float] | None = None
        self._tasks = tasks_over_connect(spark) if is_connect(spark) else tasks_of_context(spark)

    @property
    def tally(self) -> str:
        """The folder in which tasks of this machine write their running numbers; "" where nobody reads them."""
        return self._tallies.folder if self._tallies is not None else ""

    def commit(self, units: int, read: int, pairs: int) -> None:
        """Count units as committed, with their bytes and the pairs that they gave."""
        before = self._committed
        running = self._tallies.read() if self._tallies is not None else Read()
        self._committed = Read(before.splits + units, before.records + running.records, before.bytes + read)
        self.pairs += pairs
        if self._tallies is not None:
            self._tallies.clear()

    @contextmanager
    def waiting(self, why: str) -> Iterator[None]:
        """Show that the stage waits while the body runs, and why."""
        self._waits = why
        try:
            yield
        finally:
            self._waits = ""

    def done(self) -> tuple[int, int]:
        """Return (finished, total) in units of the stage, or in tasks of Spark if the stage has no total.

        Units that are read and not committed count as finished.
        """
        finished, tasks = self._tasks()
        if self._total is None:
            return finished, tasks
        return min(self._committed.splits + max(finished, self._running().splits), self._total), self._total

    def read(self) -> Read:
        """Return the units, records and bytes that were read so far, committed or not."""
        running = self._running()
        return Read(*(before + now for before, now in zip(self._committed, running, strict=True)))

    def share(self) -> float | None:
        """Return the share that is read, by bytes where they are known, otherwise by units; None if it is unknown."""
        if self._planned:
            return min(self.read().bytes / self._planned, 1.0)
        done, total = self.done()
        return done / total if total else None

    def seconds_left(self) -> float | None:
        """Return the seconds that the rest takes at the rate since the first bytes; None while that cannot be told.

        The time before the first bytes is the start of the workers, which says nothing about the rate.
        """
        now, share = time.monotonic(), self.share()
        if self._total is None or not share or share >= 1:
            return None
        if self._first is None:
            self._first = now, share
        seconds, gained = now - self._first[0], share - self._first[1]
        if seconds < _SURE_SECONDS or gained < _SURE_SHARE:
            return None
        return seconds * (1 - share) / gained

    def state(self) -> str:
        """Return how far the stage is, in words."""
        if self._waits:
            return self._waits
        done, total = self.done()
        read, left = self.read(), self.seconds_left()
        parts = [f"{done:,} of {counted(total, self._unit)}"] if total else []
        parts += [f"{counted(read.records, self._record)} read"] if read.records else []
        if self._planned and read.bytes:
            parts.append(f"{min(read.bytes / self._planned, 1.0):.0%} of {size(self._planned)}")
        if self.pairs:
            rate = self.pairs / max(time.monotonic() - self._started, 1e-9)
            parts.append(f"{counted(self.pairs, 'pair')}, {rate:,.0f} pairs/s")
        if left is not None:
            parts.append(f"about {duration(left)} left")
        return "  ".join(parts)

    def numbers(self) -> dict[str, float | int]:
        """Return how far the stage is, as numbers by name; those that are 0 or unknown are left out."""
        seconds = time.monotonic() - self._started
        done, total = self.done()
        read = self.read()
        values = {
            "done": done if total else 0,
            "total": total,
            "records": read.records,
            "source_bytes": read.bytes,
            "pairs": self.pairs,
            "pairs_per_second": round(self.pairs / max(seconds, 1e-9), 1),
        }
        return {**{name: value for name, value in values.items() if value}, "seconds": round(seconds, 3)}

    def line(self) -> str:
        """Return the state of the stage as one plain line."""
        parts = (f"{self.name:<8}", self.state(), f"{time.monotonic() - self._started:.0f} s")
        return "  ".join(part for part in parts if part)

    def _running(self) -> Read:
        return self._tallies.read() if self._tallies is not None else Read()


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
    """Return a function that reads the last report of the server about the running operation.

    A server that reports nothing, such as the embedded engine's, has no tasks.
    """
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
                sys.stderr.write(masked(f"progress display stopped: {error}\n"))
                return

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
