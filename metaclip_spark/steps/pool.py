"""The input of the balance step: the pairs to sample from and their entry counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from metaclip_spark.config.settings import Settings
from metaclip_spark.core.entry_lists import by_entry
from metaclip_spark.core.hashing.digest import batch_digest
from metaclip_spark.core.wording import agrees, counted
from metaclip_spark.errors import ConfigError, EmptyPoolError, InputError
from metaclip_spark.schemas import PAIRS
from metaclip_spark.sources.files import Source
from metaclip_spark.stages.choose import choose, one_of_each_group
from metaclip_spark.stages.count import count
from metaclip_spark.stages.survive import GROUP, exported_ids, filtered, key_of, surviving, survivors_of, unmatched
from metaclip_spark.steps.account.empty_pool import refuse_empty
from metaclip_spark.steps.context import Context, WritingContext, pairs_of
from metaclip_spark.steps.earlier_runs import named_run
from metaclip_spark.steps.parquet import parquet_sources, read_parquet, readable
from metaclip_spark.warehouse.events import DONE
from metaclip_spark.warehouse.pools import PoolState
from metaclip_spark.warehouse.tables import filter_equal

WITHIN = "within"
"""The column with the sampling probability that a pair had in an earlier run."""


@dataclass(frozen=True)
class Pool:
    """The pairs to sample from, and their entry counts.

    Attributes:
        pairs: the columns of `pairs`, and `within` if they are survivors of a run's subset.
        every_pair: the pairs before one text of each image was chosen; None where each pair is drawn.
        counts: int64, by entry id, zeros included.
        pools: snapshot -> the state of its pool.
        versions: table -> version that the log names for these states, for information.
        frozen: whether the counts are not those of the pool. An entry that frozen counts lack is a tail entry.
        within: WITHIN, or None where the pairs have no such column.
        before: of survivors, the number of pairs of the pool or the subset that they are left of.
        whole: of survivors, the number of pairs of the pool; None if the run that they are left of had another pool.
    """

    pairs: DataFrame
    every_pair: DataFrame | None
    counts: npt.NDArray[np.int64]
    pools: Mapping[str, PoolState]
    versions: Mapping[str, int]
    frozen: bool = False
    within: str | None = None
    before: int | None = None
    whole: int | None = None

    @property
    def safe_counts(self) -> npt.NDArray[np.int64]:
        """The counts for probabilities: 1 for an entry that frozen counts lack, so that its probability is 1."""
        return np.maximum(self.counts, 1) if self.frozen else self.counts


@contextmanager
def opened_pool(ctx: WritingContext, snapshots: list[str]) -> Iterator[Pool]:
    """Yield the whole pool or its survivors, as the settings say. Stored survivors are deleted if the body succeeds."""
    if not ctx.settings.is_thinned:
        yield whole_pool(ctx, snapshots)
        return
    try:
        yield _survivors(ctx, snapshots)
    except (EmptyPoolError, InputError):
        _remove_stored(ctx)
        raise
    _remove_stored(ctx)


def _remove_stored(ctx: WritingContext) -> None:
    ctx.warehouse.delete("survivors", run_id=ctx.run_id)
    ctx.warehouse.remove_files("survivors")


def left_of(ctx: Context) -> str | None:
    """Name what the survivors are left of; None where the whole pool is balanced."""
    run = ctx.settings.drawn_from_run
    return (f"run {run}" if run else "the pool") if ctx.settings.is_thinned else None


def origin_digest(ctx: Context) -> list[str]:
    """Return the values besides the pool that the input of the balance depends on; empty for a plain balance."""
    settings = ctx.settings
    runs = ctx.log.drawn()
    parts: list[str] = []
    if settings.freeze_counts is not None:
        parts += ["frozen", named_run(runs, settings.freeze_counts, "--freeze-counts").fingerprint]
    if ctx.given_counts is not None:
        parts += ["counts", ctx.given_counts.digest]
    if settings.is_thinned:
        sources = [(source.source_path, source.etag) for source in _survivor_files(settings)]
        parts += ["thinned", batch_digest(*sources), str(settings.where), str(settings.group)]
        if settings.drawn_from_run is not None:
            parts.append(named_run(runs, settings.drawn_from_run, "--drawn-from").fingerprint)
    return parts


def whole_pool(ctx: Context, snapshots: list[str]) -> Pool:
    """Return the pool of the snapshots, with its own counts, or those of `--freeze-counts` or `--counts`.

    Raises:
        ConfigError: the pairs are not matched with a list, or the counts are of another one.
    """
    if not ctx.has_list:
        raise ConfigError("balance needs --metadata, the list that the pairs were matched with.")
    states = {snapshot: ctx.pool_state(snapshot) for snapshot in snapshots}
    pools = {snapshot: state for snapshot, state in states.items() if state is not None}
    versions = {"pairs": max(state.version for state in pools.values())}
    if ctx.settings.freeze_counts is not None:
        counts = _frozen_counts(ctx, ctx.settings.freeze_counts)
    elif ctx.given_counts is not None:
        counts = ctx.given_counts.counts
    else:
        counted = [ctx.last("count", snapshot) for snapshot in pools]
        versions["entry_counts"] = max(event.versions["entry_counts"] for event in counted if event is not None)
        counts = counts_of_pools(ctx, pools)
    pool = Pool(pairs_of(ctx, pools), None, counts, pools, versions, frozen=ctx.settings.has_other_counts)
    return _one_of_each_image(ctx, pool)


def subset_of(ctx: Context, run_id: str) -> DataFrame:
    """Return the subset of a run as pairs, with the probability of each pair in the column `within`."""
    # A fixed version, because the same step may replace the rows of this run.
    rows = filter_equal(ctx.warehouse.read("curated_pairs", ctx.warehouse.version("curated_pairs")), run_id=run_id)
    return rows.select(*PAIRS.names, F.col("sampling_probability").alias(WITHIN))


def _one_of_each_image(ctx: Context, pool: Pool) -> Pool:
    if ctx.settings.unit != "image":
        return pool
    return replace(pool, pairs=choose(pool.pairs, ctx.settings.seed), every_pair=pool.pairs)


def counts_of_pools(ctx: Context, pools: Mapping[str, PoolState]) -> npt.NDArray[np.int64]:
    """Return the counts of the pools, summed; int64, by entry id.

    The stored counts of a snapshot are those of the pool that was counted last. Where that is another pool (a command
    that is pinned to an earlier one), the pairs are counted again, and nothing is stored.
    """
    stored, others = [], {}
    for snapshot, state in pools.items():
        last = ctx.log.last("count", snapshot=snapshot, metadata_id=ctx.metadata_id)
        if last is not None and last.event == DONE and last.fingerprint == state.fingerprint:
            stored.append(snapshot)
        else:
            others[snapshot] = state
    counts = _stored_counts(ctx, stored)
    if others:
        counts += _laid_out(ctx, count(pairs_of(ctx, others), len(ctx.metadata.entries)).toArrow())
    return counts


def _stored_counts(ctx: Context, snapshots: list[str]) -> npt.NDArray[np.int64]:
    summed = np.zeros(len(ctx.metadata.entries), dtype=np.int64)
    if snapshots and not ctx.warehouse.reads_logs:
        counted = filter_equal(ctx.warehouse.read("entry_counts"), metadata_id=ctx.metadata_id, snapshot=snapshots)
        return _laid_out(ctx, counted.groupBy("entry_id").agg(F.sum("count").alias("count")).toArrow())
    for snapshot in snapshots:
        pool = {"metadata_id": ctx.metadata_id, "snapshot": snapshot}
        summed += _laid_out(ctx, ctx.warehouse.rows("entry_counts", ["entry_id", "count"], **pool))
    return summed


def _frozen_counts(ctx: Context, run_id: str) -> npt.NDArray[np.int64]:
    run = named_run(ctx.log.drawn(), run_id, "--freeze-counts")
    if ctx.metadata_id not in run.metadata_ids:
        raise ConfigError(
            f"--freeze-counts names run {run_id!r}, whose counts are of another list than {ctx.metadata_id[:16]}. "
            "Name a run of this list."
        )
    return _laid_out(ctx, ctx.warehouse.rows("entry_probabilities", ["entry_id", "count"], run_id=run_id))


def _survivors(ctx: WritingContext, snapshots: list[str]) -> Pool:
    """Return the survivors of the pool, counted again, or of a run's subset, counted by weights.

    The weight of a pair of a subset is 1 / its sampling probability.
    """
    settings, run = ctx.settings, ctx.settings.drawn_from_run
    pool = whole_pool(ctx, snapshots)
    if run is None:
        refuse_empty(ctx, pool, snapshots)
    every = pool.pairs if pool.every_pair is None else pool.every_pair
    before = every if run is None else subset_of(ctx, run)
    pairs = _surviving(ctx, before)
    if settings.survivors is not None or settings.group is not None:
        pairs = _stored(ctx, pairs)
    if pairs.isEmpty():
        raise InputError(_no_survivor(settings))
    within = None if run is None else WITHIN
    size = before.count()
    pool = replace(pool, before=size, whole=size if run is None else _pool_of_run(ctx, run, snapshots))
    if pool.frozen:
        survivors = replace(pool, pairs=pairs, every_pair=None)
    else:
        counts = _laid_out(ctx, count(pairs, len(ctx.metadata.entries), within).toArrow())
        survivors = replace(pool, pairs=pairs, every_pair=None, counts=counts, within=within)
    # A run with --unit image drew one text of each image already.
    return survivors if run is not None else _one_of_each_image(ctx, survivors)


def _pool_of_run(ctx: Context, run_id: str, snapshots: list[str]) -> int | None:
    """Return the size of a run's pool, if it is the pool of these snapshots as it is now."""
    pools = named_run(ctx.log.drawn(), run_id, "--drawn-from").pools
    states = {snapshot: ctx.pool_state(snapshot) for snapshot in snapshots}
    if pools != {snapshot: state.fingerprint for snapshot, state in states.items() if state is not None}:
        return None
    sizes = ctx.warehouse.rows("run_statistics", ["value"], run_id=run_id, name="pairs")["value"].to_pylist()
    return int(sizes[0]) if sizes else None


