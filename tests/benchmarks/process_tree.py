"""Run a command, and measure its seconds, its CPU seconds, and the peak memory of all its processes together."""

from __future__ import annotations

import os
import resource
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

INTERVAL = 0.2
"""Seconds between two looks at the processes."""


@dataclass(frozen=True)
class Measured:
    """What a command took.

    Attributes:
        seconds: wall time from its start to its end.
        cpu_seconds: of all processes: those that it waited for, or, if that is more, those that were seen.
        peak: bytes of all processes together, the largest of the samples; memory that processes share counts once.
        output: what it wrote to stdout and stderr.
    """

    seconds: float
    cpu_seconds: float
    peak: int
    status: int
    output: str


def measured(command: Sequence[str], environment: Mapping[str, str] = {}, folder: Path | None = None) -> Measured:
    """Run a command to its end and measure it, with byte code stored as a user's Python stores it."""
    given = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    process = subprocess.Popen(
        command,
        env={**given, **environment},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    peak, seen, ended = [0], dict[int, float](), threading.Event()

    def watch() -> None:
        while not ended.wait(INTERVAL):
            tree = tree_of(process.pid)
            peak[0] = max(peak[0], sum(map(_pss, tree)))
            seen.update((pid, used) for pid in tree if (used := _cpu_seconds(pid)) is not None)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    output, _ = process.communicate()
    seconds = time.perf_counter() - began
    ended.set()
    watcher.join()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    # A command that ends without waiting for its JVM is not charged for it.
    return Measured(seconds, max(cpu, sum(seen.values())), peak[0], process.returncode, output)


def tree_of(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    parents: dict[int, list[int]] = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            parent = int(Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            continue  # the process has ended
        parents.setdefault(parent, []).append(int(name))
    tree = [pid]
    for one in tree:  # the list grows while it is read
        tree += parents.get(one, [])
    return tree


def _cpu_seconds(pid: int) -> float | None:
    """Return the CPU seconds of a process itself; None if it has ended."""
    try:
        values = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(values[11]) + int(values[12])) / os.sysconf("SC_CLK_TCK")


def _pss(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in text.splitlines() if line.startswith("Pss:")), 0)
