"""Retry: forget what became of sources that were not read to their end, so that they are planned anew."""

from __future__ import annotations

from metaclip_spark.sources.files import Source, same_source
from metaclip_spark.steps.context import Context, in_pool

_PER_STATEMENT = 500


def retry_step(ctx: Context, given: list[Source]) -> int:
    """Forget the given sources that ended as `--retry` names; return how many.

    The pairs that a partial source brought stay: reading it again brings those that are missing. Its outcome goes
    first and its plan last, so a step that was cut short leaves a source that is planned and not read, which the
    next run reads.
    """
    snapshot, wanted = ctx.settings.snapshot, list(ctx.settings.retry)
    statuses: dict[str, str] = {}
    for table, condition in (("sources", "true"), ("extracted", "kind = 'source'")):
        rows = in_pool(ctx, table, snapshot).where(condition).select("source_path", "status").collect()
        for path, status in rows:
            statuses[path] = status if statuses.get(path, "done") == "done" else statuses[path]
    planned = in_pool(ctx, "planned", snapshot).select("source_path", "uri", "format", "bytes", "etag").collect()
    before = {row[0]: Source(*row) for row in planned}
    again = [
        source.source_path
        for source in given
        if statuses.get(source.source_path) in wanted or _changed_before_read(source, before, statuses)
    ]
    for start in range(0, len(again), _PER_STATEMENT):
        _forget(ctx, again[start : start + _PER_STATEMENT])
    return len(again)


def _changed_before_read(source: Source, before: dict[str, Source], statuses: dict[str, str]) -> bool:
    old = before.get(source.source_path)
    return old is not None and source.source_path not in statuses and not same_source(old.info, source.info)


def _forget(ctx: Context, paths: list[str]) -> None:
    listed = ", ".join("'" + path.replace("\\", "\\\\").replace("'", "\\'") + "'" for path in paths)
    here = f"metadata_id = '{ctx.metadata_id}' AND snapshot = '{ctx.settings.snapshot}' AND source_path IN ({listed})"
    # Without deduplication a source read again would bring its pairs twice.
    tables = (*(["pairs"] if ctx.settings.no_dedup else []), "extracted", "rejects", "sources", "planned")
    for table in tables:
        ctx.warehouse.delete(table, here)
