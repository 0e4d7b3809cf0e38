"""What each command does: check, open the warehouse, call the steps, say what came of it."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from metaclip_spark.config import THINNING, Settings
from metaclip_spark.core.hashing.digest import digest_of
from metaclip_spark.errors import ConfigError
from metaclip_spark.metadata import Metadata, load_metadata
from metaclip_spark.outcomes import outcome_of, source_outcomes, stage_outcome, write_outcome
from metaclip_spark.pipeline import curate
from metaclip_spark.reporting import closing_report
from metaclip_spark.sources.crawl import crawl_sources
from metaclip_spark.sources.files import Source, find_sources
from metaclip_spark.spark.session import get_session, jars_are_cached, under_spark_submit
from metaclip_spark.steps.balance import balance_step
from metaclip_spark.steps.card import as_json, make_card
from metaclip_spark.steps.context import NO_LIST, Context, in_pool
from metaclip_spark.steps.count import count_step
from metaclip_spark.steps.dedup import dedup_step
from metaclip_spark.steps.earlier_runs import drawn_alike
from metaclip_spark.steps.extract import extract_step
from metaclip_spark.steps.extraction import Extraction, load_extraction
from metaclip_spark.steps.match import match_step
from metaclip_spark.steps.plan import Plan, check_input_columns, make_plan, unread_splits
from metaclip_spark.steps.retry import retry_step
from metaclip_spark.steps.takedown_rows import refuse_unfinished
from metaclip_spark.terminal.progress import Reporter
from metaclip_spark.warehouse.events import DONE, Attempt
from metaclip_spark.warehouse.lease import leased
from metaclip_spark.warehouse.runs import last_balanced_run
from metaclip_spark.warehouse.tables import Warehouse, matching

INCOMPLETE = 3
Given = dict[str, list[Source]]
"""The sources of a command, by snapshot."""
Plans = list[tuple[Context, Plan]]
"""The plan of each snapshot, with the context to carry it out in."""

# What does not change any result: where things are, how fast, and how much is shown.
_NOT_IN_RUN_ID = {
    "input",
    "metadata",
    "warehouse",
    "catalog",
    "matcher",
    "files_per_commit",
    "allow_incomplete",
    "lease_seconds",
    "rejects_per_reason",
    "master",
    "remote",
    "driver_memory",
    "spark",
    "crawl_root",
    "retry",
    "max_fetches",
    "run_id",
    "pinned",
    "outcome",
    "whole_pool",
}
_SINCE_BUILDING_ON = {"freeze_counts", *THINNING}
"""Settings that came with a later release: where they are not given, the run is the one it was."""
_OF_A_STAGE = {"spark", "run_id", "pinned", "outcome"}
_SECRET = re.compile(r"secret|password|token|credential|access\.?key|sas", re.IGNORECASE)


def run(settings: Settings, reporter: Reporter, as_json_text: bool = False) -> int:
    """All stages and the report; return the exit status."""
    metadata = need_metadata(settings)
    given, extraction = checked_input(settings, reporter)
    with _opened(settings, reporter, metadata, given, extraction) as ctx:
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
    with _opened(settings, reporter, metadata, given, extraction) as ctx:
        plans = _make_plans(ctx, given)
        for at, plan in plans:
            extract_step(at, plan)
        status, sources = _outcome(plans, _staged)
        write_outcome(ctx, outcome_of(ctx, "extract", status, snapshots=list(given), **sources))
        return status


def dedup(settings: Settings, reporter: Reporter) -> int:
    """Take what is extracted into `pairs`."""
    metadata = load_metadata(settings.metadata) if settings.metadata else None
    with _opened(settings, reporter, metadata, {}) as ctx:
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
    with _opened(settings, reporter, metadata, {}) as ctx:
        match_step(ctx)
        write_outcome(ctx, outcome_of(ctx, "match", 0, snapshots=ctx.pool_snapshots()))
        return 0


def count(settings: Settings, reporter: Reporter) -> int:
    """Bring entry counts up to date."""
    with _opened(settings, reporter, None, {}, list_of_last_run=True) as ctx:
        snapshots = sorted(count_step(ctx))
        told = stage_outcome(ctx, "count", snapshots)
        write_outcome(ctx, outcome_of(ctx, "count", 0, snapshots=snapshots, **told))
        return 0


def balance(settings: Settings, reporter: Reporter, as_json_text: bool = False) -> int:
    """Choose t and draw the curated subset from the counted pool."""
    with _opened(settings, reporter, None, {}, list_of_last_run=True) as ctx:
        balance_step(ctx, count_step(ctx))
        card = make_card(ctx)
        report = closing_report(ctx, card)
        _print(ctx, card, report, as_json_text)
        told = {**stage_outcome(ctx, "balance", [None]), "curated": as_json(card, report)}
        write_outcome(ctx, outcome_of(ctx, "balance", 0, snapshots=list(card.snapshots), **told))
        return 0


@contextlib.contextmanager
def run_context(settings: Settings, reporter: Reporter, run_id: str | None) -> Iterator[Context]:
    """Start Spark and return a context of a run (the last one balanced, unless one is named) that only reads."""
    with _opened(settings, reporter, None, {}, list_of_last_run=True, write=False, run_id=run_id) as ctx:
        yield ctx


@contextlib.contextmanager
def _opened(
    settings: Settings,
    reporter: Reporter,
    metadata: Metadata | None,
    given: Given,
    extraction: Extraction | None = None,
    *,
    list_of_last_run: bool = False,
    write: bool = True,
    run_id: str | None = None,
) -> Iterator[Context]:
    """Start Spark, take the lease, and note the attempt's start and end."""
    warehouse = open_warehouse(settings, reporter, create=write)
    run_id = run_id or settings.run_id
    if write:
        settings = drawn_alike(warehouse, settings)
    config: Mapping[str, Any] = shown_config(settings)
    if list_of_last_run:
        run_id = run_id or (None if write else last_balanced_run(warehouse))
        settings, metadata, config = _of_run(warehouse, settings, run_id, config, whole=not write)
    metadata_id = metadata.metadata_id if metadata is not None else NO_LIST
    attempt = Attempt(warehouse, run_id or _run_id(settings, metadata_id, given), config, [metadata_id])
    ctx = Context(warehouse.spark, warehouse, settings, metadata, reporter, attempt, extraction)
    if not write:
        yield ctx
        return
    with leased(warehouse, settings.lease_seconds):
        refuse_unfinished(warehouse)
        attempt.record("started")
        try:
            yield ctx
        except BaseException as error:
            with contextlib.suppress(Exception):  # the error itself is what must reach the user
                attempt.record("failed", detail={"error": f"{type(error).__name__}: {str(error)[:2000]}"})
            raise
        attempt.record("finished")


