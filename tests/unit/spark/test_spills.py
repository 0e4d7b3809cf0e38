"""The embedded engine keeps its memory bounded, and its spills are gone after every kind of end. Real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from metaclip_spark.errors import MetaclipError
from metaclip_spark.spark import embedded

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.skipif(not embedded.is_installed(), reason="the embedded engine is not installed")

START = """
    import os, signal, sys, threading, time
    from metaclip_spark.cli.interrupts import Interrupts
    from metaclip_spark.spark import embedded
    session = embedded.embedded_session(embedded.LEAST_BYTES)
    folder = embedded.spill_folder()
    open(os.path.join(folder, "spill"), "w").close()
    print(folder, flush=True)
"""


def run(body: str, temporary: Path) -> subprocess.CompletedProcess[str]:
    """Run a program in a process with a folder for temporary files of its own."""
    code = textwrap.dedent(START) + textwrap.dedent(body)
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def spills_in(temporary: Path) -> list[str]:
    """Return the folders for spills in a folder."""
    return [path.name for path in temporary.glob("metaclip-spills-*")]


@pytest.mark.parametrize(
    ("end", "status"),
    [
        ("", 0),
        ("sys.exit(3)", 3),
        ("raise ValueError('wrong')", 1),
        ("embedded.stop()", 0),
        ("os.kill(os.getpid(), signal.SIGINT); time.sleep(60)", -signal.SIGINT),
        ("from metaclip_spark.core.leave import leave; leave(7)", 7),
    ],
)
def test_spills_are_removed_when_a_process_ends(tmp_path, end, status):
    """By its last line, by an exit status, by an error, by a stop, by Ctrl-C, and by the end of a command."""
    ended = run(end, tmp_path)
    assert ended.returncode == status, ended.stderr
    assert Path(ended.stdout.strip()).parent == tmp_path
    assert spills_in(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("catches", [True, False])
def test_spills_are_removed_when_a_command_is_interrupted(tmp_path, number, catches):
    """Also if the command does not end by itself, so that it is ended without any further step."""
    ignored = "\n        except KeyboardInterrupt: time.sleep(60)" if catches else "\n        finally: pass"
    body = f"""
    with Interrupts():
        try:
            os.kill(os.getpid(), {int(number)})
            time.sleep(60){ignored}
    """
    ended = run(body, tmp_path)
    assert ended.returncode != 0
    assert spills_in(tmp_path) == []


def test_spills_of_a_killed_process_are_removed_by_the_next_start(tmp_path):
    """Those of a process that runs stay."""
    killed = run("os.kill(os.getpid(), signal.SIGKILL)", tmp_path)
    assert killed.returncode == -signal.SIGKILL
    assert spills_in(tmp_path) == [Path(killed.stdout.strip()).name]
    running = tmp_path / f"metaclip-spills-{os.getpid()}-runs"
    running.mkdir()
    run("", tmp_path)
    assert spills_in(tmp_path) == [running.name]


def test_a_sort_that_exceeds_the_memory_spills_into_the_folder(tmp_path):
    """The result is complete and in order."""
    body = """
    embedded.stop()
    embedded.pool_bytes = lambda memory: 160 << 20
    session = embedded.embedded_session(embedded.LEAST_BYTES)
    folder, seen, done = embedded.spill_folder(), [0], threading.Event()

    def watch():
        while not done.wait(0.01):
            for where, _, names in os.walk(folder):
                for name in names:
                    try:
                        seen[0] = max(seen[0], os.path.getsize(os.path.join(where, name)))
                    except OSError:
                        pass

    threading.Thread(target=watch, daemon=True).start()
    numbers = session.range(0, 1_000_000, 1, 2)
    rows = numbers.selectExpr("(id * 7919) % 1000000 as key", "repeat(cast(id as string), 40) as text")
    target = os.path.join(os.environ["TMPDIR"], "sorted")
    rows.orderBy("key").write.parquet(target)
    done.set()
    import pyarrow.parquet as pq
    files = sorted(os.path.join(target, name) for name in os.listdir(target) if name.endswith(".parquet"))
    keys = [key for file in files for key in pq.read_table(file, columns=["key"])["key"].to_pylist()]
    assert keys == list(range(1_000_000)) or sorted(keys) == list(range(1_000_000)), len(keys)
    assert seen[0] > 1 << 20, seen
    """
    ended = run(body, tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert spills_in(tmp_path) == []


def test_an_interrupted_cell_leaves_the_engine_running(tmp_path):
    """Sail's server would end at SIGINT, and a notebook would have to start anew."""
    body = """
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)
    except KeyboardInterrupt:
        pass
    time.sleep(0.5)
    print(session.range(11).count())
    """
    ended = run(body, tmp_path)
    assert ended.stdout.splitlines()[1:] == ["11"], ended.stderr


@pytest.mark.parametrize("gigabytes", [1, 2, 4, 64])
def test_the_pool_leaves_room_for_the_rest_of_the_process(gigabytes):
    """What Sail reserves and what it does not reserve stay below the memory."""
    memory = gigabytes << 30
    pool = embedded.pool_bytes(memory)
    assert 0 < pool < memory - embedded.PYTHON_BYTES


def test_few_processes_read_sources_where_the_memory_is_small(monkeypatch):
    """One at least; and never more than cores."""
    monkeypatch.setattr(embedded, "cores", lambda: 8)
    numbers = []
    sizes = (embedded.LEAST_BYTES, 2 << 30, 64 << 30)
    for memory in sizes:
        monkeypatch.setattr(embedded, "_running", embedded._Running(None, None, Path("/none"), memory))
        numbers.append(embedded.workers_at_once())
    monkeypatch.setattr(embedded, "_running", None)
    assert numbers == [1, 3, 8]
    for number, memory in zip(numbers[:2], sizes[:2], strict=True):
        assert embedded.PYTHON_BYTES + number * embedded.WORKER_BYTES <= memory


def test_too_little_memory_is_refused_with_the_least(monkeypatch):
    """The least is what a run was measured to take; a small machine gets it by default."""
    said = r"^--memory is 1024 MB; expected at least 1280 \(1280m\), such as 4g: Python, the engine and an entry list"
    with pytest.raises(MetaclipError, match=said):
        embedded.embedded_session(1 << 30)
    monkeypatch.setattr(embedded, "machine_bytes", lambda: 1 << 30)
    monkeypatch.setattr(embedded, "check_spark_installed", lambda: pytest.fail("the memory is enough"))
    with pytest.raises(pytest.fail.Exception, match="the memory is enough"):
        embedded.embedded_session()
