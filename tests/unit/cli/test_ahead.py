"""A command compiles in the background what its input needs, and only what is not compiled yet."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from metaclip_spark.cli import ahead
from metaclip_spark.config.settings import Settings
from metaclip_spark.core.machine import is_running
from metaclip_spark.warmup import PARTS, WITH_PARENT


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({"input": ("a.tsv", "b.parquet"), "metadata": "en"}, ["match", "language", "tables", "hosts"]),
        ({"input": ("a.wat.gz",), "no_lid": True, "metadata": "en"}, ["match", "wat", "hosts"]),
        ({"crawl": ("CC-MAIN-2024-51",), "format": "warc"}, ["language", "warc", "hosts"]),
        ({"input": ("folder",), "lang_column": "lang"}, ["hosts"]),
        ({"input": ("a.csv",), "lang_column": "lang", "worldwide": True}, ["lists", "tables", "hosts"]),
    ],
)
def test_the_parts_are_those_of_the_input(given, parts):
    """No kernel of a WAT for a table."""
    assert ahead.parts_of(Settings(**given)) == parts
    assert set(parts) <= set(PARTS)


def test_nothing_starts_where_all_is_compiled(monkeypatch):
    """Two processes start otherwise, and take the parts from both ends. While they run, a next command starts none."""
    started = []
    running = [None]

    class Process:
        def __init__(self, command, **_):
            started.append(command[command.index("--with-parent") + 1 :])

        def poll(self):
            """Return the status, None while it runs."""
            return running[0]

        def kill(self):
            """End."""

        wait = kill

    monkeypatch.setattr(ahead.subprocess, "Popen", Process)
    monkeypatch.setattr(ahead, "_started", [])
    monkeypatch.setattr(ahead, "cores", lambda: 2)
    monkeypatch.setattr(ahead, "is_compiled", lambda part: part in ("match", "hosts"))
    settings = Settings(input=("a.tsv",), metadata="en")
    ahead.compile_ahead(settings)
    assert started == [["language", "tables"], ["tables", "language"]]
    ahead.compile_ahead(settings)
    assert len(started) == 2
    running[0] = 0
    ahead.compile_ahead(settings)
    assert len(started) == 4
    monkeypatch.setattr(ahead, "is_compiled", lambda part: True)
    ahead.compile_ahead(settings)
    assert len(started) == 4


def test_a_warm_up_ends_with_the_command_that_started_it():
    """A command that was killed leaves no process behind."""
    script = (
        "import subprocess, sys, time\n"
        "waiting = 'from metaclip_spark.core.leave import end_with_parent as end; end(); import time; time.sleep(60)'\n"
        "print(subprocess.Popen([sys.executable, '-c', waiting]).pid, flush=True)\n"
        "time.sleep(1)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    pid, limit = int(done.stdout), time.monotonic() + 20
    while is_running(pid) and Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z" and time.monotonic() < limit:
        time.sleep(0.1)
    assert not is_running(pid) or Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
    assert WITH_PARENT.startswith("--")
