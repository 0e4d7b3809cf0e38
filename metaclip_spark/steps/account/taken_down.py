"""Read how many pairs of some pools takedowns removed, from the log of runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from metaclip_spark.steps.account.sums import only_matched
from metaclip_spark.steps.context import Context
from metaclip_spark.warehouse.events import DONE, StageEvent
from metaclip_spark.warehouse.runs import TAKEN_DOWN, TAKEN_FROM_POOL


@dataclass(frozen=True)
class TakenDown:
    """The pairs that takedowns removed from some pools.

    Attributes:
        pairs: number of pairs; None if a takedown of an earlier release did not count them.
        seen: number of pairs that are missing from the unique pairs of each snapshot, summed.
    """

    pairs: int | None
    seen: int


def read_taken(ctx: Context, pools: Mapping[str, str | None], until: StageEvent | None = None) -> TakenDown:
    """Count the pairs of pools that takedowns removed. The pairs of `match` have no sources, and are not counted.

    Args:
        pools: snapshot -> fingerprint of its pool. Pairs that came after that pool are not counted. None: the pool now.
        until: of the pairs, only takedowns before this event count; None: all takedowns.
    """
    events = ctx.log.stage_events
    border = len(events) if until is None else events.index(until)
    versions = {name: _version(ctx, name, of) for name, of in pools.items() if not only_matched(ctx, name)}
    counted: set[tuple[str, str | None]] = set()
    pairs = seen = 0
    for at, event in enumerate(events):
        key = (event.detail.get("takedown_id", ""), event.snapshot)
        of_list = event.stage == TAKEN_FROM_POOL and ctx.metadata_id in event.metadata_ids
        if not of_list or event.snapshot not in versions or key in counted:
            continue  # an interrupted takedown logs its numbers again, after some pairs are gone
        counted.add(key)
        seen += event.detail["seen"]
        last = versions[event.snapshot]
        numbers = event.detail["pairs"] if at < border else []
        pairs += sum(number for arrived, number in numbers if last is None or arrived <= last)
    of_earlier_release = any(event.stage == TAKEN_DOWN and "pools" not in event.detail for event in events)
    return TakenDown(None if of_earlier_release else pairs, seen)


def _version(ctx: Context, snapshot: str, fingerprint: str | None) -> int | None:
    """Return the version of `pairs` that completed a pool; None for the pool as it is now."""
    for event in ctx.log.stage_events:
        is_it = event.stage == "dedup" and event.event == DONE and event.snapshot == snapshot
        if is_it and ctx.metadata_id in event.metadata_ids and event.fingerprint == fingerprint:
            return event.versions.get("pairs")
    return None
