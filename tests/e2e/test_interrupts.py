"""Ctrl-C and SIGTERM end a command of the command line at any moment, and the next run goes on. Real processes."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from e2e_world import FOR_A_DOZEN_ROWS, assert_same, call, table_state

from metaclip_spark.cli.interrupts import SENTENCE
from metaclip_spark.warehouse.holder import has_ended, logged_lease

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "spark")]
from processes import ancestors_of  # noqa: E402

pytestmark = [
    pytest.mark.spark,
    pytest.mark.skipif("METACLIP_TEST_REMOTE" in os.environ, reason="starts its own Spark"),
]

LIMIT = 10.0
"""Seconds that an interrupted command may need."""
CHILD_SPARK = {**FOR_A_DOZEN_ROWS, "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1"}
SPARK = [
    *("--master", "local[2]", "--driver-memory", "1g"),
    *(word for name, value in CHILD_SPARK.items() for word in ("--spark", f"{name}={value}")),
]
SLOW_FILTER = """
import time
import pyarrow as pa
def slow(rows):
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        pass
    return pa.nulls(len(rows), pa.string())
"""
"""A filter whose task is busy in Python."""


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
        seen, below = len(self.lines), self._below()
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
        deadline = time.monotonic() + 10
        while below and time.monotonic() < deadline:
            below = [pid for pid in below if Path(f"/proc/{pid}").exists()]
            time.sleep(0.05)
        assert not below, "a JVM or a Python worker is left"

    def close(self) -> None:
        """Read stderr to its end."""
        self._reader.join(timeout=30)
        assert self.process.stderr is not None
        self.process.stderr.close()

    def _below(self) -> list[int]:
        pids = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
        return [pid for pid in pids if self.process.pid in ancestors_of(pid)]


def assert_lease_is_free(warehouse: Path) -> None:
    """Check that no run has to wait: the lease was released, or its process is seen to have ended."""
    with contextlib.suppress(FileNotFoundError):  # there is no lease yet
        held = logged_lease(str(warehouse))
        assert held is None or not held["expires"] or has_ended(json.loads(held["who"]))


@pytest.mark.timeout(1800)
def test_an_interrupted_run_is_finished_by_the_next_one(spark, undisturbed, child_env, tmp_path):
    """Ctrl-C while sources are read, as a terminal sends it: to the process group."""
    warehouse = tmp_path / "wh"
    words = undisturbed.world.words(warehouse)
    started = Started(child_env, ["run", *words, *SPARK])
    started.wait_for("run ")
    started.interrupt(signal.SIGINT, group=True)
    assert_lease_is_free(warehouse)
    ended = call("run", *words)
    assert ended.status == 0, ended.err
    assert_same(table_state(spark, warehouse), undisturbed.state)


MOMENTS = [
    ("Starting Spark", 0.0),
    ("Starting Spark", 1.0),
    ("Starting Spark", 3.0),
    ("Starting Spark", 6.0),
    ("run ", 0.5),
    ("run ", 4.0),
    ("extract ", 0.0),
    ("dedup ", 0.0),
    ("dedup ", 1.5),
    ("count ", 0.0),
    ("count ", 1.5),
    ("balance ", 0.0),
    ("balance ", 1.5),
]
"""A line of progress, and seconds after it."""


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("group", [True, False], ids=["group", "process"])
def test_a_run_that_is_interrupted_at_one_moment_after_another_ends_as_if_undisturbed(
    spark, undisturbed, child_env, tmp_path, number, group
):
    """Each attempt goes on where the one before was interrupted, so later moments are reached on the way."""
    warehouse = tmp_path / "wh"
    words = undisturbed.world.words(warehouse)
    for text, seconds in MOMENTS:
        started = Started(child_env, ["run", *words, *SPARK])
        with contextlib.suppress(AssertionError):  # a stage that is done says nothing
            started.wait_for(text)
        time.sleep(seconds)
        if started.process.poll() is None:
            started.interrupt(number, group)
            assert_lease_is_free(warehouse)
        else:
            started.close()
    ended = call("run", *words)
    assert ended.status == 0, ended.err
    assert_same(table_state(spark, warehouse), undisturbed.state)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("group", [True, False], ids=["group", "process"])
def test_tasks_that_are_busy_in_python_end_too(undisturbed, child_env, tmp_path, number, group):
    """A long task does not look at its socket, so it is ended with its process."""
    (tmp_path / "slowly.py").write_text(SLOW_FILTER, encoding="utf-8")
    env = {**child_env, "PYTHONPATH": f"{child_env['PYTHONPATH']}{os.pathsep}{tmp_path}"}
    words = undisturbed.world.words(tmp_path / "wh")
    started = Started(env, ["run", *words, "--filter", "slowly:slow", *SPARK])
    started.wait_for("extract ")
    started.interrupt(number, group)
    assert_lease_is_free(tmp_path / "wh")


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "words",
    [["sweep"], ["report"], ["export"], ["takedown", "--domains"], ["runs", "list"], ["explain", "--text", "a cat"]],
    ids=" ".join,
)
@pytest.mark.parametrize("seconds", [0.0, 5.0, 10.0, 15.0])
def test_the_other_commands_end_too(undisturbed, child_env, tmp_path, words, seconds):
    """Those that read, and those that write outside a run."""
    warehouse = tmp_path / "wh"
    shutil.copytree(undisturbed.warehouse, warehouse)
    (tmp_path / "domains").write_text("nowhere.example\n", encoding="utf-8")
    words = [*words, tmp_path / "domains"] if "--domains" in words else words
    started = Started(child_env, [*words, "--warehouse", warehouse, *SPARK])
    started.wait_for("Starting Spark")
    time.sleep(seconds)
    if started.process.poll() is None:
        started.interrupt(signal.SIGINT, group=True)
    else:
        started.close()
    assert_lease_is_free(warehouse)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_wait_for_the_network_ends_too(child_env, tmp_path, undisturbed):
    """The list of a crawl comes from a server that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        root = f"http://127.0.0.1:{server.getsockname()[1]}/"
        words = ["run", "--crawl", "CC-MAIN-2024-10", "--crawl-root", root, "--metadata", undisturbed.world.metadata]
        started = Started(child_env, [*words, "--warehouse", tmp_path / "wh", *SPARK])
        started.wait_for("Reading the list")
        time.sleep(1)
        started.interrupt(signal.SIGINT, group=True)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_run_that_is_refused_takes_seconds(spark, undisturbed, child_env, tmp_path):
    """While another process holds the lease, a second run ends before it starts Spark."""
    from metaclip_spark.warehouse.lease import Lease
    from metaclip_spark.warehouse.tables import Warehouse

    lease = Lease(Warehouse(spark, str(tmp_path / "wh")))
    lease.acquire()
    try:
        started = Started(child_env, ["run", *undisturbed.world.words(tmp_path / "wh"), *SPARK])
        status = started.process.wait(timeout=300)
        started.close()
    finally:
        lease.release()
    assert status == 1
    assert started.lines[-1].startswith(f"metaclip-spark: another run holds warehouse {tmp_path / 'wh'}: process ")
    assert not any("Starting Spark" in line for line in started.lines)
