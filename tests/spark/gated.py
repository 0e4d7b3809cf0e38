"""Run a command of metaclip-spark whose tasks halt at a gate until the test kills their executor.

    python gated.py '{"marks": DIR or null, "words": ["run", ...]}'

The script replaces four functions in the driver. What three of them broadcast has gates, which halt in the workers; the
rows of the fourth, deduplication, pass a gate after their shuffle. It takes several key prefixes.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa

PATIENCE_SECONDS = 120


def halt(marks: str, phase: str) -> None:
    """Report that a task of this phase runs in this process, and wait until its executor is killed."""
    from pyspark import TaskContext

    task = TaskContext.get()
    # A stage that lost shuffled rows starts anew, and counts the attempts of its tasks from 0 again.
    Path(marks, f"{phase}.running.{os.getpid()}.{task.stageId()}-{task.partitionId()}.{task.taskAttemptId()}").touch()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not Path(marks, f"{phase}.killed").exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"no executor was killed in {phase}")
        time.sleep(0.05)


class GatedMatcher:
    """A matcher that halts before every batch."""

    def __init__(self, inner: Any, marks: str) -> None:
        self.inner = inner
        self.marks = marks
        self.name, self.metadata_id = inner.name, inner.metadata_id

    def match(self, texts: pa.Array) -> Any:
        """Halt, then match."""
        halt(self.marks, "extract")
        return self.inner.match(texts)


class GatedBroadcast:
    """A broadcast that halts when a task reads its value."""

    def __init__(self, inner: Any, marks: str, phase: str) -> None:
        self.inner, self.marks, self.phase = inner, marks, phase

    @property
    def value(self) -> Any:
        halt(self.marks, self.phase)
        return self.inner.value


def through_gate(rows: Any, marks: str, phase: str) -> Any:
    """Return the same rows; the tasks that read them halt before the first."""

    def gate(batches: Any) -> Any:
        halt(marks, phase)
        yield from batches

    return rows.mapInArrow(gate, rows.schema)


def put_gates(marks: str) -> None:
    """Replace what extraction, statistics and balance broadcast to their tasks, and the rows of deduplication."""
    from metaclip_spark.steps import balance, context
    from metaclip_spark.steps import dedup as deduplication

    first_rows = deduplication.dedup
    deduplication.dedup = lambda *given: through_gate(first_rows(*given), marks, "dedup")
    deduplication.PAIRS_PER_PREFIX, deduplication.LEAST_PER_BUCKET = 10_000, 2_000

    compile_matcher, draw, sums = context.compile_matcher, balance.balance, balance.statistics
    context.compile_matcher = lambda *given: GatedMatcher(compile_matcher(*given), marks)
    balance.statistics = lambda pairs, p, *rest: sums(pairs, GatedBroadcast(p, marks, "statistics"), *rest)
    balance.balance = lambda pairs, p, *rest: draw(pairs, GatedBroadcast(p, marks, "balance"), *rest)


def run() -> int:
    """Run the command of the first argument."""
    from metaclip_spark.cli import main

    arguments = json.loads(sys.argv[1])
    if arguments["marks"]:
        put_gates(arguments["marks"])
    return main(arguments["words"])


if __name__ == "__main__":
    # The importable name lets workers unpickle the gates.
    import gated

    sys.exit(gated.run())
