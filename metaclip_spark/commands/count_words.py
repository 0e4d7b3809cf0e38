"""`metadata count-words`: check the dumps, start Spark, count, and put the result in place when it is whole."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from metaclip_spark.config import Settings
from metaclip_spark.errors import ConfigError, DumpError, MetaclipError
from metaclip_spark.metadata.dumps import SPLIT_BYTES, Dump, find_dumps, splits_of
from metaclip_spark.metadata.wikipedia import BIGRAM, STATISTIC, STATISTICS, WORD
from metaclip_spark.metadata.wikitext import cleaner
from metaclip_spark.metadata.words import TOKENISER
from metaclip_spark.terminal.progress import Reporter
from metaclip_spark.version import __version__

FILES = {WORD: "words.tsv", BIGRAM: "bigrams.tsv"}
SIDECAR = "counts.json"
SHUFFLE_BYTES = 4 * SPLIT_BYTES
"""Bytes of dumps for each partition of the sums, on one machine: what is sorted and handed to the driver at once."""


def count_words(
    settings: Settings,
    reporter: Reporter,
    dumps: Sequence[str],
    output: str,
    min_count: int = 1,
    split_bytes: int = SPLIT_BYTES,
    as_json: bool = False,
) -> int:
    """Count words and bigrams of Wikipedia's dumps into a new folder; return the exit status.

    Args:
        dumps: files, folders, globs.
        output: a folder that does not exist yet, or is empty.
        min_count: see `total_counts`.
        split_bytes: bytes of bzip2 that one task reads.

    Raises:
        MetaclipError: wrong usage, a file that is no dump, or one that is damaged; nothing is left at `output`.
    """
    cleaned_by = cleaner()
    folder = Path(output)
    _check_output(folder)
    found = find_dumps(dumps)
    splits = splits_of(found, split_bytes)
    size = sum(dump.bytes for dump in found)
    reporter.say(f"dumps: {len(found):,} ({size / 1e6:,.1f} MB); tasks: {len(splits):,}. Starting Spark ...")
    from metaclip_spark.spark.session import get_session, under_spark_submit
    from metaclip_spark.stages.count_words import as_lines, partial_counts, total_counts

    # A partition for so many bytes, so that a large dump does not make them large; small ones Spark puts together.
    partitions = max(4 * (os.cpu_count() or 1), size // SHUFFLE_BYTES)
    local = {} if under_spark_submit() else {"spark.sql.shuffle.partitions": str(partitions)}
    spark = get_session(settings.master, settings.driver_memory, {**local, **settings.spark})
    with _staging(folder) as staging, reporter.stage("count", spark) as stage:
        totals = total_counts(partial_counts(spark, splits), min_count)
        written = _write(as_lines(totals), staging)
        told = _sidecar(found, written, min_count, cleaned_by)
        (staging / SIDECAR).write_text(json.dumps(told, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        stage.note = f"{told['statistics']['pages_read']:,} pages"
    _warn(reporter, told)
    _print(told, folder, as_json)
    return 0


def _check_output(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.exists():
        raise ConfigError(f"output {folder} is there already; expected a new or empty folder. Give another --output.")


@contextmanager
def _staging(folder: Path):
    """Give a folder beside the wanted one, which takes its name when the body ends well and goes otherwise."""
    staging = folder.absolute().with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        staging.mkdir(parents=True)
        yield staging
        staging.replace(folder)
    except OSError as error:
        raise MetaclipError(f"output {folder} cannot be written ({error.strerror}); check --output.") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _write(lines: Any, staging: Path) -> dict[int, dict[str, Any]]:
    """Write sorted lines into one file a kind, as they come; return what each holds.

    The driver holds a partition of the sorted lines at a time, and needs no folder that workers see.
    """
    written: dict[int, dict[str, Any]] = {
        kind: {"rows": 0, "total": 0, "hash": hashlib.sha256()} for kind in (STATISTIC, *FILES)
    }
    files = {kind: open(staging / name, "wb") for kind, name in FILES.items()}  # noqa: SIM115 - closed below
    try:
        for kind, text, rows, total in _from_workers(lines):
            known = written[kind]
            known["rows"] += rows
            known["total"] += total
            known["hash"].update(text)
            if kind == STATISTIC:
                known.setdefault("lines", []).extend(bytes(text).decode().splitlines())
            else:
                files[kind].write(text)
    finally:
        for file in files.values():
            file.close()
    return written


def _from_workers(lines: Any):
    """Yield the rows; what a worker says of a dump is raised as it said it, without Spark's words around it."""
    try:
        yield from lines.toLocalIterator()
    except Exception as error:  # in whatever Spark, py4j or Connect wraps it
        said = re.findall(rf"{DumpError.__module__}\.{DumpError.__name__}: (.+)", str(error))
        if said:
            raise DumpError(said[-1].strip()) from error
        raise


def _sidecar(dumps: Sequence[Dump], written: dict[int, dict[str, Any]], min_count: int, cleaned_by: str) -> dict:
    """Say where the counts are from; without times or places, so that equal input gives equal bytes."""
    counted = dict(line.split("\t") for line in written[STATISTIC].get("lines", ()))
    return {
        "sources": [{"file": os.path.basename(dump.path), "bytes": dump.bytes} for dump in dumps],
        "statistics": {name: int(counted.get(name, 0)) for name in STATISTICS},
        "min_count": min_count,
        "tokeniser": TOKENISER,
        "wikitext": cleaned_by,
        "metaclip_spark": __version__,
        "files": {
            name: {
                "rows": written[kind]["rows"],
                "occurrences": written[kind]["total"],
                "sha256": written[kind]["hash"].hexdigest(),
            }
            for kind, name in FILES.items()
        },
    }


def _warn(reporter: Reporter, told: dict) -> None:
    counted = told["statistics"]
    if counted["not_parsed"]:
        reporter.warn(f"{counted['not_parsed']:,} articles were left out: {told['wikitext']} could not parse them.")
    if not counted["words"]:
        reporter.warn(f"no words: {counted['pages_read']:,} pages were read, and none is an article with text.")


def _print(told: dict, folder: Path, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"output": str(folder), **told}, ensure_ascii=False))
        return
    from metaclip_spark.terminal.tables import print_rows

    counted, files = told["statistics"], told["files"]
    rows = [["pages", f"{counted['pages_read']:,}", ""], ["articles", f"{counted['articles']:,}", "counted"]]
    for name, file in files.items():
        below = counted["words" if name == "words.tsv" else "bigrams"] - file["occurrences"]
        note = f"different, {file['occurrences']:,} in all; {below:,} more under --min-count {told['min_count']}"
        rows.append([name.removesuffix(".tsv"), f"{file['rows']:,}", note])
    print_rows(["", "", ""], rows)
    print(f"\ncounts  {folder / 'words.tsv'}, bigrams.tsv, {SIDECAR}")
