"""Choose t, write the entry probabilities, and draw the curated subset."""

from __future__ import annotations

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from metaclip_spark.errors import ConfigError, WarehouseError
from metaclip_spark.sampling import LOW_THRESHOLD, entry_probability, threshold_for_tail_fraction
from metaclip_spark.stages.balance import balance, entry_probabilities
from metaclip_spark.stages.choose import choose
from metaclip_spark.stages.shipping import ship
from metaclip_spark.stages.statistics import image_statistics, statistics
from metaclip_spark.steps.context import DONE, Context, batch_digest
from metaclip_spark.steps.sweep import threshold_for_size
from metaclip_spark.tables import matching


def balance_step(ctx: Context, counted: dict[str, str]) -> bool:
    """Draw the run's curated subset, unless that is done; return whether there was work.

    Args:
        counted: snapshot -> fingerprint of its pool, as `count_step` returns it.
    """
    settings, run_id = ctx.settings, ctx.attempt.run_id
    chosen_by = [settings.threshold, settings.chosen_tail_fraction, settings.seed, settings.unit]
    chosen_by += [settings.target_size] if settings.target_size is not None else []
    fingerprint = batch_digest("balance", ctx.metadata_id, sorted(counted.items()), chosen_by)
    last = ctx.last("balance", run_id=run_id)
    if last is not None and last.event == DONE and last.fingerprint == fingerprint:
        return False
    with ctx.reporter.stage("balance", ctx.spark) as stage:
        counts, versions = pool_counts(ctx, list(counted))
        threshold = choose_threshold(ctx, counts, drawn_from(ctx, list(counted), versions["pairs"]))
        by_entry = np.where(counts > 0, entry_probability(counts, threshold), np.nan)
        kept, written = _draw(ctx, list(counted), by_entry, threshold, versions)
        stage.rows = kept
        stage.note = f"t = {threshold:,}, {kept:,} pairs kept"
    ctx.attempt.record(
        DONE, "balance", fingerprint=fingerprint, versions={**versions, **written}, rows=kept,
        detail={"threshold": threshold, "snapshots": sorted(counted)},
    )  # fmt: skip
    return True


def choose_threshold(ctx: Context, counts: np.ndarray, pairs: DataFrame) -> int:
    """Return t as given, or the t of the target size or the tail fraction; a low one of the latter is warned of."""
    settings = ctx.settings
    if settings.threshold is not None:
        return settings.threshold
    if settings.target_size is not None:
        return threshold_for_size(ctx, pairs, counts, settings.target_size)
    threshold = threshold_for_tail_fraction(counts, settings.chosen_tail_fraction)
    ctx.reporter.say(f"t = {threshold:,} gives the tail fraction nearest to {settings.chosen_tail_fraction}.")
    if threshold < LOW_THRESHOLD:
        ctx.reporter.warn(
            f"t = {threshold} is very low: the pool is small for a tail fraction of "
            f"{settings.chosen_tail_fraction}. --threshold sets t itself."
        )
    return threshold


def pool_counts(ctx: Context, snapshots: list[str]) -> tuple[np.ndarray, dict[str, int]]:
    """Return the summed counts by entry id (int64), and the versions that they and the pool were read at."""
    if ctx.metadata is None:
        raise ConfigError("balance needs --metadata, the list that the pairs were matched with.")
    version = ctx.settings.pinned.get("entry_counts")
    if version is None:
        version = ctx.warehouse.version("entry_counts")
    else:
        version = ctx.warehouse.readable_version("entry_counts", version)
    summed = (
        _of_snapshots(ctx, "entry_counts", snapshots, version).groupBy("entry_id").agg(F.sum("count").alias("count"))
    ).toArrow()
    counts = np.zeros(len(ctx.metadata.entries), dtype=np.int64)
    counts[summed["entry_id"].to_numpy()] = summed["count"].to_numpy()
    states = [ctx.pool_state(snapshot) for snapshot in snapshots]
    pinned = max(state[1] for state in states if state)
    return counts, {"entry_counts": version, "pairs": ctx.warehouse.readable_version("pairs", pinned)}


def drawn_from(ctx: Context, snapshots: list[str], version: int | None) -> DataFrame:
    """Return what is drawn from: the pairs of the snapshots as they were counted, or one of each image's."""
    pairs = _of_snapshots(ctx, "pairs", snapshots, version)
    return choose(pairs, ctx.settings.seed) if ctx.settings.unit == "image" else pairs


def _of_snapshots(ctx: Context, table: str, snapshots: list[str], version: int | None) -> DataFrame:
    rows = matching(ctx.warehouse.read(table, version), metadata_id=ctx.metadata_id)
    return rows.where(F.col("snapshot").isin(snapshots))


def _draw(
    ctx: Context, snapshots: list[str], by_entry: np.ndarray, threshold: int, versions: dict[str, int]
) -> tuple[int, dict[str, int]]:
    run_id, seed, warehouse = ctx.attempt.run_id, ctx.settings.seed, ctx.warehouse
    counts = _of_snapshots(ctx, "entry_counts", snapshots, versions["entry_counts"])
    pairs = drawn_from(ctx, snapshots, versions["pairs"])
    shipped = ship(ctx.spark, by_entry)
    if ctx.settings.unit == "image":
        key, pool = "image_id", _of_snapshots(ctx, "pairs", snapshots, versions["pairs"])
        sums = image_statistics(pool, pairs, shipped, seed, run_id)
    else:
        key, sums = "pair_id", statistics(pairs, shipped, seed, run_id)
    commits = [
        warehouse.replace("entry_probabilities", entry_probabilities(counts, threshold, run_id), run_id=run_id),
        warehouse.replace("run_statistics", sums, run_id=run_id),
        warehouse.replace("curated_pairs", balance(pairs, shipped, seed, run_id, key), run_id=run_id),
    ]
    kept = commits[-1].rows
    expected = matching(warehouse.read("run_statistics"), run_id=run_id, name="curated").first()
    if expected is None or expected["value"] != kept:
        raise WarehouseError(
            f"balance wrote {kept} pairs, but the statistics of the same pool say {expected and expected['value']}. "
            "The pool changed meanwhile; run balance again."
        )
    return kept, {commit.table: commit.version for commit in commits}
