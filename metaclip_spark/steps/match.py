"""The match step: match stored pairs with another list, without reading the sources again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pyspark.sql import functions as F

from metaclip_spark.core.hashing.digest import batch_digest
from metaclip_spark.core.wording import counted
from metaclip_spark.errors import ConfigError
from metaclip_spark.stages.match import match
from metaclip_spark.steps.context import NO_LIST, Context, WritingContext, stored_pairs
from metaclip_spark.warehouse.events import DONE, STARTED
from metaclip_spark.warehouse.pools import PoolState


def match_step(ctx: WritingContext) -> int:
    """Match the pairs of every snapshot of the other list with this list; return the number of pairs written.

    Only batches that were not matched with this list before are read, so the pool of an earlier run stays what it was.

    Raises:
        ConfigError: there are pairs of no other list, or of several.
    """
    origin = _origin_list(ctx)
    complete = _complete_snapshots(ctx, origin)
    limited = [name for name in complete if has_matched_only(ctx, origin, name)]
    if limited:
        ctx.reporter.warn(f"{limits_of(origin, limited)} To see them, read the sources with this list: `run`.")
    written = 0
    for snapshot, state in complete.items():
        wanted = batch_digest("match", state.fingerprint, ctx.metadata_id)
        before = _matched(ctx, snapshot)
        there = _origins_of(ctx, origin, snapshot, before)
        if before and set(state.batches) <= there:
            continue
        if ctx.last("dedup", snapshot) is not None:
            ctx.reporter.warn(f"snapshot {snapshot} was extracted with this list already; it is skipped.")
            continue
        todo = [batch for batch in state.batches if batch not in there]
        written += _match_snapshot(ctx, origin, snapshot, todo, wanted)
    return written


def _match_snapshot(ctx: WritingContext, origin: str, snapshot: str, batches: list[str], fingerprint: str) -> int:
    before = _matched(ctx, snapshot)
    detail = {"origin": origin, "batches": batches}
    bounded = ctx.warehouse.bounded_batches("pairs")
    with ctx.reporter.stage("match", ctx.spark, snapshot=snapshot) as stage, bounded:
        ctx.attempt.record(STARTED, "match", snapshot=snapshot, fingerprint=fingerprint, detail=detail)
        stored = stored_pairs(ctx.warehouse, origin, {snapshot: PoolState(fingerprint, tuple(batches))})
        pairs = match(stored, ctx.matcher, ctx.metadata_id, ctx.settings.keep_unmatched)
        pairs = pairs.withColumn("batch_id", F.lit(fingerprint))
        if before:
            commit = ctx.warehouse.append("pairs", pairs, txn=fingerprint)
        else:  # what an interrupted command of an earlier release left goes
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
        detail=detail,
    )
    return commit.rows


def _matched(ctx: Context, snapshot: str) -> tuple[str, ...]:
    """Return the batches of a snapshot that were matched with this list."""
    state = ctx.pool_state(snapshot)
    return () if state is None else state.batches


def _origins_of(ctx: Context, origin: str, snapshot: str, matched: tuple[str, ...]) -> set[str]:
    """Return the batches of the other list that batches of this list were matched from."""
    found: set[str] = set()
    for event in ctx.log.stage_events:
        if event.stage == "match" and event.event == DONE and event.fingerprint in matched:
            found.update(event.detail.get("batches", ()))
    for state in ctx.log.states().get((origin, snapshot), ()):  # earlier releases matched all that there was
        if batch_digest("match", state.fingerprint, ctx.metadata_id) in matched[:1]:
            found.update(state.batches)
    return found


def limited_snapshots(ctx: Context, snapshots: Iterable[str]) -> dict[str, list[str]]:
    """Return origin -> the snapshots of this list whose pairs `match` read from one that kept only its own matches."""
    found: dict[str, list[str]] = {}
    for snapshot in snapshots:
        last = ctx.last("match", snapshot)
        if last is not None and ctx.last("dedup", snapshot) is None:
            origin = last.detail["origin"]
            if has_matched_only(ctx, origin, snapshot):
                found.setdefault(origin, []).append(snapshot)
    return found


def limits_of(origin: str, snapshots: Sequence[str]) -> str:
    """Return the sentence about what a list cannot see of pairs that another list matched before."""
    names = f"snapshot{'s' if len(snapshots) > 1 else ''} {', '.join(snapshots)}"
    return (
        f"Of {names}, only texts that match list {origin[:16]} were stored (no --keep-unmatched): texts that match "
        "only entries that this list has are missing, from pairs and from counts."
    )


def has_matched_only(ctx: Context, origin: str, snapshot: str) -> bool:
    """Return whether texts without a match were dropped when a snapshot was read; True where the log does not tell."""
    if origin == NO_LIST:
        return False
    started = [event.detail for event in ctx.log.events if event.event == "started" and origin in event.metadata_ids]
    read = [detail for detail in started if detail.get("input") and detail.get("snapshot") == snapshot]
    read += [detail for detail in started if snapshot in (detail.get("crawl") or ())]
    return not read or not all(detail.get("keep_unmatched") for detail in read)


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


def _complete_snapshots(ctx: Context, origin: str) -> dict[str, PoolState]:
    """Return snapshot -> (fingerprint, batches) of the snapshots of the other list; only complete batches count."""
    states = ctx.log.states()
    return {name: of_pool[-1] for (of, name), of_pool in sorted(states.items()) if of == origin}
