"""Questions about sources that are extracted and not deduplicated are answered without opening a file of pairs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from e2e_world import appends, assert_same, call, rows_of, table_state
from test_crashes import crash

pytestmark = [pytest.mark.spark, pytest.mark.timeout(900)]


@contextmanager
def without_files(table: Path) -> Iterator[None]:
    """Move the data files of a table away while the body runs: whatever opens one fails."""
    files = [path for path in table.rglob("*.parquet") if "_delta_log" not in path.parts]
    assert files
    for path in files:
        path.rename(path.with_suffix(".away"))
    yield
    for path in files:
        path.with_suffix(".away").rename(path)


def planned(words: list[object]) -> dict[str, object]:
    """Return what `plan` says about the sources."""
    ended = call("plan", *words, "--json")
    assert ended.status == 0, ended.err
    return json.loads(ended.out)


def test_no_question_opens_a_file_of_pairs(spark, undisturbed, tmp_path):
    """`plan`, `extract` again, --retry, `snapshots list` and `runs list` answer without the files of `extracted`."""
    world, warehouse = undisturbed.world, tmp_path / "wh"
    words = world.words(warehouse)
    planning = world.words(warehouse, threshold=None)
    extracting = ["extract", *world.words(warehouse, threshold=None)]
    assert call(*extracting).status == 0
    before = planned(planning)
    assert appends(warehouse, "outcomes") == appends(warehouse, "extracted") == 3
    with without_files(warehouse / "extracted"):
        assert planned(planning) == before
        again = call(*extracting)
        assert again.status == 0, again.err
        assert "3 sources are extracted already" in again.err
        retried = call(*extracting, "--retry", "partial,failed")
        assert retried.status == 0, retried.err
        for question in (("snapshots", "list"), ("runs", "list")):
            listed = call(*question, "--warehouse", warehouse)
            assert listed.status == 0, listed.err
    ended = call("run", *words)
    assert ended.status == 0, ended.err
    assert_same(table_state(spark, warehouse, ["run_id"]), table_state(spark, undisturbed.warehouse, ["run_id"]))


def test_a_batch_whose_copy_is_missing_is_read_from_its_files(spark, undisturbed, tmp_path):
    """The process dies after a batch and before its copy. `plan` knows the batch; the next writer copies it."""
    world, warehouse = undisturbed.world, tmp_path / "wh"
    words = ["run", *world.words(warehouse)]
    assert crash(words, lambda point: point == "after append extracted #2").crashed is not None
    assert (appends(warehouse, "extracted"), appends(warehouse, "outcomes")) == (2, 1)
    assert planned(world.words(warehouse, threshold=None))["done"] == 2
    assert crash(words, lambda point: point == "after append outcomes").crashed is not None
    assert (appends(warehouse, "extracted"), appends(warehouse, "outcomes")) == (2, 2)
    ended = call(*words)
    assert ended.status == 0, ended.err
    assert_same(table_state(spark, warehouse), undisturbed.state)


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "point",
    [
        pytest.param("after delete outcomes", marks=SLOW),
        "after delete extracted",
        pytest.param("after delete planned", marks=SLOW),
    ],
)
def test_a_retry_that_dies_leaves_no_outcome_without_its_rows(spark, world, tmp_path, point):
    """A source that is read again loses its outcome and its rows, wherever the retry dies; the others keep theirs."""
    whole = world.pool / "c.wat.gz"
    content = whole.read_bytes()
    alone = tmp_path / "alone"
    assert call("run", *world.words(alone)).status == 0
    whole.write_bytes(content[: len(content) // 2])
    words = world.words("warehouse", "--files-per-commit", 10, "--allow-incomplete", 1)
    assert call("extract", *world.words("warehouse", "--files-per-commit", 10, threshold=None)).status == 3
    whole.write_bytes(content)
    retry = ["run", *words, "--retry", "partial,failed"]
    assert crash(retry, lambda reached: reached == point).crashed == point
    ended = call(*retry)
    assert ended.status == 0, ended.err
    for table in ("pairs", "sources", "sightings", "entry_counts"):
        of_run = rows_of(spark, world.root / "warehouse", table, drop=["batch_id"])
        assert of_run == rows_of(spark, alone, table, drop=["batch_id"]), table
    assert rows_of(spark, world.root / "warehouse", "outcomes") == []
