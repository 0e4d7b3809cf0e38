"""Run the commands of a curation one after another in this process, and do what a plan says at its moment.

    python faulting.py '{"steps": [[0, ["run", ...]], ...], "marks": DIR, "fault": {...} or null, ...}'

A step that ended with status 0 is marked in the folder DIR (`done.0`), and so are the number of its writes
(`points.0.17`) and the moment when the fault came (`came.2`). The process ends with the status of the first step that
is not 0.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "e2e"), str(TESTS), str(TESTS / "spark"), str(TESTS / "helpers"), str(TESTS / "faults")]

PATIENCE = 120.0
"""Seconds to wait for a process to kill: a cluster that starts beside other work has its first Python worker late."""


OTHERS_WORK = 1.5
"""Seconds for which another tool compacts tables."""


SLOW = 60.0
"""Seconds that a slow task waits for a copy of it, which starts after one."""


class Given:
    """What the argument of the script says."""

    def __init__(self, given: dict[str, Any]) -> None:
        self.steps: list[tuple[int, list[str]]] = [(number, words) for number, words in given["steps"]]
        self.marks = Path(given["marks"])
        self.fault: dict[str, Any] | None = given.get("fault")
        self.points: dict[str, int] = given.get("points", {})
        self.warehouse = Path(given["warehouse"])
        self.disk = Path(given["disk"]) if given.get("disk") else None
        self.attempt: int = given.get("attempt", 0)
        self.copies: str | None = given.get("copies")
        self.roots: list[int] = [os.getpid(), *given.get("workers", ())]
        """This process, and those of a standalone cluster: the executors are below them."""

        self.inside = False
        """Whether a step is at work."""

    def came(self) -> None:
        """Mark that the fault has come."""
        (self.marks / f"came.{self.attempt}").touch()


class Faults:
    """Counts the writes of each step, and starts the fault at its moment."""

    def __init__(self, given: Given) -> None:
        self._given = given
        self._started = False
        self._lock = threading.Lock()
        self.step, self.passed = -1, 0

    def begin(self, step: int) -> None:
        """Begin a step; a fault at its beginning comes now."""
        self.step, self.passed, self._given.inside = step, 0, True
        self._look()

    def reached(self, point: str) -> None:
        """Count a write, or the check before a commit."""
        self.passed += 1
        self._look()

    def _look(self) -> None:
        fault = self._given.fault
        if fault is None or fault["step"] != self.step:
            return
        at = int(fault["moment"] * self._given.points.get(str(self.step), 1))
        with self._lock:
            if self._started or self.passed < at:
                return
            self._started = True
        if fault["kind"] == "pause":
            self._act()
        else:
            timer = threading.Timer(fault["delay"], self._act)
            timer.daemon = True
            timer.start()

    def _act(self) -> None:
        if not self._given.inside:
            return
        fault = self._given.fault
        assert fault is not None
        ACTS[fault["kind"]](self._given, fault)


def kill_driver(given: Given, fault: dict[str, Any]) -> None:
    given.came()
    os.kill(os.getpid(), signal.SIGKILL)


def kill_group(given: Given, fault: dict[str, Any]) -> None:
    given.came()
    os.killpg(os.getpgrp(), signal.SIGKILL)


def send_sigint(given: Given, fault: dict[str, Any]) -> None:
    given.came()
    os.kill(os.getpid(), signal.SIGINT)


def send_sigterm(given: Given, fault: dict[str, Any]) -> None:
    given.came()
    os.kill(os.getpid(), signal.SIGTERM)


def _kill_one(given: Given, fault: dict[str, Any], found: Any) -> None:
    """Send SIGKILL to one of the processes, as soon as there is one."""
    deadline = time.monotonic() + PATIENCE
    while given.inside and time.monotonic() < deadline:
        victims = sorted(found())
        if victims:
            with contextlib.suppress(ProcessLookupError):
                os.kill(victims[int(fault["choice"] * len(victims))], signal.SIGKILL)
                given.came()
                return
        time.sleep(0.005)


def kill_worker(given: Given, fault: dict[str, Any]) -> None:
    from processes import parent_of, python_workers
    from started import below

    def workers() -> list[int]:
        spark = [pid for root in given.roots for pid in python_workers(root)]
        if spark:
            return [pid for pid in spark if parent_of(pid) in spark]  # without the daemon that forks them
        return [pid for pid in below(os.getpid()) if _is_python(pid)]

    _kill_one(given, fault, workers)


def _is_python(pid: int) -> bool:
    with contextlib.suppress(OSError):
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        return b"python" in command and b"java" not in command
    return False


def kill_executor(given: Given, fault: dict[str, Any]) -> None:
    from processes import executors

    _kill_one(given, fault, lambda: [pid for root in given.roots for pid in executors(root)])


def fill_disk(given: Given, fault: dict[str, Any]) -> None:
    """Take all space that is left on the disk of the warehouse and of the temporary files."""
    assert given.disk is not None
    given.came()
    with contextlib.suppress(OSError), open(given.disk / "filler", "wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 20))
    with contextlib.suppress(OSError), open(given.disk / "filler", "ab", buffering=0) as file:
        while True:
            file.write(bytes(1 << 9))


def tables_of(warehouse: Path) -> list[Path]:
    """Return the folders of the tables that exist, sorted."""
    return sorted(path.parent for path in warehouse.glob("*/_delta_log"))


def take_permission(given: Given, fault: dict[str, Any]) -> None:
    """Forbid to write a table's folder and its log."""
    tables = tables_of(given.warehouse)
    if tables:
        table = tables[int(fault["choice"] * len(tables))]
        for folder in (table, table / "_delta_log"):
            folder.chmod(0o555)
        given.came()