def _laid_out(ctx: Context, counted: pa.Table) -> npt.NDArray[np.int64]:
    ids, counts = counted["entry_id"].to_numpy(), counted["count"].to_numpy()
    return by_entry(ids, counts, missing=0, n_entries=len(ctx.metadata.entries))


def _surviving(ctx: WritingContext, before: DataFrame) -> DataFrame:
    """Return the rows of `before` that --survivors, --where and --group keep."""
    settings, group = ctx.settings, ctx.settings.group
    if settings.survivors is None:
        rows = _checked(lambda: filtered(before, settings.where), "--where", before)
        if group is not None:
            ungrouped = rows
            rows = _checked(lambda: ungrouped.withColumn(GROUP, F.expr(group)), "--group", before)
    else:
        rows = surviving_of_files(ctx.spark, settings, before, ctx.reporter.say)
    if group is not None:
        rows = one_of_each_group(rows, GROUP, settings.seed).drop(GROUP)
    return rows


def surviving_of_files(
    spark: SparkSession, settings: Settings, before: DataFrame, say: Callable[[str], None]
) -> DataFrame:
    """Return the rows of `before` that the files of --survivors keep, with their group if --group is given.

    Args:
        say: gets one line with the number of survivors that match no pair, if there are any.

    Raises:
        ConfigError: the engine refuses --where or --group.
        InputError: there is no file, a file is damaged, or none has a column that identifies a survivor.
    """
    group = settings.group
    with readable(f"survivors {settings.survivors}"):
        table = read_parquet(spark, _survivor_files(settings))
        if settings.where is not None:
            _checked(lambda: filtered(table, settings.where), "--where", table)
        kept = _checked(lambda: survivors_of(table, settings.where, group), "--group", table)
        exported = exported_ids(before) if key_of(table) == "url" else None
        lost, of = unmatched(before, kept, exported).count(), kept.count()
        if lost:
            where = "the pool" if settings.drawn_from_run is None else f"run {settings.drawn_from_run}"
            say(f"survivors: {lost:,} of {of:,} values of {key_of(table)} match no pair of {where}.")
        return surviving(before, kept, exported)


