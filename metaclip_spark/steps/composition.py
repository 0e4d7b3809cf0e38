"""The composition of a run's pool and subset: languages, domains and samples, read in one pass over each table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from metaclip_spark.core.draw import key_of
from metaclip_spark.errors import WarehouseError
from metaclip_spark.report.composition.entry_texts import chosen_entries, cuts
from metaclip_spark.report.composition.merge import composition_of
from metaclip_spark.report.composition.model import Composition
from metaclip_spark.report.composition.task_sums import make_plan
from metaclip_spark.spark.broadcast import Broadcast
from metaclip_spark.stages.composition import composition
from metaclip_spark.steps.context import RunContext, pairs_of
from metaclip_spark.steps.run_probabilities import drawn_with
from metaclip_spark.warehouse.events import DONE
from metaclip_spark.warehouse.tables import filter_equal


def read_composition(
    ctx: RunContext,
    counts: npt.NDArray[np.int64],
    curated_counts: npt.NDArray[np.int64],
    pool: int,
    curated: int,
    named: Sequence[int] = (),
) -> Composition:
    """Read the composition of the run's pool and subset: one pass over each, and no write.

    Args:
        counts, curated_counts: int64, by entry id, of the pool and of the subset.
        pool, curated: sizes of the pool and of the subset, in pairs.
        named: ids of entries whose texts are sampled first.

    Raises:
        WarehouseError: the run was never balanced.
    """
    run_id, warehouse = ctx.run_id, ctx.warehouse
    event = ctx.last("balance", run_id=run_id)
    if event is None or event.event != DONE:
        raise WarehouseError(f"run {run_id} has no curated subset yet; run balance first.")
    pairs = pairs_of(ctx, ctx.log.drawn_run(run_id).pools)
    subset = filter_equal(warehouse.read("curated_pairs"), run_id=run_id)
    missing = 1.0 if ctx.settings.has_other_counts else np.nan
    chosen = chosen_entries(counts, ctx.settings.seed, named, pool)
    # Counts of another pool say nothing about this one; an entry has at least as many pairs in it as in the subset.
    present = curated_counts if ctx.settings.has_other_counts else counts
    text_cuts = cuts(chosen, present, curated_counts)
    probabilities = drawn_with(warehouse, run_id, missing, len(counts))
    plan = make_plan(counts, probabilities, pool, curated, ctx.settings.pair_weights, chosen, text_cuts)
    broadcast = Broadcast.of(ctx.spark, plan)
    key = key_of(ctx.settings.unit)
    drawn_cuts = (plan.cut_kept, plan.cut_dropped)
    sums = composition(pairs, subset, broadcast, plan.cuts, drawn_cuts, ctx.settings.seed, key, plan.weights).toArrow()
    return composition_of(sums, plan, counts)
