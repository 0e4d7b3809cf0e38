"""The match step: match stored pairs with another list, without reading the sources again."""

from __future__ import annotations

from pyspark.sql import functions as F

from metaclip_spark.core.hashing.digest import batch_digest
from metaclip_spark.core.wording import counted
from metaclip_spark.errors import ConfigError
from metaclip_spark.stages.match import match
from metaclip_spark.steps.context import Context, WritingContext
from metaclip_spark.warehouse.events import DONE, STARTED
from metaclip_spark.warehouse.tables import filter_equal


def match_step(ctx: WritingContext) -> int:
    """Match the pairs of every complete snapshot of the other list with this list; return the number of pairs written.

    Raises:
        ConfigError: there are pairs of no other list, or of several.
    """
    origin = _origin_list(ctx)
    written = 0
    for snapshot, (fingerprint, version) in _complete_snapshots(ctx, origin).items():
        wanted = batch_digest("match", fingerprint, ctx.metadata_id)
        last = ctx.last("match", snapshot)
        if last is not None and last.event == DONE and last.fingerprint == wanted:
            continue
        if ctx.last("dedup", snapshot) is not None:
            ctx.reporter.warn(f"snapshot {snapshot} was extracted with this list already; it is skipped.")
            continue
        written += _match_snapshot(ctx, origin, snapshot, version, wanted)
    return written


def _match_snapshot(ctx: WritingContext, origin: str, snapshot: str, version: int, fingerprint: str) -> int:
    with ctx.reporter.stage("match", ctx.spark, snapshot=snapshot) as stage:
        ctx.attempt.record(STARTED, "match", snapshot=snapshot, fingerprint=fingerprint, detail={"origin": origin})
        version = ctx.warehouse.readable_version("pairs", version)
        stored = filter_equal(ctx.warehouse.read("pairs", version), metadata_id=origin, snapshot=snapshot)
        pairs = match(stored, ctx.matcher, ctx.metadata_id, ctx.settings.keep_unmatched)
        pairs = pairs.withColumn("batch_id", F.lit(fingerprint))
        commit = ctx.warehouse.replace("pairs", pairs, metadata_id=ctx.metadata_id, snapshot=snapshot)
        stage.pairs = commit.rows
        stage.note = f"{counted(commit.rows, 'pair')} of snapshot {snapshot}"
    ctx.attempt.record(
        DONE,
        "match",
        snapshot=snapshot,
        fingerprint=fingerprint,
        versions={"pairs": commit.version},
        rows=commit.rows,
        detail={"origin": origin},
    )
    return commit.rows


def _origin_list(ctx: Context) -> str:
    """Return the id of the list whose pairs are matched again: the only other list."""
    extracted = {e.metadata_ids[0] for e in ctx.log.stage_events if e.stage == "dedup"}
    origins = sorted(extracted - {ctx.metadata_id})
    if len(origins) != 1:
        raise ConfigError(
            f"match needs pairs of exactly one other list to start from, got {len(origins)}: {origins}. "
            "Run extract (without --metadata: every text is kept) and dedup first."
        )
    return origins[0]


def _complete_snapshots(ctx: Context, origin: str) -> dict[str, tuple[str, int]]:
    """Return snapshot -> (fingerprint, pinned version of pairs) of the other list's complete snapshots."""
    deduplicated = [e for e in ctx.log.stage_events if e.stage == "dedup" and origin in e.metadata_ids]
    last = {e.snapshot: e for e in deduplicated if e.snapshot is not None}
    complete = {name: event for name, event in sorted(last.items()) if event.event == DONE}
    return {name: (event.fingerprint, event.versions.get("pairs", -1)) for name, event in complete.items()}
