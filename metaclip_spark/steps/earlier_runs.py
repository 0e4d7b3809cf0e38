"""Runs that were drawn before: what a balance may take from them instead of reading the whole pool."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from metaclip_spark.config import Settings
from metaclip_spark.errors import ConfigError
from metaclip_spark.steps.context import Context
from metaclip_spark.steps.run_probabilities import drawn_with
from metaclip_spark.warehouse.events import DONE, Attempt, StageEvent
from metaclip_spark.warehouse.tables import Warehouse


@dataclass(frozen=True)
class Drawn:
    """A run whose subset is there.

    Attributes:
        pools: snapshot -> fingerprint of the pool that it was drawn from; None where it was drawn from survivors.
        fingerprint: what the subset is a function of.
    """

    run_id: str
    metadata_ids: tuple[str, ...]
    threshold: int
    seed: int
    unit: str
    pools: Mapping[str, str] | None
    fingerprint: str


def drawn_runs(events: Iterable[StageEvent]) -> dict[str, Drawn]:
    """Return the runs that were balanced to their end and hold their subset still, the last one last."""
    found: dict[str, Drawn] = {}
    for event in events:
        if event.stage != "balance":
            continue
        found.pop(event.run_id, None)
        detail = event.detail
        if event.event == DONE and "seed" in detail:  # earlier releases did not say it
            found[event.run_id] = Drawn(
                event.run_id,
                event.metadata_ids,
                int(detail["threshold"]),
                int(detail["seed"]),
                detail["unit"],
                detail["pools"],
                event.fingerprint,
            )
    return found


def named_run(runs: Mapping[str, Drawn], run_id: str, flag: str) -> Drawn:
    """Return a run that a flag names.

    Raises:
        ConfigError: there is none of that name, or it holds no subset.
    """
    if run_id not in runs:
        raise ConfigError(
            f"{flag} names run {run_id!r}, which holds no curated subset here; there are {list(runs)}. "
            "A subset that an earlier release drew has to be balanced again first; `runs list` shows all."
        )
    return runs[run_id]


def drawn_alike(warehouse: Warehouse, settings: Settings) -> Settings:
    """Return the settings with the seed and the unit of the run that they build on: the draw has to be the same.

    Raises:
        ConfigError: another seed or unit was given.
    """
    named = {"--freeze-counts": settings.freeze_counts, "--drawn-from": settings.drawn_from_run}
    named = {flag: run_id for flag, run_id in named.items() if run_id is not None}
    if not named:
        return settings
    runs = drawn_runs(Attempt(warehouse, "", {}, []).stage_events)
    for flag, run_id in named.items():
        run = named_run(runs, run_id, flag)
        for name, value in (("seed", run.seed), ("unit", run.unit)):
            given = getattr(settings, name)
            if name in settings.model_fields_set and given != value:
                raise ConfigError(
                    f"{name} must be {value}, that of run {run_id} ({flag}), got {given}: with another the draw is "
                    f"another, and pairs of that run would be lost by chance. Leave --{name} out."
                )
        settings = settings.model_copy(update={"seed": run.seed, "unit": run.unit})
    return settings


def reusable_run(ctx: Context, pools: Mapping[str, str], by_entry: np.ndarray, threshold: int) -> Drawn | None:
    """Return the run whose subset can stand for the part of the pool that it was drawn from; say why, where none can.

    A pair that was dropped stays dropped as long as no entry's probability rises: p(pair) then only falls, in float64
    as well, and its draw is the same. So the list, the seed and the unit must be those of that run, and so must the
    pools of its snapshots.

    Args:
        pools: snapshot -> fingerprint of what is balanced now.
        by_entry: float64, the entry probabilities now; NaN where an entry was not counted.
        threshold: t now.
    """
    settings = ctx.settings
    alike = [
        run
        for run in reversed(drawn_runs(ctx.attempt.stage_events).values())
        if ctx.metadata_id in run.metadata_ids and run.pools and run.seed == settings.seed and run.unit == settings.unit
    ]
    if settings.whole_pool or not alike:
        return None
    if settings.unit == "image":
        _say_whole(ctx, "with --unit image a new crawl may change which text of an image is drawn")
        return None
    reasons = []
    for run in sorted(alike, key=lambda run: len(run.pools or ()), reverse=True):
        reason = _other_pool(run, pools) or _risen(ctx, run, by_entry, threshold)
        if reason is None:
            return run
        reasons.append(f"the subset of run {run.run_id} cannot stand for it: {reason}")
    _say_whole(ctx, reasons[0])
    return None


def _say_whole(ctx: Context, reason: str) -> None:
    ctx.reporter.say(f"balance reads the whole pool; {reason}.")


def _other_pool(run: Drawn, pools: Mapping[str, str]) -> str | None:
    for snapshot, fingerprint in (run.pools or {}).items():
        if snapshot not in pools:
            return f"snapshot {snapshot} is left out now"
        if pools[snapshot] != fingerprint:
            return f"snapshot {snapshot} has changed since"
    return None


def _risen(ctx: Context, run: Drawn, by_entry: np.ndarray, threshold: int) -> str | None:
    """Return which entry's probability is higher than it was, in words; None where none is."""
    before = drawn_with(ctx.warehouse, run.run_id, 1.0, len(by_entry))
    risen = np.flatnonzero(by_entry > before)  # never of a NaN: no pair matches that entry
    if not len(risen):
        return None
    if threshold > run.threshold:
        return f"t was {run.threshold:,} and is {threshold:,}"
    entry = ctx.metadata.entries[risen[0]]
    return f"counts have fallen, for example that of {entry!r}"
