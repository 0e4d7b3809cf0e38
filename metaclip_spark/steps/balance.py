"""The balance step: choose t, write the entry probabilities, and draw the curated subset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from metaclip_spark.core.draw import key_of
from metaclip_spark.core.hashing.digest import batch_digest
from metaclip_spark.core.sampling import (
    LOW_THRESHOLD,
    TAIL_FRACTION,
    entry_probability,
    threshold_for_tail_fraction,
)
from metaclip_spark.core.weights.pairs import PairWeights
from metaclip_spark.core.wording import counted as number_of
from metaclip_spark.core.worldwide.thresholds import LanguageThresholds, choose, remarks, sentences
from metaclip_spark.counts.given import compared
from metaclip_spark.errors import WarehouseError
from metaclip_spark.spark.broadcast import Broadcast
from metaclip_spark.stages.balance import balance, balance_images, entry_probabilities
from metaclip_spark.stages.statistics import grown_statistics, image_statistics, statistics
from metaclip_spark.steps.account.empty_pool import refuse_empty
from metaclip_spark.steps.context import Context, WritingContext, pairs_of
from metaclip_spark.steps.earlier_runs import reusable_run
from metaclip_spark.steps.pool import (
    WITHIN,
    Pool,
    counts_of_pools,
    left_of,
    opened_pool,
    origin_digest,
    subset_of,
)
from metaclip_spark.steps.sweep.survival import PoolOnDisk
from metaclip_spark.steps.sweep.thresholds import fraction_for_size, threshold_for_size
from metaclip_spark.steps.weights import joined, weigh
from metaclip_spark.warehouse.current import name_current_run
from metaclip_spark.warehouse.data_files import TARGET_BYTES, few_files
from metaclip_spark.warehouse.events import DONE, STARTED
from metaclip_spark.warehouse.pools import batches_of
from metaclip_spark.warehouse.runs import Drawn
from metaclip_spark.warehouse.tables import filter_equal


def balance_step(ctx: WritingContext, counted: dict[str, str]) -> bool:
    """Draw the run's curated subset, unless it is drawn already; return whether it was drawn now.

    Args:
        counted: snapshot -> fingerprint of its pool, as `count_step` returns it.
    """
    fingerprint = _fingerprint(ctx, counted)
    last = ctx.last("balance", run_id=ctx.run_id)
    if last is not None and last.event == DONE and last.fingerprint == fingerprint:
        name_current_run(ctx.warehouse, ctx.log)  # an interrupted attempt may not have
        return False
    with (
        ctx.reporter.stage("balance", ctx.spark) as stage,
        ctx.warehouse.bounded_batches("pairs"),
        opened_pool(ctx, list(counted)) as pool,
    ):
        refuse_empty(ctx, pool, counted)
        chosen = choose_thresholds(ctx, pool)
        by_entry = np.where(pool.safe_counts > 0, entry_probability(pool.safe_counts, chosen.by_entry), np.nan)
        earlier = None if ctx.settings.is_thinned else reusable_run(ctx, counted, by_entry, chosen)
        draw = _draw_from(ctx, pool, counted, by_entry, earlier)
        weighed = _weighed(ctx, draw, earlier)
        # The subset is replaced table by table. Until all tables are written, the log must not call the balance done.
        if last is not None:
            ctx.attempt.record(STARTED, "balance", fingerprint=fingerprint, detail={})
        kept, written = _write(ctx, pool, draw, chosen)
        stage.pairs = kept
        stage.note = f"{_named(chosen)}, {number_of(kept, 'pair')} kept"
    ctx.attempt.record(
        DONE,
        "balance",
        fingerprint=fingerprint,
        versions={**pool.versions, **written},
        rows=kept,
        detail={
            "threshold": chosen.main,
            **_of_languages(pool, chosen),
            **weighed,
            **of_given_counts(ctx, pool, chosen),
            "snapshots": sorted(counted),
            "seed": ctx.settings.seed,
            "unit": ctx.settings.unit,
            "pools": None if ctx.settings.is_thinned else counted,
            "counted": counted,
            "batches": batches_of(pool.pools),
            "pool_pairs": pool.whole,
            "pairs_before": pool.before,
            "left_of": left_of(ctx),
            "earlier": None if earlier is None else earlier.run_id,
        },
    )
    name_current_run(ctx.warehouse, ctx.log)
    return True


def _fingerprint(ctx: WritingContext, counted: dict[str, str]) -> str:
    settings = ctx.settings
    chosen_by: list[Any] = [settings.threshold, settings.chosen_tail_fraction, settings.seed, settings.unit]
    chosen_by += [settings.target_size] if settings.target_size is not None else []
    chosen_by += [sorted(given.items())] if (given := settings.language_thresholds) else []
    chosen_by += ["weights", weights.plain] if (weights := settings.pair_weights) is not None else []
    return batch_digest("balance", ctx.metadata_id, sorted(counted.items()), chosen_by, *origin_digest(ctx))


def choose_thresholds(ctx: Context, pool: Pool, on_disk: PoolOnDisk | None = None) -> LanguageThresholds:
    """Return the t of the list, or of the list of each language, as the settings say.

    Args:
        on_disk: a target size is one of images on disk, not of pairs.

    Raises:
        ConfigError: t cannot be chosen as the settings say.
    """
    sections = ctx.metadata.sections
    if sections.is_one:
        return LanguageThresholds.of_one(_choose_threshold(ctx, pool, on_disk), len(pool.counts))
    settings, given = ctx.settings, ctx.settings.language_thresholds or {}
    if settings.target_size is not None:
        chosen = fraction_for_size(ctx, pool.pairs, pool.safe_counts, settings.target_size, given, on_disk)
    else:
        chosen = choose(pool.counts, sections, settings.threshold, settings.tail_fraction, given)
    for sentence in sentences(remarks(pool.counts, chosen), chosen):
        ctx.reporter.warn(sentence)
    return chosen


def _named(chosen: LanguageThresholds) -> str:
    """Return the t of a draw, in words."""
    if chosen.sections.is_one:
        return f"t = {chosen.main:,}"
    return f"t from {chosen.values.min():,} to {chosen.values.max():,} in {number_of(len(chosen.values), 'language')}"


def _of_languages(pool: Pool, chosen: LanguageThresholds) -> dict[str, Any]:
    """Return what the log keeps about the t of the languages; nothing for a list that is used for all texts."""
    if chosen.sections.is_one:
        return {}
    return {
        "thresholds": chosen.by_name,
        "tail_fraction": chosen.fraction,
        "remarks": remarks(pool.counts, chosen),
        "given": sorted(chosen.given),
    }


def of_given_counts(ctx: Context, pool: Pool, chosen: LanguageThresholds) -> dict[str, Any]:
    """Return what the log keeps about counts that were given: their origin, and how they differ from the pool's."""
    given = ctx.given_counts
    if given is None:
        return {}
    own = counts_of_pools(ctx, pool.pools)
    t = chosen.main if chosen.sections.is_one else chosen.by_entry
    difference = compared(own, given.counts, t, ctx.metadata)
    return {"counts": {**given.origin, "digest": given.digest, **difference}}


