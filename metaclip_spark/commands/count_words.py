"""The command `metadata count-words`: count the words of dumps in Spark, and write the counts to a new folder."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metaclip_spark.config.settings import Settings
from metaclip_spark.errors import ConfigError, DumpError, MetaclipError
from metaclip_spark.metadata.dumps import SPLIT_BYTES, Dump, find_dumps, splits_of
from metaclip_spark.metadata.shipped import shipped_languages
from metaclip_spark.metadata.wikipedia import BIGRAM, STATISTIC, STATISTICS, WORD
from metaclip_spark.metadata.wikitext import parser_version
from metaclip_spark.metadata.words import TOKENISER
from metaclip_spark.metadata.worldwide.languages import read_languages
from metaclip_spark.metadata.worldwide.tokens import tokeniser_of
from metaclip_spark.terminal.progress import Reporter
from metaclip_spark.version import __version__

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Row

FILES = {WORD: "words.tsv", BIGRAM: "bigrams.tsv"}
SIDECAR = "counts.json"
SHUFFLE_BYTES = 4 * SPLIT_BYTES
"""Bytes of dumps per partition of the sums, on one machine. A partition is sorted and sent to the driver as a whole."""


def count_words(
    settings: Settings,
    reporter: Reporter,
    dumps: Sequence[str],
    output: str,
    min_count: int = 1,
    split_bytes: int = SPLIT_BYTES,
    as_json: bool = False,
    language: str | None = None,
) -> int:
    """Count the words and bigrams of Wikipedia's dumps into a new folder; return 0.

    Args:
        dumps: files, folders or globs.
        output: a folder that does not exist, or is empty.
        min_count: see `total_counts`.
        split_bytes: bytes of bzip2 that one task reads.
        language: the code of the Wikipedia, for the tokens of MetaCLIP 2's recipe; None has those of the English list.

    Raises:
        MetaclipError: the output exists, the language is unknown, its segmenter is not installed, or a file is not a
            dump or is damaged. Nothing is left at `output`.
    """
    parser, tokeniser = parser_version(), _tokeniser(language)
    folder = Path(output)
    _check_output(folder)
    files = find_dumps(dumps)
    splits = splits_of(files, split_bytes)
    _warn_of_languages(reporter, files, language)
    size = sum(dump.bytes for dump in files)
    reporter.say(f"dumps: {len(files):,} ({size / 1e6:,.1f} MB); tasks: {len(splits):,}. Starting Spark ...")
    from metaclip_spark.spark.engine import LOCAL_MASTER
    from metaclip_spark.spark.session import get_session, under_spark_submit
    from metaclip_spark.stages.count_words import as_lines, partial_counts, total_counts

    # The number of partitions grows with the dumps, so that no partition is large. Spark merges small ones.
    partitions = max(4 * (os.cpu_count() or 1), size // SHUFFLE_BYTES)
    local = {} if under_spark_submit() else {"spark.sql.shuffle.partitions": str(partitions)}
    spark = get_session(settings.master or LOCAL_MASTER, settings.driver_memory, {**local, **settings.spark})
    with _staging(folder) as staging, reporter.stage("count", spark) as stage:
        totals = total_counts(partial_counts(spark, splits, language=language), min_count)
        written = _write(as_lines(totals), staging)
        summary = _sidecar(files, written, min_count, parser, {"language": language, "tokeniser": tokeniser})
        (staging / SIDECAR).write_text(json.dumps(summary, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        stage.note = f"{summary['statistics']['pages_read']:,} pages"
    _warn(reporter, summary)
    _print(summary, folder, as_json)
    return 0


def _check_output(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.exists():
        raise ConfigError(f"output {folder} exists; expected a new or empty folder. Give another --output.")


@contextmanager
def _staging(folder: Path) -> Iterator[Path]:
    """Yield a new folder next to `folder`; rename it to `folder` if the body succeeds, and delete it otherwise."""
    staging = folder.absolute().with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        staging.mkdir(parents=True)
        yield staging
        staging.replace(folder)
    except OSError as error:
        raise MetaclipError(f"output {folder} cannot be written ({error.strerror}); check --output.") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _write(lines: DataFrame, staging: Path) -> dict[int, dict[str, Any]]:
    """Write the sorted lines to one file per kind, as they arrive; return rows, total and hash of each kind.

    The driver has one partition of the sorted lines in memory at a time. No folder is shared with the workers.
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


