"""The command `plan`: estimate what `run` would read and store, and change nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections import Counter
from dataclasses import asdict, dataclass, replace
from typing import Any

from metaclip_spark.commands.opening import Given, checked_input, engine_settings, need_metadata, open_warehouse
from metaclip_spark.config.settings import Settings
from metaclip_spark.core.machine import cores
from metaclip_spark.core.wording import counted, duration, size
from metaclip_spark.costs.model import GB, KEPT, Cost, Prices, costs, stored_bytes, total, work_of_input
from metaclip_spark.costs.rates import Rates, load_rates
from metaclip_spark.costs.table import cost_rows, storage_sentence
from metaclip_spark.errors import ConfigError
from metaclip_spark.metadata import Metadata
from metaclip_spark.metadata.matchability import check_matchability
from metaclip_spark.sources.crawl import sample_sizes, warnings_of
from metaclip_spark.sources.files import Source
from metaclip_spark.spark.engine import choose_engine
from metaclip_spark.spark.session import available_bytes, under_spark_submit
from metaclip_spark.steps.context import Context
from metaclip_spark.steps.extraction import Extraction
from metaclip_spark.steps.reading.plan import make_plan
from metaclip_spark.terminal.console import console
from metaclip_spark.terminal.progress import Reporter
from metaclip_spark.terminal.tables import print_rows
from metaclip_spark.warehouse.runs import RunLog

NO_PRICES = Prices()
SIZE_REQUESTS = 32
"""Number of sources of a crawl whose size is requested. The other sources are assumed to have the average size."""
LIST_BYTES_PER_ENTRY = 200
"""Bytes of memory per entry of a compiled entry list: in the driver, and once more during the broadcast."""


def plan(settings: Settings, reporter: Reporter, as_json: bool, prices: Prices = NO_PRICES) -> int:
    """Print the plan; return 0."""
    if settings.warehouse is None and settings.catalog is None:
        raise ConfigError("warehouse is missing; expected --warehouse DIR, or --catalog CATALOG.SCHEMA.")
    given, extraction = checked_input(settings, reporter)
    metadata = need_metadata(settings) if settings.has_list else None
    sources = [source for listed in given.values() for source in listed]
    done, todo, known = _split(settings, reporter, given, extraction, metadata)
    engine = choose_engine(engine_settings(settings))[0]
    figures = _figures(sources, done, todo, _typical_bytes(sources, settings.seed))
    estimate = _estimate(todo, figures, load_rates(engine), known, extraction)
    figures |= _in_figures(estimate, prices)
    figures["warnings"] = [
        *warnings_of(sources, os.environ),
        *_space(settings, figures["bytes_stored"]),
        *_memory(metadata),
        *_list(settings, metadata),
    ]
    if as_json:
        print(json.dumps(figures))
    else:
        _print(figures, _cores(settings), estimate, prices)
    return 0


def _split(
    settings: Settings, reporter: Reporter, given: Given, extraction: Extraction, metadata: Metadata | None
) -> tuple[int, list[Source], int]:
    """Return the number of sources that are done, the sources to read, and the number of pairs of the pool.

    Spark does not start if a local warehouse has no table of sources yet.
    """
    sources = [source for listed in given.values() for source in listed]
    if settings.warehouse is not None and "://" not in settings.warehouse:
        logs = [os.path.join(settings.warehouse, table, "_delta_log") for table in ("sources", "planned")]
        if not any(os.path.isdir(log) for log in logs):
            return 0, sources, 0
    if metadata is None:
        metadata = need_metadata(settings)
    warehouse = open_warehouse(settings, reporter)
    ctx = Context(warehouse, settings, metadata, reporter, RunLog(warehouse))
    todo: list[Source] = []
    for name, listed in given.items():
        at = replace(ctx, settings=settings.model_copy(update={"snapshot": name}))
        unread = make_plan(at, listed, extraction.options).todo
        todo += {split.source.source_path: split.source for split in unread}.values()
    keys = {source.source_path for source in todo}
    known = warehouse.count("pairs", metadata_id=ctx.metadata_id)
    return sum(source.source_path not in keys for source in sources), todo, known


def _typical_bytes(sources: list[Source], seed: int) -> int:
    """Return the average size in bytes of a sample of the sources of unknown size; 0 if all sizes are known."""
    unknown = [source for source in sources if not source.bytes]
    sizes = sample_sizes(unknown, SIZE_REQUESTS, seed) if unknown else {}
    return sum(sizes.values()) // len(sizes) if sizes else 0


def _figures(sources: list[Source], done: int, todo: list[Source], typical: int) -> dict[str, Any]:
    def bytes_of(source: Source) -> int:
        return source.bytes or typical

    megabytes: dict[str, float] = {}
    for source in todo:
        megabytes[source.format] = megabytes.get(source.format, 0.0) + bytes_of(source) / 1e6
    return {
        "sources": len(sources),
        "bytes": sum(bytes_of(source) for source in sources),
        "bytes_estimated": typical > 0,
        "formats": dict(Counter(source.format for source in sources)),
        "done": done,
        "todo": len(todo),
        "bytes_todo": sum(bytes_of(source) for source in todo),
        "megabytes": megabytes,
    }


@dataclass(frozen=True)
class _Estimate:
    """The cost of what is to do.

    Attributes:
        stored: bytes on the store at most, with the staged pairs.
        start_seconds: wall seconds of a run with next to no rows.
    """

    stages: list[Cost]
    stored: float
    start_seconds: float


def _estimate(
    todo: list[Source],
    figures: dict[str, Any],
    rates: Rates,
    known: int,
    extraction: Extraction,
) -> _Estimate:
    if not todo:
        return _Estimate([], 0.0, 0.0)
    identify = extraction.identifier is not None
    work = work_of_input(len(todo), figures["megabytes"], rates, identify=identify, known=known)
    stored = sum(stored_bytes(work, rates).values()) + work.staged * rates.staged_bytes
    return _Estimate(costs(work, rates), stored, rates.start_seconds)


def _in_figures(estimate: _Estimate, prices: Prices) -> dict[str, Any]:
    """Return the estimate as values of the plan's JSON."""
    of_all = total(estimate.stages)
    return {
        "core_hours": round(of_all.core_seconds / 3600, 4),
        "core_seconds": round(of_all.core_seconds, 1),
        "start_seconds": round(estimate.start_seconds, 1),
        "bytes_stored": int(estimate.stored),
        "stages": [{**asdict(cost), "cost": prices.of(cost)} for cost in estimate.stages],
        "cost": prices.of(of_all),
        "cost_a_month": estimate.stored / GB * prices.gb_month,
    }