def _choose_threshold(ctx: Context, pool: Pool, on_disk: PoolOnDisk | None) -> int:
    """Return t as given, or the t of the target size or of the tail fraction; warn if the fraction gives a low t."""
    settings = ctx.settings
    if settings.threshold is not None:
        return settings.threshold
    if settings.target_size is not None:
        return threshold_for_size(ctx, pool.pairs, pool.safe_counts, settings.target_size, on_disk)
    fraction = settings.chosen_tail_fraction or TAIL_FRACTION
    threshold = threshold_for_tail_fraction(pool.counts, fraction)
    ctx.reporter.say(f"t = {threshold:,} gives the tail fraction nearest to {fraction}.")
    if threshold < LOW_THRESHOLD:
        ctx.reporter.warn(
            f"t = {threshold} is very low: the pool is small for a tail fraction of {fraction}. "
            "--threshold sets t itself."
        )
    return threshold


@dataclass(frozen=True)
class _Draw:
    """The input of a draw.

    Attributes:
        rows: the pairs to sample from.
        sums: rows of `run_statistics`, over the pool.
        probabilities: float64, entry probabilities by entry id.
        key: the column that the draw is keyed by.
        within: the column with the probability of an earlier draw of each pair; None where there is no such draw.
        is_of_images: whether one text of each image is to be chosen from the rows.
        weights: the factors of the pairs' probabilities; None: every pair weighs 1.
        unweighed: the rows whose weights were not checked yet; None: all.
    """

    rows: DataFrame
    sums: DataFrame
    probabilities: Broadcast[npt.NDArray[np.float64]]
    key: str = "pair_id"
    within: str | None = None
    is_of_images: bool = False
    weights: PairWeights | None = None
    unweighed: DataFrame | None = None


