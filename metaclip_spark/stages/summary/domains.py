"""Domains of images or pages by size, and the largest of them."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from metaclip_spark.core.urls.registered import domains_of_urls
from metaclip_spark.report.summary.domain_csv import csv_lines
from metaclip_spark.spark.arrow_udf import column_function, settled
from metaclip_spark.stages.columns import need_columns

CSV_DDL = "first bigint, pairs bigint, lines string"
_HINT = "The summary reads curated_pairs as this package writes them."


def domains_of(pairs: DataFrame, column: str) -> DataFrame:
    """Sum pairs and characters by domain, see `core/urls/registered.py`; "" for urls without a host.

    Reads: the column, and text. Writes: nothing. Rows: domain, pairs, characters; n:1 per domain.
    Shuffle: one row per domain and task.

    Args:
        column: the column with urls, `url` or `page_url`.
    """
    need_columns(pairs, "summary", [column, "text"], _HINT)
    domain = column_function(domains_of_urls, "string", pa.string())
    rows = settled(pairs.select(domain(column).alias("domain"), F.length("text").cast("bigint").alias("characters")))
    return rows.groupBy("domain").agg(F.count("*").alias("pairs"), F.sum("characters").alias("characters"))


def largest(domains: DataFrame, number: int) -> DataFrame:
    """Return the domains with most pairs, equal ones by name, with their rank.

    Reads: the result of `domains_of`. Writes: nothing. Rows: subset, in the order of rank. Shuffle: one, into one
    partition, which sorts on disk what does not fit into memory: there is one row per domain, not per pair.
    """
    order = Window.partitionBy(F.lit(0)).orderBy(F.col("pairs").desc(), "domain")
    ranked = domains.where("domain <> ''").withColumn("rank", F.row_number().over(order).cast("bigint"))
    return ranked.where(F.col("rank") <= number).select("rank", "domain", "pairs", "characters")


def as_csv(ranked: DataFrame) -> DataFrame:
    """Return the domains as blocks of lines of CSV, so that the driver gets texts of many lines.

    Reads: the result of `largest`. Writes: nothing. Rows: first (the rank of the first line), pairs (of all lines)
    and lines; n:1. Shuffle: none.
    """

    def blocks(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if batch.num_rows:
                rows = sorted(zip(*(column.to_pylist() for column in batch.columns), strict=True))
                numbers = {"first": [rows[0][0]], "pairs": [sum(row[2] for row in rows)]}
                yield pa.record_batch({**numbers, "lines": [csv_lines(rows)]})

    return ranked.mapInArrow(blocks, CSV_DDL)
