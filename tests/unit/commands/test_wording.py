"""What commands print: one pair is a pair, an estimate has a unit that fits, and a command without work says so."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from metaclip_spark.commands import plan, takedown
from metaclip_spark.commands.outcome import say_if_nothing_was_done
from metaclip_spark.config.settings import Settings
from metaclip_spark.steps.takedown.removal import Summary
from metaclip_spark.terminal.progress import Reporter


@pytest.mark.parametrize(
    ("core_seconds", "cores", "row"),
    [
        (80.0, 2, ["time", "about 40 s", "on 2 cores, estimated, all stages"]),
        (0.5, 1, ["time", "about 1 s", "on 1 core, estimated, all stages"]),
        (0.0, 2, ["time", "none", "on 2 cores, estimated, all stages"]),
        (24_000.0, 4, ["time", "about 1.7 h", "on 4 cores, estimated, all stages"]),
        (7_200_000.0, None, ["core time", "about 2,000 h", "of one core, estimated, all stages"]),
    ],
)
def test_a_plan_estimates_seconds_minutes_or_hours(core_seconds, cores, row):
    """On a cluster, whose cores are not known, the time is that of one core."""
    assert plan._time(core_seconds, cores) == row


@pytest.mark.parametrize(
    ("master", "cores"),
    [("local", 1), ("local[3]", 3), ("local[*]", 5), ("local[2,4]", 2), ("yarn", None), ("spark://host:7077", None)],
)
def test_the_cores_of_a_plan(monkeypatch, master, cores):
    """A local Spark works on the cores of its master, or of this machine; a cluster on cores that are not known."""
    monkeypatch.setattr(plan, "cores", lambda: 5)
    monkeypatch.setattr(plan, "under_spark_submit", lambda: False)
    assert plan._cores(Settings(master=master)) == cores
    assert plan._cores(Settings(remote="sc://host")) is None
    monkeypatch.setattr(plan, "under_spark_submit", lambda: True)
    assert plan._cores(Settings(master=master)) is None


@pytest.mark.parametrize(("number", "words"), [(1, "1 pair left;"), (2, "2 pairs left;"), (0, "0 pairs left;")])
def test_a_takedown_of_one_pair(capsys, number, words):
    """Pairs, entries, urls and domains have the form of their number."""
    summary = Summary("t", {"url": number, "page_domain": number}, False, None)
    summary.runs = {"r": number}
    summary.recounted = [("m", "s", number)]
    takedown._print(summary, Reporter(quiet=True))
    out = capsys.readouterr().out
    assert f"run r has {words}" in out
    one = number == 1
    assert f"{number} {'url' if one else 'urls'}, {number} {'domain' if one else 'domains'} of pages listed" in out
    assert f"{number} {'entry has' if one else 'entries have'} another count" in out


@pytest.mark.parametrize(("stages", "printed"), [([], "nothing to do: all is read.\n"), (["report"], "")])
def test_a_command_without_work_says_so(capsys, stages, printed):
    """A command that ran a stage had something to do."""
    reporter = Reporter()
    reporter.stages = stages
    say_if_nothing_was_done(SimpleNamespace(reporter=reporter), "all is read")  # type: ignore[arg-type]
    assert capsys.readouterr().err == printed
