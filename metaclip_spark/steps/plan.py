"""The plan of a snapshot: the sources to read, the sources planned before, and the splits that are done."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pyspark.sql import Row

from metaclip_spark.candidates.options import ExtractOptions
from metaclip_spark.core.hashing.digest import digest_of
from metaclip_spark.errors import ConfigError, DamagedSourceError, InputError
from metaclip_spark.extract.tabular.columns import check_columns
from metaclip_spark.extract.tabular.reader import column_names
from metaclip_spark.schemas import PLANNED
from metaclip_spark.sources.files import Source, Split, splits_of
from metaclip_spark.steps.context import Context, ExtractContext, append_missing, in_pool
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
        other_settings: source_paths of sources that are done with other extraction settings; they are skipped.
    """

    given: list[Source]
    done: set[str]
    staged: set[tuple[str, int]]
    todo: list[Split]
    unplanned: list[Source]
    other_settings: list[str]


def make_plan(ctx: Context, given: list[Source], options: ExtractOptions) -> Plan:
    """Plan the given sources, without those that the warehouse already has; write nothing.

    Raises:
        InputError: a source has other bytes than when it was planned.
        ConfigError: an extraction with other settings is unfinished.
    """
    snapshot = ctx.settings.snapshot
    planned = in_pool(ctx, "planned", snapshot).collect()
    finished = in_pool(ctx, "sources", snapshot).select("source_path", "extract_id").collect()
    outcomes = in_pool(ctx, "extracted", snapshot).where("kind = 'source'")
    staged = {(row[0], row[1]) for row in outcomes.select("source_path", "split").collect()}
    done = {row["source_path"]: row["extract_id"] for row in finished}
    etags = {row["source_path"]: (row["bytes"], row["etag"]) for row in planned}
    for source in given:
        before = etags.get(source.source_path)
        if before is not None and not same_source(before, source.info):
            raise InputError(
                f"{source.source_path} has other bytes than when it was planned for snapshot {snapshot!r} "
                f"(size {source.bytes}, was {before[0]}). Give the changed file another name, or another --snapshot "
                "(--retry, if it was not read to its end)."
            )
    unplanned = [source for source in given if source.source_path not in etags]
    open_rows = [row for row in planned if row["source_path"] not in done]
    _check_settings(open_rows, options, snapshot)
    splits = [_split_of(row) for row in open_rows] + splits_of(unplanned)
    todo = [split for split in splits if (split.source.source_path, split.index) not in staged]
    todo.sort(key=lambda split: (split.source.source_path, split.index))
    other = [s.source_path for s in given if done.get(s.source_path, options.extract_id) != options.extract_id]
    return Plan(given, set(done), staged, todo, unplanned, other)


def unread_splits(ctx: Context) -> int:
    """Return the number of planned splits of the snapshot that are neither extracted nor deduplicated."""
    snapshot, split = ctx.settings.snapshot, ["source_path", "split"]
    planned = in_pool(ctx, "planned", snapshot).select(*split)
    staged = in_pool(ctx, "extracted", snapshot).where("kind = 'source'").select(*split)
    done = in_pool(ctx, "sources", snapshot).select("source_path")
    unread = planned.join(done, on="source_path", how="left_anti").join(staged, on=split, how="left_anti")
    return unread.count()


def store_plan(ctx: ExtractContext, plan: Plan) -> None:
    """Write the sources that are given for the first time into `planned`, before the first task reads one."""
    if not plan.unplanned:
        return
    rows = [
        (
            ctx.settings.snapshot,
            ctx.metadata_id,
            split.source.source_path,
            split.source.uri,
            split.source.format,
            split.source.bytes,
            split.source.etag,
            split.index,
            split.of,
            split.start,
            split.stop,
            ctx.options.extract_id,
        )
        for split in splits_of(plan.unplanned)
    ]
    frame = ctx.spark.createDataFrame(rows, PLANNED.ddl).coalesce(1)
    append_missing(ctx, "planned", frame, digest_of(rows), source_path=rows[0][2])


def check_input_columns(sources: Iterable[Source], options: ExtractOptions) -> None:
    """Check the column names in the first file of each tabular format, to refuse a wrong name before the work.

    Raises:
        InputError: a column of the settings is missing.
    """
    checked: set[str] = set()
    for source in sources:
        if source.format in ("wat", "warc") or source.format in checked or options.by_position:
            continue
        checked.add(source.format)
        try:
            names = column_names(source.uri, source.format)
        except Exception:
            continue
        if names is not None:
            try:
                check_columns(names, options.columns, f" in {source.source_path}")
            except DamagedSourceError as problem:
                raise InputError(str(problem)) from None


def _check_settings(open_rows: list[Row], options: ExtractOptions, snapshot: str) -> None:
    others = {row["extract_id"] for row in open_rows} - {options.extract_id}
    if others:
        raise ConfigError(
            f"snapshot {snapshot!r} has {len(open_rows)} splits of an unfinished extraction with other settings "
            "(columns, texts, languages, filters, --keep-unmatched or --no-dedup). Finish it with those settings, or "
            "use another --snapshot or --warehouse."
        )


def _split_of(row: Row) -> Split:
    source = Source(row["source_path"], row["uri"], row["format"], row["bytes"], row["etag"])
    return Split(source, row["split"], row["splits"], row["start"], row["stop"])
