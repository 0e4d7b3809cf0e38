"""The command `export`: write the pool or a curated subset as shards for img2dataset or for trainers."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metaclip_spark.commands.opening import held, open_warehouse
from metaclip_spark.config.settings import Settings
from metaclip_spark.core.secrets import masked
from metaclip_spark.core.wording import counted
from metaclip_spark.errors import ConfigError
from metaclip_spark.export.croissant import CROISSANT, croissant_of, parse_description
from metaclip_spark.export.failures import parse_statuses
from metaclip_spark.export.place import EXPORTS, MANIFEST, Place
from metaclip_spark.export.shards import COLUMNS, INDEX
from metaclip_spark.export.uids import DATACOMP, UIDS
from metaclip_spark.steps.export.failed import Download, Failed, download_of, failed_of
from metaclip_spark.steps.export.shards import TEXTS_AN_IMAGE, Written, curated_of, pool_of, shards_for, write
from metaclip_spark.steps.export.uids import WrittenUids, write_uids
from metaclip_spark.steps.takedown.rows import refuse_takedown_since, refuse_unfinished
from metaclip_spark.terminal.console import console
from metaclip_spark.terminal.progress import Reporter
from metaclip_spark.warehouse.events import software_versions
from metaclip_spark.warehouse.runs import Run, RunLog
from metaclip_spark.warehouse.tables import Warehouse

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

INDEX_FILE = "_index.json"
ROWS_PER_SHARD = 1_000_000
"""Images per shard. img2dataset reads a shard into memory, and splits it into tars of 10,000 images."""


@dataclass(frozen=True)
class ExportRequest:
    """The parameters of an export.

    Attributes:
        stage: `pairs`, the pool that a run was drawn from, or `curated`, the subset of the run.
        run_id: the run; None: the run that was balanced last.
        since: the run whose pairs are excluded.
        format: `parquet`, one row per image; `webdataset-index`, one row per pair; or `datacomp`, the sorted uids.
        output: a folder or a URI; None: in the warehouse.
        shards, rows_per_shard: number of files, or approximate number of images per file; at most one of the two.
        failed_of: folders that img2dataset wrote; only images that it did not get are exported. Empty: all images.
        retry_status: the outcomes to try again, as `--retry-status` takes them; None: all but opt-outs.
        describe: NAME=VALUE, what `_croissant.json` says besides the manifest.
    """

    stage: str
    run_id: str | None
    since: str | None
    format: str
    output: str | None
    shards: int | None
    rows_per_shard: int | None
    failed_of: tuple[str, ...] = ()
    retry_status: str | None = None
    describe: tuple[str, ...] = ()

    def check(self) -> None:
        """Check that the parameters do not contradict each other.

        Raises:
            ConfigError: two flags exclude each other.
        """
        if self.shards is not None and self.rows_per_shard is not None:
            raise ConfigError("--shards and --rows-per-shard both say how many files there are; give one of them.")
        if self.since is not None and self.stage == "pairs":
            raise ConfigError("--since compares curated subsets, not pools; remove it, or remove --stage pairs.")
        if self.since is not None and self.failed_of:
            raise ConfigError(
                "--failed-of and --since exclude each other. To try again what both downloads lack, give --failed-of "
                "for the folder of each, without --since."
            )
        if self.retry_status is not None and not self.failed_of:
            raise ConfigError("--retry-status says what of --failed-of FOLDER to try again; give that folder, too.")
        parse_statuses(self.retry_status)
        parse_description(self.describe)
        if self.format == DATACOMP:
            self._check_uids()

    def _check_uids(self) -> None:
        if self.output is None:
            raise ConfigError("--format datacomp needs --output DIR outside of the warehouse: takedowns find no uids.")
        flags = {
            "--since": self.since,
            "--shards": self.shards,
            "--rows-per-shard": self.rows_per_shard,
            "--describe": self.describe or None,
        }
        given = [flag for flag, value in flags.items() if value is not None]
        if given:
            raise ConfigError(f"--format datacomp writes one file of uids, of all pairs; remove {given[0]}.")


def export(settings: Settings, reporter: Reporter, request: ExportRequest, as_json: bool = False) -> int:
    """Write an export and print its summary; return 0.

    Raises:
        ConfigError: the request contradicts itself, the run has no subset, or the output cannot be used.
    """
    request.check()
    if request.output is not None:
        Place(request.output).check()  # before Spark starts
    download = download_of(request.failed_of) if request.failed_of else None
    warehouse = open_warehouse(settings, reporter, takes_lease=request.output is None)
    log = RunLog(warehouse)
    refuse_unfinished(warehouse, log)  # rows that a takedown has yet to delete must not be copied
    run = log.drawn_run(request.run_id or log.last_balanced_run())
    earlier = log.drawn_run(request.since) if request.since is not None else None
    if run.gone:
        reporter.warn(
            f"run {run.run_id} drew from snapshots that were dropped or replaced since: {', '.join(run.gone)}."
        )
    place = Place(request.output or default_output(warehouse, request, run))
    place.check()
    # An export in the warehouse needs the lease, too: a takedown must not miss a half-written export.
    inside = warehouse.root is not None and f"{place.output}/".startswith(f"{warehouse.root}/")
    if inside and request.format == DATACOMP:
        raise ConfigError(
            f"output {masked(place.output)} is in the warehouse, where takedowns find no uids; give an --output DIR "
            "outside of it."
        )
    with held(warehouse, settings, reporter) if inside else contextlib.nullcontext():
        if inside and settings.wait:
            log = RunLog(warehouse)
            refuse_unfinished(warehouse, log)
            run = log.drawn_run(run.run_id)  # it may have been pruned until the lease was free
        summary = _write_export(warehouse, reporter, request, log, run, earlier, download, place)
    if as_json:
        print(json.dumps({"output": masked(place.output), **summary}, ensure_ascii=False))
    else:
        print_summary(masked(place.output), summary)
    return 0


def default_output(warehouse: Warehouse, request: ExportRequest, run: Run) -> str:
    """Return the path of an export in the warehouse.

    Raises:
        ConfigError: the warehouse is a catalog, which has no folder.
    """
    if warehouse.root is None:
        raise ConfigError("output is missing; expected --output DIR with --catalog, which has no folder for exports.")
    parts = [run.run_id, request.stage, *(["since", request.since] if request.since else [])]
    parts += ["failed"] if request.failed_of else []
    return f"{warehouse.root}/{EXPORTS}/" + "-".join([*parts, *([request.format] if request.format == INDEX else [])])


def _write_export(
    warehouse: Warehouse,
    reporter: Reporter,
    request: ExportRequest,
    log: RunLog,
    run: Run,
    earlier: Run | None,
    download: Download | None,
    place: Place,
) -> dict[str, Any]:
    """Write the export, move it into place, and return its manifest."""
    versions = {"curated_pairs": warehouse.version("curated_pairs")}
    pairs = (
        pool_of(warehouse, run) if request.stage == "pairs" else curated_of(warehouse, run, versions["curated_pairs"])
    )
    excluded = None if earlier is None else curated_of(warehouse, earlier, versions["curated_pairs"])
    with reporter.stage("export", warehouse.spark) as stage:
        failed = None
        if download is not None:
            statuses = parse_statuses(request.retry_status)
            failed = failed_of(warehouse.spark, pairs, download, statuses, reporter.say)
            pairs = failed.pairs
        place.begin()
        try:
            of = {**run.versions, **versions}
            if request.format == DATACOMP:
                summary, sizes = _write_uids(request, run, pairs, place, of, software_versions(warehouse))
            else:
                summary, sizes = _write_shards(request, run, pairs, excluded, place, of, software_versions(warehouse))
            if download is not None and failed is not None:
                summary |= retried(download, failed)
            texts = {MANIFEST: json.dumps(summary, ensure_ascii=False, indent=1) + "\n"}
            if request.format != DATACOMP:
                croissant = croissant_of(summary, parse_description(request.describe))
                texts[CROISSANT] = json.dumps(croissant, ensure_ascii=False, indent=1) + "\n"
            if request.format == INDEX:
                texts[INDEX_FILE] = json.dumps(index_of(summary), indent=1) + "\n"
            warehouse.guard()
            refuse_takedown_since(warehouse, log, [run.run_id, *([] if earlier is None else [earlier.run_id])])
            place.finish(sizes, texts)
        except BaseException:
            with contextlib.suppress(Exception):  # the user must see the first error, not a failure to clean up
                place.abandon()
            raise
        stage.pairs, stage.note = summary["pairs"], counted(len(sizes), "file")
    return summary


def _write_shards(
    request: ExportRequest,
    run: Run,
    pairs: DataFrame,
    excluded: DataFrame | None,
    place: Place,
    versions: Mapping[str, int | None],
    software: dict[str, str],
) -> tuple[dict[str, Any], dict[str, int]]:
    """Write shards; return the manifest, and the size of each file."""
    shards = request.shards or shards_for(pairs, request.rows_per_shard or ROWS_PER_SHARD)
    found = write(pairs, excluded, place.work, request.format, shards, run)
    sizes = {name: file.bytes for name, file in found.files.items()}
    return manifest(request, run, found, shards, versions, software), sizes


def _write_uids(
    request: ExportRequest,
    run: Run,
    pairs: DataFrame,
    place: Place,
    versions: Mapping[str, int | None],
    software: dict[str, str],
) -> tuple[dict[str, Any], dict[str, int]]:
    """Write the sorted uids; return the manifest, and the size of the file."""
    found = write_uids(pairs, place, run.seed if request.stage == "pairs" and run.unit == "image" else None)
    return uids_manifest(request, run, found, versions, software), {UIDS: found.bytes}


def manifest(
    request: ExportRequest,
    run: Run,
    found: Written,
    shards: int,
    versions: Mapping[str, int | None],
    software: dict[str, str],
) -> dict[str, Any]:
    """Return the manifest of an export: its run, its parameters, the versions of its tables, and its files."""
    return {
        **_origin(request, run, None if request.since is None else found.missing, versions, software),
        "columns": {name: str(kind) for name, kind in COLUMNS[request.format].items()},
        "shards": shards,
        "rows": found.rows,
        "pairs": found.pairs,
        "pairs_over_limit": found.over_limit,
        "urls_rewritten": found.rewritten,
        "urls_refused": found.refused,
        "files": [
            {"file": name, "rows": file.rows, "pairs": file.pairs, "bytes": file.bytes, "sha256": file.sha256}
            for name, file in found.files.items()
        ],
    }


def _origin(
    request: ExportRequest,
    run: Run,
    missing: int | None,
    versions: Mapping[str, int | None],
    software: dict[str, str],
) -> dict[str, Any]:
    """Return what every manifest says of the run, the parameters and the tables."""
    return {
        "stage": request.stage,
        "format": request.format,
        "run_id": run.run_id,
        "since": request.since,
        "missing_since": missing,
        "threshold": run.threshold,
        "seed": run.seed,
        "unit": run.unit,
        "snapshots": run.snapshots,
        "dropped_snapshots": run.gone,
        "metadata_ids": list(run.metadata_ids),
        "versions": versions,
        "software": software,
    }


def uids_manifest(
    request: ExportRequest,
    run: Run,
    found: WrittenUids,
    versions: Mapping[str, int | None],
    software: dict[str, str],
) -> dict[str, Any]:
    """Return the manifest of an export of uids."""
    return {
        **_origin(request, run, None, versions, software),
        "rows": found.uids,
        "pairs": found.pairs,
        "pairs_without_uid": found.without,
        "malformed_uids": found.malformed,
        "repeated_uids": found.repeated,
        "files": [{"file": UIDS, "rows": found.uids, "pairs": found.pairs, "bytes": found.bytes}],
    }


def retried(download: Download, failed: Failed) -> dict[str, Any]:
    """Return what a manifest says of the download whose images are tried again."""
    return {
        "failed_of": list(download.folders),
        "retried": list(failed.retried),
        "images_by_outcome": dict(failed.images),
        "unfinished_shards": failed.unfinished,
        "unmatched_images": failed.unmatched,
    }


def index_of(summary: dict[str, Any]) -> dict[str, Any]:
    """Return the list of shards in the format of a wids index. `__kind__` differs, because shards are not tars."""
    shards = [{"url": each["file"], "nsamples": each["rows"], "filesize": each["bytes"]} for each in summary["files"]]
    return {"__kind__": "metaclip-sample-index-v1", "key": "__key__", "shardlist": shards}


def print_summary(output: str, summary: dict[str, Any]) -> None:
    """Print the last lines of an export: its manifest in short, and its place."""
    size = sum(each["bytes"] for each in summary["files"])
    lines = [
        ("run", f"{summary['run_id']}, t = {summary['threshold']:,}, --stage {summary['stage']}"),
        ("pairs", f"{summary['pairs']:,}{_rows_of(summary)}"),
        ("files", f"{len(summary['files']):,}, {size / 1e6:,.1f} MB"),
    ]
    notes = (
        ("urls", "urls_rewritten", "are written as a browser requests them, not as found"),
        ("refused", "urls_refused", "urls are invalid or not http(s), and stay as found"),
        ("skipped", "pairs_over_limit", f"pairs of images with more than {TEXTS_AN_IMAGE:,}"),
        ("no uid", "pairs_without_uid", "pairs have none, and are not in the file"),
        ("no uid", "malformed_uids", "pairs have a value that is not of 32 hex digits, and are not in the file"),
        ("repeated", "repeated_uids", "pairs have the uid of another pair, which is in the file once"),
    )
    lines += [(name, f"{summary[count]:,} {what}") for name, count, what in notes if summary.get(count)]
    if summary["since"] is not None:
        missing = f"{summary['missing_since']:,} of its pairs are not in this run (0 if --freeze-counts named it)"
        lines.append(("since", f"run {summary['since']}; {missing}"))
    if "failed_of" in summary:
        outcomes = summary["images_by_outcome"]
        again = ", ".join(f"{outcomes[name]:,} {name}" for name in summary["retried"])
        rest = [f"{images:,} {name}" for name, images in outcomes.items() if name not in summary["retried"]]
        lines.append(("retry", again + (f"; not {', '.join(rest)}" if rest else "")))
    out = console()
    out.print()
    for name, value in [*lines, ("export", output)]:
        out.print(f"{name:<9} {value}", markup=False)


def _rows_of(summary: dict[str, Any]) -> str:
    if summary["format"] == DATACOMP:
        return f", {summary['rows']:,} uids"
    return ", one row each" if summary["format"] == INDEX else f", of {summary['rows']:,} images, one row each"
