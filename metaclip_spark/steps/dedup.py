"""The dedup step: move the extracted pairs into `pairs`, without repeats, and store the outcomes of their sources.

The step writes four tables, and Delta has no commit over several. So it first logs the batches that it is about to
move, and the number of key prefixes in which it moves them. Each prefix is one commit per table. An interrupted step is
repeated with the same batches and the same prefixes. Each write happens once (`txn`).
"""

from __future__ import annotations

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from metaclip_spark.core.hashing.bloom_filter import shards_for
from metaclip_spark.core.hashing.digest import batch_digest
from metaclip_spark.core.hashing.key_prefix import KeyPrefix, prefixes, prefixes_for
from metaclip_spark.core.wording import counted
from metaclip_spark.spark.broadcast import Broadcast
from metaclip_spark.spark.embedded import is_embedded, rows_in_memory
from metaclip_spark.stages.dedup import CONSTANT, dedup, of_prefix, rejects, sightings, sources, staged_pairs
from metaclip_spark.stages.known_keys import filter_shards, keys_in_filter, known_keys
from metaclip_spark.steps.context import WritingContext, in_pool
from metaclip_spark.steps.staging import (
    complete_outcomes,
    delete_staged,
    pairs_staged,
    staged_batches,
    staged_outcome_rows,
    staged_rows,
)
from metaclip_spark.warehouse.data_files import few_files
from metaclip_spark.warehouse.events import DONE, STARTED
from metaclip_spark.warehouse.statements import set_for_now
from metaclip_spark.warehouse.tables import filter_equal

PAIRS_PER_PREFIX = 1 << 29
"""Maximum number of staged pairs of a key prefix, on Spark. The embedded engine also goes by its memory."""
PAIRS_PER_BUCKET = 1 << 19
"""Number of staged pairs of a bucket: one task, which sorts them, and one file of `pairs`."""
LEAST_PER_BUCKET = 1 << 16
"""Number of staged pairs for which another bucket is made where the session has tasks for it."""
MOST_SMALL_BUCKETS = 64
"""Maximum number of buckets with fewer than PAIRS_PER_BUCKET pairs."""
FILTER_FROM = 1_000_000
"""Minimum number of known keys of a prefix for which a Bloom filter drops keys before they are moved. There must also
be at least as many known keys as new ones. With fewer known keys it is faster to move all."""
BYTES_OF_A_REJECT = 200
"""About how many bytes a stored reject takes: its record and its content, shortened."""

_SPLIT_BYTES = "spark.sql.files.maxPartitionBytes"
_USUAL_SPLIT = 128 << 20
_PARTS_PER_SPLIT = 4
"""With K prefixes, a task takes K / 4 times as many bytes of staging files as usual, of which it reads a part."""


def dedup_step(ctx: WritingContext) -> int:
    """Move the extracted batches of the snapshot into `pairs`; return the number of pairs added."""
    snapshot = ctx.settings.snapshot
    added = 0
    complete_outcomes(ctx)
    last = ctx.last("dedup", snapshot)
    if last is not None and last.event == STARTED:
        number = last.detail.get("prefixes", 1)  # one, where an earlier version of this program was interrupted
        added += _move(ctx, last.detail["batches"], last.fingerprint, number, again=True)
    batch_ids = staged_batches(ctx)
    if batch_ids:
        fingerprint = batch_digest("dedup", snapshot, ctx.metadata_id, batch_ids)
        number = _number_of_prefixes(ctx, pairs_staged(ctx, batch_ids))
        detail = {"batches": batch_ids, "prefixes": number}
        ctx.attempt.record(STARTED, "dedup", snapshot=snapshot, fingerprint=fingerprint, detail=detail)
        added += _move(ctx, batch_ids, fingerprint, number)
    return added


