"""The commands of curation: check the settings, open the warehouse, run the steps, report the outcome."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from metaclip_spark.commands.opening import Given, checked_input, need_metadata, writing, writing_pool
from metaclip_spark.commands.outcome import (
    SHOWN,
    emit_sources,
    outcome_of,
    say_if_nothing_was_done,
    source_outcomes,
    stage_outcome,
    warn_without_pairs,
    write_outcome,
)
from metaclip_spark.commands.report import closing_report
from metaclip_spark.config.expectations import load_expectations
from metaclip_spark.config.settings import Settings
from metaclip_spark.core.secrets import masked
from metaclip_spark.core.wording import agrees, counted
from metaclip_spark.errors import ConfigError, EmptyPoolError, ExpectationError, IncompleteError
from metaclip_spark.pipeline import curate
from metaclip_spark.report.card import Card
from metaclip_spark.steps.account.outcome import Outcome, deduplicated_outcomes, extracted_outcomes
from metaclip_spark.steps.balance import balance_step
from metaclip_spark.steps.card import as_json, make_card
from metaclip_spark.steps.context import Context, ExtractContext, RunContext, WritingContext, broadcast_tools
from metaclip_spark.steps.count import count_step
from metaclip_spark.steps.dedup import dedup_step
from metaclip_spark.steps.earlier_settings import check_dedup, check_settings, read_stored
from metaclip_spark.steps.expect import HEADERS, expect_step
from metaclip_spark.steps.extraction import Extraction
from metaclip_spark.steps.match import match_step
from metaclip_spark.steps.reading.extract import extract_step
from metaclip_spark.steps.reading.plan import Plan, make_plan, unread_splits
from metaclip_spark.steps.reading.retry import retry_step
from metaclip_spark.terminal.progress import Reporter

EMPTY = EmptyPoolError.exit_code
"""Exit status of a command that drew an empty subset, or could draw none."""

INCOMPLETE = 3
"""Exit status of a command that left more sources incomplete than --allow-incomplete allows."""

Plans = list[tuple[ExtractContext, Plan]]
"""The plan of each snapshot, with the context that carries it out."""


def run(settings: Settings, reporter: Reporter, as_json_text: bool = False) -> int:
    """Run all steps and write the report; return the exit status."""
    expectations = load_expectations(settings.expect) if settings.expect else None
    metadata = need_metadata(settings, reporter)
    given, extraction = checked_input(settings, reporter)
    with writing(settings, reporter, metadata, given) as ctx:
        ctx.check_snapshots(*given)  # refuse a misspelt --snapshots before the work
        plans = _make_plans(ctx, given, extraction)
        if any(plan.todo for _, plan in plans):
            from metaclip_spark.report.plots.card import preload

            preload()
        try:
            card = curate(ctx, plans, expectations)
        except IncompleteError as error:
            _, sources = _outcome(plans, extracted_outcomes)
            write_outcome(ctx, outcome_of(ctx, "run", error.exit_code, **sources, error=str(error)))
            raise
        except ExpectationError as error:
            _, sources = _outcome(plans, deduplicated_outcomes)
            _violated(ctx, "run", error, as_json_text, **sources)
            raise
        except EmptyPoolError as error:
            _, sources = _outcome(plans, deduplicated_outcomes)
            write_outcome(ctx, outcome_of(ctx, "run", error.exit_code, **sources, error=str(error)))
            raise
        report = closing_report(ctx, card)
        number = sum(len(plan.given) for _, plan in plans)
        are = agrees(number, "is", "are")
        say_if_nothing_was_done(
            ctx, f"{counted(number, 'source')} {are} read, and the subset of run {ctx.run_id} is drawn"
        )
        _print(card, report, as_json_text)
        status, sources = _outcome(plans, deduplicated_outcomes)
        status = _empty(ctx, card) or status
        done = stage_outcome(ctx, "balance", [None])
        write_outcome(ctx, outcome_of(ctx, "run", status, **done, **sources, curated=as_json(card, report)))
        return status


def extract(settings: Settings, reporter: Reporter) -> int:
    """Read the input and match its texts into `extracted`; return the exit status."""
    metadata = need_metadata(settings, reporter) if settings.has_list else None
    if metadata is None and not settings.keep_unmatched:
        settings = settings.model_copy(update={"keep_unmatched": True})
    given, extraction = checked_input(settings, reporter)
    with writing(settings, reporter, metadata, given) as ctx:
        plans = _make_plans(ctx, given, extraction)
        try:
            for at, plan in plans:
                extract_step(at, plan)
        except IncompleteError as error:
            _, sources = _outcome(plans, extracted_outcomes)
            stopped = {"snapshots": list(given), **sources, "error": str(error)}
            write_outcome(ctx, outcome_of(ctx, "extract", error.exit_code, **stopped))
            raise
        number = sum(len(plan.given) for _, plan in plans)
        say_if_nothing_was_done(ctx, f"{counted(number, 'source')} {agrees(number, 'is', 'are')} extracted already")
        status, sources = _outcome(plans, extracted_outcomes)
        write_outcome(ctx, outcome_of(ctx, "extract", status, snapshots=list(given), **sources))
        return status


def dedup(settings: Settings, reporter: Reporter) -> int:
    """Deduplicate the extracted pairs into `pairs`; return 0."""
    metadata = need_metadata(settings) if settings.has_list else None
    with writing(settings, reporter, metadata) as ctx:
        unread = unread_splits(ctx)
        if unread:
            raise ConfigError(
                f"{counted(unread, 'split')} of snapshot {settings.snapshot!r} {agrees(unread, 'is', 'are')} planned "
                "but not extracted yet; run extract to its end first."
            )
        check_dedup(ctx)
        added = dedup_step(ctx)
        snapshot = settings.snapshot
        say_if_nothing_was_done(ctx, f"snapshot {snapshot} has no extracted pairs that are not deduplicated")
        outcomes = deduplicated_outcomes(ctx)
        warn_without_pairs(reporter, outcomes)
        done = {**stage_outcome(ctx, "dedup", [snapshot]), **source_outcomes(outcomes)}
        write_outcome(ctx, outcome_of(ctx, "dedup", 0, snapshots=[snapshot], pairs_added=added, **done))
        return 0


def match(settings: Settings, reporter: Reporter) -> int:
    """Match stored pairs with another list; return 0."""
    metadata = need_metadata(settings, reporter)
    with writing(settings, reporter, metadata) as ctx:
        match_step(ctx)
        say_if_nothing_was_done(ctx, "the pairs are matched with this list already")
        write_outcome(ctx, outcome_of(ctx, "match", 0, snapshots=ctx.pool_snapshots()))
        return 0


def count(settings: Settings, reporter: Reporter) -> int:
    """Bring the entry counts up to date; return 0."""
    with writing_pool(settings, reporter) as ctx:
        snapshots = sorted(count_step(ctx))
        say_if_nothing_was_done(ctx, "the pairs are counted already")
        done = stage_outcome(ctx, "count", snapshots)
        write_outcome(ctx, outcome_of(ctx, "count", 0, snapshots=snapshots, **done))
        return 0


def balance(settings: Settings, reporter: Reporter, as_json_text: bool = False) -> int:
    """Choose t and draw the curated subset from the counted pool; return the exit status."""
    expectations = load_expectations(settings.expect) if settings.expect else None
    with writing_pool(settings, reporter) as ctx:
        try:
            expect_step(ctx, expectations, None)
            balance_step(ctx, count_step(ctx))
        except ExpectationError as error:
            _violated(ctx, "balance", error, as_json_text)
            raise
        except EmptyPoolError as error:
            write_outcome(ctx, outcome_of(ctx, "balance", error.exit_code, error=str(error)))
            raise
        card = make_card(ctx)
        report = closing_report(ctx, card)
        say_if_nothing_was_done(ctx, f"the subset of run {ctx.run_id} is drawn")
        _print(card, report, as_json_text)
        status = _empty(ctx, card)
        done = {**stage_outcome(ctx, "balance", [None]), "curated": as_json(card, report)}
        write_outcome(ctx, outcome_of(ctx, "balance", status, snapshots=list(card.snapshots), **done))
        return status


def _make_plans(ctx: WritingContext, given: Given, extraction: Extraction) -> Plans:
    """Plan every snapshot, before a list is compiled; --retry deletes nothing if one of the snapshots is refused."""
    options, retry = extraction.options, ctx.settings.retry
    snapshots = {name: replace(ctx, settings=ctx.settings.model_copy(update={"snapshot": name})) for name in given}
    for name, at in snapshots.items() if retry else ():
        check_settings(at, read_stored(at), given[name], options)
    plans = {}
    for name, at in snapshots.items():
        if retry:
            again = retry_step(at, given[name])
            if again:
                at.reporter.retried("source", ",".join(retry), again, snapshot=name)
            at.reporter.say(
                f"{counted(again, 'source')} of snapshot {name} {agrees(again, 'is', 'are')} read again (--retry)."
            )
        plans[name] = make_plan(at, given[name], options)
        _say_plan(at, plans[name])
    load_tools = cache(lambda: broadcast_tools(ctx, extraction))
    return [(ctx.of_snapshot(name, options, load_tools), plan) for name, plan in plans.items()]


def _say_plan(ctx: WritingContext, plan: Plan) -> None:
    given = {source.source_path for source in plan.given}
    done = len(given & plan.done)
    carried = len({split.source.source_path for split in plan.todo} - given)
    total = sum(source.bytes for source in plan.given)
    ctx.reporter.say(
        f"run {ctx.run_id}: {counted(len(given), 'source')} ({total / 1e6:,.1f} MB) in snapshot "
        f"{ctx.settings.snapshot}, {done:,} done already."
    )
    if carried:
        are = agrees(carried, "is", "are")
        ctx.reporter.say(f"{counted(carried, 'source')} of an interrupted attempt {are} read as well.")


def _outcome(plans: Plans, outcomes: Callable[[Context], Mapping[str, Outcome]]) -> tuple[int, dict[str, Any]]:
    """Return the exit status (0 or 3) and the outcomes of this command's sources, as `source_outcomes` returns them.

    The status of a source without a committed outcome is `unaccounted for`.
    """
    ended: dict[str, Outcome] = {}
    total = 0
    lost = Outcome("unaccounted for", "no outcome was committed")
    for at, plan in plans:
        of_snapshot = outcomes(at)
        total += len(plan.given)
        ended.update((source.source_path, of_snapshot.get(source.source_path, lost)) for source in plan.given)
    incomplete = [(path, outcome) for path, outcome in ended.items() if outcome.status != "done"]
    ctx = plans[0][0]
    emit_sources(ctx.reporter, ended)
    warn_without_pairs(ctx.reporter, ended)
    for path, outcome in incomplete[:SHOWN]:
        ctx.reporter.warn(f"{path} is {outcome.status}: {outcome.reason}")
    allowed = ctx.settings.allowed_incomplete(total)
    if len(incomplete) > allowed:
        ctx.reporter.warn(
            f"{len(incomplete):,} of {counted(total, 'source')} {agrees(len(incomplete), 'is', 'are')} incomplete, "
            f"{allowed:,} allowed (--allow-incomplete): "
            f"exit status {INCOMPLETE}. --retry partial,failed reads them again."
        )
        return INCOMPLETE, source_outcomes(ended)
    return 0, source_outcomes(ended)


def _violated(ctx: RunContext, command: str, error: ExpectationError, as_json_text: bool, **more: Any) -> None:
    """Print what differs from the expectations, and write it to the outcome."""
    violations = [vars(violation) for violation in error.violations]
    write_outcome(ctx, outcome_of(ctx, command, error.exit_code, **more, error=str(error), violations=violations))
    if as_json_text:
        print(json.dumps({"violations": violations}, ensure_ascii=False))
        return
    from metaclip_spark.terminal.tables import print_rows

    print_rows(HEADERS, [violation.row for violation in error.violations])


def _empty(ctx: RunContext, card: Card) -> int:
    """Return the exit status for the size of the subset: 0, or 1 with a sentence if it is empty."""
    if card.curated_size:
        return 0
    pairs = counted(card.unique_pairs, "pair")
    if ctx.log.was_taken_from(ctx.run_id):
        ctx.reporter.warn(f"the subset of run {card.run_id} is empty: all of its pairs were taken down. Balance again.")
    else:
        ctx.reporter.warn(
            f"the curated subset is empty: of {pairs} with an expected subset of {card.expected_size:,.2f} "
            f"(± {card.expected_sd:,.2f}), none was drawn at t = {card.threshold:,}. Raise --threshold, add input, or "
            f"give another --seed: exit status {EMPTY}."
        )
    return EMPTY


def _print(card: Card, report_file: str, as_json_text: bool) -> None:
    if as_json_text:
        print(json.dumps(as_json(card, masked(report_file)), ensure_ascii=False))
        return
    from metaclip_spark.terminal.tables import print_card

    print_card(card, report_file)
