"""The extract step: read the splits that are planned and not committed yet, one commit per batch of sources."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from pyspark.sql import functions as F

from metaclip_spark.core.hashing.digest import batch_digest
from metaclip_spark.core.wording import counted
from metaclip_spark.extract.task import READERS as RECORD_FORMATS
from metaclip_spark.extract.task import Stamp
from metaclip_spark.sources.files import Split
from metaclip_spark.stages.extract import extract
from metaclip_spark.steps.context import ExtractContext, append_missing, in_pool
from metaclip_spark.steps.plan import Plan, store_plan
from metaclip_spark.warehouse.tables import filter_equal


def extract_step(ctx: ExtractContext, plan: Plan) -> int:
    """Read the remaining splits of the plan into `extracted`; return the number of pairs written."""
    store_plan(ctx, plan)
    if not plan.todo:
        return 0
    options, snapshot = ctx.options, ctx.settings.snapshot
    sources = {split.source.source_path for split in plan.todo}
    # A source that is read again after its deduplication must not get the id of its first batch.
    last = ctx.last("dedup", snapshot)
    before = last.fingerprint if last is not None else ""
    unit = "source" if len(sources) == len(plan.todo) else "split"
    record = "record" if {split.source.format for split in plan.todo} & {*RECORD_FORMATS} else "row"
    planned = [split.bytes for split in plan.todo]
    total = sum(planned) if all(planned) else 0  # an unknown size makes a share of bytes meaningless
    with ctx.reporter.stage("extract", ctx.spark, len(planned), unit, record, total, snapshot) as stage:
        for batch in batches(plan.todo, ctx.settings.files_per_commit):
            names = [(split.source.source_path, split.index, split.source.etag) for split in batch]
            batch_id = batch_digest(snapshot, ctx.metadata_id, options.extract_id, names, before)
            stamp = Stamp(snapshot, ctx.metadata_id, batch_id, stage.tally)
            rows = extract(ctx.spark, batch, options, ctx.tools, stamp, ctx.settings.max_fetches)
            append_missing(ctx, "extracted", rows, batch_id, batch_id=batch_id)
            stage.commit(len(batch), sum(split.bytes for split in batch), _pairs_of(ctx, batch_id))
        if ctx.tools.workers is not None:
            ctx.tools.workers.value.stop()
        stage.note = f"{counted(len(sources), 'source')}, {counted(stage.pairs, 'pair')}"
    return stage.pairs


def _pairs_of(ctx: ExtractContext, batch_id: str) -> int:
    """Return the number of pairs of a batch: the commit also counts rejects and outcomes as rows."""
    staged = in_pool(ctx, "extracted", ctx.settings.snapshot)
    outcomes = filter_equal(staged, batch_id=batch_id, kind="source")
    return int(outcomes.agg(F.sum("pairs_written")).collect()[0][0] or 0)


def batches(splits: list[Split], sources_per_batch: int) -> Iterator[list[Split]]:
    """Yield splits, which are ordered by source, in batches of `sources_per_batch` sources."""
    batch: list[Split] = []
    sources = 0
    for _, of_source in groupby(splits, key=lambda split: split.source.source_path):
        batch += of_source
        sources += 1
        if sources == sources_per_batch:
            yield batch
            batch, sources = [], 0
    if batch:
        yield batch
