"""The entry counts of a pool as a card."""

from __future__ import annotations

import numpy as np
from pyspark.sql import functions as F

from metaclip_spark.core.worldwide.list_choice import UNKNOWN
from metaclip_spark.counts.card import CountsCard, ListCounts
from metaclip_spark.errors import ConfigError
from metaclip_spark.steps.context import Context, pairs_of
from metaclip_spark.steps.count import counted_snapshots
from metaclip_spark.steps.pool import counts_of_pools


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
