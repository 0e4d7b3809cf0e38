"""Folders and files that may not be read or written: a sentence, nothing half-written, and what can be read is read."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from e2e_world import assert_same, call, flag_words, table_state
from started import AS_ANY_USER, FLAGS

pytestmark = [
    pytest.mark.spark,
    pytest.mark.timeout(1800),
    pytest.mark.skipif("METACLIP_TEST_REMOTE" in os.environ, reason="the server has its own rights"),
]


@pytest.fixture
def run_as_user(engine, child_env) -> Callable[..., subprocess.CompletedProcess]:
    """Return a function that runs a command in a process for which the modes of files count."""
    before: list[str] = []
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root ignores the modes of files, and there is no setpriv")
        before = AS_ANY_USER

    def run(*words: object) -> subprocess.CompletedProcess:
        command = [*before, sys.executable, "-m", "metaclip_spark", *map(str, words), *FLAGS[engine]]
        return subprocess.run(command, env=child_env, capture_output=True, text=True, check=False, timeout=900)

    return run


@pytest.fixture
def closed() -> Iterator[Callable[[Path, int], None]]:
    """Return a function that sets the mode of a path, or of all below a folder. All modes are set back."""
    changed: list[tuple[Path, int]] = []

    def change(path: Path, mode: int) -> None:
        for each in (path, *path.rglob("*")) if path.is_dir() else (path,):
            changed.append((each, each.stat().st_mode))
            each.chmod(mode if each.is_dir() else mode & 0o666)

    yield change
    for path, mode in reversed(changed):
        path.chmod(mode)


def files_of(folder: Path) -> dict[str, int]:
    """Return the files below a folder and their sizes."""
    return {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()}


def sentence_of(ended: subprocess.CompletedProcess) -> str:
    """Return the last line of stderr, which must be the only one that says what went wrong."""
    lines = ended.stderr.splitlines()
    assert not [line for line in lines if "Traceback" in line or "\tat " in line], ended.stderr
    assert lines[-1].startswith("metaclip-spark: "), ended.stderr
    return lines[-1]


def test_a_warehouse_that_may_not_be_created_is_a_sentence(undisturbed, run_as_user, closed, tmp_path):
    """The parent may not be written. Nothing is created."""
    parent = tmp_path / "closed"
    parent.mkdir()
    closed(parent, 0o555)
    ended = run_as_user("run", *undisturbed.world.words(parent / "wh"))
    assert ended.returncode in (1, 2), ended.stderr
    assert str(parent / "wh") in sentence_of(ended)
    assert list(parent.iterdir()) == []


def test_a_warehouse_that_may_not_be_written_is_read_and_not_changed(spark, undisturbed, run_as_user, closed, tmp_path):
    """A command that writes is a sentence, and one that reads works. With the right, the same command goes on."""
    warehouse = tmp_path / "wh"
    shutil.copytree(undisturbed.warehouse, warehouse)
    before = files_of(warehouse)
    closed(warehouse, 0o555)
    refused = run_as_user("balance", *flag_words(warehouse=warehouse, threshold=3))
    assert refused.returncode in (1, 2), refused.stderr
    assert str(warehouse) in sentence_of(refused)
    assert "may not" in refused.stderr or "cannot be written" in refused.stderr
    read = run_as_user("runs", "list", *flag_words(warehouse=warehouse))
    assert read.returncode == 0, read.stderr
    assert undisturbed.run_id in read.stdout
    assert files_of(warehouse) == before


@pytest.mark.slow
@pytest.mark.parametrize("table", ["lease", "extracted", "pairs", "curated_pairs", "runs"])
def test_a_table_that_may_not_be_written_stops_a_run_and_the_next_one_finishes_it(
    spark, undisturbed, run_as_user, closed, tmp_path, table
):
    """Only one folder is closed, so a run stops in its middle. Opened again, it ends in the undisturbed tables."""
    warehouse = tmp_path / "wh"
    words = ["run", *undisturbed.world.words(warehouse)]
    (warehouse / table).mkdir(parents=True)
    (warehouse / table).chmod(0o555)
    refused = run_as_user(*words)
    assert refused.returncode in (1, 2), refused.stderr
    sentence_of(refused)
    (warehouse / table).chmod(0o755)
    ended = call(*words)
    assert ended.status == 0, ended.err
    assert_same(table_state(spark, warehouse), undisturbed.state)


def test_a_source_that_may_not_be_read_is_named_before_anything_starts(world, run_as_user):
    """Status 2, with the file's name; the warehouse is not even created."""
    (world.pool / "b.tsv").chmod(0)
    ended = run_as_user("run", *world.words())
    assert ended.returncode == 2, ended.stderr
    assert f"input {world.pool / 'b.tsv'} cannot be read: Permission denied" in sentence_of(ended)
    assert not (world.root / "warehouse").exists()
