"""Deduplicate what was extracted, and close its sources.

Six tables are written, and Delta has no commit over several: so the step first notes what it is about to take
in (the batches), and a step that was cut short is done again with the same batches, each of whose writes is
either made once (`txn`) or a function of what is missing.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from metaclip_spark.core.hashing.bloom_filter import BloomFilter, shard_bits_for
from metaclip_spark.core.hashing.digest import batch_digest
from metaclip_spark.spark.broadcast import Broadcast
from metaclip_spark.stages.dedup import (
    dedup,
    filter_shards,
    missing_keys,
    rejects,
    sightings,
    sources,
    staged_pairs,
    that_may_matter,
)
from metaclip_spark.steps.context import Context, in_pool
from metaclip_spark.warehouse.events import DONE, STARTED
from metaclip_spark.warehouse.tables import filter_equal

FILTER_FROM = 1_000_000
"""From so many known keys on (and where they outnumber the new ones), those that cannot matter are left out before
the join; below it the join alone is faster."""
FILTER_UP_TO = 1 << 27
"""Up to so many new keys: each Python worker holds 1.5 bytes a key of them. Beyond it the join moves all keys."""


def dedup_step(ctx: Context) -> int:
    """Take the extracted batches of the snapshot into `pairs`; return the pairs added."""
    snapshot = ctx.settings.snapshot
    added = 0
    last = ctx.last("dedup", snapshot)
    if last is not None and last.event == STARTED:
        added += _take_in(ctx, last.detail["batches"], last.fingerprint)
    staged = in_pool(ctx, "extracted", snapshot).select("batch_id").distinct().collect()
    if staged:
        batch_ids = sorted(row["batch_id"] for row in staged)
        fingerprint = batch_digest("dedup", snapshot, ctx.metadata_id, batch_ids)
        ctx.attempt.record(STARTED, "dedup", snapshot=snapshot, fingerprint=fingerprint, detail={"batches": batch_ids})
        added += _take_in(ctx, batch_ids, fingerprint)
    return added


def _take_in(ctx: Context, batch_ids: list[str], fingerprint: str) -> int:
    snapshot, warehouse = ctx.settings.snapshot, ctx.warehouse
    with ctx.reporter.stage("dedup", ctx.spark) as stage:
        staged = in_pool(ctx, "extracted", snapshot).where(F.col("batch_id").isin(batch_ids))
        if not staged.isEmpty():
            commit = warehouse.append("pairs", _new_pairs(ctx, staged), txn=fingerprint)
            stage.rows = commit.rows
            _add_keys(ctx, snapshot)
            if ctx.settings.id_column is None:
                seen = in_pool(ctx, "sightings", snapshot)
                warehouse.append("sightings", sightings(staged, seen), txn=fingerprint)
            warehouse.append("rejects", rejects(staged), txn=fingerprint)
            closed = sources(staged).withColumn("batch_id", F.lit(fingerprint))
            warehouse.append("sources", closed, txn=fingerprint)
            _drop_staged(ctx, snapshot, batch_ids)
        # Before the step is noted as done: nothing comes back here afterwards.
        warehouse.remove_files("extracted")
        stage.note = f"{stage.rows:,} unique pairs added"
    ctx.attempt.record(
        DONE,
        "dedup",
        snapshot=snapshot,
        fingerprint=fingerprint,
        versions=_versions(ctx),
        rows=stage.rows,
        detail={"batches": batch_ids},
    )
    return stage.rows


def _new_pairs(ctx: Context, staged: DataFrame) -> DataFrame:
    if ctx.settings.no_dedup:
        return staged_pairs(staged)
    keys = filter_equal(ctx.warehouse.read("pair_keys"), metadata_id=ctx.metadata_id)
    return dedup(staged, _known_keys(ctx, staged, keys))


def _known_keys(ctx: Context, staged: DataFrame, keys: DataFrame) -> DataFrame:
    """Return the known keys that the join needs: all of them, or those that a filter over the new ones lets through.

    The answer of the join is the same; at the twentieth crawl nineteen twentieths of the keys stay where they are.
    """
    known = keys.count()
    new = staged.where("kind = 'source'").agg(F.sum("pairs_written")).first()[0] or 0
    if known < max(FILTER_FROM, new) or new > FILTER_UP_TO:
        return keys
    bits = shard_bits_for(new)
    new_keys = staged_pairs(staged).select(F.unhex("pair_id").alias("pair_key"))
    shards = {row["shard"]: bytes(row["bits"]) for row in filter_shards(new_keys, bits).collect()}
    return that_may_matter(keys, Broadcast.of(ctx.spark, BloomFilter(shards, bits)))


def _add_keys(ctx: Context, snapshot: str) -> None:
    if ctx.settings.id_column is None:
        missing = missing_keys(in_pool(ctx, "pairs", snapshot), in_pool(ctx, "pair_keys", snapshot))
        ctx.warehouse.append("pair_keys", missing)


def _drop_staged(ctx: Context, snapshot: str, batch_ids: list[str]) -> None:
    listed = ", ".join(f"'{batch_id}'" for batch_id in batch_ids)
    here = f"metadata_id = '{ctx.metadata_id}' AND snapshot = '{snapshot}'"
    others = in_pool(ctx, "extracted", snapshot).where(~F.col("batch_id").isin(batch_ids))
    # Whole partitions go without reading a file; a condition on the batches would read them all.
    ctx.warehouse.delete("extracted", here if others.isEmpty() else f"{here} AND batch_id IN ({listed})")


def _versions(ctx: Context) -> dict[str, int]:
    tables = ("pairs", "pair_keys", "sightings", "sources", "rejects")
    found = {name: ctx.warehouse.version(name) for name in tables}
    return {name: version for name, version in found.items() if version is not None}
