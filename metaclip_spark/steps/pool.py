"""What a balance draws from, and the counts that its probabilities come from: the pool, or what is left of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from pyspark.errors import AnalysisException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from metaclip_spark.config import Settings
from metaclip_spark.core.entry_lists import by_entry
from metaclip_spark.core.hashing.digest import batch_digest
from metaclip_spark.errors import ConfigError, InputError
from metaclip_spark.extract.language import UNKNOWN
from metaclip_spark.schemas import PAIRS
from metaclip_spark.sources.files import Source, find_sources
from metaclip_spark.stages.choose import choose, one_of_each_group
from metaclip_spark.stages.count import count
from metaclip_spark.stages.survive import GROUP, filtered, surviving, survivors_of
from metaclip_spark.steps.context import Context
from metaclip_spark.steps.earlier_runs import drawn_runs, named_run
from metaclip_spark.warehouse.tables import filter_equal

WITHIN = "within"


@dataclass(frozen=True)
class Pool:
    """What is drawn from, and what its entries count.

    Attributes:
        pairs: the columns of `pairs`; and `within`, where it is left of a run's subset.
        every_pair: the same before one text of each image was chosen; None where each pair is drawn.
        counts: int64, by entry id, zeros included.
        counted: the counts as rows: metadata_id, lang, entry_id, entry, count.
        versions: of the tables it is read from.
        frozen: the counts are another pool's: an entry that they lack is a tail entry.
        within: WITHIN, or None.
    """

    pairs: DataFrame
    every_pair: DataFrame | None
    counts: np.ndarray
    counted: DataFrame
    versions: Mapping[str, int]
    frozen: bool = False
    within: str | None = None

    @property
    def safe_counts(self) -> np.ndarray:
        """The counts that probabilities come from: 1 for an entry that frozen counts lack, so that its p is 1."""
        return np.maximum(self.counts, 1) if self.frozen else self.counts


@contextmanager
def opened_pool(ctx: Context, snapshots: list[str]) -> Iterator[Pool]:
    """Give what the settings say is drawn from, counted; what had to be stored for it goes when the body ends well."""
    if not ctx.settings.is_thinned:
        yield whole_pool(ctx, snapshots)
        return
    yield _what_is_left(ctx, snapshots)
    ctx.warehouse.delete("survivors", f"run_id = '{ctx.attempt.run_id}'")
    ctx.warehouse.remove_files("survivors")


def origin_digest(ctx: Context) -> list[str]:
    """Return what, beside the pool, decides what is drawn from; empty where nothing does."""
    settings = ctx.settings
    runs = drawn_runs(ctx.attempt.stage_events)
    parts = []
    if settings.freeze_counts is not None:
        parts += ["frozen", named_run(runs, settings.freeze_counts, "--freeze-counts").fingerprint]
    if settings.is_thinned:
        sources = [(source.source_path, source.etag) for source in _survivor_files(settings)]
        parts += ["thinned", batch_digest(*sources), str(settings.where), str(settings.group)]
        if settings.drawn_from_run is not None:
            parts.append(named_run(runs, settings.drawn_from_run, "--drawn-from").fingerprint)
    return parts


def whole_pool(ctx: Context, snapshots: list[str]) -> Pool:
    """Return the matched pool of the snapshots, with its counts or those of the run that they are frozen by."""
    if ctx.metadata is None:
        raise ConfigError("balance needs --metadata, the list that the pairs were matched with.")
    states = [ctx.pool_state(snapshot) for snapshot in snapshots]
    pinned = max(state[1] for state in states if state)
    versions = {"pairs": ctx.warehouse.readable_version("pairs", pinned)}
    if ctx.settings.freeze_counts is not None:
        counted = _frozen_counts(ctx, ctx.settings.freeze_counts)
    else:
        versions["entry_counts"] = _version_of_counts(ctx)
        counted = of_snapshots(ctx, "entry_counts", snapshots, versions["entry_counts"])
    summed = counted.groupBy("entry_id").agg(F.sum("count").alias("count")).toArrow()
    counts = _laid_out(ctx, summed)
    pairs = of_snapshots(ctx, "pairs", snapshots, versions["pairs"])
    pool = Pool(pairs, None, counts, counted, versions, frozen=ctx.settings.freeze_counts is not None)
    return _one_of_each_image(ctx, pool)


def of_snapshots(ctx: Context, table: str, snapshots: list[str], version: int | None) -> DataFrame:
    """Return a table's rows of this list and these snapshots."""
    return filter_equal(ctx.warehouse.read(table, version), metadata_id=ctx.metadata_id, snapshot=snapshots)


def subset_of(ctx: Context, run_id: str) -> DataFrame:
    """Return a run's subset as pairs, and in `within` the probability that each was drawn with."""
    # At the version of now: the same step may replace this run's own rows.
    rows = filter_equal(ctx.warehouse.read("curated_pairs", ctx.warehouse.version("curated_pairs")), run_id=run_id)
    return rows.select(*PAIRS.names, F.col("sampling_probability").alias(WITHIN))


def _one_of_each_image(ctx: Context, pool: Pool) -> Pool:
    if ctx.settings.unit != "image":
        return pool
    return replace(pool, pairs=choose(pool.pairs, ctx.settings.seed), every_pair=pool.pairs)


