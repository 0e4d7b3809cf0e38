"""Refuse a pool from which nothing can be drawn, with a sentence about where the texts went."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from metaclip_spark.core.wording import counted
from metaclip_spark.errors import EmptyPoolError
from metaclip_spark.report.account import Account, why_no_pair
from metaclip_spark.schemas import TAKEDOWNS
from metaclip_spark.steps.account.sums import only_matched, read_account
from metaclip_spark.steps.context import Context

if TYPE_CHECKING:
    from metaclip_spark.steps.pool import Pool


def refuse_empty(ctx: Context, pool: Pool, snapshots: Iterable[str]) -> None:
    """Refuse a pool without a pair that matches an entry: nothing could be drawn.

    Raises:
        EmptyPoolError: no pair matches. The error says where the texts of the input went.
    """
    matched = not pool.pairs.where("size(entry_ids) > 0").isEmpty() if pool.frozen else pool.counts.any()
    if not matched:
        # The fingerprints are those of now: the pool that is refused was just opened.
        raise EmptyPoolError(f"{_why(ctx, pool, dict.fromkeys(snapshots))} Nothing was drawn.")


def _why(ctx: Context, pool: Pool, pools: Mapping[str, None]) -> str:
    name = f"snapshot {next(iter(pools))}" if len(pools) == 1 else f"the snapshots {', '.join(pools)}"
    if pool.before is not None:
        return "none of the pairs that are left matches an entry. Check --survivors, --where and --group."
    pairs = pool.pairs.count()
    if pairs:
        none = "the only pair" if pairs == 1 else f"none of the {pairs:,} pairs"
        none += f" of {name} matches {'no' if pairs == 1 else 'an'} entry"
        return f"{none} of the list. Check --metadata: `metaclip-spark metadata inspect` shows what is in a list."
    account = Account(**read_account(ctx, pools).values)
    if not sum(account.sources.values()) and any(only_matched(ctx, snapshot) for snapshot in pools):
        taken = ", or they were taken down" if ctx.warehouse.exists(TAKEDOWNS.name) else ""
        return (
            f"the pool of {name} is empty: none of the pairs that `match` read matches an entry of this list{taken}. "
            "Check --metadata: `metaclip-spark metadata inspect` shows what is in a list."
        )
    if not account.pairs_sent:
        by_default = ctx.settings.languages is None and account.rejected.get("language")
        english = " English is the default of --languages." if by_default else ""
        return f"the pool of {name} is empty: {why_no_pair(account)}{english}"
    sent = f"the pool of {name} is empty. Its sources gave {counted(account.pairs_sent, 'pair')}"
    others = [other for other in ctx.pool_snapshots() if other not in pools]
    if others:
        return (
            f"{sent}, but other snapshots had all of them before, or they were taken down. Balance it together with "
            f"{', '.join(others)} (--snapshots)."
        )
    return f"{sent}, and all of them were taken down. Add input."
