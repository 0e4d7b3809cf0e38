"""Exact sums over more pairs than 64 bits hold: 2**37 of crawl 30, and 2**45."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from metaclip_spark.core.expected_size import EXPECTED_DDL, sizes_at
from metaclip_spark.core.sampling import from_fixed_point, joined
from metaclip_spark.report.sweep import make_sweep
from metaclip_spark.schemas import RUN_STATISTICS
from metaclip_spark.stages.statistics import _totals
from metaclip_spark.stages.sweep import total
from metaclip_spark.stages.takedown import without

pytestmark = pytest.mark.spark

PER_TASK = 1 << 32
SUMS = ("expected_high", "expected_low", "variance_high", "variance_low")


def of_one_task(pairs: int) -> dict[str, int]:
    """Return the sums of a task that had this many pairs with p = 3/4 + 2**-53."""
    high, low = 3 << 24, 1
    return dict(zip(SUMS, (pairs * high, pairs * low, pairs * high // 4, pairs * ((1 << 27) - 1)), strict=True))


@pytest.mark.parametrize("pairs", [1 << 20, 1 << 37, 1 << 38, 1 << 45])
def test_statistics_of_any_size_are_exact(spark, pairs):
    """Partial sums add up, whatever the size. Small sums have no second row: the tables stay as they were."""
    tasks = max(4, pairs // PER_TASK)
    part = of_one_task(pairs // tasks)
    rows = [(name, 0, value) for name, value in part.items()] * tasks
    batch = pa.record_batch(
        {
            "name": pa.array([name for name, _, _ in rows]),
            "key": pa.array([key for _, key, _ in rows]),
            "value": pa.array([value for _, _, value in rows]),
            "sums": pa.nulls(len(rows), pa.binary()),
        }
    )
    stored = {row["name"]: row["value"] for out in _totals(iter([batch])) for row in out.to_pylist()}
    assert any(name.endswith("_top") for name in stored) == (pairs > 1 << 20)
    sums = joined(stored)
    assert sums == {name: value * tasks for name, value in part.items()}
    assert from_fixed_point(sums["expected_high"], sums["expected_low"]) == pytest.approx(0.75 * pairs)

    before = spark.createDataFrame([("r", name, 0, value) for name, value in stored.items()], RUN_STATISTICS.ddl)
    few = of_one_task(3)
    taken = spark.createDataFrame([("r", name, 0, value) for name, value in few.items()], RUN_STATISTICS.ddl)
    left = {row["name"]: row["value"] for row in without(before, taken).collect()}
    assert joined(left) == {name: value * tasks - few[name] for name, value in part.items()}


@pytest.mark.parametrize("pairs", [1 << 20, 1 << 37, 1 << 45])
def test_a_sweep_of_any_size_is_exact(spark, pairs):
    """The engine's sums are decimals."""
    tasks = max(4, pairs // PER_TASK)
    part = of_one_task(pairs // tasks)
    row = ("alt", "en", 5, pairs // tasks, pairs // tasks, *part.values())
    sums = total(spark.createDataFrame([row] * tasks, EXPECTED_DDL)).toArrow()
    (found,) = sums.to_pylist()
    assert {name: int(found[name]) for name in SUMS} == {name: value * tasks for name, value in part.items()}
    counts = np.array([7, 3], np.int64)
    exact = from_fixed_point(tasks * part["expected_high"], tasks * part["expected_low"])
    assert sizes_at(sums, counts, [5]).to_pylist()[0]["expected_size"] == exact
    swept = make_sweep(sums, counts, [5], 5, "pair", ("s",), "m")
    assert swept.rows[0].groups == {("alt", "en"): exact}