def open_warehouse(settings: Settings, reporter: Reporter, create: bool = False) -> Warehouse:
    """Check that the place can be written, start Spark, and return the warehouse."""
    if settings.warehouse is None and settings.catalog is None:
        raise ConfigError("warehouse is missing; expected --warehouse DIR, or --catalog CATALOG.SCHEMA.")
    if settings.warehouse is not None and "://" not in settings.warehouse:
        _check_folder(settings.warehouse, create)
    if settings.remote is not None:
        reporter.say(f"Connecting to {settings.remote.partition(';')[0]} ...")
    else:
        first = "" if under_spark_submit() or jars_are_cached() else " (a first start fetches Delta's JARs, 13 MB)"
        reporter.say(f"Starting Spark{first} ...")
    spark = get_session(settings.master, settings.driver_memory, settings.spark, remote=settings.remote)
    return Warehouse(spark, settings.warehouse, settings.catalog)


def _check_folder(folder: str, create: bool) -> None:
    try:
        if create:
            os.makedirs(folder, exist_ok=True)
        elif not os.path.isdir(folder):
            raise ConfigError(f"warehouse {folder} does not exist; expected the folder that run was given.")
    except OSError as error:
        raise ConfigError(
            f"warehouse {folder} cannot be written: {error.strerror}. Give a folder that can be, or the right to write."
        ) from error
    if create and not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"warehouse {folder} cannot be written: permission denied. Give a folder that can be.")


def need_metadata(settings: Settings) -> Metadata:
    if settings.metadata is None:
        raise ConfigError("metadata is missing; expected --metadata PATH, e.g. --metadata metadata/en.json.gz.")
    return load_metadata(settings.metadata)


