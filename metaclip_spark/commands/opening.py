"""Open a warehouse for a command: check the settings, start Spark, take the lease, log the attempt."""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from metaclip_spark.config import THINNING, Settings
from metaclip_spark.core.hashing.digest import digest_of
from metaclip_spark.errors import ConfigError
from metaclip_spark.metadata import Metadata, load_metadata
from metaclip_spark.sources.crawl import crawl_sources
from metaclip_spark.sources.files import Source, find_sources
from metaclip_spark.spark.session import get_session, jars_are_cached, under_spark_submit
from metaclip_spark.steps.context import NO_LIST, Context
from metaclip_spark.steps.earlier_runs import drawn_alike
from metaclip_spark.steps.extraction import Extraction, load_extraction
from metaclip_spark.steps.plan import check_input_columns
from metaclip_spark.steps.takedown_rows import refuse_unfinished
from metaclip_spark.terminal.progress import Reporter
from metaclip_spark.warehouse.events import DONE, Attempt
from metaclip_spark.warehouse.lease import leased
from metaclip_spark.warehouse.runs import last_balanced_run
from metaclip_spark.warehouse.tables import Warehouse, filter_equal

Given = dict[str, list[Source]]
"""The sources of a command, by snapshot."""


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


@contextlib.contextmanager
def run_context(settings: Settings, reporter: Reporter, run_id: str | None) -> Iterator[Context]:
    """Start Spark and return a context of a run (the last one balanced, unless one is named) that only reads."""
    with opened(settings, reporter, None, {}, list_of_last_run=True, write=False, run_id=run_id) as ctx:
        yield ctx


@contextlib.contextmanager
def opened(
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
        started = filter_equal(started, run_id=run_id)
        balanced = filter_equal(rows, run_id=run_id, stage="balance", event=DONE)
        drawn = balanced.orderBy("at", ascending=False).first()
        if whole and drawn is not None:  # of a run made stage by stage, the stage that chose the subset
            started = filter_equal(started, attempt_id=drawn["attempt_id"])
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