def _version_of_counts(ctx: Context) -> int:
    pinned = ctx.settings.pinned.get("entry_counts")
    if pinned is None:
        return ctx.warehouse.version("entry_counts")  # type: ignore[return-value]
    return ctx.warehouse.readable_version("entry_counts", pinned)


def _frozen_counts(ctx: Context, run_id: str) -> DataFrame:
    run = named_run(drawn_runs(ctx.attempt.stage_events), run_id, "--freeze-counts")
    if ctx.metadata_id not in run.metadata_ids:
        raise ConfigError(f"--freeze-counts names run {run_id!r}, whose counts are of another list; got another.")
    return filter_equal(ctx.warehouse.read("entry_probabilities"), run_id=run_id)


def _what_is_left(ctx: Context, snapshots: list[str]) -> Pool:
    """Return the survivors: of the pool, recounted; of a run's subset, counted by what each of its pairs stands for."""
    settings, run = ctx.settings, ctx.settings.drawn_from_run
    pool = whole_pool(ctx, snapshots)
    every = pool.pairs if pool.every_pair is None else pool.every_pair
    before = every if run is None else subset_of(ctx, run)
    pairs = _left_of(ctx, before)
    if settings.survivors is not None or settings.group is not None:
        pairs = _stored(ctx, pairs)
    if pairs.isEmpty():
        raise InputError(_nothing_left(settings))
    within = None if run is None else WITHIN
    if pool.frozen:
        left = replace(pool, pairs=pairs, every_pair=None)
    else:
        counts = _laid_out(ctx, count(pairs, len(ctx.metadata.entries), within).toArrow())
        left = Pool(pairs, None, counts, _as_rows(ctx, counts), pool.versions, within=within)
    # A run with --unit image drew one text of each image already.
    return left if run is not None else _one_of_each_image(ctx, left)


def _laid_out(ctx: Context, counted: pa.Table) -> np.ndarray:
    ids, counts = counted["entry_id"].to_numpy(), counted["count"].to_numpy()
    return by_entry(ids, counts, missing=0, n_entries=len(ctx.metadata.entries))


def _left_of(ctx: Context, before: DataFrame) -> DataFrame:
    settings = ctx.settings
    if settings.survivors is None:
        left = _understood(lambda: filtered(before, settings.where), "--where", before)
        if settings.group is not None:
            left = _understood(lambda: left.withColumn(GROUP, F.expr(settings.group)), "--group", before)
    else:
        table = ctx.spark.read.parquet(*[_for_spark(source.uri) for source in _survivor_files(settings)])
        if settings.where is not None:
            _understood(lambda: filtered(table, settings.where), "--where", table)
        kept = _understood(lambda: survivors_of(table, settings.where, settings.group), "--group", table)
        left = surviving(before, kept)
    if settings.group is not None:
        left = one_of_each_group(left, GROUP, settings.seed).drop(GROUP)
    return left


def _understood(make, flag: str, table: DataFrame) -> DataFrame:
    """Return what is made of SQL that the user wrote, or say in a sentence what is wrong with it."""
    try:
        made = make()
        made.schema  # noqa: B018 - over Spark Connect nothing is checked before
    except AnalysisException as error:
        said = str(error).splitlines()[0]
        raise ConfigError(f"{flag} cannot be used: {said} The columns are {table.columns}.") from error
    return made


def _survivor_files(settings: Settings) -> list[Source]:
    if settings.survivors is None:
        return []
    found = find_sources([settings.survivors])
    files = [source for source in found if source.format == "parquet"]
    if not files:
        raise InputError(
            f"survivors {settings.survivors} holds no Parquet file; expected one with the column pair_id, image_id or "
            "url, or the folder that img2dataset wrote."
        )
    return files


def _for_spark(uri: str) -> str:
    return "s3a" + uri[2:] if uri.startswith("s3://") else uri


def _stored(ctx: Context, pairs: DataFrame) -> DataFrame:
    """Write what is left, which several passes read and which took a join to find; return it as it was written."""
    run_id = ctx.attempt.run_id
    rows = pairs if WITHIN in pairs.columns else pairs.withColumn(WITHIN, F.lit(None).cast("double"))
    commit = ctx.warehouse.replace("survivors", rows.withColumn("run_id", F.lit(run_id)), run_id=run_id)
    ctx.reporter.say(f"survivors: {commit.rows:,} pairs are left.")
    return filter_equal(ctx.warehouse.read("survivors", commit.version), run_id=run_id).select(*PAIRS.names, WITHIN)


def _as_rows(ctx: Context, counts: np.ndarray) -> DataFrame:
    matched = np.flatnonzero(counts)
    entries = ctx.metadata.entries
    return ctx.spark.createDataFrame(
        pa.table(
            {
                "metadata_id": pa.array([ctx.metadata_id] * len(matched), pa.string()),
                "lang": pa.array([UNKNOWN] * len(matched), pa.string()),
                "entry_id": pa.array(matched.astype(np.int32)),
                "entry": pa.array([entries[at] for at in matched.tolist()], pa.string()),
                "count": pa.array(counts[matched]),
            }
        )
    )


def _nothing_left(settings: Settings) -> str:
    of = "the pool" if settings.drawn_from_run is None else f"run {settings.drawn_from_run}"
    what = settings.survivors or f"--where {settings.where!r}"
    return f"{what} leaves no matched pair of {of}; expected pair ids, image ids or urls of it. Nothing was drawn."