def _from_workers(lines: DataFrame) -> Iterator[Row]:
    """Yield the rows. An error about a dump is raised with the worker's message, without the text that Spark adds."""
    try:
        yield from lines.toLocalIterator()
    except Exception as error:  # Spark, py4j and Connect wrap the error in different types
        messages = re.findall(rf"{DumpError.__module__}\.{DumpError.__name__}: (.+)", str(error))
        if messages:
            raise DumpError(messages[-1].strip()) from error
        raise


def _tokeniser(language: str | None) -> str:
    """Return the name and version of the tokenizer; raise MetaclipError if the language has none, or it is missing."""
    if language is None:
        return TOKENISER
    known = read_languages(shipped_languages()).wikipedias()
    if language not in known:
        raise ConfigError(
            f"--language: {language!r} is the code of no Wikipedia that a list is made from, expected a code such as"
            " de, th or zh_yue (the keys wikipedia of metadata/worldwide/languages.yaml)."
        )
    return tokeniser_of(language)


def _warn_of_languages(reporter: Reporter, dumps: Sequence[Dump], language: str | None) -> None:
    """Warn if the name of a dump says another language than the one that is counted."""
    for dump in dumps:
        named = re.match(r"([a-z_]+?)wiki\b", os.path.basename(dump.path))
        if named and named[1] != (language or "en"):
            counted = f"as {language}" if language else "by the tokens of the English list"
            reporter.warn(
                f"{os.path.basename(dump.path)} is named as the Wikipedia {named[1]}, and is counted {counted}; give"
                f" --language {named[1]} if that is its language."
            )


def _sidecar(
    dumps: Sequence[Dump],
    written: dict[int, dict[str, Any]],
    min_count: int,
    parser: str,
    tokens: dict[str, str | None],
) -> dict[str, Any]:
    """Return the content of the sidecar, without times and paths, so that equal input gives equal bytes."""
    counted = dict(line.split("\t") for line in written[STATISTIC].get("lines", ()))
    return {
        "sources": [{"file": os.path.basename(dump.path), "bytes": dump.bytes} for dump in dumps],
        "statistics": {name: int(counted.get(name, 0)) for name in STATISTICS},
        "min_count": min_count,
        **{name: value for name, value in tokens.items() if value is not None},
        "wikitext": parser,
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


def _warn(reporter: Reporter, summary: dict[str, Any]) -> None:
    counted = summary["statistics"]
    if counted["not_parsed"]:
        reporter.warn(f"{counted['not_parsed']:,} articles were skipped: {summary['wikitext']} could not parse them.")
    if not counted["words"]:
        reporter.warn(f"no words: none of the {counted['pages_read']:,} pages is an article with text.")


def _print(summary: dict[str, Any], folder: Path, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"output": str(folder), **summary}, ensure_ascii=False))
        return
    from metaclip_spark.terminal.tables import print_rows

    counted, files = summary["statistics"], summary["files"]
    rows = [["pages", f"{counted['pages_read']:,}", ""], ["articles", f"{counted['articles']:,}", "counted"]]
    for name, file in files.items():
        below = counted["words" if name == "words.tsv" else "bigrams"] - file["occurrences"]
        note = f"different, {file['occurrences']:,} in all; {below:,} more below --min-count {summary['min_count']}"
        rows.append([name.removesuffix(".tsv"), f"{file['rows']:,}", note])
    print_rows(["", "", ""], rows)
    print(f"\ncounts  {folder / 'words.tsv'}, bigrams.tsv, {SIDECAR}")
