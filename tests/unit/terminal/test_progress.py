"""The lines of progress: units, records read, the share of bytes, the time left, and the pairs that are committed."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.core.wording import agrees, counted, duration
from metaclip_spark.extract.task import Stamp, Tools, extract_split
from metaclip_spark.sources.files import Split, find_sources
from metaclip_spark.storage import tally
from metaclip_spark.storage.tally import Tallies, Tally
from metaclip_spark.terminal import progress
from metaclip_spark.terminal.progress import Reporter, Stage

SPARK = SimpleNamespace(
    sparkContext=SimpleNamespace(statusTracker=lambda: SimpleNamespace(getActiveStageIds=lambda: []))
)
"""A session in which nothing runs."""


@pytest.fixture(autouse=True)
def classic(monkeypatch):
    """Take sessions for classic ones."""
    monkeypatch.setattr("metaclip_spark.terminal.progress.is_connect", lambda spark: False)


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 entries are"), (1, "1 entry is"), (2, "2 entries are"), (12_000, "12,000 entries are")],
)
def test_a_number_has_the_noun_and_the_verb_that_agree(number, text):
    """Only 1 is singular."""
    assert f"{counted(number, 'entry', 'entries')} {agrees(number, 'is', 'are')}" == text


@pytest.mark.parametrize(("total", "words"), [(1, "0 of 1 source"), (3, "0 of 3 sources"), (None, "")])
def test_a_stage_counts_pairs(total, words):
    """The line has the units of the stage, and the pairs that are committed."""
    stage = Stage("extract", SPARK, total, "source")
    assert words in stage.line()
    assert "pair" not in stage.line()
    stage.pairs = 1
    assert "1 pair, " in stage.line()
    stage.pairs = 2_000
    assert "2,000 pairs, " in stage.line()
    assert "rows" not in stage.line()


def test_the_last_line_of_a_stage_has_the_rate_of_its_pairs(capsys):
    """A stage without pairs has no rate."""
    for pairs in (0, 5):
        with Reporter().stage("dedup", SPARK) as stage:
            stage.pairs, stage.note = pairs, counted(pairs, "unique pair") + " added"
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("dedup    0 unique pairs added, ")
    assert "/s" not in first
    assert second.endswith(" pairs/s")


class Clock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    monkeypatch.setattr(tally, "time", clock)
    return clock


@pytest.fixture
def tallies():
    tallies = Tallies()
    yield tallies
    tallies.remove()
    assert not Path(tallies.folder).exists()


def test_rows_of_running_splits_are_shown_and_the_time_left_follows_from_bytes(clock, tallies):
    """Two tasks work on two of four splits of 1,000,000 bytes each; then both are committed."""
    stage = Stage("extract", SPARK, 4, "split", "row", 4_000_000, tallies)
    assert stage.state() == "0 of 4 splits"
    one, two = (Tally(stage.tally, "a.parquet", at, size=1_000_000) for at in (0, 1))
    one.update(1_000, 500_000)
    two.update(500, 300_000)
    clock.seconds = 4.0
    assert stage.state() == "0 of 4 splits  1,500 rows read  20% of 4.0 MB"
    clock.seconds = 10.0
    assert stage.state() == "0 of 4 splits  1,500 rows read  20% of 4.0 MB"
    one.finish(2_000, 999_000)
    assert stage.state() == "1 of 4 splits  2,500 rows read  32% of 4.0 MB  about 30 s left"
    two.finish(2_000, 999_000)
    stage.commit(2, 2_000_000, 3_000)
    assert stage.line() == (
        "extract   2 of 4 splits  4,000 rows read  50% of 4.0 MB  3,000 pairs, 300 pairs/s  about 10 s left  10 s"
    )
    for each in (one, two):
        each.close()
    for at in (2, 3):
        last = Tally(stage.tally, "a.parquet", at, size=1_000_000)
        last.finish(2_000, 0)
        last.close()
    assert "4 of 4 splits  8,000 rows read  100% of 4.0 MB  3,000 pairs" in stage.state()
    assert "left" not in stage.state()


def test_a_split_that_is_read_again_counts_once(clock, tallies):
    """A task failed after 900 of its rows; its second attempt has read 100."""
    for rows in (900, 100):
        task = Tally(tallies.folder, "a.tsv", 0, size=1_000)
        task.update(rows, rows)
        task.close()
    assert tallies.read() == (0, 100, 100)


def test_numbers_are_written_twice_a_second_at_most(clock, tallies):
    """A batch of a few rows costs no write."""
    task = Tally(tallies.folder, "a.tsv", 0)
    for at in range(10):
        clock.seconds = at / 10
        task.update(at, at)
    task.close()
    assert tallies.read() == (0, 5, 5)


def test_a_task_that_does_not_find_the_folder_counts_nothing(tmp_path):
    """So on a cluster: the driver's folder is not there, and is not made. Only committed units are shown then."""
    for folder in ("", str(tmp_path / "gone")):
        task = Tally(folder, "a", 0)
        task.update(1, 1)
        task.finish(2, 2)
        task.close()
    assert list(tmp_path.iterdir()) == []
    stage = Stage("extract", SPARK, 2, "source", planned=200)
    stage.commit(1, 100, 7)
    assert stage.state().startswith("1 of 2 sources  50% of 0.2 kB  7 pairs, ")


