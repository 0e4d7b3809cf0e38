"""Count: how many pairs of the pool match each entry."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from metaclip_spark.batches import EntrySums
from metaclip_spark.stages.columns import need_columns
from metaclip_spark.stages.shipping import Shipped


def count(pairs: DataFrame, n_entries: int = 0) -> DataFrame:
    """Return (entry_id int, count bigint) for every entry that matched.

    Reads: pairs (entry_ids alone). Writes: nothing. Rows: n:1 per entry.
    Shuffle: partial sums, at most one row per entry and task, whatever the pool's size or skew.
    Source: paper, section 3.3.

    Args:
        n_entries: length of the list, where it is known: the sums then have their size from the start.
    """
    need_columns(pairs, "count", ["entry_ids"], "Run extract with --metadata, or match, first.")

    def partial_sums(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        sums = EntrySums(n_entries)
        for batch in batches:
            sums.add(batch.column(0))
        yield sums.to_arrow()

    partial = pairs.select("entry_ids").mapInArrow(partial_sums, "entry_id int, count bigint")
    return partial.groupBy("entry_id").agg(F.sum("count").alias("count"))


def with_entry(counts: DataFrame, entries: Shipped) -> DataFrame:
    """Add each entry's string by position in the list. Rows: 1:1. Shuffle: none."""

    def look_up(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        strings = entries()
        for batch in batches:
            ids = batch.column("entry_id")
            yield pa.record_batch({"entry_id": ids, "entry": strings.take(ids), "count": batch.column("count")})

    return counts.select("entry_id", "count").mapInArrow(look_up, "entry_id int, entry string, count bigint")
