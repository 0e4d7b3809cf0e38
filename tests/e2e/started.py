"""A command of metaclip-spark as a real process, on either engine."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from e2e_world import FOR_A_DOZEN_ROWS
from processes import ancestors_of

from metaclip_spark.cli.interrupts import SENTENCE
from metaclip_spark.warehouse.holder import has_ended, logged_lease

LIMIT = 10.0
"""Seconds that an interrupted command may need."""
CHILD_SPARK = {**FOR_A_DOZEN_ROWS, "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1"}
FLAGS: dict[str, list[str]] = {
    "embedded": ["--engine", "embedded", "--memory", "2g"],
    "spark": [
        *("--engine", "spark", "--master", "local[2]", "--driver-memory", "1g"),
        *(word for name, value in CHILD_SPARK.items() for word in ("--spark", f"{name}={value}")),
    ],
}
"""The flags of a small process, by engine."""
AS_ANY_USER = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search,-fowner", "--"]
"""Root may read and write every file. Without these capabilities, the modes of files count for root too."""


class Started:
    """A command in a process group of its own, and the lines that it has written to stderr."""

    def __init__(self, env: dict[str, str], words: list[object]) -> None:
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "metaclip_spark", *map(str, words)],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line.rstrip("\n"))

    def wait_for(self, text: str, timeout: float = 500) -> None:
        """Wait for a line that has this text."""
        deadline = time.monotonic() + timeout
        while not any(text in line for line in self.lines):
            assert self.process.poll() is None, self.lines
            assert time.monotonic() < deadline, self.lines
            time.sleep(0.02)

    def interrupt(self, number: int, group: bool) -> None:
        """Send a signal; check the status, the sentence, the time, and that no process is left."""
        seen, children = len(self.lines), below(self.process.pid)
        (os.killpg if group else os.kill)(self.process.pid, number)
        start = time.monotonic()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=120)
        seconds = time.monotonic() - start
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.close()
        assert self.lines[seen:][-1:] == [SENTENCE], self.lines
        assert not [line for line in self.lines if "Traceback" in line or "ERROR" in line or "Exception" in line]
        assert self.process.returncode == 130
        assert seconds <= LIMIT
        assert not remaining(children), "a JVM or a Python worker is left"

    def close(self) -> None:
        """Read stderr to its end."""
        self._reader.join(timeout=30)
        assert self.process.stderr is not None
        self.process.stderr.close()


def below(pid: int) -> list[int]:
    """Return the processes that a process has started, and those that they have started."""
    pids = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    return [each for each in pids if pid in ancestors_of(each)]


def remaining(pids: list[int], seconds: float = 10.0) -> list[int]:
    """Wait until processes have ended; return those that still run after some seconds."""
    deadline = time.monotonic() + seconds
    while (pids := [pid for pid in pids if is_running(pid)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return pids


def is_running(pid: int) -> bool:
    """Return whether a process exists and is not just waiting to be asked for its status."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def assert_lease_is_free(warehouse: Path) -> None:
    """Check that no run has to wait: the lease was released, or its process is seen to have ended."""
    with contextlib.suppress(FileNotFoundError):  # there is no lease yet
        held = logged_lease(str(warehouse))
        assert held is None or not held["expires"] or has_ended(json.loads(held["who"]))


def assert_nothing_is_left(warehouse: Path) -> None:
    """Check that a warehouse has tables and reports only: no staged files, no files of a write that was interrupted."""
    assert {path.name for path in warehouse.iterdir() if path.name.startswith(("_", "."))} == set()
    assert not list(warehouse.rglob("*.tmp"))
