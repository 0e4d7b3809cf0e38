"""Ctrl-C and SIGTERM end a command of the command line at any moment, and the next run goes on. Real processes."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import time

import pytest
from e2e_world import assert_same, call, table_state
from started import FLAGS, Started, assert_lease_is_free

pytestmark = [
    pytest.mark.spark,
    pytest.mark.skipif("METACLIP_TEST_REMOTE" in os.environ, reason="starts its own engine"),
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


@pytest.mark.timeout(1800)
def test_an_interrupted_run_is_finished_by_the_next_one(spark, undisturbed, engine, child_env, tmp_path):
    """Ctrl-C while sources are read, as a terminal sends it: to the process group."""
    warehouse = tmp_path / "wh"
    words = undisturbed.world.words(warehouse)
    started = Started(child_env, ["run", *words, *FLAGS[engine]])
    started.wait_for("run ")
    started.interrupt(signal.SIGINT, group=True)
    assert_lease_is_free(warehouse)
    ended = call("run", *words)
    assert ended.status == 0, ended.err
    assert_same(table_state(spark, warehouse), undisturbed.state)


MOMENTS = [
    ("engine: ", 0.0),
    ("engine: ", 1.0),
    ("engine: ", 3.0),
    ("engine: ", 6.0),
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
    spark, undisturbed, engine, child_env, tmp_path, number, group
):
    """Each attempt goes on where the one before was interrupted, so later moments are reached on the way."""
    warehouse = tmp_path / "wh"
    words = undisturbed.world.words(warehouse)
    for text, seconds in MOMENTS:
        started = Started(child_env, ["run", *words, *FLAGS[engine]])
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
def test_tasks_that_are_busy_in_python_end_too(undisturbed, engine, child_env, tmp_path, number, group):
    """A long task does not look at its socket, so it is ended with its process."""
    (tmp_path / "slowly.py").write_text(SLOW_FILTER, encoding="utf-8")
    env = {**child_env, "PYTHONPATH": f"{child_env['PYTHONPATH']}{os.pathsep}{tmp_path}"}
    words = undisturbed.world.words(tmp_path / "wh")
    started = Started(env, ["run", *words, "--filter", "slowly:slow", *FLAGS[engine]])
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
def test_the_other_commands_end_too(undisturbed, engine, child_env, tmp_path, words, seconds):
    """Those that read, and those that write outside a run."""
    warehouse = tmp_path / "wh"
    shutil.copytree(undisturbed.warehouse, warehouse)
    (tmp_path / "domains").write_text("nowhere.example\n", encoding="utf-8")
    words = [*words, tmp_path / "domains"] if "--domains" in words else words
    started = Started(child_env, [*words, "--warehouse", warehouse, *FLAGS[engine]])
    with contextlib.suppress(AssertionError):  # a command that needs no engine has ended
        started.wait_for("engine: ")
    time.sleep(seconds)
    if started.process.poll() is None:
        started.interrupt(signal.SIGINT, group=True)
    else:
        started.close()
        assert started.process.returncode == 0, started.lines
    assert_lease_is_free(warehouse)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_wait_for_the_network_ends_too(engine, child_env, tmp_path, undisturbed):
    """The list of a crawl comes from a server that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        root = f"http://127.0.0.1:{server.getsockname()[1]}/"
        words = ["run", "--crawl", "CC-MAIN-2024-10", "--crawl-root", root, "--metadata", undisturbed.world.metadata]
        started = Started(child_env, [*words, "--warehouse", tmp_path / "wh", *FLAGS[engine]])
        started.wait_for("Reading the list")
        time.sleep(1)
        started.interrupt(signal.SIGINT, group=True)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_run_that_is_refused_takes_seconds(spark, undisturbed, engine, child_env, tmp_path):
    """While another process holds the lease, a second run ends before it starts Spark."""
    from metaclip_spark.warehouse.lease import Lease
    from metaclip_spark.warehouse.tables import Warehouse

    lease = Lease(Warehouse(spark, str(tmp_path / "wh")))
    lease.acquire()
    try:
        started = Started(child_env, ["run", *undisturbed.world.words(tmp_path / "wh"), *FLAGS[engine]])
        status = started.process.wait(timeout=300)
        started.close()
    finally:
        lease.release()
    assert status == 1
    assert started.lines[-1].startswith(f"metaclip-spark: another run holds warehouse {tmp_path / 'wh'}: process ")
    assert not any("Starting Spark" in line or "spills" in line for line in started.lines)
