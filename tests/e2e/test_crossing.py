"""What one engine began the other finishes; and runs that are killed at any moment leave nothing behind."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from e2e_world import call, flag_words, row, write_parquet
from old_warehouse import CRAWLS, flags, results
from other_engine import OTHER, play_elsewhere
from test_crashes import INSIDE, WRITES, child, finish
from test_old_warehouse import ARCHIVE
from unpacking import unpack

from metaclip_spark.warehouse.compare import COMPARED, differences

pytestmark = [
    pytest.mark.spark,
    pytest.mark.timeout(1800),
    pytest.mark.skipif("METACLIP_TEST_REMOTE" in os.environ, reason="the other engine is in a process of its own"),
]

SOME = ("after append extracted #2",)
"""Half of the sources are committed."""


def assert_nothing_is_left(warehouse: Path) -> None:
    """Check that a warehouse has tables and reports only: no staged files, no files of a write that was interrupted."""
    assert {path.name for path in warehouse.iterdir() if path.name.startswith(("_", "."))} == set()
    assert not list(warehouse.rglob("*.tmp"))


@pytest.mark.parametrize(
    "point", [pytest.param(point, marks=() if point in SOME else pytest.mark.slow) for point in WRITES]
)
def test_a_crawl_that_was_killed_on_the_other_engine_is_finished(
    spark, undisturbed, engine, child_env, tmp_path, point
):
    """SIGKILL of a real process after any write. The tables are those of the undisturbed run of this engine."""
    warehouse = tmp_path / "wh"
    child(OTHER[engine], child_env, tmp_path, ["run", *undisturbed.world.words(warehouse)], point=point)
    finish(spark, undisturbed, warehouse)
    assert differences(str(warehouse), str(undisturbed.warehouse), [*undisturbed.state.keys() - {"runs"}]) == []
    assert_nothing_is_left(warehouse)


@pytest.mark.slow
@pytest.mark.parametrize("table", INSIDE)
def test_a_commit_that_was_killed_on_the_other_engine_is_made_again(
    spark, undisturbed, engine, child_env, tmp_path, table
):
    """SIGKILL when data files are written and not in the log."""
    warehouse = tmp_path / "wh"
    child(OTHER[engine], child_env, tmp_path, ["run", *undisturbed.world.words(warehouse)], inside=table)
    finish(spark, undisturbed, warehouse)
    assert_nothing_is_left(warehouse)


@pytest.mark.slow
def test_crawls_of_both_engines_in_one_warehouse_are_those_of_one(spark, world, engine, child_env, tmp_path):
    """The other engine's crawl is recognised as done. A new crawl is added on this engine, a third one on the other.

    A takedown and a draw at another t of this engine read what the other wrote.
    """
    paths = [
        write_parquet(world.root / f"{name}.parquet", [row("shared", n) for n in numbers])
        for name, numbers in (("one", range(30)), ("two", range(20, 60)), ("three", range(50, 70)))
    ]
    runs = [["run", *map(str, world.words("mixed", "--json", input=path, snapshot=path.stem))] for path in paths]
    mixed = str(world.root / "mixed")
    first = play_elsewhere(OTHER[engine], {mixed: runs[:1]}, tmp_path / "first", child_env)[mixed]
    again = call(*runs[0])
    assert (again.status, again.out.replace(mixed, "{warehouse}")) == (0, first[0][1]), again.err
    assert "1 done already" in again.err
    assert call(*runs[1]).status == 0
    (world.root / "urls.txt").write_text(row("shared", 25)[0], encoding="utf-8")
    ended = call("takedown", *flag_words(warehouse=mixed), "--urls", world.root / "urls.txt")
    assert ended.status == 0, ended.err
    rest = [runs[2], ["balance", "--warehouse", mixed, "--threshold", "3", "--json"]]
    last = play_elsewhere(OTHER[engine], {mixed: rest}, tmp_path / "last", child_env)[mixed]
    assert [status for status, _, _ in last] == [0, 0], last

    for words in (*runs[:2], ["takedown", "--warehouse", mixed, "--urls", world.root / "urls.txt"], *rest):
        ended = call(*(str(word).replace(mixed, str(world.root / "alone")) for word in words))
        assert ended.status == 0, ended.err
    # The other engine's crawl was asked for twice, so `runs` has two attempts of it.
    assert differences(mixed, str(world.root / "alone"), [name for name in COMPARED if name != "runs"]) == []


@pytest.mark.slow
def test_an_old_warehouse_goes_on_from_engine_to_engine(spark, engine, child_env, tmp_path):
    """Version 0.1.0 wrote it; the other engine finishes the crawl that was interrupted, and this one reads it."""
    unpack(ARCHIVE, tmp_path)
    old = tmp_path / "old"
    expected = json.loads((old / "expected.json").read_text(encoding="utf-8"))
    words = ["run", *map(str, flags(old, CRAWLS[1])), "--json"]
    (done,) = play_elsewhere(OTHER[engine], {str(old / "warehouse"): [words]}, tmp_path / "child", child_env).values()
    ((status, out, err),) = done
    assert status == 0, err
    assert json.loads(out)["run_id"] == expected["second"]
    found = results(spark, old / "warehouse")
    for name, rows in expected["tables"].items():
        assert found[name] == rows, f"{name} differs"
    again = call(*words)
    assert (again.status, json.loads(again.out)["run_id"]) == (0, expected["second"]), again.err
