"""Match stored texts with a list: the whole of `pairs` again, or any DataFrame's column."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from metaclip_spark.batches import matched_ids
from metaclip_spark.matchers import compile_matcher
from metaclip_spark.metadata import Metadata
from metaclip_spark.schemas import PAIRS
from metaclip_spark.stages.columns import need_columns
from metaclip_spark.stages.functions import column_function
from metaclip_spark.stages.shipping import Shipped, ship_matcher


def match(pairs: DataFrame, matcher: Shipped, metadata_id: str, keep_unmatched: bool = False) -> DataFrame:
    """Return the pairs with the ids of the entries that their texts match.

    Reads: pairs. Writes: nothing. Rows: subset (texts that match nothing are dropped unless kept).
    Shuffle: none. Source: paper, section 3.2.
    """
    need_columns(pairs, "match", ["text"], "Run extract first.")

    def work(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        engine = matcher()
        at = PAIRS.names.index("entry_ids")
        for batch in batches:
            matches = engine.match(batch.column("text"))
            matched = batch.set_column(at, "entry_ids", matches.to_arrow())
            yield matched if keep_unmatched else matched.filter(pa.array(matches.counts > 0))

    stored = pairs.select(*PAIRS.names).withColumn("metadata_id", F.lit(metadata_id))
    return stored.mapInArrow(work, PAIRS.ddl)


def register_match_entries(
    spark: SparkSession, metadata: Metadata, name: str = "match_entries", engine: str = "auto"
) -> F.Column:
    """Register `name(text) -> array<int>` as a SQL function and return it for the DataFrame API.

    The ids are ascending and distinct; a null text gives a null. The list is compiled once here and unpacked
    once per Python worker. Arrow columns where Spark has them (4.1 and newer), pandas before.

    Example:
        >>> match_entries = register_match_entries(spark, load_metadata("metadata/en.json.gz"))
        >>> spark.sql("select text, match_entries(text) as entry_ids from pool")  # doctest: +SKIP
    """
    function = match_entries_function(spark, metadata, engine)
    spark.udf.register(name, function)
    return function


def match_entries_function(spark: SparkSession, metadata: Metadata, engine: str = "auto"):  # noqa: ANN201
    """Return a function of a column of texts that gives a column array<int>; see `register_match_entries`."""
    matcher = ship_matcher(spark, compile_matcher(metadata, engine))
    return column_function(lambda texts: matched_ids(matcher(), texts), "array<int>", pa.string())
