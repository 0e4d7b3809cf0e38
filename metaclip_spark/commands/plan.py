"""The command `plan`: estimate what `run` would read and store, and change nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections import Counter
from dataclasses import replace
from typing import Any

from metaclip_spark.commands.opening import Given, checked_input, need_metadata, open_warehouse
from metaclip_spark.config.settings import Settings
from metaclip_spark.core.machine import cores
from metaclip_spark.core.wording import counted, duration, size
from metaclip_spark.errors import ConfigError
from metaclip_spark.metadata import Metadata, load_metadata
from metaclip_spark.metadata.matchability import check_matchability
from metaclip_spark.sources.crawl import sample_sizes, warnings_of
from metaclip_spark.sources.files import Source
from metaclip_spark.spark.session import available_bytes, under_spark_submit
from metaclip_spark.steps.context import Context
from metaclip_spark.steps.extraction import Extraction
from metaclip_spark.steps.plan import make_plan
from metaclip_spark.terminal.progress import Reporter
from metaclip_spark.terminal.tables import console, print_rows
from metaclip_spark.warehouse.runs import RunLog

SIZE_REQUESTS = 32
"""Number of sources of a crawl whose size is requested. The other sources are assumed to have the average size."""
LIST_BYTES_PER_ENTRY = 200
"""Bytes of memory per entry of a compiled entry list: in the driver, and once more during the broadcast."""
MB_PER_CORE_SECOND = {"wat": 40.0, "warc": 30.0, "parquet": 4.0, "tsv": 2.5, "csv": 2.5, "jsonl": 2.0}
STORED_PER_READ = {"wat": 0.2, "warc": 0.1, "parquet": 4.5, "tsv": 6.5, "csv": 6.5, "jsonl": 6.5}
"""By format: megabytes of input that one core extracts, matches and identifies per second, and bytes stored (staging
and pairs together) per byte read. `python tests/benchmarks/extract_rate.py` prints the figures of a machine."""


def plan(settings: Settings, reporter: Reporter, as_json: bool) -> int:
    """Print the plan; return 0."""
    if settings.warehouse is None and settings.catalog is None:
        raise ConfigError("warehouse is missing; expected --warehouse DIR, or --catalog CATALOG.SCHEMA.")
    given, extraction = checked_input(settings, reporter)
    metadata = load_metadata(settings.metadata) if settings.metadata is not None else None
    sources = [source for listed in given.values() for source in listed]
    done, todo = _split(settings, reporter, given, extraction, metadata)
    figures = _figures(sources, done, todo, _typical_bytes(sources, settings.seed))
    figures["warnings"] = [
        *warnings_of(sources, os.environ),
        *_space(settings, figures["bytes_stored"]),
        *_memory(metadata),
        *_list(settings, metadata),
    ]
    if as_json:
        print(json.dumps(figures))
    else:
        _print(figures, _cores(settings))
    return 0


def _split(
    settings: Settings, reporter: Reporter, given: Given, extraction: Extraction, metadata: Metadata | None
) -> tuple[int, list[Source]]:
    """Return the number of sources that are done, and the sources to read.

    Spark does not start if a local warehouse has no table of sources yet.
    """
    sources = [source for listed in given.values() for source in listed]
    if settings.warehouse is not None and "://" not in settings.warehouse:
        logs = [os.path.join(settings.warehouse, table, "_delta_log") for table in ("sources", "planned")]
        if not any(os.path.isdir(log) for log in logs):
            return 0, sources
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
    return sum(source.source_path not in keys for source in sources), todo


def _typical_bytes(sources: list[Source], seed: int) -> int:
    """Return the average size in bytes of a sample of the sources of unknown size; 0 if all sizes are known."""
    unknown = [source for source in sources if not source.bytes]
    sizes = sample_sizes(unknown, SIZE_REQUESTS, seed) if unknown else {}
    return sum(sizes.values()) // len(sizes) if sizes else 0


def _figures(sources: list[Source], done: int, todo: list[Source], typical: int) -> dict[str, Any]:
    def bytes_of(source: Source) -> int:
        return source.bytes or typical

    hours = sum(bytes_of(source) / 1e6 / MB_PER_CORE_SECOND[source.format] for source in todo) / 3600
    return {
        "sources": len(sources),
        "bytes": sum(bytes_of(source) for source in sources),
        "bytes_estimated": typical > 0,
        "formats": dict(Counter(source.format for source in sources)),
        "done": done,
        "todo": len(todo),
        "bytes_todo": sum(bytes_of(source) for source in todo),
        "core_hours": round(hours, 4),
        "core_seconds": round(hours * 3600, 1),
        "bytes_stored": int(sum(bytes_of(source) * STORED_PER_READ[source.format] for source in todo)),
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


def _time(core_seconds: float, cores: int | None) -> list[str]:
    """Return the row of the time, in seconds, minutes or hours, and what it is of.

    Args:
        cores: number of cores that will work; None on a cluster, whose time is that of one core.
    """
    what = "estimated, extraction and matching"
    if cores is None:
        return ["core time", f"about {duration(core_seconds)}" if core_seconds else "none", f"of one core, {what}"]
    time = f"about {duration(core_seconds / cores)}" if core_seconds else "none"
    return ["time", time, f"on {counted(cores, 'core')}, {what}"]


def _cores(settings: Settings) -> int | None:
    """Return the number of cores of this machine that will work; None if the work goes to a cluster."""
    local = re.fullmatch(r"local(\[(\d+|\*)(,\d+)?\])?", settings.master or "local[*]")
    if local is None or under_spark_submit() or settings.remote is not None:
        return None
    if local[1] is None:
        return 1
    return cores() if local[2] == "*" else max(1, int(local[2]))


def _print(figures: dict[str, Any], number_of_cores: int | None) -> None:
    kinds = ", ".join(f"{number:,} {kind}" for kind, number in sorted(figures["formats"].items()))
    rows = [
        ["sources", f"{figures['sources']:,}", kinds],
        ["bytes", size(figures["bytes"]), figures["bytes_estimated"] and "estimated from a sample" or ""],
        ["done already", f"{figures['done']:,}", ""],
        ["to read", f"{figures['todo']:,}", size(figures["bytes_todo"])],
        _time(figures["core_seconds"], number_of_cores),
        ["stored", size(figures["bytes_stored"]), "estimated, staging and pairs"],
    ]
    print_rows(["", "", ""], rows)
    for warning in figures["warnings"]:
        console().print(f"warning: {warning}", markup=False)
