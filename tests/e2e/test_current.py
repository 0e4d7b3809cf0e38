"""Consumers find the current subset in `current_run`: the last one that was drawn, and is stored."""

from __future__ import annotations

import pytest
from e2e_world import call, rows_of, versions

from metaclip_spark.warehouse.events import Attempt

pytestmark = [pytest.mark.spark, pytest.mark.timeout(900)]


def test_the_last_drawn_subset_that_is_stored_is_current(spark, world, monkeypatch):
    """Another draw replaces it, and its deletion brings the earlier one back; a failed check changes nothing."""
    warehouse = world.root / "warehouse"

    def current() -> list[str]:
        return [run_id for (run_id,) in rows_of(spark, warehouse, "current_run", ("run_id",))]

    assert call("run", *world.words()).status == 0
    (first,) = current()
    assert {run_id for (run_id,) in rows_of(spark, warehouse, "curated_pairs", ("run_id",))} == {first}
    before = versions(warehouse, ["current_run"])
    assert call("run", *world.words()).status == 0
    assert versions(warehouse, ["current_run"]) == before

    at = ("balance", "--warehouse", warehouse, "--threshold", 1)
    path = world.root / "expect.yaml"
    path.write_text("pairs: {min: 100000}\n")
    assert call(*at, "--expect", path).status == 4
    assert current() == [first]

    record = Attempt.record

    def interrupted(self, event, stage=None, **more):
        record(self, event, stage, **more)
        if (event, stage) == ("stage done", "balance"):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Attempt, "record", interrupted)
        assert call(*at).status == 130
    assert current() == [first]
    assert call(*at).status == 0
    (second,) = current()
    assert second != first

    assert call("runs", "prune", second, "--warehouse", warehouse).status == 0
    assert current() == [first]
    assert call("runs", "prune", first, "--warehouse", warehouse).status == 0
    assert current() == []
