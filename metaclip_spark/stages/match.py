"""Match stored texts with a list: the whole of `pairs` again, or any DataFrame's column."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
import pyarrow as pa
import pyspark
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from metaclip_spark.matchers import compile_matcher
from metaclip_spark.metadata import Metadata
from metaclip_spark.schemas import PAIRS
from metaclip_spark.stages.columns import need_columns
from metaclip_spark.stages.shipping import Shipped, ship


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
    matcher = ship(spark, compile_matcher(metadata, engine), key=f"{metadata.metadata_id}:{engine}")
    function = _arrow_function(matcher) if pyspark.__version__ >= "4.1" else _pandas_function(matcher)
    spark.udf.register(name, function)
    return function


def _arrow_function(matcher: Shipped):  # noqa: ANN202 - pyspark's own type is private
    def match_entries(texts: pa.Array) -> pa.Array:
        return _nullable_matches(matcher, texts)

    return F.arrow_udf(match_entries, "array<int>")


def _pandas_function(matcher: Shipped):  # noqa: ANN202
    # Spark reads the kind of function from the annotations: pd must be a name of the module, not of this function.
    def match_entries(texts: pd.Series) -> pd.Series:
        return _nullable_matches(matcher, pa.array(texts, pa.string())).to_pandas()

    return F.pandas_udf(match_entries, "array<int>")


def _nullable_matches(matcher: Shipped, texts: pa.Array) -> pa.Array:
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    matches = matcher().match(texts)
    return pa.ListArray.from_arrays(
        pa.array(matches.offsets), pa.array(matches.ids), mask=texts.is_null() if texts.null_count else None
    )
