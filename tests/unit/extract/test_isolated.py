"""A split that kills the process that reads it gives the rows before its end once, and an outcome that says so."""

from __future__ import annotations

import faulthandler
import os
import resource
import signal
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest

from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.errors import FilterError, WorkerDiedError
from metaclip_spark.extract.isolated import TRIES, read_isolated, read_with_ledger
from metaclip_spark.extract.tabular import columns, delimited
from metaclip_spark.extract.task import Stamp, Tools, extract_split
from metaclip_spark.filters import Filters
from metaclip_spark.filters.hook import Hook
from metaclip_spark.sources.files import find_sources, splits_of
from metaclip_spark.spark.workers import in_fork, is_worker_death

STAMP = Stamp("snap", "list-id", "batch-1")
OPTIONS = ExtractOptions(filters=("deadly",))
ROWS = 95


@pytest.fixture
def split(tmp_path, monkeypatch):
    """A TSV of 95 rows, read in batches of 10 rows."""
    monkeypatch.setattr(columns, "BATCH_ROWS", 10)
    monkeypatch.setattr(delimited, "BATCH_ROWS", 10)
    path = tmp_path / "pool.tsv"
    lines = [f"http://ex.org/{n % 90}.jpg\ttext {n % 90}" for n in range(ROWS)]
    path.write_text("\n".join(["url\ttext", *lines, ""]))
    (found,) = splits_of(find_sources([str(path)]))
    return found


def deadly(end, at: str, marks=None, dies_at: int = 0):
    """Return tools with a filter that ends the process at a text; with `dies_at`, in that read of it only."""

    def call(batch):
        if at in batch.column("text").to_pylist():
            if marks is not None:
                (marks / f"{len(list(marks.iterdir()))}").touch()
            if marks is None or len(list(marks.iterdir())) == dies_at:
                end()
        return pa.repeat(pa.scalar(True), len(batch)), "never"

    return Tools(filters=Filters(OPTIONS, None, (Hook("deadly:call", "deadly", call),)))


def crash():
    """End the process as a crash does."""
    faulthandler.disable()  # pytest's
    os.kill(os.getpid(), signal.SIGSEGV)


def eat():
    """Use more memory than the process may have; only a child calls this."""
    size = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (size + (64 << 20), size + (64 << 20)))
    kept = []
    while True:
        kept.append(bytearray(16 << 20))


def rows(split, tools) -> list[dict]:
    """Return the rows of an isolated read."""
    run = partial(in_fork, read_with_ledger, tools, split, OPTIONS, STAMP)
    return [row for batch in read_isolated(run, split, OPTIONS, None, STAMP) for row in batch.to_pylist()]


def test_an_isolated_read_gives_the_same_batches(split):
    """A split that kills nothing gives the batches of `extract_split`, with its schema."""
    run = partial(in_fork, read_with_ledger, Tools(), split, OPTIONS, STAMP)
    isolated = list(read_isolated(run, split, OPTIONS, None, STAMP))
    plain = list(extract_split(split, OPTIONS, Tools(), STAMP))
    assert len(plain) > 9
    assert isolated == plain
    assert all(batch.schema.metadata is None for batch in isolated)


def test_an_answer_is_read_to_its_end(split):
    """A process whose answer was not read to its end is ended, and the next split would have to wait for a new one."""
    ended = []

    def run():
        yield from read_with_ledger(Tools(), split, OPTIONS, STAMP)
        ended.append(True)

    assert list(read_isolated(run, split, OPTIONS, None, STAMP))[-1].column("kind")[0].as_py() == "source"
    assert ended == [True]


def test_a_death_after_the_outcome_loses_nothing(split):
    """The outcome is the last row of a split: it is there once."""

    def run():
        yield from read_with_ledger(Tools(), split, OPTIONS, STAMP)
        raise WorkerDiedError("signal 9")

    plain = list(extract_split(split, OPTIONS, Tools(), STAMP))
    assert list(read_isolated(run, split, OPTIONS, None, STAMP)) == plain


@pytest.mark.parametrize(
    ("end", "how"),
    [
        (crash, "signal 11"),
        (lambda: os._exit(3), "exit status 3"),
        (eat, "no memory was left"),
        (exit, "exit status 1"),
    ],
)
def test_the_rows_before_the_death_are_kept_once(split, end, how):
    """Three processes die at the same text; their batches before it are passed on once, and counted."""
    found = rows(split, deadly(end, "text 57"))
    pairs = [row["url"] for row in found if row["kind"] == "pair"]
    assert pairs == [f"http://ex.org/{n}.jpg" for n in range(50)]
    outcome = found[-1]
    assert (outcome["kind"], outcome["status"]) == ("source", "partial")
    assert outcome["reason"].startswith(f"the worker died reading it, {TRIES} times ({how}")
    assert (outcome["pairs_written"], outcome["texts_read"], outcome["rejected"]) == (50, 50, [])
    assert outcome["retries"] == [(f"process: {how}", TRIES - 1)]


def test_a_split_without_a_pair_fails(split):
    """A death at the first text leaves nothing."""
    (outcome,) = rows(split, deadly(crash, "text 3"))
    assert (outcome["status"], outcome["records_read"], outcome["pairs_written"]) == ("failed", 0, 0)


@pytest.mark.parametrize("dies_at", [1, 2, 3])
def test_a_death_that_does_not_come_again_loses_nothing(split, tmp_path, dies_at):
    """A split whose first read dies is read again, from after the batches that were passed on."""
    (tmp_path / "marks").mkdir()
    found = rows(split, deadly(crash, "text 57", tmp_path / "marks", dies_at))
    assert found[-1]["status"] == "done"
    assert dict(found[-1]["rejected"]) == {"repeat": 5}
    assert found[-1]["retries"] == ([("process: signal 11", 1)] if dies_at == 1 else [])
    assert [row["url"] for row in found if row["kind"] == "pair"] == [f"http://ex.org/{n}.jpg" for n in range(90)]


def test_an_error_of_a_filter_still_ends_the_task(split):
    """Only a death is taken for the source's fault; an error of the user's code is an error."""

    def wrong():
        raise ValueError("no")

    with pytest.raises(FilterError, match="ValueError: no"):
        rows(split, deadly(wrong, "text 3"))


def test_a_reader_that_stops_early_ends_its_process(split):
    """A task that is cancelled leaves no process behind."""
    batches = in_fork(read_with_ledger, Tools(), split, OPTIONS, STAMP)
    next(batches)
    batches.close()
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_a_dead_worker_is_told_from_other_errors():
    """The texts are those of Spark 4.2; the last line of a stack trace names the error."""
    dead = "Job aborted due to stage failure: SparkException: Python worker exited unexpectedly (crashed)"
    memory = "An exception was thrown from the Python worker:\nTraceback\n  File x\nMemoryError\n"
    assert is_worker_death(WorkerDiedError("signal 9"))
    assert is_worker_death(RuntimeError(dead))
    assert is_worker_death(RuntimeError(memory))
    wrapped = ValueError("outer")
    wrapped.__cause__ = RuntimeError(dead)
    assert is_worker_death(wrapped)
    assert not is_worker_death(RuntimeError("FilterError: filter x raised ValueError: a MemoryError in the text"))
