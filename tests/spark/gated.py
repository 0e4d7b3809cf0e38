"""A command of metaclip-spark whose tasks halt at a gate until the test has killed their executor.

    python gated.py '{"marks": DIR or null, "words": ["run", ...]}'

Only the driver of this script is changed (two names are exchanged); what it ships carries the gates into the workers.
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
    """Say that a task of this phase runs in this process, and wait until the phase's executor was killed."""
    from pyspark import TaskContext

    attempt = TaskContext.get().attemptNumber()
    Path(marks, f"{phase}.running.{os.getpid()}.{attempt}").touch()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not Path(marks, f"{phase}.killed").exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"nobody was killed in {phase}")
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
    """A broadcast value that halts when a task asks for it."""

    def __init__(self, inner: Any, marks: str, phase: str) -> None:
        self.inner, self.marks, self.phase = inner, marks, phase

    @property
    def value(self) -> Any:
        halt(self.marks, self.phase)
        return self.inner.value


def put_gates(marks: str) -> None:
    """Exchange, in this driver, what extraction, statistics and balance broadcast to their tasks."""
    from metaclip_spark.steps import balance, context

    compile_matcher, draw, sums = context.compile_matcher, balance.balance, balance.statistics
    context.compile_matcher = lambda *given: GatedMatcher(compile_matcher(*given), marks)
    balance.statistics = lambda pairs, p, *rest: sums(pairs, GatedBroadcast(p, marks, "statistics"), *rest)
    balance.balance = lambda pairs, p, *rest: draw(pairs, GatedBroadcast(p, marks, "balance"), *rest)


def run() -> int:
    """Run the command of the first argument."""
    from metaclip_spark.cli import main

    given = json.loads(sys.argv[1])
    if given["marks"]:
        put_gates(given["marks"])
    return main(given["words"])


if __name__ == "__main__":
    # Under its importable name, so that workers can unpickle the gates.
    import gated

    sys.exit(gated.run())
