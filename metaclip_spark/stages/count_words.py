"""Count words: the words and bigrams of Wikipedia's dumps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from metaclip_spark.metadata.dumps import DumpSplit
from metaclip_spark.metadata.wikipedia import COUNTS_DDL, MAX_KEYS, STATISTIC, count_split
from metaclip_spark.spark.arrow_udf import sorted_for_python

LINES_DDL = "kind tinyint, lines binary, rows bigint, total bigint"
_LINES_BYTES = 1 << 20


def partial_counts(
    spark: SparkSession, splits: Sequence[DumpSplit], max_keys: int = MAX_KEYS, language: str | None = None
) -> DataFrame:
    """Count words and bigrams of each split in the workers.

    Args:
        max_keys: maximum number of distinct words and bigrams that a task keeps in memory, whatever the split's size.
        language: the code of the Wikipedia; see `count_split`.

    Reads: the dumps themselves. Writes: nothing. Rows: 1:n, partial sums by (kind, gram), of all words and bigrams.
    Statistics of the reading are rows of the same stream (kind STATISTIC), so a retried task counts once in both.
    Shuffle: none. Source: paper, section 3.1 (metadata).
    """
    listed = list(splits)

    def work(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for index in batch.column(0).to_pylist():
                yield from count_split(listed[index], max_keys, language)

    return spark.range(0, len(listed), 1, max(1, len(listed))).mapInArrow(work, COUNTS_DDL)


def total_counts(partial: DataFrame, min_count: int = 1) -> DataFrame:
    """Sum the partial counts, then drop the sums below the minimum.

    Args:
        min_count: words and bigrams with a smaller sum over all splits are dropped; statistics are always kept.

    Reads: partial counts. Writes: nothing. Rows: n:1 per (kind, gram). Shuffle: partial sums by (kind, gram).
    """
    sums = partial.groupBy("kind", "gram").agg(F.sum("count").alias("count"))
    return sums.where((F.col("kind") == STATISTIC) | (F.col("count") >= min_count))


def as_lines(totals: DataFrame) -> DataFrame:
    r"""Write sorted counts as text, `gram<TAB>count<LF>`, in pieces of about a megabyte.

    Reads: total counts. Writes: nothing. Rows: n:1, pieces in the order kind, count descending, gram by its UTF-8
    bytes. `rows` is the number of grams in a piece, and `total` the sum of their counts. The concatenation of all
    pieces does not depend on the number of pieces or partitions. Shuffle: one sort by range.
    """
    ordered = sorted_for_python(totals.select("kind", "gram", "count"), "kind", F.desc("count"), "gram")

    def join(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        lines: list[str] = []
        kind, size, total = -1, 0, 0
        for batch in batches:
            for row_kind, gram, count in zip(*(column.to_pylist() for column in batch.columns[:3]), strict=True):
                if lines and (row_kind != kind or size > _LINES_BYTES):
                    yield _piece(kind, lines, total)
                    lines, size, total = [], 0, 0
                kind = row_kind
                lines.append(f"{gram}\t{count}\n")
                size += len(lines[-1])
                total += count
        if lines:
            yield _piece(kind, lines, total)

    return ordered.mapInArrow(join, LINES_DDL)


def _piece(kind: int, lines: list[str], total: int) -> pa.RecordBatch:
    return pa.record_batch(
        {
            "kind": pa.array([kind], pa.int8()),
            "lines": pa.array(["".join(lines).encode()], pa.binary()),
            "rows": pa.array([len(lines)], pa.int64()),
            "total": pa.array([total], pa.int64()),
        }
    )
