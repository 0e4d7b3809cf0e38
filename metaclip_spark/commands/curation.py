"""What each command does: check, open the warehouse, call the steps, say what came of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from metaclip_spark.commands.opening import Given, checked_input, need_metadata, opened
from metaclip_spark.commands.outcome import outcome_of, source_outcomes, stage_outcome, write_outcome
from metaclip_spark.commands.report import closing_report
from metaclip_spark.config import Settings
from metaclip_spark.errors import ConfigError
from metaclip_spark.metadata import load_metadata
from metaclip_spark.pipeline import curate
from metaclip_spark.steps.balance import balance_step
from metaclip_spark.steps.card import as_json, make_card
from metaclip_spark.steps.context import Context, in_pool
from metaclip_spark.steps.count import count_step
from metaclip_spark.steps.dedup import dedup_step
from metaclip_spark.steps.extract import extract_step
from metaclip_spark.steps.match import match_step
from metaclip_spark.steps.plan import Plan, make_plan, unread_splits
from metaclip_spark.steps.retry import retry_step
from metaclip_spark.terminal.progress import Reporter

INCOMPLETE = 3
Plans = list[tuple[Context, Plan]]
"""The plan of each snapshot, with the context to carry it out in."""


def run(settings: Settings, reporter: Reporter, as_json_text: bool = False) -> int:
    """All stages and the report; return the exit status."""
    metadata = need_metadata(settings)
    given, extraction = checked_input(settings, reporter)
    with opened(settings, reporter, metadata, given, extraction) as ctx:
        ctx.check_snapshots(*given)  # a misspelt --snapshots is better said before the work
        plans = _make_plans(ctx, given)
        card = curate(ctx, plans)
        report = closing_report(ctx, card)
        _print(ctx, card, report, as_json_text)
        status, sources = _outcome(plans, _taken_in)
        told = {**stage_outcome(ctx, "balance", [None]), **sources, "curated": as_json(card, report)}
        write_outcome(ctx, outcome_of(ctx, "run", status, **told))
        return status


def extract(settings: Settings, reporter: Reporter) -> int:
    """Read and match the input into `extracted`."""
    metadata = load_metadata(settings.metadata) if settings.metadata else None
    if metadata is None and not settings.keep_unmatched:
        settings = settings.model_copy(update={"keep_unmatched": True})
    given, extraction = checked_input(settings, reporter)
    with opened(settings, reporter, metadata, given, extraction) as ctx:
        plans = _make_plans(ctx, given)
        for at, plan in plans:
            extract_step(at, plan)
        status, sources = _outcome(plans, _staged)
        write_outcome(ctx, outcome_of(ctx, "extract", status, snapshots=list(given), **sources))
        return status


def dedup(settings: Settings, reporter: Reporter) -> int:
    """Take what is extracted into `pairs`."""
    metadata = load_metadata(settings.metadata) if settings.metadata else None
    with opened(settings, reporter, metadata, {}) as ctx:
        left = unread_splits(ctx)
        if left:
            raise ConfigError(
                f"{left:,} splits of snapshot {settings.snapshot!r} are planned but not extracted yet; "
                "run extract to its end first."
            )
        added = dedup_step(ctx)
        snapshot = settings.snapshot
        told = {**stage_outcome(ctx, "dedup", [snapshot]), **source_outcomes(_taken_in(ctx))}
        write_outcome(ctx, outcome_of(ctx, "dedup", 0, snapshots=[snapshot], pairs_added=added, **told))
        return 0


def match(settings: Settings, reporter: Reporter) -> int:
    """Match stored pairs again with another list."""
    metadata = need_metadata(settings)
    with opened(settings, reporter, metadata, {}) as ctx:
        match_step(ctx)
        write_outcome(ctx, outcome_of(ctx, "match", 0, snapshots=ctx.pool_snapshots()))
        return 0


def count(settings: Settings, reporter: Reporter) -> int:
    """Bring entry counts up to date."""
    with opened(settings, reporter, None, {}, list_of_last_run=True) as ctx:
        snapshots = sorted(count_step(ctx))
        told = stage_outcome(ctx, "count", snapshots)
        write_outcome(ctx, outcome_of(ctx, "count", 0, snapshots=snapshots, **told))
        return 0


def balance(settings: Settings, reporter: Reporter, as_json_text: bool = False) -> int:
    """Choose t and draw the curated subset from the counted pool."""
    with opened(settings, reporter, None, {}, list_of_last_run=True) as ctx:
        balance_step(ctx, count_step(ctx))
        card = make_card(ctx)
        report = closing_report(ctx, card)
        _print(ctx, card, report, as_json_text)
        told = {**stage_outcome(ctx, "balance", [None]), "curated": as_json(card, report)}
        write_outcome(ctx, outcome_of(ctx, "balance", 0, snapshots=list(card.snapshots), **told))
        return 0


def _make_plans(ctx: Context, given: Given) -> Plans:
    plans = []
    for name, sources in given.items():
        at = ctx.of_snapshot(name)
        if ctx.settings.retry:
            again = retry_step(at, sources)
            at.reporter.say(f"{again:,} sources of snapshot {name} are read again (--retry).")
        plans.append((at, _say_plan(at, make_plan(at, sources))))
    return plans


def _say_plan(ctx: Context, plan: Plan) -> Plan:
    given = {source.source_path for source in plan.given}
    done = len(given & plan.done)
    carried = len({split.source.source_path for split in plan.todo} - given)
    total = sum(source.bytes for source in plan.given)
    ctx.reporter.say(
        f"run {ctx.attempt.run_id}: {len(given):,} sources ({total / 1e6:,.1f} MB) in snapshot "
        f"{ctx.settings.snapshot}, {done:,} done already."
    )
    if carried:
        ctx.reporter.say(f"{carried:,} sources of an attempt that was cut short are read as well.")
    if plan.other_settings:
        ctx.reporter.warn(
            f"{len(plan.other_settings):,} sources were extracted with other settings before and are left as they "
            f"are, e.g. {plan.other_settings[0]}. Use another --snapshot to read them anew."
        )
    return plan


def _staged(ctx: Context) -> dict[str, tuple[str, str]]:
    """Return source_path -> (status, reason) of the sources that are extracted, deduplicated yet or not."""
    staged = in_pool(ctx, "extracted", ctx.settings.snapshot).where("kind = 'source'")
    found = _taken_in(ctx)
    for row in staged.select("source_path", "status", "reason").collect():
        if found.get(row[0], ("done", ""))[0] == "done":
            found[row[0]] = (row[1], row[2])
    return found


def _taken_in(ctx: Context) -> dict[str, tuple[str, str]]:
    """Return source_path -> (status, reason) of the sources that deduplication has taken in."""
    rows = in_pool(ctx, "sources", ctx.settings.snapshot).select("source_path", "status", "reason").collect()
    return {row[0]: (row[1], row[2]) for row in rows}


def _outcome(plans: Plans, outcomes: Callable[[Context], Mapping[str, tuple[str, str]]]) -> tuple[int, dict[str, Any]]:
    """Return 0 or 3, and how this command's sources ended: done, partial, failed or unaccounted for."""
    ended: dict[str, tuple[str, str]] = {}
    total = 0
    for at, plan in plans:
        found = outcomes(at)
        total += len(plan.given)
        lost = ("unaccounted for", "no outcome was committed")
        ended.update((source.source_path, found.get(source.source_path, lost)) for source in plan.given)
    bad = [(path, *how) for path, how in ended.items() if how[0] != "done"]
    ctx = plans[0][0]
    for path, status, reason in bad[:20]:
        ctx.reporter.warn(f"{path} is {status}: {reason}")
    allowed = ctx.settings.allowed_incomplete(total)
    if len(bad) > allowed:
        ctx.reporter.warn(
            f"{len(bad):,} of {total:,} sources are incomplete, {allowed:,} allowed (--allow-incomplete): "
            f"exit status {INCOMPLETE}. --retry partial,failed reads them again."
        )
        return INCOMPLETE, source_outcomes(ended)
    return 0, source_outcomes(ended)


def _print(ctx: Context, card: Any, report_file: str, as_json_text: bool) -> None:
    if as_json_text:
        print(json.dumps(as_json(card, report_file), ensure_ascii=False))
        return
    from metaclip_spark.terminal.tables import print_card

    print_card(card, report_file)
