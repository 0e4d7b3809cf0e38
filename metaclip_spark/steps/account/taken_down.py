"""Read how many pairs of some pools takedowns removed, from the log of runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from metaclip_spark.steps.account.sums import only_matched
from metaclip_spark.steps.context import Context
from metaclip_spark.warehouse.events import DONE, StageEvent
from metaclip_spark.warehouse.pools import DROP
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
    known = {name: _Known.of(ctx, name, of) for name, of in pools.items() if not only_matched(ctx, name)}
    counted: set[tuple[str, str | None]] = set()
    pairs = seen = 0
    dropped = {event.snapshot: at for at, event in enumerate(events) if event.stage == DROP}
    for at, event in enumerate(events):
        if at < dropped.get(event.snapshot, 0):
            continue  # of the pairs of a snapshot that was dropped
        key = (event.detail.get("takedown_id", ""), event.snapshot)
        of_list = event.stage == TAKEN_FROM_POOL and ctx.metadata_id in event.metadata_ids
        if not of_list or event.snapshot not in known or key in counted:
            continue  # an interrupted takedown logs its numbers again, after some pairs are gone
        counted.add(key)
        seen += event.detail["seen"]
        numbers = event.detail["pairs"] if at < border else []
        pairs += sum(number for arrived, number in numbers if known[event.snapshot].has(arrived))
    of_earlier_release = any(event.stage == TAKEN_DOWN and "pools" not in event.detail for event in events)
    return TakenDown(None if of_earlier_release else pairs, seen)


@dataclass(frozen=True)
class _Known:
    """The arrivals of pairs that a pool has.

    Attributes:
        batches: of the pool, and of the extraction of its sources; None: all.
        version: the version of `pairs` that completed the pool, because earlier releases logged versions.
    """

    batches: frozenset[str] | None
    version: int

    @classmethod
    def of(cls, ctx: Context, snapshot: str, fingerprint: str | None) -> _Known:
        """Return the arrivals of a pool; None: the pool now."""
        state = None if fingerprint is None else ctx.log.pool_state(ctx.metadata_id, snapshot, fingerprint)
        if state is None:
            return cls(None, 0)
        done = [event for event in ctx.log.stage_events if event.stage == "dedup" and event.event == DONE]
        extracted = [batch for event in done if event.fingerprint in state.batches for batch in event.detail["batches"]]
        return cls(frozenset([*state.batches, *extracted]), state.version)

    def has(self, arrived: str | int) -> bool:
        """Return whether pairs of a batch are in the pool."""
        if self.batches is None:
            return True
        return arrived in self.batches if isinstance(arrived, str) else arrived <= self.version
