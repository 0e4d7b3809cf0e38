"""The retry step: delete the outcomes of partial and failed sources, so that they are planned again."""

from __future__ import annotations

from metaclip_spark.sources.files import Source
from metaclip_spark.steps.context import WritingContext, rows_in_pool
from metaclip_spark.steps.staging import forget_outcomes, staged_outcomes
from metaclip_spark.storage.open import same_source

_PER_STATEMENT = 500
"""Maximum number of sources that one DELETE names."""


def retry_step(ctx: WritingContext, given: list[Source]) -> int:
    """Delete the outcomes and plans of the given sources whose status `--retry` names; return the number of sources.

    A planned source that has no outcome, and other bytes than when it was planned, is planned again as well.

    The pairs of a partial source stay: reading it again adds those that are missing. The outcome of a source is deleted
    first, and its plan last. So an interrupted step leaves a source that is planned and not read, and the next run
    reads it.
    """
    snapshot, wanted = ctx.settings.snapshot, list(ctx.settings.retry)
    statuses: dict[str, str] = {}
    columns = ["source_path", "status"]
    for table in (rows_in_pool(ctx, "sources", snapshot, columns), staged_outcomes(ctx, columns)):
        for path, status in zip(*(table[name].to_pylist() for name in columns), strict=True):
            statuses[path] = status if statuses.get(path, "done") == "done" else statuses[path]
    planned = rows_in_pool(ctx, "planned", snapshot, ["source_path", "uri", "format", "bytes", "etag"])
    before = {row["source_path"]: Source(**row) for row in planned.to_pylist()}
    again = [
        source.source_path
        for source in given
        if statuses.get(source.source_path) in wanted or _changed_before_read(source, before, statuses)
    ]
    for start in range(0, len(again), _PER_STATEMENT):
        _delete(ctx, again[start : start + _PER_STATEMENT])
    return len(again)


def _changed_before_read(source: Source, before: dict[str, Source], statuses: dict[str, str]) -> bool:
    old = before.get(source.source_path)
    return old is not None and source.source_path not in statuses and not same_source(old.info, source.info)


def _delete(ctx: WritingContext, paths: list[str]) -> None:
    # Without deduplication, a source that is read again would add its pairs twice.
    snapshot = ctx.settings.snapshot
    if ctx.settings.no_dedup:
        lists = [ctx.metadata_id, *_matched_from(ctx, snapshot)]
        ctx.warehouse.delete("pairs", metadata_id=lists, snapshot=snapshot, source_path=paths)
    forget_outcomes(ctx, paths)
    for table in ("extracted", "rejects", "sources", "planned"):
        ctx.warehouse.delete(table, metadata_id=ctx.metadata_id, snapshot=snapshot, source_path=paths)


def _matched_from(ctx: WritingContext, snapshot: str) -> list[str]:
    """Return the lists that pairs of this list were matched with later, by `match`."""
    events = [event for event in ctx.log.stage_events if event.stage == "match" and event.snapshot == snapshot]
    found = {event.metadata_ids[0] for event in events if event.detail.get("origin") == ctx.metadata_id}
    return sorted(found - {ctx.metadata_id})
