"""The staging of a snapshot: the batches that are extracted and not deduplicated, and the outcomes of their splits.

A task writes the outcome of a split into the file of its pairs, so that both are committed or neither is. A question
about outcomes would open each of these files: one per source. So the outcomes of a batch are copied into the small
table `outcomes`, one commit and one file per batch, after the batch is committed. A copy has all outcomes of its batch.
Whether one is missing is seen from the two logs, which name the batches; then the outcomes are read from `extracted`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame

from metaclip_spark.schemas import EXTRACTED, OUTCOMES
from metaclip_spark.steps.context import Context, WritingContext, append_missing, in_pool, rows_in_pool
from metaclip_spark.warehouse.tables import filter_equal


def staged_batches(ctx: Context, snapshot: str | None = None) -> list[str]:
    """Return the batches of a snapshot that are extracted and not deduplicated, in order; read from the log.

    Args:
        snapshot: None: that of the settings.
    """
    return _batches_in(ctx, EXTRACTED.name, snapshot or ctx.settings.snapshot)


def staged_rows(ctx: Context, batches: Collection[str]) -> DataFrame:
    """Return the rows of `extracted` of some batches."""
    return filter_equal(in_pool(ctx, EXTRACTED.name, ctx.settings.snapshot), batch_id=sorted(batches))


def staged_outcomes(ctx: Context, columns: Sequence[str], batches: Collection[str] | None = None) -> pa.Table:
    """Return columns of the outcomes of the snapshot's splits that are extracted and not deduplicated.

    The engine is not asked where all batches have their copy and the store can be read without it.

    Args:
        batches: only the splits of these; None: of all that are staged.
    """
    wanted = staged_batches(ctx) if batches is None else batches
    schema = pa.schema([OUTCOMES.arrow.field(name) for name in columns])
    if not wanted:
        return schema.empty_table()
    names = list(dict.fromkeys([*columns, "batch_id"]))
    copies = rows_in_pool(ctx, OUTCOMES.name, ctx.settings.snapshot, names)
    copied = copies.filter(pc.is_in(copies["batch_id"], pa.array(wanted, pa.string())))
    missing = set(wanted).difference(copied["batch_id"].unique().to_pylist())
    found = copied.select(columns)
    if not missing:
        return found
    return pa.concat_tables([found, outcomes_in_files(ctx, missing).select(*columns).toArrow().cast(schema)])


def staged_outcome_rows(ctx: Context, batches: Collection[str]) -> DataFrame:
    """Return the outcomes of the splits of some batches, with the columns of `outcomes`, as a DataFrame."""
    missing = _without_copy(ctx, batches)
    parts = []
    if set(batches) - missing:
        parts.append(filter_equal(in_pool(ctx, OUTCOMES.name, ctx.settings.snapshot), batch_id=sorted(batches)))
    if missing or not parts:
        parts.append(outcomes_in_files(ctx, missing))
    return reduce(DataFrame.unionByName, [rows.select(*OUTCOMES.names) for rows in parts])


def pairs_staged(ctx: Context, batches: Collection[str]) -> int:
    """Return the number of pairs of some batches, as the outcomes of their splits say."""
    return pc.sum(staged_outcomes(ctx, ["pairs_written"], batches)["pairs_written"]).as_py() or 0


def store_outcomes(ctx: WritingContext, batch_id: str) -> pa.Table:
    """Copy the outcomes of a batch that was just extracted; return them, with the columns of `outcomes`.

    Opens the files of this batch.
    """
    found = outcomes_in_files(ctx, [batch_id]).toArrow().cast(OUTCOMES.arrow)
    if found.num_rows:
        append_missing(ctx, OUTCOMES.name, found, batch_id, batch_id=batch_id)
    return found


def complete_outcomes(ctx: WritingContext) -> None:
    """Copy the outcomes of staged batches whose copy is missing: the process ended between the two commits."""
    for batch_id in sorted(_without_copy(ctx, staged_batches(ctx))):
        store_outcomes(ctx, batch_id)


def forget_outcomes(ctx: WritingContext, paths: Iterable[str]) -> None:
    """Delete the copies of the batches that have outcomes of some sources, before `extracted` loses these.

    Whole copies: what is left of such a batch is read from `extracted` again. So a copy never has another content than
    its batch, wherever this process ends.
    """
    copies = rows_in_pool(ctx, OUTCOMES.name, ctx.settings.snapshot, ["source_path", "batch_id"])
    named = copies.filter(pc.is_in(copies["source_path"], pa.array(list(paths), pa.string())))
    batches = sorted(named["batch_id"].unique().to_pylist())
    if batches:
        _delete(ctx, OUTCOMES.name, batches)


def delete_staged(ctx: WritingContext, batches: Sequence[str]) -> None:
    """Delete batches of the snapshot from staging: the copies of their outcomes, then their rows."""
    others = set(staged_batches(ctx)) - set(batches)
    for name in (OUTCOMES.name, EXTRACTED.name):
        # Delta deletes whole partitions without reading a file. A condition on the batches would read all files.
        _delete(ctx, name, batches if others else None)


def _delete(ctx: WritingContext, name: str, batches: Sequence[str] | None) -> None:
    of_batches = {} if batches is None else {"batch_id": batches}
    ctx.warehouse.delete(name, metadata_id=ctx.metadata_id, snapshot=ctx.settings.snapshot, **of_batches)


def _batches_in(ctx: Context, name: str, snapshot: str) -> list[str]:
    return ctx.warehouse.values(name, "batch_id", metadata_id=ctx.metadata_id, snapshot=snapshot)


def _without_copy(ctx: Context, batches: Collection[str]) -> set[str]:
    return set(batches).difference(_batches_in(ctx, OUTCOMES.name, ctx.settings.snapshot)) if batches else set()


def outcomes_in_files(ctx: Context, batches: Collection[str]) -> DataFrame:
    """Return the outcomes of batches from the files that also have their pairs."""
    return filter_equal(staged_rows(ctx, batches), kind="source").select(*OUTCOMES.names)
