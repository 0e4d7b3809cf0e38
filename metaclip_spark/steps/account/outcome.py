"""The outcomes of sources, as the tables have them before and after deduplication."""

from __future__ import annotations

from typing import NamedTuple

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from metaclip_spark.stages.dedup import sources as merged
from metaclip_spark.steps.account.sums import is_without_pairs, most_common
from metaclip_spark.steps.context import Context, in_pool


class Outcome(NamedTuple):
    """The outcome of a source.

    Attributes:
        status: done, partial, failed, or `unaccounted for`.
        reason: why it is not done.
        most: the most common reason of its records and texts, if it is done and gave no pair; else None.
        number: number of records or texts with that reason.
        records, texts: number of records, and of texts read; 0 where `most` is None.
    """

    status: str
    reason: str
    most: str | None = None
    number: int = 0
    records: int = 0
    texts: int = 0


Outcomes = dict[str, Outcome]
"""source_path -> outcome."""


def extracted_outcomes(ctx: Context) -> Outcomes:
    """Return the outcomes of the snapshot's sources that are extracted, whether they are deduplicated or not."""
    staged = in_pool(ctx, "extracted", ctx.settings.snapshot)
    return deduplicated_outcomes(ctx) | _collected(merged(staged))


def deduplicated_outcomes(ctx: Context) -> Outcomes:
    """Return the outcomes of the snapshot's sources that are deduplicated."""
    return _collected(in_pool(ctx, "sources", ctx.settings.snapshot))


def _collected(sources: DataFrame) -> Outcomes:
    # Only the sources without a pair get their numbers: the others may be many, and need none.
    numbers = F.struct(most_common(), "records_read", "texts_read")
    found = sources.select("source_path", "status", "reason", F.when(is_without_pairs(), numbers).alias("numbers"))
    outcomes = {}
    for path, status, reason, of_source in found.collect():
        more = () if of_source is None else (*of_source["most"], of_source["records_read"], of_source["texts_read"])
        outcomes[path] = Outcome(status, reason or "", *more)
    return outcomes
