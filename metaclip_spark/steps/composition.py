"""The composition of a run's pool and subset: languages, domains and samples, read in one pass over each table."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metaclip_spark.core.draw import key_of
from metaclip_spark.errors import WarehouseError
from metaclip_spark.report.composition.merge import composition_of
from metaclip_spark.report.composition.model import Composition
from metaclip_spark.report.composition.task_sums import make_plan
from metaclip_spark.spark.broadcast import Broadcast
from metaclip_spark.stages.composition import composition
from metaclip_spark.steps.context import RunContext, pairs_of
from metaclip_spark.steps.run_probabilities import drawn_with
from metaclip_spark.warehouse.events import DONE
from metaclip_spark.warehouse.tables import filter_equal


def read_composition(ctx: RunContext, counts: npt.NDArray[np.int64], pool: int, curated: int) -> Composition:
    """Read the composition of the run's pool and subset: one pass over each, and no write.

    Args:
        counts: int64, by entry id, of the pool.
        pool, curated: sizes of the pool and of the subset, in pairs.

    Raises:
        WarehouseError: the run was never balanced.
    """
    run_id, warehouse = ctx.run_id, ctx.warehouse
    event = ctx.last("balance", run_id=run_id)
    if event is None or event.event != DONE:
        raise WarehouseError(f"run {run_id} has no curated subset yet; run balance first.")
    pairs = pairs_of(ctx, ctx.log.drawn_run(run_id).pools)
    subset = filter_equal(warehouse.read("curated_pairs"), run_id=run_id)
    # An entry of the pool that frozen counts lack is a tail entry.
    missing = np.nan if ctx.settings.freeze_counts is None else 1.0
    by_entry = drawn_with(warehouse, run_id, missing, len(counts))
    plan = make_plan(counts, by_entry, pool, curated, ctx.settings.pair_weights)
    broadcast = Broadcast.of(ctx.spark, plan)
    key = key_of(ctx.settings.unit)
    cuts = (plan.cut_kept, plan.cut_dropped)
    sums = composition(pairs, subset, broadcast, cuts, ctx.settings.seed, key, plan.weights).toArrow()
    return composition_of(sums, plan, counts)
