"""A warehouse that an earlier version wrote is upgraded, goes on, and gives the results of that version."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from e2e_world import call, versions
from old_warehouse import CRAWLS, flags, results
from unpacking import unpack

pytestmark = pytest.mark.spark

ARCHIVE = Path(__file__).resolve().parents[1] / "data" / "warehouse-0.1.0.tar.gz"
"""Made by tests/helpers/old_warehouse.py with version 0.1.0: one crawl curated, a second one extracted only."""


@pytest.fixture(scope="module")
def old(spark, tmp_path_factory) -> Path:
    """The unpacked and upgraded archive; the tests of this module run in order and write to its warehouse."""
    root = tmp_path_factory.mktemp("unpacked")
    unpack(ARCHIVE, root)
    upgraded = call("upgrade", "--warehouse", root / "old" / "warehouse")
    assert upgraded.status == 0, upgraded.err
    return root / "old"


@pytest.fixture(scope="module")
def expected(old) -> dict:
    """What version 0.1.0 made of it."""
    return json.loads((old / "expected.json").read_text(encoding="utf-8"))


def test_a_finished_run_is_recognised_by_its_run_id(old, expected):
    """The same command does no work: the run id is the old one, and no data table gets a new version."""
    before = versions(old / "warehouse")
    again = call("run", *flags(old, CRAWLS[0]), "--json")
    assert again.status == 0, again.err
    assert json.loads(again.out)["run_id"] == expected["first"]
    assert "2 done already" in again.err
    assert versions(old / "warehouse") == before


def test_an_interrupted_crawl_is_finished_with_the_old_versions_tables(spark, old, expected):
    """Deduplication goes on from the staged rows, the balance reads the old subset, and every row is as it was."""
    done = call("run", *flags(old, CRAWLS[1]), "--json")
    assert done.status == 0, done.err
    numbers = json.loads(done.out)
    assert (numbers["run_id"], numbers["curated_size"]) == (expected["second"], expected["curated_size"])
    assert not any(line.startswith("extract") for line in done.err.splitlines())
    assert f"the subset of run {expected['first']}" in done.err
    found = results(spark, old / "warehouse")
    for name, rows in expected["tables"].items():
        assert found[name] == rows, f"{name} differs"


def test_the_old_runs_are_listed_and_explained(old, expected):
    """`runs list` and `explain` read events that the old version wrote."""
    listed = call("runs", "list", "--warehouse", old / "warehouse", "--json")
    assert listed.status == 0, listed.err
    assert {expected["first"], expected["second"]} <= {run["run_id"] for run in json.loads(listed.out)}
    text = json.loads(expected["tables"]["curated_pairs"][0])["text"]
    words = ["--warehouse", old / "warehouse", "--metadata", old / "entries.json", "--run-id", expected["first"]]
    explained = call("explain", *words, "--text", text, "--json")
    assert explained.status == 0, explained.err
    assert json.loads(explained.out)
