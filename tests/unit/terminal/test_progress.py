"""The lines of progress: singular and plural, and pairs instead of rows."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from metaclip_spark.core.wording import agrees, counted
from metaclip_spark.terminal.progress import Reporter, Stage

SPARK = SimpleNamespace(
    sparkContext=SimpleNamespace(statusTracker=lambda: SimpleNamespace(getActiveStageIds=lambda: []))
)
"""A session in which nothing runs."""


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 entries are"), (1, "1 entry is"), (2, "2 entries are"), (12_000, "12,000 entries are")],
)
def test_a_number_has_the_noun_and_the_verb_that_agree(number, text):
    """Only 1 is singular."""
    assert f"{counted(number, 'entry', 'entries')} {agrees(number, 'is', 'are')}" == text


@pytest.mark.parametrize(("total", "words"), [(1, "0 of 1 source"), (3, "0 of 3 sources"), (None, "")])
def test_a_stage_counts_pairs(total, words, monkeypatch):
    """The line has the units of the stage, and the pairs that are committed."""
    monkeypatch.setattr("metaclip_spark.terminal.progress.is_connect", lambda spark: False)
    stage = Stage("extract", SPARK, total, "source")
    assert words in stage.line()
    assert "pair" not in stage.line()
    stage.pairs = 1
    assert "1 pair, " in stage.line()
    stage.pairs = 2_000
    assert "2,000 pairs, " in stage.line()
    assert "rows" not in stage.line()


def test_the_last_line_of_a_stage_has_the_rate_of_its_pairs(capsys, monkeypatch):
    """A stage without pairs has no rate."""
    monkeypatch.setattr("metaclip_spark.terminal.progress.is_connect", lambda spark: False)
    for pairs in (0, 5):
        with Reporter().stage("dedup", SPARK) as stage:
            stage.pairs, stage.note = pairs, counted(pairs, "unique pair") + " added"
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("dedup    0 unique pairs added, ")
    assert "/s" not in first
    assert second.endswith(" pairs/s")