def _draw_from(
    ctx: WritingContext,
    pool: Pool,
    counted: dict[str, str],
    by_entry: npt.NDArray[np.float64],
    earlier: Drawn | None,
) -> _Draw:
    """Return the input of the draw: the pool, or the subset of an earlier run and the snapshots that came since."""
    run_id, seed, broadcast = ctx.run_id, ctx.settings.seed, Broadcast.of(ctx.spark, by_entry)
    weights = ctx.settings.pair_weights
    if earlier is not None:
        since = [snapshot for snapshot in counted if snapshot not in (earlier.pools or {})]
        ctx.reporter.say(
            f"balance reads the subset of run {earlier.run_id}"
            + (f", and of the pool only {', '.join(since)}." if since else ", and nothing of the pool.")
        )
        kept = subset_of(ctx, earlier.run_id)
        new = pairs_of(ctx, {snapshot: pool.pools[snapshot] for snapshot in since})
        version = ctx.warehouse.version("run_statistics")
        before = filter_equal(ctx.warehouse.read("run_statistics", version), run_id=earlier.run_id)
        rows = kept.unionByName(new.withColumn(WITHIN, F.lit(None).cast("double")))
        sums = grown_statistics(kept, new, before, broadcast, seed, run_id, weights)
        return _Draw(rows, sums, broadcast, within=WITHIN, weights=weights, unweighed=new)
    if pool.every_pair is not None:
        sums = image_statistics(pool.every_pair, pool.pairs, broadcast, seed, run_id, weights)
        return _Draw(pool.every_pair, sums, broadcast, "image_id", is_of_images=True, weights=weights)
    key = key_of(ctx.settings.unit)
    sums = statistics(pool.pairs, broadcast, seed, run_id, key, pool.within, weights)
    return _Draw(pool.pairs, sums, broadcast, key, pool.within, weights=weights)


def _weighed(ctx: WritingContext, draw: _Draw, earlier: Drawn | None) -> dict[str, Any]:
    """Check the weights of the rows; return what the log keeps about them, nothing without weights."""
    if draw.weights is None:
        return {}
    found = weigh(ctx, draw.rows if draw.unweighed is None else draw.unweighed, draw.weights)
    return {"weights": joined(draw.weights, found, None if earlier is None else earlier.weights)}


def _write(ctx: WritingContext, pool: Pool, draw: _Draw, chosen: LanguageThresholds) -> tuple[int, dict[str, int]]:
    """Write the run's three tables; return how many pairs are kept, and the tables' versions."""
    run_id, warehouse = ctx.run_id, ctx.warehouse
    if draw.is_of_images:
        curated = balance_images(draw.rows, draw.probabilities, ctx.settings.seed, run_id, draw.weights)
    else:
        curated = balance(draw.rows, draw.probabilities, ctx.settings.seed, run_id, draw.key, draw.within, draw.weights)
    sums = draw.sums.toArrow()
    probabilities = entry_probabilities(pool.counts, ctx.metadata, chosen, run_id)
    commits = [
        warehouse.replace("entry_probabilities", probabilities, run_id=run_id),
        warehouse.replace("run_statistics", sums, run_id=run_id),
    ]
    expected = sums.filter(pc.equal(sums["name"], "curated"))["value"].to_pylist()
    files = _files_for(ctx, sum(expected))
    commits.append(warehouse.replace("curated_pairs", curated, files=files, run_id=run_id))
    kept = commits[-1].rows
    if expected != [kept]:
        raise WarehouseError(
            f"balance wrote {kept} pairs, but the statistics of the same pool say {expected}. "
            "The pool changed meanwhile; run balance again."
        )
    return kept, {commit.table: commit.version for commit in commits}


def _files_for(ctx: WritingContext, kept: int) -> int | None:
    """Return the number of files for the pairs that are kept; None: one per task, which reads a part of the pool."""
    pool = [part for part in ctx.warehouse.files("pairs") if part.partition.get("metadata_id") == ctx.metadata_id]
    stored, rows = sum(part.bytes for part in pool), sum(part.rows or 0 for part in pool)
    tasks = max(stored // TARGET_BYTES, sum(part.files for part in pool))
    return few_files(kept * stored / rows, tasks) if rows else None
