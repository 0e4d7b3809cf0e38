"""The dedup step: move the extracted pairs into `pairs`, without repeats, and store the outcomes of their sources.

The step writes six tables, and Delta has no commit over several. So it first logs the batches that it is about to move.
An interrupted step is repeated with the same batches. Each write either happens once (`txn`), or adds only what is
missing.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from metaclip_spark.core.hashing.bloom_filter import BloomFilter, shard_bits_for
from metaclip_spark.core.hashing.digest import batch_digest
from metaclip_spark.core.wording import counted
from metaclip_spark.schemas import TABLES
from metaclip_spark.spark.broadcast import Broadcast
from metaclip_spark.spark.embedded import is_embedded
from metaclip_spark.stages.dedup import (
    Hashes,
    dedup,
    filter_shards,
    keys_in_filter,
    missing_keys,
    rejects,
    sightings,
    sources,
    staged_pairs,
    suspect_hashes,
)
from metaclip_spark.steps.context import WritingContext, in_pool
from metaclip_spark.warehouse.data_files import few_files
from metaclip_spark.warehouse.events import DONE, STARTED
from metaclip_spark.warehouse.tables import filter_equal

FILTER_FROM = 1_000_000
"""Minimum number of known keys for which a Bloom filter drops keys before the join. There must also be at least as many
known keys as new ones. With fewer known keys the join alone is faster."""
BYTES_OF_A_REJECT = 200
"""About how many bytes a stored reject takes: its record and its content, shortened."""
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
    batch_ids = _staged_batches(ctx, snapshot)
    if batch_ids:
        fingerprint = batch_digest("dedup", snapshot, ctx.metadata_id, batch_ids)
        ctx.attempt.record(STARTED, "dedup", snapshot=snapshot, fingerprint=fingerprint, detail={"batches": batch_ids})
        added += _move(ctx, batch_ids, fingerprint)
    return added


def _move(ctx: WritingContext, batch_ids: list[str], fingerprint: str) -> int:
    snapshot, warehouse = ctx.settings.snapshot, ctx.warehouse
    with ctx.reporter.stage("dedup", ctx.spark, snapshot=snapshot) as stage:
        there = _staged_batches(ctx, snapshot)
        if set(there) & set(batch_ids):
            staged = in_pool(ctx, "extracted", snapshot).where(F.col("batch_id").isin(batch_ids))
            rows, suspects = _new_pairs(ctx, staged)
            rows = rows.withColumn("batch_id", F.lit(fingerprint))
            commit = warehouse.append("pairs", rows, txn=fingerprint)
            stage.pairs = commit.rows
            _add_keys(ctx, snapshot)
            if ctx.settings.id_column is None:
                stored = _stored_keys(ctx, "sightings", snapshot)
                warehouse.append("sightings", sightings(staged, stored, suspects), txn=fingerprint)
            closed = sources(staged).withColumn("batch_id", F.lit(fingerprint)).toArrow()
            files = _files_of_rejects(ctx, closed)
            warehouse.append("rejects", rejects(staged), txn=fingerprint, files=files)
            warehouse.append("sources", closed, txn=fingerprint)
            _drop_staged(ctx, snapshot, batch_ids, others=set(there) - set(batch_ids))
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


def _staged_batches(ctx: WritingContext, snapshot: str) -> list[str]:
    """Return the batches of a snapshot that are extracted and not deduplicated, in order."""
    return ctx.warehouse.values("extracted", "batch_id", metadata_id=ctx.metadata_id, snapshot=snapshot)


def _new_pairs(ctx: WritingContext, staged: DataFrame) -> tuple[DataFrame, Hashes | None]:
    """Return the new pairs, and the hashes of the keys that may be repeats; None where every key may be one."""
    if ctx.settings.no_dedup:
        return staged_pairs(staged), None
    known = _known_keys(ctx, staged)
    suspects = _suspects(ctx, staged, known)
    return dedup(staged, known, suspects), suspects


def _suspects(ctx: WritingContext, staged: DataFrame, known: DataFrame) -> Hashes | None:
    """Return the hashes of the keys that may be repeats, on the embedded engine.

    There, the rows are not sorted as a whole: that takes most of the time and of the memory, and few rows are repeats.
    """
    if not is_embedded(ctx.spark):
        return None
    hashes = suspect_hashes(staged, known).toArrow()["hash"].to_numpy()
    return Broadcast.of(ctx.spark, np.sort(hashes))


def _known_keys(ctx: WritingContext, staged: DataFrame) -> DataFrame:
    """Return the known keys that the join needs: all keys, or those that a Bloom filter of the new keys lets pass.

    Both give the same result of the join. With the filter, the join of the twentieth crawl does not have to move the
    keys of the nineteen earlier crawls.
    """
    known = ctx.warehouse.count("pair_keys", metadata_id=ctx.metadata_id)
    if not known:
        return ctx.spark.createDataFrame([], TABLES["pair_keys"].ddl)
    keys = filter_equal(ctx.warehouse.read("pair_keys"), metadata_id=ctx.metadata_id)
    if known < FILTER_FROM:
        return keys
    new = staged.where("kind = 'source'").agg(F.sum("pairs_written")).collect()[0][0] or 0
    if known < new or new > FILTER_UP_TO:
        return keys
    bits = shard_bits_for(new)
    new_keys = staged_pairs(staged).select(F.unhex("pair_id").alias("pair_key"))
    shards = {row["shard"]: bytes(row["bits"]) for row in filter_shards(new_keys, bits).collect()}
    return keys_in_filter(keys, Broadcast.of(ctx.spark, BloomFilter(shards, bits)))


def _add_keys(ctx: WritingContext, snapshot: str) -> None:
    if ctx.settings.id_column is None:
        missing = missing_keys(in_pool(ctx, "pairs", snapshot), _stored_keys(ctx, "pair_keys", snapshot))
        ctx.warehouse.append("pair_keys", missing)


def _stored_keys(ctx: WritingContext, table: str, snapshot: str) -> DataFrame:
    """Return the keys that are stored for a snapshot. The plan of a join with no keys has no join."""
    if not ctx.warehouse.count(table, metadata_id=ctx.metadata_id, snapshot=snapshot):
        return ctx.spark.createDataFrame([], TABLES[table].ddl)
    return in_pool(ctx, table, snapshot)


def _drop_staged(ctx: WritingContext, snapshot: str, batch_ids: list[str], others: set[str]) -> None:
    here = {"metadata_id": ctx.metadata_id, "snapshot": snapshot}
    # Delta deletes whole partitions without reading a file. A condition on the batches would read all files.
    if others:
        ctx.warehouse.delete("extracted", **here, batch_id=batch_ids)
    else:
        ctx.warehouse.delete("extracted", **here)


def _files_of_rejects(ctx: WritingContext, closed: pa.Table) -> int | None:
    """Return the number of files for the sampled rejects of some sources; None: one per task, as few tasks read them.

    Args:
        closed: the outcomes of the sources, which count all rejects by reason.
    """
    cap = ctx.settings.rejects_per_reason
    numbers = (min(number, cap) for counts in closed["rejected"].to_pylist() for _, number in counts or ())
    return few_files(sum(numbers) * BYTES_OF_A_REJECT, closed.num_rows)


def _versions(ctx: WritingContext) -> dict[str, int]:
    tables = ("pairs", "pair_keys", "sightings", "sources", "rejects")
    versions = {name: ctx.warehouse.version(name) for name in tables}
    return {name: version for name, version in versions.items() if version is not None}
