"""The commands of curation: check the settings, open the warehouse, run the steps, report the outcome."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from metaclip_spark.commands.opening import Given, checked_input, need_metadata, writing, writing_pool
from metaclip_spark.commands.outcome import outcome_of, source_outcomes, stage_outcome, write_outcome
from metaclip_spark.commands.report import closing_report
from metaclip_spark.config.settings import Settings
from metaclip_spark.errors import ConfigError
from metaclip_spark.metadata import load_metadata
from metaclip_spark.pipeline import curate
from metaclip_spark.report.card import Card
from metaclip_spark.steps.balance import balance_step
from metaclip_spark.steps.card import as_json, make_card
from metaclip_spark.steps.context import Context, ExtractContext, WritingContext, broadcast_tools, in_pool
from metaclip_spark.steps.count import count_step
from metaclip_spark.steps.dedup import dedup_step
from metaclip_spark.steps.extract import extract_step
from metaclip_spark.steps.extraction import Extraction
from metaclip_spark.steps.match import match_step
from metaclip_spark.steps.plan import Plan, make_plan, unread_splits
from metaclip_spark.steps.retry import retry_step
from metaclip_spark.terminal.progress import Reporter

INCOMPLETE = 3
"""Exit status of a command that left more sources incomplete than --allow-incomplete allows."""

Plans = list[tuple[ExtractContext, Plan]]
"""The plan of each snapshot, with the context that carries it out."""

Outcomes = Mapping[str, tuple[str, str]]
"""source_path -> (status, reason)."""


def run(settings: Settings, reporter: Reporter, as_json_text: bool = False) -> int:
    """Run all steps and write the report; return the exit status."""
    metadata = need_metadata(settings)
    given, extraction = checked_input(settings, reporter)
    with writing(settings, reporter, metadata, given) as ctx:
        ctx.check_snapshots(*given)  # refuse a misspelt --snapshots before the work
        plans = _make_plans(ctx, given, extraction)
        card = curate(ctx, plans)
        report = closing_report(ctx, card)
        _print(card, report, as_json_text)
        status, sources = _outcome(plans, _deduplicated)
        done = stage_outcome(ctx, "balance", [None])
        write_outcome(ctx, outcome_of(ctx, "run", status, **done, **sources, curated=as_json(card, report)))
        return status


def extract(settings: Settings, reporter: Reporter) -> int:
    """Read the input and match its texts into `extracted`; return the exit status."""
    metadata = load_metadata(settings.metadata) if settings.metadata else None
    if metadata is None and not settings.keep_unmatched:
        settings = settings.model_copy(update={"keep_unmatched": True})
    given, extraction = checked_input(settings, reporter)
    with writing(settings, reporter, metadata, given) as ctx:
        plans = _make_plans(ctx, given, extraction)
        for at, plan in plans:
            extract_step(at, plan)
        status, sources = _outcome(plans, _extracted)
        write_outcome(ctx, outcome_of(ctx, "extract", status, snapshots=list(given), **sources))
        return status


def dedup(settings: Settings, reporter: Reporter) -> int:
    """Deduplicate the extracted pairs into `pairs`; return 0."""
    metadata = load_metadata(settings.metadata) if settings.metadata else None
    with writing(settings, reporter, metadata) as ctx:
        unread = unread_splits(ctx)
        if unread:
            raise ConfigError(
                f"{unread:,} splits of snapshot {settings.snapshot!r} are planned but not extracted yet; "
                "run extract to its end first."
            )
        added = dedup_step(ctx)
        snapshot = settings.snapshot
        done = {**stage_outcome(ctx, "dedup", [snapshot]), **source_outcomes(_deduplicated(ctx))}
        write_outcome(ctx, outcome_of(ctx, "dedup", 0, snapshots=[snapshot], pairs_added=added, **done))
        return 0


def match(settings: Settings, reporter: Reporter) -> int:
    """Match stored pairs with another list; return 0."""
    metadata = need_metadata(settings)
    with writing(settings, reporter, metadata) as ctx:
        match_step(ctx)
        write_outcome(ctx, outcome_of(ctx, "match", 0, snapshots=ctx.pool_snapshots()))
        return 0


def count(settings: Settings, reporter: Reporter) -> int:
    """Bring the entry counts up to date; return 0."""
    with writing_pool(settings, reporter) as ctx:
        snapshots = sorted(count_step(ctx))
        done = stage_outcome(ctx, "count", snapshots)
        write_outcome(ctx, outcome_of(ctx, "count", 0, snapshots=snapshots, **done))
        return 0


def balance(settings: Settings, reporter: Reporter, as_json_text: bool = False) -> int:
    """Choose t and draw the curated subset from the counted pool; return 0."""
    with writing_pool(settings, reporter) as ctx:
        balance_step(ctx, count_step(ctx))
        card = make_card(ctx)
        report = closing_report(ctx, card)
        _print(card, report, as_json_text)
        done = {**stage_outcome(ctx, "balance", [None]), "curated": as_json(card, report)}
        write_outcome(ctx, outcome_of(ctx, "balance", 0, snapshots=list(card.snapshots), **done))
        return 0


def _make_plans(ctx: WritingContext, given: Given, extraction: Extraction) -> Plans:
    tools = broadcast_tools(ctx, extraction)
    plans = []
    for name, sources in given.items():
        at = ctx.of_snapshot(name, extraction.options, tools)
        if ctx.settings.retry:
            again = retry_step(at, sources)
            at.reporter.say(f"{again:,} sources of snapshot {name} are read again (--retry).")
        plan = make_plan(at, sources, at.options)
        _say_plan(at, plan)
        plans.append((at, plan))
    return plans


def _say_plan(ctx: ExtractContext, plan: Plan) -> None:
    given = {source.source_path for source in plan.given}
    done = len(given & plan.done)
    carried = len({split.source.source_path for split in plan.todo} - given)
    total = sum(source.bytes for source in plan.given)
    ctx.reporter.say(
        f"run {ctx.run_id}: {len(given):,} sources ({total / 1e6:,.1f} MB) in snapshot "
        f"{ctx.settings.snapshot}, {done:,} done already."
    )
    if carried:
        ctx.reporter.say(f"{carried:,} sources of an interrupted attempt are read as well.")
    if plan.other_settings:
        ctx.reporter.warn(
            f"{len(plan.other_settings):,} sources were extracted with other settings before and are skipped, "
            f"e.g. {plan.other_settings[0]}. Use another --snapshot to read them again."
        )


def _extracted(ctx: Context) -> dict[str, tuple[str, str]]:
    """Return the outcomes of the sources that are extracted, whether they are deduplicated or not."""
    staged = in_pool(ctx, "extracted", ctx.settings.snapshot).where("kind = 'source'")
    outcomes = _deduplicated(ctx)
    for row in staged.select("source_path", "status", "reason").collect():
        if outcomes.get(row[0], ("done", ""))[0] == "done":
            outcomes[row[0]] = (row[1], row[2])
    return outcomes


def _deduplicated(ctx: Context) -> dict[str, tuple[str, str]]:
    """Return the outcomes of the sources that are deduplicated."""
    rows = in_pool(ctx, "sources", ctx.settings.snapshot).select("source_path", "status", "reason").collect()
    return {row[0]: (row[1], row[2]) for row in rows}


def _outcome(plans: Plans, outcomes: Callable[[Context], Outcomes]) -> tuple[int, dict[str, Any]]:
    """Return the exit status (0 or 3) and the outcomes of this command's sources, as `source_outcomes` returns them.

    The status of a source without a committed outcome is `unaccounted for`.
    """
    ended: dict[str, tuple[str, str]] = {}
    total = 0
    lost = ("unaccounted for", "no outcome was committed")
    for at, plan in plans:
        of_snapshot = outcomes(at)
        total += len(plan.given)
        ended.update((source.source_path, of_snapshot.get(source.source_path, lost)) for source in plan.given)
    incomplete = [(path, status, reason) for path, (status, reason) in ended.items() if status != "done"]
    ctx = plans[0][0]
    for path, status, reason in incomplete[:20]:
        ctx.reporter.warn(f"{path} is {status}: {reason}")
    allowed = ctx.settings.allowed_incomplete(total)
    if len(incomplete) > allowed:
        ctx.reporter.warn(
            f"{len(incomplete):,} of {total:,} sources are incomplete, {allowed:,} allowed (--allow-incomplete): "
            f"exit status {INCOMPLETE}. --retry partial,failed reads them again."
        )
        return INCOMPLETE, source_outcomes(ended)
    return 0, source_outcomes(ended)


def _print(card: Card, report_file: str, as_json_text: bool) -> None:
    if as_json_text:
        print(json.dumps(as_json(card, report_file), ensure_ascii=False))
        return
    from metaclip_spark.terminal.tables import print_card

    print_card(card, report_file)