def test_the_time_left_is_not_guessed(clock, tallies):
    """Not before the rate is known, not of a stage whose end is unknown, and by units where bytes are unknown.

    The 60 seconds before the first unit, in which workers started, do not count.
    """
    stage = Stage("extract", SPARK, 100, "source", "record", 0, tallies)
    clock.seconds = 60.0
    stage.commit(1, 0, 5)
    assert stage.seconds_left() is None
    clock.seconds = 120.0
    assert stage.seconds_left() is None
    stage.commit(9, 0, 5)
    assert stage.seconds_left() == pytest.approx(600.0)
    assert stage.state().endswith("about 10 min left")
    assert Stage("dedup", SPARK, None, "task").seconds_left() is None


def test_tasks_write_what_they_read(tmp_path, tallies, monkeypatch):
    """A real split of a Parquet file, batch by batch: rows and the share of its bytes grow up to the whole."""
    monkeypatch.setattr(tally, "SECONDS", 0.0)
    rows = 30_000
    table = {"url": [f"http://e.org/{at}.jpg" for at in range(rows)], "text": [f"text {at}" for at in range(rows)]}
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    (source,) = find_sources([str(tmp_path / "a.parquet")])
    seen = []
    stamp = Stamp("s", "m", "b", tallies.folder)
    for _ in extract_split(Split(source, 0, 1, 0, 0), ExtractOptions(), Tools(), stamp):
        seen.append(tallies.read())
    assert seen == sorted(seen)
    assert 0 < seen[1].records < rows
    assert 0 < seen[1].bytes < source.bytes
    assert tallies.read() == (1, rows, source.bytes)


def test_a_reporter_removes_the_folder_and_counts_its_stages(monkeypatch, capsys):
    """Plain lines appear while a stage runs, as often as they are due."""
    monkeypatch.setattr(progress, "_PLAIN_SECONDS", 0.01)
    reporter = Reporter()
    with reporter.stage("extract", SPARK, 1, "source", "row", 1_000) as stage:
        task = Tally(stage.tally, "a.tsv", 0, size=1_000)
        task.update(12, 400)
        deadline = time.monotonic() + 20
        lines = ""
        while "12 rows read  40% of 1.0 kB" not in lines:
            assert time.monotonic() < deadline, lines
            lines += capsys.readouterr().err
        task.close()
    assert not Path(stage.tally).exists()
    assert reporter.stages == ["extract"]
    quiet = Reporter(quiet=True)
    with quiet.stage("extract", SPARK, 1, "source") as stage:
        assert stage.tally == ""
    assert (quiet.stages, capsys.readouterr().out) == (["extract"], "")


def test_a_terminal_shows_the_state_beside_a_bar(monkeypatch):
    """The bar has the share of the bytes; the text has the records."""
    import io

    from rich.console import Console

    monkeypatch.setattr(progress, "_LIVE_SECONDS", 0.01)
    reporter, out = Reporter(), io.StringIO()
    reporter.console = Console(file=out, force_terminal=True, width=160)
    with reporter.stage("extract", SPARK, 2, "split", "record", 1_000) as stage:
        task = Tally(stage.tally, "a.tsv", 0, size=500)
        task.update(3, 250)
        deadline = time.monotonic() + 20
        while "0 of 2 splits  3 records read  25% of 1.0 kB" not in out.getvalue():
            assert time.monotonic() < deadline, out.getvalue()
        task.close()


def test_folders_of_killed_processes_are_removed(tmp_path, monkeypatch):
    """A process that ends at a signal leaves its folder; the next stage removes it, and no other one."""
    monkeypatch.setattr(tally.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(tally, "is_running", lambda pid: pid != 999)
    for name in ("metaclip-progress-999-x", "metaclip-progress-1-y", "other"):
        (tmp_path / name).mkdir()
    Tallies().remove()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["metaclip-progress-1-y", "other"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (7, "7 s"), (12, "10 s"), (94, "95 s"), (95, "2 min"), (5_600, "93 min"), (5_760, "1.6 h")],
)
def test_an_estimate_is_as_rough_as_it_is(seconds, words):
    """Seconds, minutes or hours, without false digits."""
    assert duration(seconds) == words