def _checked(make: Callable[[], DataFrame], flag: str, table: DataFrame) -> DataFrame:
    """Return the DataFrame that `make` builds from the user's SQL.

    Raises:
        ConfigError: the engine refuses the SQL; the error names the flag and the columns of `table`.
    """
    try:
        made = make()
        made.schema  # noqa: B018 - over Spark Connect, the SQL is checked only here
    except PySparkException as error:
        message = str(error).splitlines()[0]
        raise ConfigError(f"{flag} cannot be used: {message} The columns are {table.columns}.") from error
    return made


def _survivor_files(settings: Settings) -> list[Source]:
    if settings.survivors is None:
        return []
    expected = "one with the column pair_id, image_id or url, or the folder that img2dataset wrote"
    return parquet_sources([settings.survivors], f"survivors {settings.survivors}", expected)


def _stored(ctx: WritingContext, pairs: DataFrame) -> DataFrame:
    """Store the survivors and return the stored rows, because a join finds them and several passes read them."""
    run_id = ctx.run_id
    rows = pairs if WITHIN in pairs.columns else pairs.withColumn(WITHIN, F.lit(None).cast("double"))
    commit = ctx.warehouse.replace("survivors", rows.withColumn("run_id", F.lit(run_id)), run_id=run_id)
    ctx.reporter.say(f"survivors: {counted(commit.rows, 'pair')} {agrees(commit.rows, 'is', 'are')} left.")
    return filter_equal(ctx.warehouse.read("survivors"), run_id=run_id).select(*PAIRS.names, WITHIN)


def _no_survivor(settings: Settings) -> str:
    of = "the pool" if settings.drawn_from_run is None else f"run {settings.drawn_from_run}"
    given = (settings.survivors, f"--where {settings.where!r}" if settings.where else None, "--group")
    what = next(name for name in given if name is not None)
    return f"{what} leaves no matched pair of {of}; expected pair ids, image ids or urls of it. Nothing was drawn."
