"""The extract step: read the splits that are planned and not committed yet, one commit per batch of sources."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterable

import pyarrow.compute as pc

from metaclip_spark.core.hashing.digest import batch_digest
from metaclip_spark.core.wording import agrees, counted, duration
from metaclip_spark.errors import CredentialsError
from metaclip_spark.extract.sorted_runs import GROUP_ROWS
from metaclip_spark.extract.task import READERS as RECORD_FORMATS
from metaclip_spark.extract.task import Stamp
from metaclip_spark.sources.files import SPLIT_BYTES, Split
from metaclip_spark.spark.parallelism import cores_of
from metaclip_spark.spark.workers import is_worker_death, texts_of
from metaclip_spark.stages.extract import extract
from metaclip_spark.steps.context import ExtractContext, append_missing
from metaclip_spark.steps.dedup import pairs_per_prefix
from metaclip_spark.steps.reading.gate import Gate
from metaclip_spark.steps.reading.pace import Pace, sources_per_commit
from metaclip_spark.steps.reading.plan import Plan, store_plan
from metaclip_spark.steps.staging import complete_outcomes, store_outcomes

_BYTES_OF_A_CRAWL_FILE, _BYTES_PER_PAIR_OF_A_CRAWL = 300_000_000, 1500
"""Of WAT and WARC files, compressed. A WAT has some 3,000 bytes per matched pair."""
_BYTES_PER_PAIR = 60
"""Of tabular files. Pairs of short urls and texts take some 80 bytes of Parquet."""
_REFUSED = re.compile(r"CredentialsError: ([^\n]*)")
"""The error of a task, in the stack trace that the engine gives to the driver."""


def extract_step(ctx: ExtractContext, plan: Plan) -> int:
    """Read the remaining splits of the plan into `extracted`; return the number of pairs written.

    Raises:
        IncompleteError: too many sources are partial or failed; nothing may be deduplicated.
        CredentialsError: a server refused the credentials; the sources of the commit count as not read.
    """
    store_plan(ctx, plan)
    complete_outcomes(ctx)
    sources = {split.source.source_path for split in plan.todo}
    of_snapshot = len(sources | {source.source_path for source in plan.given})
    gate = Gate(ctx.settings, of_snapshot, plan.read, dict.fromkeys(plan.incomplete, ""))
    if not plan.todo:
        if plan.staged:
            gate.check(transient=True)
        return 0
    options, snapshot = ctx.options, ctx.settings.snapshot
    # A source that is read again after its deduplication, or after its snapshot was dropped, must not get the id of its
    # first batch.
    last = ctx.last("dedup", snapshot) or ctx.log.last_drop(snapshot)
    before = last.fingerprint if last is not None else ""
    unit = "source" if len(sources) == len(plan.todo) else "split"
    # The embedded engine reads a single source in the driver's own process, which starts no other: but once only, and
    # no Parquet, because Arrow ends its process over some damaged footers.
    is_safe = len(plan.todo) == 1 and plan.unplanned and plan.todo[0].source.format != "parquet"
    known_to_kill = ctx.tools.workers is not None and not is_safe
    record = "record" if {split.source.format for split in plan.todo} & {*RECORD_FORMATS} else "row"
    planned = [split.bytes for split in plan.todo]
    size_of_all = sum(planned) if all(planned) else 0  # an unknown size makes a share of bytes meaningless
    # Deduplication in several prefixes reads the rows of each one. In files in key order, it skips the others.
    sort = not ctx.settings.no_dedup and pairs_at_most(plan.todo) > pairs_per_prefix(ctx.spark)
    cores = cores_of(ctx.spark)
    pace = Pace(ctx.settings.max_fetches or cores)
    size = sources_per_commit(ctx.settings.files_per_commit, cores)
    with ctx.reporter.stage("extract", ctx.spark, len(planned), unit, record, size_of_all, snapshot) as stage:
        starts, done = starts_of_sources(plan.todo), 0
        while done < len(sources):
            first, done = done, min(done + pace.limit(size), len(sources))
            batch = plan.todo[starts[first] : starts[done]]
            names = [(split.source.source_path, split.index, split.source.etag) for split in batch]
            batch_id = batch_digest(snapshot, ctx.metadata_id, options.extract_id, names, before)
            stamp = Stamp(snapshot, ctx.metadata_id, batch_id, stage.tally)
            fetches = pace.fetches if pace.fetches != cores else None
            with stage.describe(f"batch {batch_id} (sources {first + 1:,} to {done:,} of {len(sources):,})"):
                _extract_batch(ctx, batch, stamp, known_to_kill, fetches, sort)
                pairs, outcomes = _outcomes_of(ctx, batch_id)
            stage.commit(len(batch), sum(split.bytes for split in batch), pairs)
            gate.add(outcomes)
            seconds, why = pace.after(outcomes.values())
            gate.check(transient=pace.is_hopeless)
            if seconds and done < len(sources):
                ctx.reporter.warn(
                    f"{why}: waiting {duration(seconds)}, then reading at most {counted(pace.fetches or 1, 'source')} "
                    "at a time."
                )
                with stage.waiting(f"waiting {duration(seconds)}: {why}"):
                    time.sleep(seconds)
        if ctx.tools.workers is not None:
            ctx.tools.workers.value.stop()
        stage.note = f"{counted(len(sources), 'source')}, {counted(stage.pairs, 'pair')}"
    gate.check(transient=True)
    return stage.pairs


def _extract_batch(
    ctx: ExtractContext, batch: list[Split], stamp: Stamp, isolated: bool, fetches: int | None, sort: bool
) -> None:
    """Extract a batch of sources and commit it; read it again, with each source in a process of its own, if one kills.

    A cluster's tasks do so themselves at their third attempt. A local Spark attempts once.
    """

    def append(isolated: bool) -> None:
        rows = extract(ctx.spark, batch, ctx.options, ctx.tools, stamp, fetches, sort, isolated)
        with ctx.warehouse.row_groups(GROUP_ROWS if sort else None):
            append_missing(ctx, "extracted", rows, stamp.batch_id, batch_id=stamp.batch_id)

    try:
        append(isolated)
    except Exception as error:
        refusal = _REFUSED.search("\n".join(texts_of(error)))
        if refusal is not None:
            raise CredentialsError(refusal[1].rstrip(".") + ".") from None
        if isolated or not is_worker_death(error):
            raise
        ctx.reporter.retried("batch", "a source ended the process that read it")
        ctx.reporter.warn(
            f"a source ended the process that read it. The {counted(len(batch), 'split')} of this commit "
            f"{agrees(len(batch), 'is', 'are')} read again, each in a process of its own."
        )
        append(True)


def _outcomes_of(ctx: ExtractContext, batch_id: str) -> tuple[int, dict[str, str | None]]:
    """Copy the outcomes of a batch; return its pairs, and for each source why it is incomplete, None if it is done."""
    table = store_outcomes(ctx, batch_id)
    outcomes: dict[str, str | None] = {}
    columns = (table[name].to_pylist() for name in ("source_path", "status", "reason"))
    for path, status, reason in zip(*columns, strict=True):
        outcomes[path] = outcomes.get(path) if status == "done" else reason or status
    retries: Counter[str] = Counter()
    for numbers in table["retries"].to_pylist():
        retries.update(dict(numbers or ()))
    for key, number in sorted(retries.items()):
        what, _, kind = key.partition(": ")
        ctx.reporter.retried(what, kind, number)
    return pc.sum(table["pairs_written"]).as_py() or 0, outcomes


def pairs_at_most(splits: Iterable[Split]) -> int:
    """Estimate the number of pairs of splits from their bytes: rather too many than too few."""
    pairs = 0
    for split in splits:
        is_crawl = split.source.format in RECORD_FORMATS
        size = split.bytes or (_BYTES_OF_A_CRAWL_FILE if is_crawl else SPLIT_BYTES)
        pairs += size // (_BYTES_PER_PAIR_OF_A_CRAWL if is_crawl else _BYTES_PER_PAIR)
    return pairs


def starts_of_sources(splits: list[Split]) -> list[int]:
    """Return the position of each source's first split, and the number of splits; splits are ordered by source."""
    paths = [split.source.source_path for split in splits]
    return [at for at, path in enumerate(paths) if not at or path != paths[at - 1]] + [len(splits)]
