"""The dedup step: move the extracted pairs into `pairs`, without repeats, and store the outcomes of their sources.

The step writes six tables, and Delta has no commit over several. So it first logs the batches that it is about to move.
An interrupted step is repeated with the same batches. Each write either happens once (`txn`), or adds only what is
missing.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from metaclip_spark.core.hashing.bloom_filter import BloomFilter, shard_bits_for
from metaclip_spark.core.hashing.digest import batch_digest
from metaclip_spark.core.wording import counted
from metaclip_spark.spark.broadcast import Broadcast
from metaclip_spark.stages.dedup import (
    dedup,
    filter_shards,
    keys_in_filter,
    missing_keys,
    rejects,
    sightings,
    sources,
    staged_pairs,
)
from metaclip_spark.steps.context import WritingContext, in_pool
from metaclip_spark.warehouse.events import DONE, STARTED
from metaclip_spark.warehouse.tables import equal_to, filter_equal

FILTER_FROM = 1_000_000
"""Minimum number of known keys for which a Bloom filter drops keys before the join. There must also be at least as many
known keys as new ones. With fewer known keys the join alone is faster."""
FILTER_UP_TO = 1 << 27
"""Maximum number of new keys for which the Bloom filter is used. The filter takes 1.5 bytes per new key in each Python
worker. With more new keys the join moves all known keys."""


def dedup_step(ctx: WritingContext) -> int:
    """Move the extracted batches of the snapshot into `pairs`; return the number of pairs added."""
    snapshot = ctx.settings.snapshot
    added = 0
    last = ctx.last("dedup", snapshot)
    if last is not None and last.event == STARTED:
        added += _move(ctx, last.detail["batches"], last.fingerprint)
    staged = in_pool(ctx, "extracted", snapshot).select("batch_id").distinct().collect()
    if staged:
        batch_ids = sorted(row["batch_id"] for row in staged)
        fingerprint = batch_digest("dedup", snapshot, ctx.metadata_id, batch_ids)
        ctx.attempt.record(STARTED, "dedup", snapshot=snapshot, fingerprint=fingerprint, detail={"batches": batch_ids})
        added += _move(ctx, batch_ids, fingerprint)
    return added


def _move(ctx: WritingContext, batch_ids: list[str], fingerprint: str) -> int:
    snapshot, warehouse = ctx.settings.snapshot, ctx.warehouse
    with ctx.reporter.stage("dedup", ctx.spark) as stage:
        staged = in_pool(ctx, "extracted", snapshot).where(F.col("batch_id").isin(batch_ids))
        if not staged.isEmpty():
            commit = warehouse.append("pairs", _new_pairs(ctx, staged), txn=fingerprint)
            stage.pairs = commit.rows
            _add_keys(ctx, snapshot)
            if ctx.settings.id_column is None:
                stored = in_pool(ctx, "sightings", snapshot)
                warehouse.append("sightings", sightings(staged, stored), txn=fingerprint)
            warehouse.append("rejects", rejects(staged), txn=fingerprint)
            closed = sources(staged).withColumn("batch_id", F.lit(fingerprint))
            warehouse.append("sources", closed, txn=fingerprint)
            _drop_staged(ctx, snapshot, batch_ids)
        # The files are removed before the event `done`, because no later attempt would remove them.
        warehouse.remove_files("extracted")
        stage.note = f"{counted(stage.pairs, 'unique pair')} added"
    ctx.attempt.record(
        DONE,
        "dedup",
        snapshot=snapshot,
        fingerprint=fingerprint,
        versions=_versions(ctx),
        rows=stage.pairs,
        detail={"batches": batch_ids},
    )
    return stage.pairs


def _new_pairs(ctx: WritingContext, staged: DataFrame) -> DataFrame:
    if ctx.settings.no_dedup:
        return staged_pairs(staged)
    keys = filter_equal(ctx.warehouse.read("pair_keys"), metadata_id=ctx.metadata_id)
    return dedup(staged, _known_keys(ctx, staged, keys))


def _known_keys(ctx: WritingContext, staged: DataFrame, keys: DataFrame) -> DataFrame:
    """Return the known keys that the join needs: all keys, or those that a Bloom filter of the new keys lets pass.

    Both give the same result of the join. With the filter, the join of the twentieth crawl does not have to move the
    keys of the nineteen earlier crawls.
    """
    known = keys.count()
    new = staged.where("kind = 'source'").agg(F.sum("pairs_written")).collect()[0][0] or 0
    if known < max(FILTER_FROM, new) or new > FILTER_UP_TO:
        return keys
    bits = shard_bits_for(new)
    new_keys = staged_pairs(staged).select(F.unhex("pair_id").alias("pair_key"))
    shards = {row["shard"]: bytes(row["bits"]) for row in filter_shards(new_keys, bits).collect()}
    return keys_in_filter(keys, Broadcast.of(ctx.spark, BloomFilter(shards, bits)))


def _add_keys(ctx: WritingContext, snapshot: str) -> None:
    if ctx.settings.id_column is None:
        missing = missing_keys(in_pool(ctx, "pairs", snapshot), in_pool(ctx, "pair_keys", snapshot))
        ctx.warehouse.append("pair_keys", missing)


def _drop_staged(ctx: WritingContext, snapshot: str, batch_ids: list[str]) -> None:
    here = {"metadata_id": ctx.metadata_id, "snapshot": snapshot}
    others = in_pool(ctx, "extracted", snapshot).where(~F.col("batch_id").isin(batch_ids))
    # Delta deletes whole partitions without reading a file. A condition on the batches would read all files.
    condition = equal_to(**here) if others.isEmpty() else equal_to(**here, batch_id=batch_ids)
    ctx.warehouse.delete("extracted", condition)


def _versions(ctx: WritingContext) -> dict[str, int]:
    tables = ("pairs", "pair_keys", "sightings", "sources", "rejects")
    versions = {name: ctx.warehouse.version(name) for name in tables}
    return {name: version for name, version in versions.items() if version is not None}
