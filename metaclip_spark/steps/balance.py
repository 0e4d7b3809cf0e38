"""Choose t, write the entry probabilities, and draw the curated subset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from metaclip_spark.core.hashing.digest import batch_digest
from metaclip_spark.core.sampling import LOW_THRESHOLD, entry_probability, threshold_for_tail_fraction
from metaclip_spark.errors import WarehouseError
from metaclip_spark.spark.broadcast import Broadcast
from metaclip_spark.stages.balance import balance, entry_probabilities
from metaclip_spark.stages.statistics import grown_statistics, image_statistics, statistics
from metaclip_spark.steps.context import Context
from metaclip_spark.steps.earlier_runs import Drawn, reusable_run
from metaclip_spark.steps.pool import WITHIN, Pool, of_snapshots, opened_pool, origin_digest, subset_of
from metaclip_spark.steps.sweep import threshold_for_size
from metaclip_spark.warehouse.events import DONE, STARTED
from metaclip_spark.warehouse.tables import filter_equal


def balance_step(ctx: Context, counted: dict[str, str]) -> bool:
    """Draw the run's curated subset, unless that is done; return whether there was work.

    Args:
        counted: snapshot -> fingerprint of its pool, as `count_step` returns it.
    """
    fingerprint = _fingerprint(ctx, counted)
    last = ctx.last("balance", run_id=ctx.attempt.run_id)
    if last is not None and last.event == DONE and last.fingerprint == fingerprint:
        return False
    with ctx.reporter.stage("balance", ctx.spark) as stage, opened_pool(ctx, list(counted)) as pool:
        threshold = choose_threshold(ctx, pool)
        by_entry = np.where(pool.safe_counts > 0, entry_probability(pool.safe_counts, threshold), np.nan)
        earlier = None if ctx.settings.is_thinned else reusable_run(ctx, counted, by_entry, threshold)
        draw = _draw_from(ctx, pool, counted, by_entry, earlier)
        if last is not None:  # its subset is replaced table by table: cut short, it is no subset
            ctx.attempt.record(STARTED, "balance", fingerprint=fingerprint, detail={})
        kept, written = _write(ctx, pool, draw, threshold)
        stage.rows = kept
        stage.note = f"t = {threshold:,}, {kept:,} pairs kept"
    ctx.attempt.record(
        DONE,
        "balance",
        fingerprint=fingerprint,
        versions={**pool.versions, **written},
        rows=kept,
        detail={
            "threshold": threshold,
            "snapshots": sorted(counted),
            "seed": ctx.settings.seed,
            "unit": ctx.settings.unit,
            "pools": None if ctx.settings.is_thinned else counted,
            "left_of": _left_of(ctx),
            "earlier": None if earlier is None else earlier.run_id,
        },
    )
    return True


def _left_of(ctx: Context) -> str | None:
    run = ctx.settings.drawn_from_run
    return (f"run {run}" if run else "the pool") if ctx.settings.is_thinned else None


def _fingerprint(ctx: Context, counted: dict[str, str]) -> str:
    settings = ctx.settings
    chosen_by: list[Any] = [settings.threshold, settings.chosen_tail_fraction, settings.seed, settings.unit]
    chosen_by += [settings.target_size] if settings.target_size is not None else []
    return batch_digest("balance", ctx.metadata_id, sorted(counted.items()), chosen_by, *origin_digest(ctx))


def choose_threshold(ctx: Context, pool: Pool) -> int:
    """Return t as given, or the t of the target size or the tail fraction; a low one of the latter is warned of."""
    settings = ctx.settings
    if settings.threshold is not None:
        return settings.threshold
    if settings.target_size is not None:
        return threshold_for_size(ctx, pool.pairs, pool.safe_counts, settings.target_size)
    threshold = threshold_for_tail_fraction(pool.counts, settings.chosen_tail_fraction)
    ctx.reporter.say(f"t = {threshold:,} gives the tail fraction nearest to {settings.chosen_tail_fraction}.")
    if threshold < LOW_THRESHOLD:
        ctx.reporter.warn(
            f"t = {threshold} is very low: the pool is small for a tail fraction of "
            f"{settings.chosen_tail_fraction}. --threshold sets t itself."
        )
    return threshold


@dataclass(frozen=True)
class _Draw:
    """The rows that are read, what the draw is keyed by, and the sums over the pool."""

    rows: DataFrame
    sums: DataFrame
    probabilities: Broadcast
    key: str = "pair_id"
    within: str | None = None


def _draw_from(ctx: Context, pool: Pool, counted: dict[str, str], by_entry: np.ndarray, earlier: Drawn | None) -> _Draw:
    """Return what is drawn: the pool, or of it what an earlier run kept, and the snapshots that came since."""
    run_id, seed, broadcast = ctx.attempt.run_id, ctx.settings.seed, Broadcast.of(ctx.spark, by_entry)
    if earlier is not None:
        since = [snapshot for snapshot in counted if snapshot not in (earlier.pools or {})]
        ctx.reporter.say(
            f"balance reads the subset of run {earlier.run_id}"
            + (f", and of the pool only {', '.join(since)}." if since else ", and nothing of the pool.")
        )
        kept = subset_of(ctx, earlier.run_id)
        new = of_snapshots(ctx, "pairs", since, pool.versions["pairs"])
        version = ctx.warehouse.version("run_statistics")
        before = filter_equal(ctx.warehouse.read("run_statistics", version), run_id=earlier.run_id)
        rows = kept.unionByName(new.withColumn(WITHIN, F.lit(None).cast("double")))
        return _Draw(rows, grown_statistics(kept, new, before, broadcast, seed, run_id), broadcast, within=WITHIN)
    if pool.every_pair is not None:
        sums = image_statistics(pool.every_pair, pool.pairs, broadcast, seed, run_id)
        return _Draw(pool.pairs, sums, broadcast, "image_id")
    key = "image_id" if ctx.settings.unit == "image" else "pair_id"
    sums = statistics(pool.pairs, broadcast, seed, run_id, key, pool.within)
    return _Draw(pool.pairs, sums, broadcast, key, pool.within)


def _write(ctx: Context, pool: Pool, draw: _Draw, threshold: int) -> tuple[int, dict[str, int]]:
    """Write the run's three tables; return how many pairs are kept, and the tables' versions."""
    run_id, warehouse = ctx.attempt.run_id, ctx.warehouse
    curated = balance(draw.rows, draw.probabilities, ctx.settings.seed, run_id, draw.key, draw.within)
    commits = [
        warehouse.replace("entry_probabilities", entry_probabilities(pool.counted, threshold, run_id), run_id=run_id),
        warehouse.replace("run_statistics", draw.sums, run_id=run_id),
        warehouse.replace("curated_pairs", curated, run_id=run_id),
    ]
    kept = commits[-1].rows
    expected = filter_equal(warehouse.read("run_statistics"), run_id=run_id, name="curated").first()
    if expected is None or expected["value"] != kept:
        raise WarehouseError(
            f"balance wrote {kept} pairs, but the statistics of the same pool say {expected and expected['value']}. "
            "The pool changed meanwhile; run balance again."
        )
    return kept, {commit.table: commit.version for commit in commits}
