"""The earlier runs that a balance builds on, or whose subsets it reads instead of the whole pool."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from metaclip_spark.config.settings import Settings
from metaclip_spark.core.worldwide.thresholds import LanguageThresholds
from metaclip_spark.errors import ConfigError
from metaclip_spark.steps.context import Context
from metaclip_spark.steps.run_probabilities import drawn_with
from metaclip_spark.warehouse.runs import Drawn, RunLog


def named_run(runs: Mapping[str, Drawn], run_id: str, flag: str) -> Drawn:
    """Return the run that a flag names.

    Raises:
        ConfigError: there is no such run, or the run has no subset.
    """
    if run_id not in runs:
        raise ConfigError(
            f"{flag} names run {run_id!r}, which holds no curated subset here; there are {list(runs)}. "
            "A subset that an earlier release drew has to be balanced again first; `runs list` shows all."
        )
    return runs[run_id]


def drawn_alike(log: RunLog, settings: Settings) -> Settings:
    """Return the settings with the seed and the unit of the run that they build on, because the draws must be equal.

    Raises:
        ConfigError: another seed or unit was given.
    """
    flags = {"--freeze-counts": settings.freeze_counts, "--drawn-from": settings.drawn_from_run}
    for flag, run_id in flags.items():
        if run_id is None:
            continue
        run = named_run(log.drawn(), run_id, flag)
        for name, value in (("seed", run.seed), ("unit", run.unit)):
            given = getattr(settings, name)
            if name in settings.model_fields_set and given != value:
                raise ConfigError(
                    f"{name} must be {value}, that of run {run_id} ({flag}), got {given}: another {name} gives another "
                    f"draw, which would lose pairs of that run by chance. Leave --{name} out."
                )
        settings = settings.model_copy(update={"seed": run.seed, "unit": run.unit})
    return settings


def reusable_run(
    ctx: Context, pools: Mapping[str, str], by_entry: npt.NDArray[np.float64], chosen: LanguageThresholds
) -> Drawn | None:
    """Return a run whose subset can replace the part of the pool that it was drawn from.

    Where there are earlier runs and none can be used, the reason is reported.

    A dropped pair stays dropped as long as no entry's probability rises: p(pair) then only falls, in float64 as well,
    and the draw of the pair is the same. So the list, the seed, the unit and the pools of the run's snapshots must be
    the same, and no pair may weigh more.

    Args:
        pools: snapshot -> fingerprint of the pool to balance now.
        by_entry: float64, the entry probabilities now; NaN where an entry was not counted.
        chosen: t now.
    """
    settings = ctx.settings
    alike = [
        run
        for run in reversed(ctx.log.drawn().values())
        if ctx.metadata_id in run.metadata_ids and run.pools and run.seed == settings.seed and run.unit == settings.unit
    ]
    if settings.whole_pool or not alike:
        return None
    if settings.unit == "image":
        _say_whole(ctx, "with --unit image a new crawl may change which text of an image is drawn")
        return None
    reasons = []
    for run in sorted(alike, key=lambda run: len(run.pools or ()), reverse=True):
        reason = _other_weights(run, settings) or _other_pool(run, pools) or _risen(ctx, run, by_entry, chosen)
        if reason is None:
            return run
        reasons.append(f"the subset of run {run.run_id} cannot replace it: {reason}")
    _say_whole(ctx, reasons[0])
    return None


def _say_whole(ctx: Context, reason: str) -> None:
    ctx.reporter.say(f"balance reads the whole pool; {reason}.")


def _other_weights(run: Drawn, settings: Settings) -> str | None:
    """Return the reason, in words, why a pair may weigh more than in the run, or its weight was not checked there."""
    weights = settings.pair_weights
    if weights is None and run.weights is None:
        return None
    if weights is None or run.weights is None:
        return f"its pairs were drawn {'without' if run.weights is None else 'with'} weights"
    return None if weights.is_at_most(run.weights) else "its pairs were drawn with other weights"


def _other_pool(run: Drawn, pools: Mapping[str, str]) -> str | None:
    for snapshot, fingerprint in (run.pools or {}).items():
        if snapshot not in pools:
            return f"snapshot {snapshot} is not balanced now"
        if pools[snapshot] != fingerprint:
            return f"snapshot {snapshot} has changed since"
    return None


def _risen(ctx: Context, run: Drawn, by_entry: npt.NDArray[np.float64], chosen: LanguageThresholds) -> str | None:
    """Return the reason, in words, why an entry's probability has risen; None where no probability has."""
    before = drawn_with(ctx.warehouse, run.run_id, 1.0, len(by_entry))
    risen = np.flatnonzero(by_entry > before)  # a NaN is never higher: no pair matches that entry
    if not len(risen):
        return None
    section = chosen.sections.index_of(risen[:1])[0]
    name, t = chosen.sections.names[section], int(chosen.values[section])
    before_t = run.thresholds.get(name, run.threshold)
    if t > before_t:
        of = "" if chosen.sections.is_one else f" of {name}"
        return f"t{of} was {before_t:,} and is {t:,}"
    entry = ctx.metadata.entries[risen[0]]
    return f"counts have fallen, for example that of {entry!r}"