def checked_input(settings: Settings, reporter: Reporter) -> tuple[Given, Extraction]:
    """Return the sources by snapshot and what reads them, or refuse what the user got wrong."""
    extraction = load_extraction(settings)
    if settings.crawl:
        if len(settings.crawl) > 1 and settings.snapshot != "default":
            raise ConfigError("--snapshot names one snapshot; of several crawls each is its own: leave it out.")
        given = {}
        for name in settings.crawl:
            snapshot = name if settings.snapshot == "default" else settings.snapshot
            reporter.say(f"Reading the list of {name}'s {settings.format.upper()} files from {settings.crawl_root} ...")
            given[snapshot] = crawl_sources(
                [name], settings.format, settings.max_files, settings.seed, settings.crawl_root
            )
    else:
        given = {settings.snapshot: find_sources(settings.input)}
        check_input_columns(given[settings.snapshot], extraction.options)
    return given, extraction


def _run_id(settings: Settings, metadata_id: str, given: Given) -> str:
    kept = {name: value for name, value in settings.model_dump().items() if name not in _NOT_IN_RUN_ID}
    kept = {name: value for name, value in kept.items() if value is not None or name not in _SINCE_BUILDING_ON}
    kept["tail_fraction"] = settings.chosen_tail_fraction
    kept["languages"] = settings.wanted_languages
    sources = [(name, source.source_path, source.etag) for name, listed in given.items() for source in listed]
    return digest_of([kept, metadata_id, sources])


def shown_config(settings: Settings) -> dict[str, Any]:
    """Return the configuration as it is stored and shown: without secrets."""
    config = settings.model_dump()
    config["spark"] = {k: "(hidden)" if _SECRET.search(k) else v for k, v in config["spark"].items()}
    return config


def _of_run(
    warehouse: Warehouse, settings: Settings, run_id: str | None, config: Mapping[str, Any], whole: bool = True
) -> tuple[Settings, Metadata, Mapping[str, Any]]:
    """Complete settings that name no list with that of a run, or of the last one; `whole`: take all its settings."""
    rows = warehouse.read("runs")
    started = rows.where("event = 'started'")
    if run_id is not None:
        started = matching(started, run_id=run_id)
        balanced = matching(rows, run_id=run_id, stage="balance", event=DONE)
        drawn = balanced.orderBy("at", ascending=False).first()
        if whole and drawn is not None:  # of a run made stage by stage, the stage that chose the subset
            started = matching(started, attempt_id=drawn["attempt_id"])
    row = started.orderBy("at", ascending=False).first()
    if row is None:
        named = "no run" if run_id is None else f"no run {run_id!r}"
        raise ConfigError(f"{warehouse.root or warehouse.catalog} holds {named}; expected tables made by run.")
    stored = json.loads(row["config"])
    if whole and run_id is not None:
        known = {name: stored[name] for name in stored if name in Settings.model_fields and name not in _OF_A_STAGE}
        paths = {"warehouse": settings.warehouse, "catalog": settings.catalog, "outcome": settings.outcome}
        settings = Settings(**{**known, **paths, "metadata": settings.metadata or stored["metadata"]})
        config = stored
    elif settings.metadata is None:
        settings = settings.model_copy(update={"metadata": stored["metadata"]})
        config = shown_config(settings)
    return settings, need_metadata(settings), config


def run_settings(warehouse: Warehouse, settings: Settings, run_id: str | None) -> tuple[str, Settings, Metadata]:
    """Return a run (the last one balanced, unless one is named) with its settings and its list."""
    run_id = run_id or last_balanced_run(warehouse)
    settings, metadata, _ = _of_run(warehouse, settings, run_id, {})
    return run_id, settings, metadata


def reading_context(settings: Settings, reporter: Reporter) -> Context:
    """Start Spark and return a context that only reads, on the list given or that of the last run."""
    warehouse = open_warehouse(settings, reporter)
    settings, metadata, _ = _of_run(warehouse, drawn_alike(warehouse, settings), None, {}, whole=False)
    attempt = Attempt(warehouse, "", {}, [metadata.metadata_id])
    return Context(warehouse.spark, warehouse, settings, metadata, reporter, attempt)


def planning_context(
    warehouse: Warehouse, settings: Settings, metadata: Metadata, reporter: Reporter, extraction: Extraction
) -> Context:
    """Return a context that only reads."""
    attempt = Attempt(warehouse, "", {}, [metadata.metadata_id])
    return Context(warehouse.spark, warehouse, settings, metadata, reporter, attempt, extraction)


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
