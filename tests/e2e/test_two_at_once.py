"""Two runs on one warehouse: one works, the other is refused; and a run that was suspended too long writes no more."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e_world import appends, assert_same, call, commits, flag_words, table_state
from other_engine import OTHER
from started import FLAGS

from metaclip_spark.warehouse.lease import Lease
from metaclip_spark.warehouse.tables import Warehouse

pytestmark = [
    pytest.mark.spark,
    pytest.mark.timeout(1800),
    pytest.mark.skipif("METACLIP_TEST_REMOTE" in os.environ, reason="starts its own engines"),
]

AT_GATE = Path(__file__).parent / "at_gate.py"
REFUSED = ("metaclip-spark: another run holds warehouse ", "metaclip-spark: another run took warehouse ")


class Process:
    """A command at the gate, or one that stops itself. It writes to a file, so it is never blocked."""

    def __init__(self, env: dict[str, str], log: Path, words: list[object], **given: object) -> None:
        self._log = log
        with open(log, "wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(AT_GATE), json.dumps({**given, "words": [*map(str, words)]})],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=output,
                start_new_session=True,
            )

    @property
    def lines(self) -> list[str]:
        """The lines of stderr so far."""
        return self._log.read_text(errors="replace").splitlines()

    def wait(self) -> int:
        """Wait for the end; return the exit status."""
        return self.process.wait(timeout=900)

    def wait_until_suspended(self) -> None:
        """Wait until the process has stopped itself."""
        _, status = os.waitpid(self.process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), self.lines

    def kill(self) -> None:
        """End the process and its group, if they run."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            self.process.wait()


@pytest.fixture
def start(child_env, tmp_path) -> Iterator:
    """Return a function that starts a Process. All are killed after the test."""
    started: list[Process] = []

    def make(words: list[object], **given: object) -> Process:
        started.append(Process(child_env, tmp_path / f"log{len(started)}", words, **given))
        return started[-1]

    yield make
    for each in started:
        each.kill()


@pytest.mark.parametrize("rounds", [1, pytest.param(10, marks=pytest.mark.slow)], ids=["once", "ten times"])
@pytest.mark.parametrize("other", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["same engine", "both"])
def test_of_two_runs_at_the_same_moment_one_works_and_one_is_refused(
    spark, undisturbed, engine, start, tmp_path, rounds, other
):
    """Real processes. The loser ends with status 1 and a sentence before it works; the tables are the winner's."""
    engines = (engine, OTHER[engine] if other else engine)
    for number in range(rounds):
        warehouse, gate = tmp_path / f"wh{number}", tmp_path / f"go{number}"
        words = ["run", *undisturbed.world.words(warehouse)]
        contenders = [start([*words, *FLAGS[each]], gate=str(gate)) for each in engines]
        while not all("ready" in each.lines for each in contenders):
            assert all(each.process.poll() is None for each in contenders), [each.lines for each in contenders]
            time.sleep(0.02)
        gate.touch()
        ended = {each.wait(): each for each in contenders}
        assert ended.keys() == {0, 1}, [each.lines for each in contenders]
        assert ended[1].lines[-1].startswith(REFUSED), ended[1].lines
        assert not [line for line in ended[1].lines if line.startswith(("extract", "run ", "Traceback"))]
        assert_same(table_state(spark, warehouse), undisturbed.state)
        assert appends(warehouse, "lease") == 1


SECONDS = 5
"""The length of the lease of a run that is suspended."""
PLACES = (
    "after append extracted",
    "after append pairs",
    "entry of extracted",
    "entry of pairs",
    "entry of curated_pairs",
)


@pytest.mark.parametrize(
    "place", [pytest.param(place, marks=() if place == PLACES[0] else pytest.mark.slow) for place in PLACES]
)
def test_a_run_that_was_suspended_beyond_its_lease_writes_no_more(spark, undisturbed, engine, start, tmp_path, place):
    """Meanwhile its lease ended, and another run did the work. Awake again, it ends with a sentence and no commit."""
    if engine == "spark" and place.startswith("entry"):
        pytest.skip("Spark's own Delta makes the entry")
    warehouse = tmp_path / "wh"
    words = ["run", *undisturbed.world.words(warehouse), "--lease-seconds", SECONDS]
    late = start([*words, *FLAGS[engine]], stop=place)
    late.wait_until_suspended()
    deadline = time.monotonic() + 120
    while (ended := call(*words)).status == 1 and time.monotonic() < deadline:
        assert f"another run holds warehouse {warehouse}: process {late.process.pid} on " in ended.err
        time.sleep(1)
    assert ended.status == 0, ended.err
    names = [path.name for path in warehouse.iterdir() if (path / "_delta_log").is_dir()]
    before = {name: len(commits(warehouse, name)) for name in names}
    state = table_state(spark, warehouse)
    os.killpg(late.process.pid, signal.SIGCONT)
    assert late.wait() == 1, late.lines
    assert late.lines[-1].startswith("metaclip-spark: "), late.lines
    assert "Traceback" not in "\n".join(late.lines)
    assert {name: len(commits(warehouse, name)) for name in names} == before
    assert_same(table_state(spark, warehouse), state)
    assert_same(state, undisturbed.state)


@pytest.mark.parametrize("early", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_command_waits_for_the_lease_and_then_runs(spark, world, monkeypatch, early):
    """With --wait a run says who holds the lease, starts when it is free, and else ends with who holds it still."""
    if not early:  # as on a store where only the lease itself can be asked
        monkeypatch.setattr("metaclip_spark.commands.opening.refuse_before_spark", lambda *args: None)
    warehouse = world.root / "warehouse"
    lease = Lease(Warehouse(spark, str(warehouse)))
    lease.acquire()
    ended = call("run", *world.words("warehouse", "--wait", 0.1))
    assert ended.status == 1
    assert f"waited 0.1 s (--wait), and another run holds warehouse {warehouse}: process {os.getpid()} on" in ended.err
    assert commits(warehouse, "runs") == []
    timer = threading.Timer(3, lease.release)
    timer.start()
    try:
        ended = call("run", *world.words("warehouse", "--wait", 300))
    finally:
        timer.join()
    assert ended.status == 0, ended.err
    assert "waiting for the lease, for 300 s more (--wait 300): another run holds warehouse" in ended.err
    assert appends(warehouse, "curated_pairs") == 1


@pytest.mark.parametrize("words", [("snapshots", "drop", "default"), ("upgrade",), ("maintain",)], ids=lambda w: w[0])
def test_every_command_that_takes_the_lease_waits_for_it(spark, world, monkeypatch, words):
    """Also on a store, where nothing but the lease itself can be asked."""
    monkeypatch.setattr("metaclip_spark.commands.opening.refuse_before_spark", lambda *args: None)
    warehouse = world.root / "warehouse"
    assert call("run", *world.words("warehouse")).status == 0
    lease = Lease(Warehouse(spark, str(warehouse)))
    lease.acquire()
    try:
        ended = call(*words, *flag_words(warehouse=warehouse, wait=0.1))
    finally:
        lease.release()
    assert ended.status == 1
    assert "waited 0.1 s (--wait), and another run holds warehouse" in ended.err
