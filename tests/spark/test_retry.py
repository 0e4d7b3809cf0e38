"""Rows that a retry deleted are appended again, although Delta skips a transaction that it has committed before."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from metaclip_spark.schemas import PLANNED
from metaclip_spark.steps.context import append_missing, in_pool

pytestmark = pytest.mark.spark


@pytest.fixture
def ctx(warehouse):
    """Return the parts of a context that the step uses: warehouse, list and snapshot."""
    return SimpleNamespace(warehouse=warehouse, metadata_id="m", settings=SimpleNamespace(snapshot="s"))


@pytest.mark.slow
def test_rows_come_back_after_they_were_deleted_and_are_never_doubled(spark, ctx):
    """An append is written, then skipped while its rows exist, and written again after a delete."""
    row = {"snapshot": "s", "metadata_id": "m", "source_path": "a", "uri": "/a", "format": "wat"}
    rows = spark.createDataFrame([tuple(row.get(name) for name in PLANNED.names)], PLANNED.ddl)

    def append() -> tuple[bool, int]:
        commit = append_missing(ctx, "planned", rows, "hash of the rows", source_path="a")
        return commit.was_new, in_pool(ctx, "planned", "s").count()

    assert append() == (True, 1)
    assert append() == (False, 1)
    ctx.warehouse.delete("planned", source_path="a")
    assert in_pool(ctx, "planned", "s").count() == 0
    assert append() == (True, 1)
    ctx.warehouse.delete("planned", source_path="a")
    assert append() == (True, 1)