def _memory(metadata: Metadata | None) -> list[str]:
    """Warn if the driver's Python has too little memory to compile and broadcast the entry list."""
    if metadata is None or under_spark_submit():
        return []
    need = 3 * LIST_BYTES_PER_ENTRY * len(metadata.entries)
    free = available_bytes()
    if free is None or free > need + (1 << 30):
        return []
    return [
        f"the driver needs about {need / 1e9:,.1f} GB to compile the entry list; "
        f"{free / 1e9:,.1f} GB are free on this machine."
    ]


def _list(settings: Settings, metadata: Metadata | None) -> list[str]:
    """Warn of entries that can never match."""
    if settings.metadata is None or metadata is None:
        return []
    line = check_matchability(metadata.entries, settings.metadata).sentence(settings.metadata)
    return [line] if line is not None else []


def _space(settings: Settings, stored: int) -> list[str]:
    """Warn if a local warehouse has less free space than the bytes that would be stored."""
    if settings.warehouse is None or "://" in settings.warehouse:
        return []
    folder = os.path.abspath(settings.warehouse)
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    free = shutil.disk_usage(folder).free
    if free < stored:
        return [f"about {stored / 1e9:,.1f} GB would be stored, and {folder} has {free / 1e9:,.1f} GB free."]
    return []


def _time(core_seconds: float, cores: int | None, start_seconds: float = 0.0) -> list[str]:
    """Return the row of the time, in seconds, minutes or hours, and what it is of.

    Args:
        start_seconds: wall seconds that a run of no rows takes.
        cores: number of cores that will work; None on a cluster, whose time is that of one core.
    """
    what = "estimated, all stages"
    if cores is None:
        return ["core time", f"about {duration(core_seconds)}" if core_seconds else "none", f"of one core, {what}"]
    time = f"about {duration(start_seconds + core_seconds / cores)}" if core_seconds else "none"
    return ["time", time, f"on {counted(cores, 'core')}, {what}"]


def _cores(settings: Settings) -> int | None:
    """Return the number of cores of this machine that will work; None if the work goes to a cluster."""
    local = re.fullmatch(r"local(\[(\d+|\*)(,\d+)?\])?", settings.master or "local[*]")
    if local is None or under_spark_submit() or settings.remote is not None:
        return None
    if local[1] is None:
        return 1
    return cores() if local[2] == "*" else max(1, int(local[2]))


def _print(figures: dict[str, Any], number_of_cores: int | None, estimate: _Estimate, prices: Prices) -> None:
    kinds = ", ".join(f"{number:,} {kind}" for kind, number in sorted(figures["formats"].items()))
    rows = [
        ["sources", f"{figures['sources']:,}", kinds],
        ["bytes", size(figures["bytes"]), figures["bytes_estimated"] and "estimated from a sample" or ""],
        ["done already", f"{figures['done']:,}", ""],
        ["to read", f"{figures['todo']:,}", size(figures["bytes_todo"])],
        _time(figures["core_seconds"], number_of_cores, estimate.start_seconds),
        ["stored", size(figures["bytes_stored"]), "estimated, staging and pairs"],
    ]
    print_rows(["", "", ""], rows)
    if estimate.stages:
        print()
        print_rows(*cost_rows(estimate.stages, prices))
        assumed = f"every staged pair is taken as new, and {KEPT:.0%} of the pool as kept"
        console().print(f"{storage_sentence(estimate.stored, prices)}; {assumed}.", markup=False)
    for warning in figures["warnings"]:
        console().print(f"warning: {warning}", markup=False)
