"""`export`: the pool or a curated subset as shards for img2dataset and for trainers."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import Any

from metaclip_spark.commands.opening import open_warehouse
from metaclip_spark.config import Settings
from metaclip_spark.errors import ConfigError
from metaclip_spark.export.place import EXPORTS, MANIFEST, Place
from metaclip_spark.export.shards import COLUMNS, INDEX
from metaclip_spark.steps.export import TEXTS_AN_IMAGE, Written, curated_of, pool_of, shards_for, write
from metaclip_spark.steps.takedown_rows import refuse_unfinished
from metaclip_spark.terminal.progress import Reporter
from metaclip_spark.terminal.tables import console
from metaclip_spark.warehouse.events import software_versions
from metaclip_spark.warehouse.lease import leased
from metaclip_spark.warehouse.runs import Run, drawn_run, last_balanced_run
from metaclip_spark.warehouse.tables import Warehouse

STAGES = ("pairs", "curated")
INDEX_FILE = "_index.json"
ROWS_PER_SHARD = 1_000_000
"""Images a shard: img2dataset holds a file in memory, and cuts it into tars of 10,000."""


@dataclass(frozen=True)
class Asked:
    """What the command line asks for.

    Attributes:
        stage: `pairs`, the pool that a run was drawn from, or `curated`, what was drawn.
        run_id: the run; None: the last one balanced.
        since: the run whose pairs are left out.
        format: `parquet`, a row an image, or `webdataset-index`, a row a pair.
        output: a folder or a uri; None: in the warehouse.
        shards, rows_per_shard: how many files, or images in each, about; one of them at most.
    """

    stage: str
    run_id: str | None
    since: str | None
    format: str
    output: str | None
    shards: int | None
    rows_per_shard: int | None

    def check(self) -> None:
        """Refuse what contradicts itself.

        Raises:
            ConfigError: two flags do not go together.
        """
        if self.shards is not None and self.rows_per_shard is not None:
            raise ConfigError("--shards and --rows-per-shard both say how many files there are; give one of them.")
        if self.since is not None and self.stage == "pairs":
            raise ConfigError("--since compares curated subsets, and the pool is none; leave it out, or --stage pairs.")


def export(settings: Settings, reporter: Reporter, asked: Asked, as_json: bool = False) -> int:
    """Write an export and say what is in it; return the exit status."""
    asked.check()
    if asked.output is not None:
        Place(asked.output).check()  # before Spark starts
    warehouse = open_warehouse(settings, reporter)
    refuse_unfinished(warehouse)  # what has to go must not be copied on the way
    run = drawn_run(warehouse, asked.run_id or last_balanced_run(warehouse))
    earlier = drawn_run(warehouse, asked.since) if asked.since is not None else None
    place = Place(asked.output or default_output(warehouse, asked, run))
    place.check()
    # What changes exports in the warehouse holds its lease, too: a takedown must not miss one that is half-written.
    inside = warehouse.root is not None and f"{place.output}/".startswith(f"{warehouse.root}/")
    with leased(warehouse, settings.lease_seconds) if inside else contextlib.nullcontext():
        told = _written(warehouse, reporter, asked, run, earlier, place)
    if as_json:
        print(json.dumps({"output": place.output, **told}, ensure_ascii=False))
    else:
        _print(place.output, told)
    return 0


def default_output(warehouse: Warehouse, asked: Asked, run: Run) -> str:
    """Return where an export goes in the warehouse.

    Raises:
        ConfigError: tables in a catalog have no folder beside them.
    """
    if warehouse.root is None:
        raise ConfigError("output is missing; with --catalog, --output says where the export goes.")
    parts = [run.run_id, asked.stage, *(["since", asked.since] if asked.since else [])]
    return f"{warehouse.root}/{EXPORTS}/" + "-".join([*parts, *([asked.format] if asked.format == INDEX else [])])


def _written(
    warehouse: Warehouse, reporter: Reporter, asked: Asked, run: Run, earlier: Run | None, place: Place
) -> dict[str, Any]:
    """Write the export, put it in place, and return its manifest."""
    versions = {"curated_pairs": warehouse.version("curated_pairs")}
    pairs = pool_of(warehouse, run) if asked.stage == "pairs" else curated_of(warehouse, run, versions["curated_pairs"])
    left_out = None if earlier is None else curated_of(warehouse, earlier, versions["curated_pairs"])
    with reporter.stage("export", warehouse.spark) as stage:
        shards = asked.shards or shards_for(pairs, asked.rows_per_shard or ROWS_PER_SHARD)
        place.begin()
        try:
            found = write(pairs, left_out, place.work, asked.format, shards, run)
            told = manifest(asked, run, found, shards, {**run.versions, **versions}, software_versions(warehouse))
            texts = {MANIFEST: json.dumps(told, ensure_ascii=False, indent=1) + "\n"}
            if asked.format == INDEX:
                texts[INDEX_FILE] = json.dumps(index_of(told), indent=1) + "\n"
            warehouse.guard()
            place.finish({name: size for name, (_, _, size) in found.files.items()}, texts)
        except BaseException:
            with contextlib.suppress(Exception):  # the error itself is what must reach the user
                place.abandon()
            raise
        stage.rows, stage.note = found.pairs, f"{len(found.files):,} files"
    return told


def manifest(
    asked: Asked, run: Run, found: Written, shards: int, versions: dict[str, int], software: dict[str, str]
) -> dict[str, Any]:
    """Return what an export is: whose, from what, in which order, and its files."""
    return {
        "stage": asked.stage,
        "format": asked.format,
        "run_id": run.run_id,
        "since": asked.since,
        "missing_since": None if asked.since is None else found.missing,
        "threshold": run.threshold,
        "seed": run.seed,
        "unit": run.unit,
        "snapshots": run.snapshots,
        "metadata_ids": list(run.metadata_ids),
        "versions": versions,
        "software": software,
        "columns": {name: str(kind) for name, kind in COLUMNS[asked.format].items()},
        "shards": shards,
        "rows": found.rows,
        "pairs": found.pairs,
        "pairs_over_limit": found.over_limit,
        "files": [
            {"file": name, "rows": rows, "pairs": pairs, "bytes": size}
            for name, (rows, pairs, size) in found.files.items()
        ],
    }


def index_of(told: dict[str, Any]) -> dict[str, Any]:
    """Return the list of shards in the shape that wids has for tars; the kind says that these are none."""
    shards = [{"url": each["file"], "nsamples": each["rows"], "filesize": each["bytes"]} for each in told["files"]]
    return {"__kind__": "metaclip-sample-index-v1", "key": "__key__", "shardlist": shards}


def _print(output: str, told: dict[str, Any]) -> None:
    rows = "a row each" if told["format"] == INDEX else f"of {told['rows']:,} images, a row each"
    size = sum(each["bytes"] for each in told["files"])
    lines = [
        ("run", f"{told['run_id']}, t = {told['threshold']:,}, --stage {told['stage']}"),
        ("pairs", f"{told['pairs']:,}, {rows}"),
        ("files", f"{len(told['files']):,}, {size / 1e6:,.1f} MB"),
    ]
    if told["pairs_over_limit"]:
        lines.append(("left out", f"{told['pairs_over_limit']:,} pairs of images with more than {TEXTS_AN_IMAGE:,}"))
    if told["since"] is not None:
        lost = f"{told['missing_since']:,} of its pairs are not in this run (0 where --freeze-counts named it)"
        lines.append(("since", f"run {told['since']}; {lost}"))
    out = console()
    out.print()
    for name, value in [*lines, ("export", output)]:
        out.print(f"{name:<9} {value}", markup=False)
