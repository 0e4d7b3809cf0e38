"""The count step: count each snapshot's pool, unless that is done; and the counts of a pool as a card."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from pyspark.sql import functions as F

from metaclip_spark.core.wording import counted
from metaclip_spark.core.worldwide.list_choice import UNKNOWN
from metaclip_spark.counts.card import CountsCard, ListCounts
from metaclip_spark.errors import ConfigError
from metaclip_spark.schemas import ENTRY_COUNTS
from metaclip_spark.stages.count import count
from metaclip_spark.steps.context import Context, WritingContext, pairs_of
from metaclip_spark.steps.pool import counts_of_pools
from metaclip_spark.warehouse.events import DONE
from metaclip_spark.warehouse.pools import PoolState


def count_step(ctx: WritingContext) -> dict[str, str]:
    """Bring `entry_counts` up to date; return snapshot -> fingerprint of the counted pool.

    Raises:
        ConfigError: the pairs are not matched with a list, or there are no pairs.
    """
    if not ctx.has_list:
        raise ConfigError("count needs --metadata, the list that the pairs were matched with.")
    fingerprints = {}
    for snapshot, state in ctx.chosen_pools().items():
        last = ctx.last("count", snapshot)
        if last is None or last.event != DONE or last.fingerprint != state.fingerprint:
            _count_snapshot(ctx, snapshot, state)
        fingerprints[snapshot] = state.fingerprint
    return fingerprints


def counted_snapshots(ctx: Context) -> list[str]:
    """Return the chosen snapshots, for a command that only reads.

    Raises:
        ConfigError: a snapshot has changed since it was counted, or was never counted.
    """
    chosen = ctx.chosen_snapshots()
    for snapshot in chosen:
        last, state = ctx.last("count", snapshot), ctx.pool_state(snapshot)
        if last is None or last.event != DONE or state is None or last.fingerprint != state[0]:
            raise ConfigError(f"snapshot {snapshot!r} has pairs that are not counted yet; run count first.")
    return chosen


def card_of_pool(ctx: Context) -> CountsCard:
    """Return the card of the chosen snapshots. The pool is read for the number of its matched pairs alone.

    Raises:
        ConfigError: the pairs are not matched with a list, are not counted, or match no entry.
    """
    if not ctx.has_list:
        raise ConfigError("counts export needs --metadata, the list that the pairs were matched with.")
    snapshots = counted_snapshots(ctx)
    pools = {name: state for name in snapshots if (state := ctx.pool_state(name)) is not None}
    counts = counts_of_pools(ctx, pools)
    if not counts.any():
        raise ConfigError("counts export: no pair of the pool matches an entry, so there are no counts.")
    matched = pairs_of(ctx, pools).where(F.size("entry_ids") > 0)
    sections = ctx.metadata.sections
    by_list = matched.groupBy("list_lang").agg(F.count("*").alias("pairs")).collect()
    pairs = {row["list_lang"] or UNKNOWN: row["pairs"] for row in by_list}
    lists = {}
    for name, part in zip(sections.names, sections.parts(counts), strict=True):
        ids = np.flatnonzero(part)
        if len(ids):
            entries = ctx.metadata.entries_of(ids + sections.range(name)[0]).to_pylist()
            of_entries = dict(sorted(zip(entries, part[ids].tolist(), strict=True)))
            lists[name] = ListCounts(len(part), pairs.get(name, 0), of_entries)
    return CountsCard(ctx.metadata_id, tuple(snapshots), lists)


def _count_snapshot(ctx: WritingContext, snapshot: str, state: PoolState) -> None:
    metadata = ctx.metadata
    with ctx.reporter.stage("count", ctx.spark, snapshot=snapshot) as stage:
        pairs = pairs_of(ctx, {snapshot: state})
        counts = _rows(ctx, snapshot, count(pairs, len(metadata.entries)).toArrow())
        commit = ctx.warehouse.replace("entry_counts", counts, metadata_id=metadata.metadata_id, snapshot=snapshot)
        stage.note = f"{counted(commit.rows, 'entry', 'entries')} matched in snapshot {snapshot}"
    ctx.attempt.record(
        DONE,
        "count",
        snapshot=snapshot,
        fingerprint=state.fingerprint,
        versions={"pairs": state.version, "entry_counts": commit.version},
        rows=commit.rows,
        detail={"batches": state.batches},
    )


def _rows(ctx: WritingContext, snapshot: str, counts: pa.Table) -> pa.Table:
    """Return the rows of `entry_counts`: one row per entry that matched."""
    constant = {"metadata_id": ctx.metadata_id, "snapshot": snapshot}
    columns = {name: pa.repeat(pa.scalar(value, pa.string()), len(counts)) for name, value in constant.items()}
    counts = counts.sort_by("entry_id")
    ids = counts["entry_id"].to_numpy()
    columns["lang"] = pa.array(ctx.metadata.sections.names_of(ids), pa.string())
    columns |= {"entry_id": counts["entry_id"], "entry": ctx.metadata.entries_of(ids), "count": counts["count"]}
    return pa.table(columns).select(ENTRY_COUNTS.names).cast(ENTRY_COUNTS.arrow)
