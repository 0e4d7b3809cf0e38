"""Rows of a task are sorted by their key in runs, and none is lost."""

from __future__ import annotations

import random

import pyarrow as pa
import pytest

from metaclip_spark.extract.sorted_runs import in_sorted_runs


def batches_of(ids: list[str | None], rows: int) -> list[pa.RecordBatch]:
    """Return batches of `rows` rows, numbered."""
    table = pa.table({"pair_id": pa.array(ids, pa.string()), "number": list(range(len(ids)))})
    return table.to_batches(max_chunksize=rows)


@pytest.mark.parametrize("run_rows", [1, 700, 100_000])
def test_each_run_is_sorted_and_every_row_is_there(run_rows):
    """Rows without an id come first in their run; batches of several tasks' lengths give the same rows."""
    rng = random.Random(0)
    ids = [None if at % 50 == 0 else f"{rng.randrange(1 << 128):032x}" for at in range(10_000)]
    found = pa.Table.from_batches(in_sorted_runs(lambda batches: batches, run_rows)(iter(batches_of(ids, 100))))
    assert sorted(found["number"].to_pylist()) == list(range(len(ids)))
    assert [ids[at] for at in found["number"].to_pylist()] == found["pair_id"].to_pylist()
    run = max(100, run_rows)
    for start in range(0, len(ids), run):
        leading = [(one or "")[:8] for one in found["pair_id"].to_pylist()[start : start + run]]
        assert leading == sorted(leading)


@pytest.mark.parametrize("ids", [[], ["é" * 9, "z", "", None]])
def test_any_ids_and_none_are_sorted(ids):
    """Ids of the input may have any length and letters."""
    found = list(in_sorted_runs(lambda batches: batches)(iter(batches_of(ids, 3))))
    assert sum((batch["pair_id"].to_pylist() for batch in found), []) == [None, "", "z", "é" * 9][: len(ids)]
