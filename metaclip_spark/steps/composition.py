"""What a run's pool and subset are made of, read from the tables in one pass."""

from __future__ import annotations

import numpy as np

from metaclip_spark.errors import WarehouseError
from metaclip_spark.report.composition.merge import composition_of
from metaclip_spark.report.composition.model import Composition
from metaclip_spark.report.composition.task_sums import make_plan
from metaclip_spark.spark.broadcast import Broadcast
from metaclip_spark.stages.composition import composition
from metaclip_spark.steps.context import Context
from metaclip_spark.steps.run_probabilities import drawn_with
from metaclip_spark.warehouse.events import DONE
from metaclip_spark.warehouse.tables import filter_equal


def read_composition(ctx: Context, counts: np.ndarray, pool: int, curated: int) -> Composition:
    """Return what the run's pool and subset are made of; reads both once, and writes nothing.

    Args:
        counts: int64, by entry id, of the pool.
        pool, curated: their sizes.

    Raises:
        WarehouseError: the run was never balanced.
    """
    run_id, warehouse = ctx.attempt.run_id, ctx.warehouse
    event = ctx.last("balance", run_id=run_id)
    if event is None or event.event != DONE:
        raise WarehouseError(f"run {run_id} has no curated subset yet; run balance first.")
    version = warehouse.readable_version("pairs", event.versions["pairs"])
    snapshots = event.detail["snapshots"]
    pairs = filter_equal(warehouse.read("pairs", version), metadata_id=ctx.metadata_id, snapshot=snapshots)
    subset = filter_equal(warehouse.read("curated_pairs"), run_id=run_id)
    # Frozen counts may lack an entry that the pool has: a tail entry.
    missing = np.nan if ctx.settings.freeze_counts is None else 1.0
    plan = make_plan(counts, drawn_with(warehouse, run_id, missing, len(counts)), pool, curated)
    broadcast = Broadcast.of(ctx.spark, plan)
    key = "image_id" if ctx.settings.unit == "image" else "pair_id"
    found = composition(pairs, subset, broadcast, (plan.cut_kept, plan.cut_dropped), ctx.settings.seed, key).toArrow()
    return composition_of(found, plan, counts)
