"""What the jobs of a stage are called in Spark's page, and what they took: core-seconds, bytes read and shuffled."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metaclip_spark.spark.embedded import is_embedded
from metaclip_spark.spark.versions import is_connect

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


@dataclass(frozen=True)
class Usage:
    """What a stage took.

    Attributes:
        seconds: from its start to its end.
        core_seconds: on Spark, the time that its tasks held a core; embedded, the processor time of this process and
            those that it started. None where it cannot be asked (Spark Connect).
        read_bytes, shuffled_bytes: of Spark's tasks, from tables and between tasks; None elsewhere. Sources are read in
            Python, so their bytes are not among them.
    """

    seconds: float
    core_seconds: float | None = None
    read_bytes: int | None = None
    shuffled_bytes: int | None = None

    @property
    def plain(self) -> dict[str, float | int]:
        """The known values by name, rounded."""
        return {name: round(value, 3) for name, value in asdict(self).items() if value is not None}


class Meter:
    """A meter of the jobs of a session, from now on.

    Args:
        seconds: a clock, in seconds.
    """

    def __init__(self, spark: SparkSession, seconds: Any) -> None:
        self._spark, self._clock = spark, seconds
        self._began, self._before = seconds(), _totals(spark)

    def read(self) -> Usage:
        """Return what was used since the meter was made."""
        seconds, now = self._clock() - self._began, _totals(self._spark)
        used = [None if a is None or b is None else max(0, b - a) for a, b in zip(self._before, now, strict=True)]
        core, read, shuffled = used
        return Usage(seconds, core, None if read is None else int(read), None if shuffled is None else int(shuffled))


Totals = tuple[float | None, float | None, float | None]


def _totals(spark: SparkSession) -> Totals:
    """Return (core-seconds, bytes read, bytes shuffled) of all jobs so far; None where they cannot be asked."""
    with contextlib.suppress(Exception):
        if is_embedded(spark):
            return _processor_seconds(), None, None
        if not is_connect(spark):
            return _of_executors(spark)
    return None, None, None


def _of_executors(spark: SparkSession) -> Totals:
    context: Any = spark.sparkContext
    executors = context._jsc.sc().statusStore().executorList(False)
    duration = read = shuffled = 0
    for at in range(executors.size()):
        executor = executors.apply(at)
        duration += executor.totalDuration()
        read += executor.totalInputBytes()
        shuffled += executor.totalShuffleWrite()
    return duration / 1000, read, shuffled


def _processor_seconds() -> float:
    """Return the processor time of this process, of those that it started, and of theirs, ended or not."""
    used = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        times = resource.getrusage(who)
        used += times.ru_utime + times.ru_stime
    for pid in _below(os.getpid()):
        with contextlib.suppress(OSError, ValueError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            used += sum(map(int, fields[11:15])) / _TICKS
    return used


def _below(pid: int) -> Iterator[int]:
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield int(child)
                yield from _below(int(child))


@contextlib.contextmanager
def described(spark: SparkSession, group: str, text: str, part: str = "") -> Iterator[None]:
    """Name the jobs of the body: their group and description in Spark's page; over Spark Connect, a tag.

    The embedded engine has no page.

    Args:
        group: the run and the stage, without spaces.
        text: the description.
        part: the part of the stage, such as a batch. It follows the description; over Spark Connect, the tag.
    """
    if is_embedded(spark):
        yield
        return
    if part:
        text = f"{text}, {part}"
    tag = "-".join([group, *part.split()]).replace(",", ".")
    before = _name_jobs(spark, group, text, tag)
    try:
        yield
    finally:
        with contextlib.suppress(Exception):
            if is_connect(spark):
                spark.removeTag(tag)
            else:
                for name, value in before.items():
                    spark.sparkContext.setLocalProperty(name, value)  # type: ignore[arg-type]


def _name_jobs(spark: SparkSession, group: str, text: str, tag: str) -> dict[str, str | None]:
    """Name the jobs that follow; return the names before."""
    before: dict[str, str | None] = {}
    with contextlib.suppress(Exception):  # a server without tags, a double in a test
        if is_connect(spark):
            spark.addTag(tag)
        else:
            context = spark.sparkContext
            for name, value in (("spark.jobGroup.id", group), ("spark.job.description", text)):
                before[name] = context.getLocalProperty(name)
                context.setLocalProperty(name, value)
    return before