def _move(ctx: WritingContext, batch_ids: list[str], fingerprint: str, number: int, again: bool = False) -> int:
    """Move batches in `number` key prefixes, as the log says; return the number of pairs that they added.

    Args:
        again: whether an earlier attempt may have moved some.
    """
    snapshot, warehouse = ctx.settings.snapshot, ctx.warehouse
    with ctx.reporter.stage("dedup", ctx.spark, snapshot=snapshot) as stage:
        if set(staged_batches(ctx)) & set(batch_ids):
            staged = staged_rows(ctx, batch_ids)
            moved = _Move(ctx, staged, pairs_staged(ctx, batch_ids), fingerprint, number, again)
            # A prefix reads a part of each staging file, so a task takes more files.
            size = {_SPLIT_BYTES: str(_USUAL_SPLIT * number // _PARTS_PER_SPLIT)} if number > _PARTS_PER_SPLIT else {}
            with set_for_now(ctx.spark, **size):
                for prefix in prefixes(number):
                    with stage.describe(f"prefix {prefix.number + 1} of {prefix.of}"):
                        stage.pairs += moved.pairs_of(prefix)
                        moved.sightings_of(prefix)
            closed = sources(staged_outcome_rows(ctx, batch_ids)).withColumn("batch_id", F.lit(fingerprint)).toArrow()
            files = _files_of_rejects(ctx, closed)
            warehouse.append("rejects", rejects(staged), txn=fingerprint, files=files)
            warehouse.append("sources", closed, txn=fingerprint)
            delete_staged(ctx, batch_ids)
        if again:
            stage.pairs = _of_batch(ctx, fingerprint).count()
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
        detail={"batches": batch_ids, "prefixes": number},
    )
    return stage.pairs


class _Move:
    """Moves staged pairs into `pairs` and `sightings`, one key prefix after another.

    Args:
        staged: the rows of the batches.
        pairs: number of pairs among them.
        number: number of prefixes.
        again: whether an earlier attempt may have moved some.
    """

    def __init__(
        self, ctx: WritingContext, staged: DataFrame, pairs: int, fingerprint: str, number: int, again: bool
    ) -> None:
        self._ctx, self._staged, self._fingerprint = ctx, staged, fingerprint
        self._number, self._again = number, again
        snapshot = ctx.settings.snapshot
        self._new = -(-pairs // number)
        self._known = -(-ctx.warehouse.count("pairs", metadata_id=ctx.metadata_id) // number)
        # A prefix has no key of the prefixes before it, so what this deduplication stores is not asked for.
        self._seen = ctx.warehouse.count("sightings", metadata_id=ctx.metadata_id, snapshot=snapshot)
        self._constants = dict(zip(CONSTANT, (ctx.metadata_id, snapshot, fingerprint), strict=True))

    def pairs_of(self, prefix: KeyPrefix) -> int:
        """Add the new pairs of a prefix to `pairs`; return their number, or 0 where they are there."""
        ctx = self._ctx
        if self._again and not of_prefix(_of_batch(ctx, self._fingerprint), prefix).isEmpty():
            return 0
        shards: dict[int, Broadcast[bytes]] = {}
        if ctx.settings.no_dedup:
            rows = staged_pairs(self._staged, prefix).withColumn("batch_id", F.lit(self._fingerprint))
        else:
            rows = dedup(self._staged, self._known_keys(prefix, shards), prefix, self._buckets(), self._constants)
        commit = ctx.warehouse.append("pairs", rows, txn=self._txn(prefix))
        for shard in shards.values():
            shard.release()
        return commit.rows

    def sightings_of(self, prefix: KeyPrefix) -> None:
        """Add the keys of the staged pairs of a prefix to `sightings`."""
        ctx = self._ctx
        if ctx.settings.id_column is not None:
            return
        seen = None
        if self._seen:
            seen = of_prefix(in_pool(ctx, "sightings", ctx.settings.snapshot), prefix, "pair_key")
        constants = {name: value for name, value in self._constants.items() if name != "batch_id"}
        rows = sightings(self._staged, seen, prefix, self._buckets(8 * PAIRS_PER_BUCKET), constants)
        ctx.warehouse.append("sightings", rows, txn=self._txn(prefix))

    def _known_keys(self, prefix: KeyPrefix, shards: dict[int, Broadcast[bytes]]) -> DataFrame | None:
        """Return the known keys to compare with: all keys, or those that a Bloom filter of the new keys lets pass.

        Both give the same result. With the filter, the twentieth crawl does not move the keys of the nineteen earlier
        crawls.

        Args:
            shards: gets the shards of the filter.
        """
        ctx = self._ctx
        if not self._known:
            return None
        # At a version: else Delta would take the write for one that depends on all files of the table that it adds to,
        # and refuse it where another program compacts them meanwhile.
        pairs = ctx.warehouse.read("pairs", ctx.warehouse.version("pairs"))
        known = known_keys(filter_equal(pairs, metadata_id=ctx.metadata_id), prefix)
        if self._known < FILTER_FROM or self._known < self._new:
            return known
        number = shards_for(self._new)
        for row in filter_shards(self._staged, number, prefix).collect():
            shards[row["shard"]] = Broadcast.of(ctx.spark, bytes(row["bits"]))
        return keys_in_filter(known, shards, number, prefix)

    def _buckets(self, pairs_per_bucket: int = PAIRS_PER_BUCKET) -> int:
        """Return the number of tasks that sort a prefix, each of which writes a file."""
        tasks = _tasks(self._ctx)
        small = min(tasks, MOST_SMALL_BUCKETS, -(-self._new // LEAST_PER_BUCKET))
        return max(1, small, -(-self._new // pairs_per_bucket))

    def _txn(self, prefix: KeyPrefix) -> str:
        return self._fingerprint if self._number == 1 else f"{self._fingerprint}:{prefix.number}/{prefix.of}"


def pairs_per_prefix(spark: SparkSession) -> int:
    """Return the maximum number of staged pairs of a key prefix. More pairs are deduplicated in several prefixes."""
    return min(PAIRS_PER_PREFIX, rows_in_memory()) if is_embedded(spark) else PAIRS_PER_PREFIX


def _number_of_prefixes(ctx: WritingContext, pairs: int) -> int:
    return 1 if ctx.settings.no_dedup else prefixes_for(pairs, pairs_per_prefix(ctx.spark))


def _tasks(ctx: WritingContext) -> int:
    """Return the number of tasks that the session makes for a shuffle."""
    if is_embedded(ctx.spark):
        return 1
    wanted = ctx.spark.conf.get("spark.sql.shuffle.partitions", "") or ""
    return int(wanted) if wanted.isdigit() else MOST_SMALL_BUCKETS  # some platforms choose it themselves: auto


def _of_batch(ctx: WritingContext, fingerprint: str) -> DataFrame:
    return filter_equal(in_pool(ctx, "pairs", ctx.settings.snapshot), batch_id=fingerprint)


def _files_of_rejects(ctx: WritingContext, closed: pa.Table) -> int | None:
    """Return the number of files for the sampled rejects of some sources; None: one per task, as few tasks read them.

    Args:
        closed: the outcomes of the sources, which count all rejects by reason.
    """
    cap = ctx.settings.rejects_per_reason
    numbers = (min(number, cap) for counts in closed["rejected"].to_pylist() for _, number in counts or ())
    return few_files(sum(numbers) * BYTES_OF_A_REJECT, closed.num_rows)


def _versions(ctx: WritingContext) -> dict[str, int]:
    tables = ("pairs", "sightings", "sources", "rejects")
    versions = {name: ctx.warehouse.version(name) for name in tables}
    return {name: version for name, version in versions.items() if version is not None}
