"""The plan of a snapshot: the sources to read, the sources planned before, and the splits that are done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.core.hashing.digest import digest_of
from metaclip_spark.core.secrets import masked
from metaclip_spark.errors import ColumnError, InputError
from metaclip_spark.extract.tabular.delimited import dialect_of
from metaclip_spark.extract.tabular.names import choices
from metaclip_spark.extract.tabular.reader import column_names
from metaclip_spark.schemas import PLANNED
from metaclip_spark.sources.files import Source, Split, splits_of
from metaclip_spark.steps.context import Context, ExtractContext, append_missing
from metaclip_spark.steps.earlier_settings import check_settings, read_stored
from metaclip_spark.storage.open import same_source


@dataclass(frozen=True)
class Plan:
    """The sources of a snapshot.

    Attributes:
        given: the sources of this command.
        done: source_paths of the sources that are deduplicated.
        staged: (source_path, split) of the splits that are extracted and committed, but not deduplicated.
        todo: splits to read, of this command or of an interrupted one.
        unplanned: sources given for the first time.
        read: number of given sources that are read, deduplicated or not.
        incomplete: source_paths of those of them that are partial or failed.
    """

    given: list[Source]
    done: set[str]
    staged: set[tuple[str, int]]
    todo: list[Split]
    unplanned: list[Source]
    read: int = 0
    incomplete: tuple[str, ...] = ()


def make_plan(ctx: Context, given: list[Source], options: ExtractOptions) -> Plan:
    """Plan the given sources, without those that the warehouse already has; write nothing.

    Raises:
        InputError: a source has other bytes than when it was planned.
        ConfigError: the snapshot was extracted with other settings.
    """
    snapshot, stored = ctx.settings.snapshot, read_stored(ctx)
    check_settings(ctx, stored, given, options)
    etags = {row["source_path"]: (row["bytes"], row["etag"]) for row in stored.planned}
    for source in given:
        before = etags.get(source.source_path)
        if before is not None and not same_source(before, source.info):
            raise InputError(
                f"{source.source_path} has other bytes than when it was planned for snapshot {snapshot!r} "
                f"(size {source.bytes}, was {before[0]}). Give the changed file another name, or another --snapshot "
                "(--retry, if it was not read to its end)."
            )
    unplanned = [source for source in given if source.source_path not in etags]
    uris = {source.source_path: source.uri for source in given}
    splits = [_split_of(row, uris) for row in stored.open] + splits_of(unplanned, quoting=options.quoting)
    todo = [split for split in splits if (split.source.source_path, split.index) not in stored.staged]
    todo.sort(key=lambda split: (split.source.source_path, split.index))
    read = [source.source_path for source in given if source.source_path in stored.read]
    incomplete = tuple(path for path in read if path in stored.incomplete)
    return Plan(given, set(stored.done), set(stored.staged), todo, unplanned, len(read), incomplete)


def unread_splits(ctx: Context) -> int:
    """Return the number of planned splits of the snapshot that are neither extracted nor deduplicated."""
    stored = read_stored(ctx)
    return sum((row["source_path"], row["split"]) not in stored.staged for row in stored.open)


def store_plan(ctx: ExtractContext, plan: Plan) -> None:
    """Write the sources that are given for the first time into `planned`, before the first task reads one."""
    if not plan.unplanned:
        return
    new = {source.source_path for source in plan.unplanned}
    rows = [
        (
            ctx.settings.snapshot,
            ctx.metadata_id,
            split.source.source_path,
            masked(split.source.uri),
            split.source.format,
            split.source.bytes,
            split.source.etag,
            split.index,
            split.of,
            split.start,
            split.stop,
            ctx.options.extract_id,
        )
        for split in plan.todo
        if split.source.source_path in new
    ]
    table = pa.table(list(map(list, zip(*rows, strict=True))), schema=PLANNED.arrow)
    append_missing(ctx, "planned", table, digest_of(rows), source_path=rows[0][2])


def check_input_columns(sources: Iterable[Source], options: ExtractOptions) -> list[str]:
    """Check the column names in the first file of each tabular format, to refuse a wrong name before the work.

    Returns:
        Sentences about columns that were found by other names than the default ones, or in the path, and about the
        delimiter and the quotation marks of TSV and CSV.

    Raises:
        InputError: a column of the settings is missing, is there twice, or several columns could be meant.
    """
    first: dict[str, Source] = {}
    for source in sources:
        if source.format not in ("wat", "warc"):
            first.setdefault(source.format, source)
    said = []
    for source in first.values():
        where = f" in {source.source_path}"
        try:
            names = column_names(source, options)
            said.append(choices(names, options, source.source_path, where) if names else "")
            if source.format in ("tsv", "csv"):
                dialect = dialect_of(source.uri, source.format, options.quoting, options.by_position)
                said.append(f"{source.source_path}: {dialect.sentence}" if dialect.is_chosen else "")
        except ColumnError as problem:
            raise InputError(str(problem)) from None
        except Exception:  # a file that cannot be read is a source that failed, not a wrong setting
            continue
    return [sentence for sentence in dict.fromkeys(said) if sentence]


def _split_of(row: Mapping[str, Any], uris: Mapping[str, str]) -> Split:
    """Return a planned split.

    Args:
        uris: source_path -> uri of the sources of this command: the table has uris without their secrets.
    """
    uri = uris.get(row["source_path"], row["uri"])
    source = Source(row["source_path"], uri, row["format"], row["bytes"], row["etag"])
    return Split(source, row["split"], row["splits"], row["start"], row["stop"])
