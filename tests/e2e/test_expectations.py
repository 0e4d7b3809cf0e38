"""Expectations are checked before the draw: a violated one draws nothing, and a table says what differs."""

from __future__ import annotations

import json

import pytest
from e2e_world import call, row, rows_of, write_tsv

pytestmark = [pytest.mark.spark, pytest.mark.timeout(900)]


def expectations(world, text: str):
    """Write the file."""
    path = world.root / "expect.yaml"
    path.write_text(text)
    return path


def test_a_violated_expectation_stops_the_run_before_the_draw(spark, world):
    """Status 4, a table of what differs, no subset; with the bounds mended the same command goes on."""
    wrong = (
        "match_rate: {min: 10%}\nlanguage.und:\n  max: 50%\nrejects.no_match: {max: 1%}\npairs: {min: 5, change: 1%}\n"
    )
    path = expectations(world, wrong)
    words = world.words("warehouse", "--expect", path, "--outcome", world.root / "o.json")
    ended = call("run", *words)
    assert ended.status == 4, ended.err
    assert "2 expectations of" in ended.err
    assert "violated, so nothing was balanced." in ended.err
    assert "no snapshot is before default; `change` is not checked" in ended.err
    lines = [line.split() for line in ended.out.splitlines()]
    assert lines[0] == ["snapshot", "measure", "got", "expected", "where"]
    assert [line[:5] for line in lines[1:]] == [
        ["default", "language.und", "100.00%", "at", "most"],
        ["default", "rejects.no_match", "5.88%", "at", "most"],
    ]
    assert (lines[1][5:], lines[2][5:]) == (["50.00%", "expect.yaml:3"], ["1.00%", "expect.yaml:4"])
    outcome = json.loads((world.root / "o.json").read_text())
    assert (outcome["status"], outcome["sources"]["done"], len(outcome["violations"])) == (4, 3, 2)
    assert rows_of(spark, world.root / "warehouse", "curated_pairs") == []
    pairs = rows_of(spark, world.root / "warehouse", "pairs")

    balanced = call("balance", "--warehouse", world.root / "warehouse", "--threshold", 2, "--expect", path, "--json")
    assert balanced.status == 4
    assert [each["measure"] for each in json.loads(balanced.out)["violations"]] == ["language.und", "rejects.no_match"]

    expectations(world, wrong.replace("50%", "100%").replace("1%}\npairs", "10%}\npairs"))
    again = call("run", *words)
    assert again.status == 0, again.err
    assert "expectations: default as" in again.err
    assert rows_of(spark, world.root / "warehouse", "pairs") == pairs
    assert rows_of(spark, world.root / "warehouse", "curated_pairs") != []


@pytest.mark.slow
def test_a_snapshot_is_compared_with_the_one_before(spark, world):
    """The second snapshot has a fifth of the pairs; the first one's values are the measure."""
    assert call("run", *world.words()).status == 0
    small = write_tsv(world.root / "small" / "s.tsv", [row("s", n, "cat") for n in range(6)])
    path = expectations(world, "pairs: {change: 50%}\npairs_per_source: {change: 100%}\nmatch_rate: {change: 20%}\n")
    ended = call("run", *world.words("warehouse", "--snapshot", "next", "--expect", path, input=small))
    assert ended.status == 4, ended.err
    (line,) = ended.out.splitlines()[1:]
    assert line.split()[:3] == ["next", "pairs", "6"]
    assert "± 50% of it, as default" in line


def test_a_wrong_file_stops_the_run_before_it_starts(world):
    """Status 2, and no warehouse."""
    ended = call("run", *world.words("new", "--expect", expectations(world, "pairs: 5\n")))
    assert ended.status == 2
    assert "expect.yaml, line 1: got '5'; expected bounds in braces" in ended.err
    assert not (world.root / "new").exists()
