"""End a command of metaclip-spark at a chosen write, as a dying driver does: by an exception, or by SIGKILL.

    python crashing.py '{"point": "after append pairs", "words": ["run", ...]}'
    python crashing.py '{"inside": "pairs", "entries": 1, "words": ["run", ...]}'

A *point* is a place between two commits, before or after a write. Its name has the table that is written (`after append
pairs`). For the log of events it also has the event (`after append runs: dedup stage done`). From the second time on it
has a number (`after append extracted #2`). *Inside* a commit means: its data files are there, its
entry in the log is not.

Only the process that calls `watched` is changed, never the package.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock


class Crash(BaseException):
    """The driver dies here; nothing of the package catches it."""


@contextlib.contextmanager
def watched(at: Callable[[str], None]) -> Iterator[None]:
    """Call `at` with the point's name before and after every write of the commands in this context.

    `before commit` points come from the check of the lease. It precedes every commit, including commits that create a
    table.
    """
    from metaclip_spark.warehouse.events import Attempt
    from metaclip_spark.warehouse.lease import Lease
    from metaclip_spark.warehouse.tables import Warehouse

    passed: Counter[str] = Counter()
    writes: list[str] = []

    def reached(point: str) -> None:
        passed[point] += 1
        at(point if passed[point] == 1 else f"{point} #{passed[point]}")

    def around(verb: str, write: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(self: Any, name: str, *args: Any, **kwargs: Any) -> Any:
            writes.append(f"{verb} {name}{event_of(name)}")
            try:
                commit = write(self, name, *args, **kwargs)
            finally:
                description = writes.pop()
            if name != "lease":
                reached(f"after {description}")
            return commit

        return wrapped

    def event_of(name: str) -> str:
        return f": {events[-1]}" if name == "runs" and events else ""

    events: list[str] = []
    record, check, ensure = Attempt.record, Lease.check, Warehouse.ensure

    def recorded(self: Any, event: str, stage: str | None = None, **kwargs: Any) -> None:
        events.append(f"{stage} {event}" if stage else event)
        try:
            record(self, event, stage, **kwargs)
        finally:
            events.pop()

    def made(self: Any, name: str) -> None:
        writes.append(f"making {name}")
        try:
            ensure(self, name)
        finally:
            writes.pop()

    def checked(self: Any) -> None:
        check(self)
        reached(f"before commit of {writes[-1] if writes else 'nothing'}")

    with contextlib.ExitStack() as patches:
        for verb in ("append", "replace", "merge", "delete", "remove_files"):
            patches.enter_context(mock.patch.object(Warehouse, verb, around(verb, getattr(Warehouse, verb))))
        patches.enter_context(mock.patch.object(Attempt, "record", recorded))
        patches.enter_context(mock.patch.object(Warehouse, "ensure", made))
        patches.enter_context(mock.patch.object(Lease, "check", checked))
        yield


class CrashAt:
    """A crash at the first point for which `chosen` is true, and at every later point: a dead process writes nothing.

    Attributes:
        points: the points that the command reached, in order.
        crashed: the point of the crash, or None.
    """

    def __init__(self, chosen: Callable[[str], bool]) -> None:
        self.points: list[str] = []
        self.crashed: str | None = None
        self._chosen = chosen

    def __call__(self, point: str) -> None:
        if self.crashed is None:
            self.points.append(point)
            if not self._chosen(point):
                return
            self.crashed = point
        raise Crash(self.crashed)


def kill_all() -> None:
    """Send SIGKILL to this process and all of its process group, including the JVM."""
    os.killpg(os.getpgrp(), signal.SIGKILL)


def kill_at(point: str) -> Callable[[str], None]:
    """Return a function that ends this process group at a point."""

    def at(reached: str) -> None:
        if reached == point:
            kill_all()

    return at


def kill_inside(table: Path, entries: int = 1) -> None:
    """End this process group when a commit's first data file is written and its log entry is not written.

    Args:
        entries: the number of entries that the table's log must have before.
    """
    files, logged = _state(table)
    while True:
        now, entries_now = _state(table)
        if now - files and entries_now == logged >= entries:
            kill_all()
        files, logged = now, entries_now
        time.sleep(0.001)


def kill_before_entry(table: Path, entries: int = 1) -> None:
    """End this process group when a commit's data files are written and its log entry is not, without Spark's Delta.

    Args:
        entries: the number of entries that the table's log must have before.
    """
    from metaclip_spark.warehouse.delta_rs import DeltaLogs

    commit = DeltaLogs.commit

    def killing(self: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        if name == table.name and _state(table)[1] >= entries:
            kill_all()
        return commit(self, name, *args, **kwargs)

    DeltaLogs.commit = killing  # type: ignore[method-assign]


def _state(table: Path) -> tuple[set[str], int]:
    """Return a table's data files that are not empty, and the number of entries of its log."""
    files = set()
    for folder, _, names in os.walk(table):
        for name in names:
            if name.endswith(".parquet") and not folder.endswith("_delta_log"):
                with contextlib.suppress(OSError):
                    path = os.path.join(folder, name)
                    files |= {path} if os.path.getsize(path) else set()
    return files, len(list((table / "_delta_log").glob("*.json")))


def main() -> int:
    """Run the command of the first argument until this process is killed."""
    from metaclip_spark.cli import main as command

    given = json.loads(sys.argv[1])
    words = given["words"]
    if "inside" in given:
        table = Path(words[words.index("--warehouse") + 1]) / given["inside"]
        entries = given.get("entries", 1)
        kill_before_entry(table, entries)
        if "embedded" not in words:
            threading.Thread(target=kill_inside, args=(table, entries), daemon=True).start()
        return command(words)
    with watched(kill_at(given["point"])):
        return command(words)


if __name__ == "__main__":
    sys.exit(main())
