"""The outcomes of sources, as the tables have them before and after deduplication."""

from __future__ import annotations

from typing import NamedTuple

import pyarrow as pa

from metaclip_spark.stages.dedup import sources as merged
from metaclip_spark.steps.account.sums import is_without_pairs, most_common
from metaclip_spark.steps.context import Context, rows_in_pool
from metaclip_spark.steps.staging import staged_batches, staged_outcome_rows


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


_COLUMNS = ("source_path", "status", "reason", "records_read", "texts_read", "pairs_written", "rejected")

Outcomes = dict[str, Outcome]
"""source_path -> outcome."""


def extracted_outcomes(ctx: Context) -> Outcomes:
    """Return the outcomes of the snapshot's sources that are extracted, whether they are deduplicated or not."""
    done, batches = deduplicated_outcomes(ctx), staged_batches(ctx)
    if not batches:
        return done
    return done | _outcomes(merged(staged_outcome_rows(ctx, batches)).select(*_COLUMNS).toArrow())


def deduplicated_outcomes(ctx: Context) -> Outcomes:
    """Return the outcomes of the snapshot's sources that are deduplicated."""
    return _outcomes(rows_in_pool(ctx, "sources", ctx.settings.snapshot, _COLUMNS))


def _outcomes(sources: pa.Table) -> Outcomes:
    paths, statuses = sources["source_path"].to_pylist(), sources["status"].to_pylist()
    outcomes = {
        path: Outcome(status, reason or "")
        for path, status, reason in zip(paths, statuses, sources["reason"].to_pylist(), strict=True)
    }
    # Only the sources without a pair get their numbers: the others may be many, and need none.
    for row in sources.filter(is_without_pairs(sources)).to_pylist():
        most, number = most_common(row["rejected"])
        outcomes[row["source_path"]] = Outcome(
            row["status"], row["reason"] or "", most, number, row["records_read"], row["texts_read"]
        )
    return outcomes
