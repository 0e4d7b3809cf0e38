"""`plan`: what `run` would do, without doing it."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from typing import Any

from metaclip_spark.commands import need_metadata, open_warehouse, planning_context
from metaclip_spark.config import Settings
from metaclip_spark.errors import ConfigError
from metaclip_spark.extract.sources import Source, find_sources
from metaclip_spark.progress import Reporter
from metaclip_spark.steps.plan import Plan, check_input_columns, make_plan
from metaclip_spark.terminal import console, print_rows

MB_PER_CORE_SECOND = {"wat": 6.0, "parquet": 2.4, "tsv": 2.0, "csv": 2.0, "jsonl": 1.3}
STORED_PER_READ = {"wat": 0.3, "parquet": 4.5, "tsv": 6.5, "csv": 6.5, "jsonl": 6.5}
"""By format: bytes of input that one core extracts and matches in a second, and bytes stored (staging and pairs
together) per byte read. `python tests/benchmarks/extract_rate.py` prints the figures of a machine."""


def plan(settings: Settings, reporter: Reporter, as_json: bool) -> int:
    """Print the plan; return 0."""
    if settings.warehouse is None and settings.catalog is None:
        raise ConfigError("warehouse is missing; expected --warehouse DIR, or --catalog CATALOG.SCHEMA.")
    sources = find_sources(settings.input)
    check_input_columns(sources, settings.extract_options)
    done, todo = _split(settings, reporter, sources)
    answer = _figures(sources, done, todo)
    answer["warnings"] = _warnings(settings, answer["bytes_stored"])
    if as_json:
        print(json.dumps(answer))
    else:
        _print(answer)
    return 0


def _split(settings: Settings, reporter: Reporter, sources: list[Source]) -> tuple[set[str], list[Source]]:
    """Return the paths that are done, and the sources that are left. Spark starts only to read the ledger."""
    fresh = settings.warehouse is not None and "://" not in settings.warehouse
    if fresh and not os.path.isdir(os.path.join(settings.warehouse, "sources", "_delta_log")):
        planned = os.path.isdir(os.path.join(settings.warehouse, "planned", "_delta_log"))
        if not planned:
            return set(), sources
    metadata = need_metadata(settings)
    warehouse = open_warehouse(settings, reporter)
    found: Plan = make_plan(planning_context(warehouse, settings, metadata, reporter), sources)
    left = {split.source.source_path: split.source for split in found.todo}
    return {s.source_path for s in sources} - set(left), list(left.values())


def _figures(sources: list[Source], done: set[str], todo: list[Source]) -> dict[str, Any]:
    hours = sum(source.bytes / 1e6 / MB_PER_CORE_SECOND[source.format] for source in todo) / 3600
    return {
        "sources": len(sources),
        "bytes": sum(source.bytes for source in sources),
        "formats": dict(Counter(source.format for source in sources)),
        "done": len(done),
        "todo": len(todo),
        "bytes_todo": sum(source.bytes for source in todo),
        "core_hours": round(hours, 4),
        "bytes_stored": int(sum(source.bytes * STORED_PER_READ[source.format] for source in todo)),
    }


def _warnings(settings: Settings, stored: int) -> list[str]:
    if settings.warehouse is None or "://" in settings.warehouse:
        return []
    folder = os.path.abspath(settings.warehouse)
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    free = shutil.disk_usage(folder).free
    if free < stored:
        return [f"about {stored / 1e9:,.1f} GB would be stored, and {folder} has {free / 1e9:,.1f} GB free."]
    return []


def _print(answer: dict[str, Any]) -> None:
    kinds = ", ".join(f"{number:,} {kind}" for kind, number in sorted(answer["formats"].items()))
    rows = [
        ["sources", f"{answer['sources']:,}", kinds],
        ["bytes", f"{answer['bytes'] / 1e6:,.1f} MB", ""],
        ["done already", f"{answer['done']:,}", ""],
        ["to read", f"{answer['todo']:,}", f"{answer['bytes_todo'] / 1e6:,.1f} MB"],
        ["core-hours", f"{answer['core_hours']:,.4g}", "estimated, extraction and matching"],
        ["stored", f"{answer['bytes_stored'] / 1e6:,.1f} MB", "estimated, staging and pairs"],
    ]
    print_rows(["", "", ""], rows)
    for warning in answer["warnings"]:
        console().print(f"warning: {warning}", markup=False)
