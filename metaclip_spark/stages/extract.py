"""Extract and match in one pass: one task a split, tagged rows out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from metaclip_spark.extract.options import ExtractOptions
from metaclip_spark.extract.sources import Split
from metaclip_spark.extract.task import Stamp, extract_split
from metaclip_spark.schemas import EXTRACTED
from metaclip_spark.stages.shipping import Shipped


def extract(
    spark: SparkSession,
    splits: Sequence[Split],
    options: ExtractOptions,
    matcher: Shipped | None,
    stamp: Stamp,
) -> DataFrame:
    """Read, match and reduce sources in the workers.

    Reads: the sources themselves. Writes: nothing.
    Rows: 1:n, tagged by `kind`: pairs, a sample of the rejects, and one outcome a split, in one stream, so
    that a split's rows and its outcome are committed together or not at all.
    Shuffle: none. Source: paper, section 3.2.
    """
    tasks = list(splits)

    def work(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        engine = matcher() if matcher is not None else None
        for batch in batches:
            for index in batch.column(0).to_pylist():
                yield from extract_split(tasks[index], options, engine, stamp)

    return spark.range(0, len(tasks), 1, max(1, len(tasks))).mapInArrow(work, EXTRACTED.ddl)
