"""A disk that is full ends a command with a sentence, and the same command goes on once there is space. Real disks."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from e2e_world import World, assert_same, call, row, table_state, write_parquet
from small_disk import resized, small_disk

pytestmark = pytest.mark.spark

Disk = Callable[[str], Path]


@pytest.fixture
def disk(tmp_path) -> Iterator[Disk]:
    """Return a function that makes a small disk of a size; `resized` grows it."""
    with contextlib.ExitStack() as disks:
        yield lambda size: disks.enter_context(small_disk(tmp_path / f"disk of {size}", size))


@pytest.mark.timeout(1800)
@pytest.mark.slow
def test_a_full_disk_is_a_sentence_and_the_same_command_goes_on(spark, disk, tmp_path, child_env, request):
    """The warehouse's disk is full while pairs are written; with space, the tables are those of an undisturbed run."""
    world = World(tmp_path)
    rows = [(f"http://e.org/{at}/{'%064x' % (at * 7919**9)}.jpg", *row("a", at)[1:]) for at in range(6_000)]
    path = write_parquet(tmp_path / "many" / "1.parquet", rows)
    small = disk("400k")
    words = world.words(small / "wh", input=path)
    # A process of its own: on a full disk the lease cannot be released, and is free once its process has ended.
    started = ["run", "--engine", request.config.getoption("--engine"), *map(str, words)]
    command = [sys.executable, "-m", "metaclip_spark", *started]
    failed = subprocess.run(command, env=child_env, capture_output=True, text=True, timeout=900)
    assert failed.returncode == 1, failed.stderr
    *before, line = failed.stderr.splitlines()
    assert line.startswith(f"metaclip-spark: no space was left on the disk of the warehouse ({small / 'wh'}): ")
    assert line.endswith("(--warehouse), and run the same command again; it continues from the last commit.")
    assert not [each for each in before if "\tat " in each or "Traceback" in each or "Exception" in each]

    resized(small, "200m")
    again = call("run", *words)
    assert again.status == 0, again.err
    whole = call("run", *world.words("undisturbed", input=path))
    assert whole.status == 0, whole.err
    assert_same(table_state(spark, small / "wh"), table_state(spark, tmp_path / "undisturbed"))
