"""Open a warehouse for a command: check the settings, choose the engine, take the lease, log the attempt."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from metaclip_spark.commands.lineage import lineage
from metaclip_spark.config.languages import warning_of_languages
from metaclip_spark.config.settings import OF_COMMAND, Settings
from metaclip_spark.core.hashing.digest import digest_of
from metaclip_spark.core.wording import counted
from metaclip_spark.core.worldwide.list_choice import OTHER
from metaclip_spark.counts.files import read_counts
from metaclip_spark.counts.given import laid_out
from metaclip_spark.errors import ConfigError, MetaclipError, WarehouseError
from metaclip_spark.extract.task import READERS
from metaclip_spark.metadata import Metadata, load_metadata
from metaclip_spark.metadata.matchability import check_matchability
from metaclip_spark.metadata.worldwide.entries import WorldwideMetadata
from metaclip_spark.metadata.worldwide.lists import SHIPPED, WorldwideLists
from metaclip_spark.sources.crawl import crawl_sources
from metaclip_spark.sources.files import Source, find_sources
from metaclip_spark.spark.engine import Engine, EngineSettings, open_engine
from metaclip_spark.steps.context import NO_METADATA, Context, RunContext, WritingContext
from metaclip_spark.steps.earlier_runs import drawn_alike
from metaclip_spark.steps.extraction import Extraction, load_extraction
from metaclip_spark.steps.reading.plan import check_input_columns
from metaclip_spark.steps.takedown.rows import refuse_unfinished
from metaclip_spark.terminal.progress import Reporter
from metaclip_spark.warehouse.conflicts import kind_of_conflict
from metaclip_spark.warehouse.delta_rs import DeltaLogs, can_name
from metaclip_spark.warehouse.events import USED, new_attempt_id
from metaclip_spark.warehouse.format import check_format
from metaclip_spark.warehouse.holder import refuse_before_spark, waited_for
from metaclip_spark.warehouse.lease import Lease, leased
from metaclip_spark.warehouse.runs import RunLog
from metaclip_spark.warehouse.tables import Warehouse

Given = dict[str, list[Source]]
"""snapshot -> sources of a command."""

_NO_RUN = ConfigError("holds no run; expected tables made by run.")

SMALL_BYTES, SMALL_ROWS = 256 << 20, 3_000_000
"""Sources of this size and tables of these rows are small: a local Spark then starts with options that would cost more
than they save in a large pool."""
LAST_WORDS = 2.5
"""Seconds that an interrupted command has to log its end. Busy workers may need longer to become free."""


def reading(settings: Settings, reporter: Reporter, run_id: str | None) -> RunContext:
    """Open a run to read it, with the settings that it was drawn with.

    Args:
        run_id: the run; None: the run that was balanced last.
    """
    if run_id is None:
        _refuse_empty(settings, WarehouseError("holds no curated subset yet; run balance first."))
    else:
        _refuse_empty(settings, ConfigError(f"holds no run {run_id!r}; expected tables made by run."))
    warehouse = open_warehouse(settings, reporter)
    log = RunLog(warehouse)
    run_id = run_id or log.last_balanced_run()
    settings, metadata, config = _as_run(log, settings, run_id)
    return RunContext(warehouse, settings, metadata, reporter, log, run_id, new_attempt_id(), config)


def reading_pool(settings: Settings, reporter: Reporter) -> Context:
    """Open the pool of the given list, or of the list of the last run, to read it."""
    _refuse_empty(settings, _NO_RUN)
    warehouse = open_warehouse(settings, reporter)
    log = RunLog(warehouse)
    settings, metadata = _with_list(log, drawn_alike(log, settings))
    _check_counts(settings, metadata)
    return Context(warehouse, settings, metadata, reporter, log)


@contextlib.contextmanager
def writing(
    settings: Settings, reporter: Reporter, metadata: Metadata | None, given: Given | None = None
) -> Iterator[WritingContext]:
    """Open the warehouse to write: take the lease, and log the start and the end of the attempt.

    Args:
        metadata: the entry list; None where texts are not matched.
        given: the sources of the command.
    """
    _check_counts(settings, metadata)
    warehouse = open_warehouse(settings, reporter, create=True, takes_lease=True, given=given)
    settings = drawn_alike(RunLog(warehouse), settings)
    with _attempted(warehouse, settings, reporter, metadata or NO_METADATA, given or {}) as ctx:
        yield ctx


@contextlib.contextmanager
def writing_pool(settings: Settings, reporter: Reporter) -> Iterator[WritingContext]:
    """Open the pool of the given list, or of the list of the last run, to write, as `writing` does."""
    _refuse_empty(settings, _NO_RUN)
    warehouse = open_warehouse(settings, reporter, takes_lease=True)
    log = RunLog(warehouse)
    settings, metadata = _with_list(log, drawn_alike(log, settings), settings.run_id)
    _check_counts(settings, metadata)
    with _attempted(warehouse, settings, reporter, metadata, {}) as ctx:
        yield ctx


def _check_counts(settings: Settings, metadata: Metadata | None) -> None:
    """Read the counts of --counts, if it is given, so that a wrong file is refused before the work.

    Raises:
        InputError: the file cannot be read, or its counts are of another list.
    """
    if settings.counts is not None and metadata is not None:
        laid_out(read_counts(settings.counts), metadata, settings.counts)


@contextlib.contextmanager
def _attempted(
    warehouse: Warehouse, settings: Settings, reporter: Reporter, metadata: Metadata, given: Given
) -> Iterator[WritingContext]:
    run_id = settings.run_id or run_id_of(settings, metadata.metadata_id, given)
    config = settings.without_secrets()
    with held(warehouse, settings, reporter):
        log = RunLog(warehouse)  # read again: another run may have written until the lease was taken
        attempt = log.attempt(run_id, config, [metadata.metadata_id])
        refuse_unfinished(warehouse, log)
        attempt.record("started")
        reporter.events.common.update(run_id=run_id, attempt_id=attempt.attempt_id)
        reporter.events.emit("started", warehouse=settings.warehouse or settings.catalog)
        place = settings.warehouse or settings.catalog or ""
        try:
            with lineage(place, run_id, attempt.attempt_id, config, log.events):
                yield WritingContext(
                    warehouse, settings, metadata, reporter, log, run_id, attempt.attempt_id, config, attempt
                )
        except BaseException as error:
            last = stopping(warehouse.engine) if isinstance(error, KeyboardInterrupt) else contextlib.nullcontext()
            # The user must see the first error, not a failure to log it.
            text = f"{type(error).__name__}: {str(error)[:2000]}"
            reporter.events.emit("failed", error=text)
            with last, contextlib.suppress(Exception):
                attempt.record("failed", detail={"error": text, USED: reporter.usage()})
            raise
        attempt.record("finished", detail={**config, USED: reporter.usage()})
        reporter.events.emit("finished")


def held(warehouse: Warehouse, settings: Settings, reporter: Reporter) -> contextlib.AbstractContextManager[Lease]:
    """Return a context that holds the lease of the warehouse, and waits for it as the settings say."""
    return leased(warehouse, settings.lease_seconds, settings.wait, reporter.say, reporter.warn)


@contextlib.contextmanager
def stopping(engine: Engine) -> Iterator[None]:
    """Stop the jobs of an interrupted command, and those of the body if it takes longer than `LAST_WORDS`."""
    engine.stop_jobs()
    timer = threading.Timer(LAST_WORDS, engine.stop_jobs)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _refuse_empty(settings: Settings, error: MetaclipError) -> None:
    """Raise an error, before Spark starts, if a local warehouse has no log of runs."""
    if settings.warehouse is None or "://" in settings.warehouse or settings.remote is not None:
        return
    folder = os.path.abspath(settings.warehouse)
    if os.path.isdir(folder) and not os.path.isdir(os.path.join(folder, "runs", "_delta_log")):
        raise type(error)(f"{folder} {error}")


def open_warehouse(
    settings: Settings,
    reporter: Reporter,
    create: bool = False,
    takes_lease: bool = False,
    given: Given | None = None,
    takes_older: bool = False,
) -> Warehouse:
    """Check the folder of the warehouse, choose the engine, check the format, and return the warehouse.

    Args:
        create: create the folder of a local warehouse if it is missing.
        takes_lease: the command will take the lease: ask before Spark starts whether another run holds it.
        given: the sources of the command.
        takes_older: the command reads nothing that an older format lacks.

    Raises:
        ConfigError: no warehouse is given, its folder is missing, or the folder cannot be written.
        WarehouseError: the format is newer, or older and has to be upgraded first.
        HeldError: another run holds the lease of a local warehouse.
    """
    if settings.warehouse is None and settings.catalog is None:
        raise ConfigError("warehouse is missing; expected --warehouse DIR, or --catalog CATALOG.SCHEMA.")
    if settings.warehouse is not None and "://" not in settings.warehouse:
        _check_folder(settings.warehouse, create, writes=takes_lease)
    if settings.warehouse is not None and settings.remote is None and takes_lease:
        root = settings.warehouse
        waited_for(lambda: refuse_before_spark(root, settings.lease_seconds), settings.wait, reporter.say)
    small = is_small(settings.warehouse, given or {})
    engine = open_engine(replace(engine_settings(settings), small=small), reporter.say)
    warehouse = Warehouse(engine, settings.warehouse, settings.catalog)
    warehouse.on_conflict = lambda name, error: reporter.retried("commit", kind_of_conflict(error), table=name)
    check_format(warehouse, takes_older)
    return warehouse


def is_small(root: str | None, given: Given) -> bool:
    """Return whether a command works on few pairs: those of its sources, and those that a local warehouse has."""
    if root is None or "://" in root or not can_name(os.path.abspath(root)):
        return False
    sizes = [source.bytes for listed in given.values() for source in listed]
    if not all(sizes) or sum(sizes) > SMALL_BYTES:
        return False
    stored = DeltaLogs(os.path.abspath(root))
    numbers = [0 if stored.open(name) is None else stored.count(name) for name in ("pairs", "extracted")]
    return all(number is not None and number <= SMALL_ROWS for number in numbers)


def engine_settings(settings: Settings) -> EngineSettings:
    """Return what the settings say about the engine."""
    return EngineSettings(
        engine=settings.engine,
        memory=settings.memory,
        master=settings.master,
        remote=settings.remote,
        driver_memory=settings.driver_memory,
        conf=settings.spark,
        place=settings.warehouse,
    )


def _check_folder(folder: str, create: bool, writes: bool) -> None:
    try:
        if create:
            os.makedirs(folder, exist_ok=True)
        elif not os.path.isdir(folder):
            raise ConfigError(f"warehouse {folder} does not exist; expected the folder of an earlier `run`.")
    except OSError as error:
        raise ConfigError(
            f"warehouse {folder} cannot be written: {error.strerror}. Give a writable folder, or the right to write."
        ) from error
    if writes and not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"warehouse {folder} cannot be written: permission denied. Give a writable folder.")


def need_metadata(settings: Settings, reporter: Reporter | None = None) -> Metadata:
    """Load the entry list of the settings.

    Args:
        reporter: says how many entries can never match, for a command that matches texts.

    Raises:
        ConfigError: the settings name no list.
        MetadataError: the list cannot be used, or, with a reporter, none of its entries can match a text.
    """
    if settings.language_thresholds and not settings.worldwide:
        raise ConfigError("--language-thresholds is for the lists of languages; add --worldwide.")
    if settings.language_weights and not settings.worldwide:
        raise ConfigError("--language-weights is for the lists of languages; add --worldwide.")
    if settings.worldwide:
        lists = WorldwideLists.open(settings.metadata or SHIPPED)
        metadata: Metadata = WorldwideMetadata.read(lists)
        if reporter is not None:
            reporter.say(
                f"{counted(len(metadata.sections.names), 'list')} of {lists.folder}, {len(metadata.entries):,} entries."
            )
            if OTHER not in metadata.sections.names and settings.unsure != "drop":
                reporter.say(f"There is no list {OTHER}: texts of an unknown language are rejected as unsure.")
    elif settings.metadata is None:
        raise ConfigError("metadata is missing; expected --metadata NAME or PATH, e.g. --metadata en.")
    else:
        metadata = load_metadata(settings.metadata)
    if reporter is not None:
        name = settings.metadata or SHIPPED
        for of, _, entries in metadata.lists_to_check():
            path = f"{name}/{of}" if of else name
            found = check_matchability(entries, path)
            line = found.sentence(path)
            if line is not None:
                (reporter.warn if found.is_notable else reporter.say)(line)
    return metadata


def checked_input(settings: Settings, reporter: Reporter) -> tuple[Given, Extraction]:
    """Find the sources, load what extraction needs, and check both before Spark starts.

    Raises:
        ConfigError: an object that a setting names cannot be loaded, or two settings exclude each other.
        InputError: a source is missing, or lacks a column.
    """
    extraction = load_extraction(settings)
    warning = warning_of_languages(settings)
    if warning is not None:
        reporter.warn(warning)
    if settings.crawl:
        if len(settings.crawl) > 1 and settings.snapshot != "default":
            raise ConfigError(
                "--snapshot names one snapshot, and each of several crawls is a snapshot; leave --snapshot out."
            )
        given = {}
        for name in settings.crawl:
            snapshot = name if settings.snapshot == "default" else settings.snapshot
            reporter.say(f"Reading the list of {name}'s {settings.format.upper()} files from {settings.crawl_root} ...")
            given[snapshot] = crawl_sources(
                [name], settings.format, settings.max_files, settings.seed, settings.crawl_root
            )
    else:
        given = {settings.snapshot: find_sources(settings.input, reporter.say)}
        _check_robots(settings, given[settings.snapshot], reporter)
        for sentence in check_input_columns(given[settings.snapshot], extraction.options):
            reporter.say(sentence)
    return given, extraction


def _check_robots(settings: Settings, sources: Sequence[Source], reporter: Reporter) -> None:
    """Check that --robots can apply: tabular input names no page.

    Raises:
        ConfigError: the page's host would decide, and an input has none.
    """
    tabular = next((source.source_path for source in sources if source.format not in READERS), None)
    if settings.robots is None or settings.robots_for == "image" or tabular is None:
        return
    if settings.robots_for != "both":
        raise ConfigError(
            f"--robots asks the robots.txt of the page's host, and {tabular} names no page; give --robots-for image or "
            "both, which ask that of the image's host."
        )
    reporter.warn(f"{tabular} and other tabular input names no page: --robots asks the image's host only there.")


def run_id_of(settings: Settings, metadata_id: str, given: Given) -> str:
    """Return the id of the run of some settings, a list and sources."""
    sources = [(name, source.source_path, source.etag) for name, listed in given.items() for source in listed]
    return digest_of([settings.run_id_values, metadata_id, sources])


def _as_run(log: RunLog, settings: Settings, run_id: str) -> tuple[Settings, Metadata, Mapping[str, Any]]:
    """Return the settings, the list and the configuration of a run; warehouse and outcome stay those of `settings`."""
    config = log.started(run_id, drawn=True).detail
    known = {name: config[name] for name in config if name in Settings.model_fields and name not in OF_COMMAND}
    places = {"warehouse": settings.warehouse, "catalog": settings.catalog, "outcome": settings.outcome}
    settings = Settings(**{**known, **places, "metadata": settings.metadata or config["metadata"]})
    return settings, need_metadata(settings), config


def _with_list(log: RunLog, settings: Settings, run_id: str | None = None) -> tuple[Settings, Metadata]:
    """Return the settings and their list. Settings without a list get the list of a run.

    Args:
        run_id: the run; None: the run of the last attempt.
    """
    config = log.started(run_id).detail
    if settings.metadata is None:
        settings = settings.model_copy(
            update={"metadata": config["metadata"], "worldwide": bool(config.get("worldwide"))}
        )
    return settings, need_metadata(settings)
