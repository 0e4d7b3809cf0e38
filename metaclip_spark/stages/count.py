"""Count: how many pairs of the pool match each entry."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import DataFrame

from metaclip_spark.core.counts import EntrySums
from metaclip_spark.core.sampling import weighted_counts, weights_of
from metaclip_spark.spark.broadcast import Broadcast
from metaclip_spark.stages.columns import need_columns


def count(pairs: DataFrame, n_entries: int = 0, within: str | None = None) -> DataFrame:
    """Count the pairs that match each entry; return (entry_id int, count bigint) for every entry that matched.

    Reads: pairs (entry_ids; `within`, if given). Writes: nothing. Rows: n:1 per entry.
    Shuffle: partial sums, at most four bytes per entry and task (eight if a task counts 2^32 pairs of an entry),
    whatever the size or skew of the pool.
    Source: paper, section 3.3.

    Args:
        n_entries: length of the entry list, if known, to allocate the sums once.
        within: the column of the sampling probabilities p' with which an earlier run sampled the pairs. Each pair then
            counts 1 / p' (Horvitz-Thompson), so the result estimates the counts before the sampling.
    """
    columns = ["entry_ids"] if within is None else ["entry_ids", within]
    need_columns(pairs, "count", columns, "Run extract with --metadata, or match, first.")

    def partial_sums(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        sums = EntrySums(n_entries)
        for batch in batches:
            if within is None:
                sums.add(batch.column(0))
            else:
                sums.add_weighted(batch.column(0), weights_of(batch.column(1).to_numpy(zero_copy_only=False)))
        yield sums.to_blocks()

    def totals(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        sums = EntrySums()
        for batch in batches:
            sums.add_blocks(batch.column("block"), batch.column("sums"))
        if within is not None:
            sums.sums = weighted_counts(sums.sums)
        yield sums.to_arrow()

    partial = pairs.select(*columns).mapInArrow(partial_sums, "block int, sums binary")
    return partial.repartition("block").mapInArrow(totals, "entry_id int, count bigint")


def with_entry(counts: DataFrame, entries: Broadcast[pa.Array]) -> DataFrame:
    """Add each entry's string, by its position in the list. Rows: 1:1. Shuffle: none."""

    def look_up(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        strings = entries.value
        for batch in batches:
            ids = batch.column("entry_id")
            yield pa.record_batch({"entry_id": ids, "entry": strings.take(ids), "count": batch.column("count")})

    return counts.select("entry_id", "count").mapInArrow(look_up, "entry_id int, entry string, count bigint")