def optimize(given: Given, fault: dict[str, Any]) -> None:
    """Compact every table again and again for a while, as another tool does."""
    from deltalake import DeltaTable

    deadline = time.monotonic() + OTHERS_WORK
    while time.monotonic() < deadline:
        for table in tables_of(given.warehouse):
            # The table is being created, or its own writer was first: the other tool has a conflict.
            with contextlib.suppress(Exception):
                DeltaTable(str(table)).optimize.compact()
                given.came()


def vacuum(given: Given, fault: dict[str, Any]) -> None:
    """Remove what no version of the last week needs, as another tool does."""
    from deltalake import DeltaTable

    for table in tables_of(given.warehouse):
        with contextlib.suppress(Exception):
            DeltaTable(str(table)).vacuum(dry_run=False)
            given.came()


def fail_commits(given: Given, fault: dict[str, Any]) -> None:
    """Let the next one to three commits fail as a store fails: before they are made, or after."""
    from deltalake import DeltaTable
    from deltalake.exceptions import CommitFailedError
    from deltalake.table import TableAlterer

    left = [None] * (1 + int(fault["choice"] * 3))
    kind = (OSError, CommitFailedError)[int(fault["choice"] * 6) % 2]

    def failing(commit: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            if not left:
                return commit(*args, **kwargs)
            left.pop()
            given.came()
            if fault["kind"] == "answer lost":
                commit(*args, **kwargs)
            raise kind("Generic S3 error: Error performing PUT: 503 Slow Down: Please reduce your request rate.")

        return wrapped

    for owner, name in (
        (DeltaTable, "create_write_transaction"),
        (DeltaTable, "delete"),
        (TableAlterer, "set_table_properties"),
    ):
        setattr(owner, name, failing(getattr(owner, name)))


def pause(given: Given, fault: dict[str, Any]) -> None:
    """Wait until the other command of an interleaving has ended; its renewals of the lease go on."""
    given.came()
    deadline = time.monotonic() + fault["delay"]
    while not (given.marks / "go").exists() and time.monotonic() < deadline:
        time.sleep(0.005)


def nothing(given: Given, fault: dict[str, Any]) -> None:
    """The harness itself makes this fault, around the process."""


ACTS = {
    "kill driver": kill_driver,
    "kill group": kill_group,
    "kill worker": kill_worker,
    "kill executor": kill_executor,
    "SIGINT": send_sigint,
    "SIGTERM": send_sigterm,
    "full disk": fill_disk,
    "permission": take_permission,
    "optimize": optimize,
    "vacuum": vacuum,
    "commit refused": fail_commits,
    "answer lost": fail_commits,
    "pause": pause,
    "slow task": nothing,
    "fetch fails": nothing,
    "fetch stalls": nothing,
    "fetch lies": nothing,
    "input corrupted": nothing,
}


class SlowMatcher:
    """A matcher that lets the first attempt at some tasks wait until speculation has started a copy of one.

    Then both go on at once, and write the same rows.
    """

    def __init__(self, inner: Any, marks: str, attempt: int) -> None:
        self.inner, self.marks, self.attempt = inner, marks, attempt
        self.name, self.metadata_id = inner.name, inner.metadata_id

    def match(self, texts: Any) -> Any:
        """Wait in a first attempt for a copy, then match."""
        from pyspark import TaskContext

        task = TaskContext.get()
        if task is not None and task.partitionId() == 0:
            copy = Path(self.marks, f"copy.{self.attempt}")
            Path(self.marks, f"came.{self.attempt}").touch()
            if task.attemptNumber():
                copy.touch()
            deadline = time.monotonic() + SLOW
            while not copy.exists() and time.monotonic() < deadline:
                time.sleep(0.1)
        return self.inner.match(texts)


def put_slow_matcher(given: Given) -> None:
    """Let the tasks of extraction wait."""
    from metaclip_spark.steps import context

    compile_matcher = context.compile_matcher
    context.compile_matcher = lambda *words: SlowMatcher(compile_matcher(*words), str(given.marks), given.attempt)


def run() -> int:
    """Run the steps of the first argument; return the status of the first that is not 0."""
    from crashing import watched

    from metaclip_spark.cli import main as command
    from metaclip_spark.commands import report
    from metaclip_spark.storage import open as opening
    from metaclip_spark.storage.fetch import Patience

    given = Given(json.loads(sys.argv[1]))
    if given.fault is not None and given.fault["kind"] == "slow task":
        put_slow_matcher(given)
    # A source of a test is given up after seconds, not after minutes.
    short = Patience(attempts=3, forbidden_attempts=2, base_delay=0.05, max_delay=0.1, read_seconds=1, block_seconds=5)
    report.WHOLE_UP_TO = 0  # as in tests/e2e: a run makes no pass over the pool for its card
    faults = Faults(given)
    with mock.patch.object(opening, "PATIENCE", short), watched(faults.reached):
        for number, words in given.steps:
            faults.begin(number)
            status = command(words)
            given.inside = False
            if status:
                return status
            (given.marks / f"points.{number}.{faults.passed}").touch()
            (given.marks / f"done.{number}").touch()
            if given.copies:
                shutil.copytree(given.warehouse, Path(given.copies, str(number)))
    return 0


if __name__ == "__main__":
    import faulting  # the importable name lets workers unpickle the matcher

    from metaclip_spark.core.leave import leave

    leave(faulting.run())
