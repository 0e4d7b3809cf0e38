"""Match: compare the stored texts of `pairs`, or a column of any DataFrame, with an entry list."""

from __future__ import annotations

from typing import cast

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from metaclip_spark.core.worldwide.list_choice import ListChoice
from metaclip_spark.matchers import Matcher, compile_matcher
from metaclip_spark.matchers.base import matched_ids
from metaclip_spark.matchers.worldwide.by_section import SectionMatcher, compiled_lists, matched_by_list
from metaclip_spark.metadata import Metadata
from metaclip_spark.metadata.worldwide.entries import WorldwideMetadata
from metaclip_spark.schemas import PAIRS
from metaclip_spark.spark.arrow_udf import ColumnFunction, column_function, computed_once, settled
from metaclip_spark.spark.broadcast import Broadcast, broadcast_lists, broadcast_matcher
from metaclip_spark.stages.columns import need_columns


def match(
    pairs: DataFrame,
    matcher: Broadcast[Matcher],
    metadata_id: str,
    keep_unmatched: bool = False,
    lists: ListChoice | None = None,
) -> DataFrame:
    """Add to each pair the ids of the entries that its text matches.

    Reads: pairs. Writes: nothing. Rows: subset (pairs without a match are dropped, unless `keep_unmatched` is set).
    Shuffle: none. Source: paper, section 3.2.

    Args:
        lists: the list of each language, if each has its own. Then pairs whose language has no list are dropped, too.
    """
    need_columns(pairs, "match", ["text"], "Run extract first.")
    # Only texts go to Python, and only ids return: sending all columns would cost many times as much as the matching.
    given = ["text"] if lists is None else ["text", "list_lang"]
    entry_ids = computed_once(_entry_ids(matcher) if lists is None else _entry_ids_by_list(matcher))
    stored = pairs.select(*(name for name in PAIRS.names if name not in ("entry_ids", "metadata_id", "list_lang")))
    stored = stored.withColumn("list_lang", _list_lang(lists))
    if lists is not None:
        stored = settled(stored).where("list_lang is not null")
    ids = F.coalesce(entry_ids(*given), F.array().cast("array<int>"))
    matched = stored.withColumns({"metadata_id": F.lit(metadata_id), "entry_ids": ids})
    matched = settled(matched.select(*PAIRS.names))
    return matched if keep_unmatched else matched.where(F.size("entry_ids") > 0)


def register_match_entries(
    spark: SparkSession, metadata: Metadata, name: str = "match_entries", engine: str = "auto"
) -> ColumnFunction:
    """Register `name(text) -> array<int>` as a SQL function and return it for the DataFrame API.

    The ids are ascending and distinct; a null text gives a null. This function compiles the list once, and each Python
    worker unpacks it once.

    Example:
        >>> match_entries = register_match_entries(spark, load_metadata("en"))
        >>> spark.sql("select text, match_entries(text) as entry_ids from pool")  # doctest: +SKIP
    """
    function = match_entries_function(spark, metadata, engine)
    spark.udf.register(name, function)
    return function


def match_entries_function(spark: SparkSession, metadata: Metadata, engine: str = "auto") -> ColumnFunction:
    """Return a function of columns: texts -> array<int>. See `register_match_entries`."""
    return _entry_ids(broadcast_matcher(spark, compile_matcher(metadata, engine)))


def match_languages_function(
    spark: SparkSession, metadata: WorldwideMetadata, lists: ListChoice, engine: str = "auto"
) -> ColumnFunction:
    """Return a function of columns: texts, codes of languages -> array<int>, each text by the list of its language."""
    matcher = broadcast_lists(spark, compiled_lists(metadata, engine))

    def ids(texts: pa.Array, codes: pa.Array) -> pa.Array:
        return matched_by_list(matcher.value, texts, lists.choose(codes))

    return column_function(ids, "array<int>", pa.string(), pa.string())


def _list_lang(lists: ListChoice | None) -> Column:
    """Return the column with the name of the list of a text, by its language; null where there is none."""
    if lists is None:
        return F.lit(None).cast("string")
    return computed_once(column_function(lists.choose, "string", pa.string()))("lang")


def _entry_ids_by_list(matcher: Broadcast[Matcher]) -> ColumnFunction:
    def ids(texts: pa.Array, lists: pa.Array) -> pa.Array:
        return matched_by_list(cast("SectionMatcher", matcher.value), texts, lists)

    return column_function(ids, "array<int>", pa.string(), pa.string())


def _entry_ids(matcher: Broadcast[Matcher]) -> ColumnFunction:
    return column_function(lambda texts: matched_ids(matcher.value, texts), "array<int>", pa.string())
