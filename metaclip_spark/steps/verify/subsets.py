"""Check the subsets of runs: the probability and the draw of every pair, and who is in the subset and who is not."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from metaclip_spark.config.settings import WHOLE_POOL
from metaclip_spark.core.draw import key_of
from metaclip_spark.core.entry_lists import by_entry
from metaclip_spark.spark.broadcast import Broadcast
from metaclip_spark.stages.dedup import of_prefix
from metaclip_spark.stages.verify.rows import draws_of
from metaclip_spark.stages.verify.sets import compared, drawn, lacking
from metaclip_spark.steps.verify.inspection import Check, Inspection
from metaclip_spark.warehouse.runs import Run

_WITHIN = "within"
_NOT_THERE = "a kept pair of run {run} in curated_pairs", "no such row"
_NOT_DRAWN = "a pair that the draw of run {run} keeps", "no such pair in its pool"


def _unit(look: Inspection, run: Run) -> tuple[int, str]:
    """Return the seed and the unit of a draw."""
    detail = look.draw_of(run).detail
    return int(detail.get("seed", run.seed)), str(detail.get("unit", run.unit))


def _earlier_run(run: Run) -> str | None:
    """Return the run whose subset the survivors of a run are left of; None where they are left of the pool."""
    given = run.config.get("drawn_from")
    return str(given) if given and given != WHOLE_POOL else None


def _probabilities(look: Inspection, run: Run) -> Broadcast[npt.NDArray[np.float64]]:
    """Return the entry probabilities of a run, one at least; an entry that frozen counts lack is a tail entry."""
    # Counts of another pool may lack entries that pairs of the pool match; their probability is 1.
    missing, size = np.nan, 1
    if run.has_other_counts:
        missing, size = 1.0, max(1, _largest_entry(look, run) + 1)
    rows = look.rows("entry_probabilities", ["entry_id", "probability"], run_id=run.run_id)
    values = by_entry(rows["entry_id"].to_numpy(), rows["probability"].to_numpy(), missing, size)
    return Broadcast.of(look.warehouse.spark, values)


def _largest_entry(look: Inspection, run: Run) -> int:
    rows = look.pairs(run.metadata_ids[0], run.pools).where(F.size("entry_ids") > 0)
    last = rows.agg(F.max(F.element_at("entry_ids", F.lit(-1)))).collect()[0][0]
    return -1 if last is None else int(last)


def draws_of_runs(look: Inspection, check: Check) -> None:
    """Compute the probability and the draw of every curated pair again, run by run."""
    columns = ("run_id", "pair_id", "image_id", "entry_ids", "sampling_probability", "draw")
    if not (look.has(check, "curated_pairs", *columns) and look.has(check, "entry_probabilities")):
        return
    for run in look.runs:
        seed, unit = _unit(look, run)
        rows, within = look.read("curated_pairs", run_id=run.run_id), None
        earlier = _earlier_run(run)
        if earlier is not None:
            if earlier not in look.stored_runs:
                check.skip(f"run {run.run_id}: it drew from the subset of run {earlier}, which is deleted")
                continue
            of_earlier = look.read("curated_pairs", run_id=earlier)
            known = of_earlier.select("pair_id", F.col("sampling_probability").alias(_WITHIN))
            rows, within = rows.join(known, on="pair_id", how="left"), _WITHIN
        check.take(draws_of(rows, _probabilities(look, run), seed, key_of(unit), within, run.weights), "pair")
        check.count(1, "run")


def members_of_runs(look: Inspection, check: Check) -> None:
    """Draw from the pool of every run again, and compare with its subset, one key prefix after another."""
    if not all(look.has(check, name) for name in ("pairs", "curated_pairs", "entry_probabilities")):
        return
    for run in look.runs:
        subset = look.read("curated_pairs", run_id=run.run_id)
        if run.is_thinned:
            check.skip(f"run {run.run_id}: pairs that it lacks; it drew from survivors, whose rows are not kept")
            _check_origin(look, check, run, subset)
            continue
        if any(look.deleted_rows(snapshot) for snapshot in run.snapshots):
            check.skip(f"run {run.run_id}: sources of its pool were read again with --no-dedup")
            continue
        if run.gone:
            check.skip(f"run {run.run_id}: the pairs of snapshot {', '.join(run.gone)}, which was dropped since")
            if _unit(look, run)[1] == "image":
                check.skip(f"run {run.run_id}: all other images; the dropped snapshot may have had their texts")
                continue
            subset = subset.where(~F.col("snapshot").isin(run.gone))
        _check_members(look, check, run, subset)


def _check_members(look: Inspection, check: Check, run: Run, subset: DataFrame) -> None:
    pool = look.pairs(run.metadata_ids[0], run.pools)
    seed, unit = _unit(look, run)
    number = pool.count()
    check.count(number, "pair")
    check.count(1, "run")
    probabilities = _probabilities(look, run)
    missing, extra = ([text.format(run=run.run_id) for text in texts] for texts in (_NOT_THERE, _NOT_DRAWN))
    one_text = unit == "image" and look.was_taken_from(run)
    if one_text:
        check.skip(f"run {run.run_id}: images that it lacks; a takedown may have removed the text that was drawn")
    for prefix in look.prefixes(number):
        kept = drawn(pool, probabilities, seed, unit, prefix, run.weights)
        there = of_prefix(subset, prefix, key_of(unit)).select("pair_id")
        if one_text:
            check.take_differences([lacking(there, kept, "curated_pairs", *extra)])
        else:
            check.take_differences([compared(kept, there, "curated_pairs", missing, extra)])


def _check_origin(look: Inspection, check: Check, run: Run, subset: DataFrame) -> None:
    """Check that the pairs of a subset of survivors are pairs of what the survivors are left of."""
    earlier = _earlier_run(run)
    if earlier is not None:
        if earlier not in look.stored_runs:
            return  # `draws` says so
        origin, name = look.read("curated_pairs", run_id=earlier), f"run {earlier}"
    elif run.gone:
        check.skip(f"run {run.run_id}: snapshot {', '.join(run.gone)} of its pool was dropped since")
        return
    else:
        origin, name = look.pairs(run.metadata_ids[0], run.pools), "its pool"
    number = subset.count()
    check.count(number, "pair")
    check.count(1, "run")
    for prefix in look.prefixes(number):
        wanted = of_prefix(subset, prefix).select("pair_id")
        there = of_prefix(origin, prefix).select("pair_id")
        words = f"a pair of {name}, which run {run.run_id} drew from", "no such pair"
        check.take_differences([lacking(wanted, there, "curated_pairs", *words)])
