"""The verbs on Spark DataFrames, with any columns; no table of the warehouse is needed.

The docstrings are in `verbs/facade.py`, which passes every argument.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import cast

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import BinaryType, DecimalType, IntegralType, StringType, StructType

from metaclip_spark.core.draw import image_keys, pair_keys
from metaclip_spark.core.expected_size import sizes_at
from metaclip_spark.core.sampling import batch_probability
from metaclip_spark.core.values import KEY_TYPES
from metaclip_spark.errors import InputError
from metaclip_spark.metadata.worldwide.entries import WorldwideMetadata
from metaclip_spark.spark.arrow_udf import column_function, computed_once, settled
from metaclip_spark.spark.broadcast import Broadcast, broadcast_entries
from metaclip_spark.spark.probe import check_workers, working
from metaclip_spark.stages.choose import smallest_of
from metaclip_spark.stages.columns import draw, need_columns, pair_id_of
from metaclip_spark.stages.count import count, with_entry
from metaclip_spark.stages.match import match_entries_function, match_languages_function
from metaclip_spark.stages.sweep import expected_sums
from metaclip_spark.verbs.arguments import (
    BALANCE_COLUMNS,
    MATCH_COLUMNS,
    MATCH_FIRST,
    WEIGHT_HINT,
    Counts,
    Entries,
    counts_table,
    entry_probabilities,
    image_column,
    key_columns,
    null_key_message,
    refuse_no_weight,
    refuse_present,
    weights_of_column,
)
from metaclip_spark.verbs.columns import text_hint, url_hint
from metaclip_spark.verbs.entries import as_metadata
from metaclip_spark.verbs.explanation import (
    EXPLANATION,
    EXPLANATION_DDL,
    LANGUAGE_EXPLANATION,
    LANGUAGE_EXPLANATION_DDL,
    Explainer,
    LanguageExplainer,
)
from metaclip_spark.verbs.worldwide import (
    LANG_HINT,
    chosen_t,
    known_entries,
    list_choice,
    refuse_threshold,
    sweep_values,
)

__all__ = ["balance", "count_entries", "curate", "explain", "match", "sweep"]

_KEY = "metaclip_key"
_IMAGE = "metaclip_image"
_WEIGHT = "metaclip_weight"


def curate(
    df: DataFrame,
    metadata: Entries,
    *,
    threshold: int | None,
    tail_fraction: float | None,
    seed: int,
    text_column: str,
    url_column: str,
    key: str | None,
    engine: str,
    lang_column: str | None,
    language_thresholds: Mapping[str, int] | None,
) -> DataFrame:
    """Return the curated subset of a DataFrame of pairs."""
    known = as_metadata(metadata)
    refuse_present(df.columns, "curate", (*MATCH_COLUMNS, *BALANCE_COLUMNS))
    key_columns(df.columns, "curate", key, url_column, text_column)
    matched = match(df, known, text_column=text_column, engine=engine, lang_column=lang_column)
    with working(df.sparkSession):
        counts = counts_table(count_entries(matched, None), "curate", "count")
    counts, t = chosen_t(counts, known, threshold, tail_fraction, language_thresholds)
    return balance(
        matched,
        counts,
        threshold=t,
        seed=seed,
        unit="pair",
        key=key,
        url_column=url_column,
        text_column=text_column,
        weight=None,
    )


def match(df: DataFrame, metadata: Entries, *, text_column: str, engine: str, lang_column: str | None) -> DataFrame:
    """Match each text of a DataFrame."""
    refuse_present(df.columns, "match", MATCH_COLUMNS)
    text, known = _text(df, text_column, "match"), as_metadata(metadata)
    lists = list_choice(known, lang_column, "match")
    check_workers(df.sparkSession)
    if lists is None:
        function = computed_once(match_entries_function(df.sparkSession, known, engine))
        return settled(df.withColumn("entry_ids", function(text)))
    assert isinstance(known, WorldwideMetadata)
    lang = _string(df, lang_column or "", "match", LANG_HINT)
    function = computed_once(match_languages_function(df.sparkSession, known, lists, engine))
    return settled(df.withColumn("entry_ids", function(text, lang)))


def count_entries(df: DataFrame, metadata: Entries | None) -> DataFrame:
    """Count the rows of a DataFrame that match each entry."""
    need_columns(df, "count_entries", list(MATCH_COLUMNS), MATCH_FIRST)
    check_workers(df.sparkSession)
    if metadata is None:
        return count(df)
    known = as_metadata(metadata)
    if not known.sections.is_one:
        counts = counts_table(count_entries(df, None), "count_entries", "count").sort_by("entry_id")
        named = known_entries(known, counts["entry_id"].to_numpy())
        columns = {name: named.column(name) for name in named.schema.names}
        table = pa.table({"entry_id": counts["entry_id"], **columns, "count": counts["count"]})
        return df.sparkSession.createDataFrame(table)
    entries = pa.array(known.entries, pa.string())
    return with_entry(count(df, len(entries)), Broadcast.of(df.sparkSession, entries))


def sweep(
    df: DataFrame,
    counts: Counts,
    thresholds: Sequence[int] | None,
    *,
    metadata: Entries | None,
    tail_fractions: Sequence[float] | None,
    language_thresholds: Mapping[str, int] | None,
) -> DataFrame:
    """Compute the expected size of the subset of a DataFrame at each t."""
    need_columns(df, "sweep", list(MATCH_COLUMNS), MATCH_FIRST)
    check_workers(df.sparkSession)
    with working(df.sparkSession):
        totals, values, by_section = sweep_values(counts, thresholds, metadata, tail_fractions, language_thresholds)
        sums = expected_sums(df, totals, values, by_group=False, by_section=by_section)
    return df.sparkSession.createDataFrame(sizes_at(sums, totals, values, by_section))


def balance(
    df: DataFrame,
    counts: Counts,
    *,
    threshold: int | None,
    seed: int,
    unit: str,
    key: str | None,
    url_column: str,
    text_column: str,
    weight: str | None,
) -> DataFrame:
    """Balance a DataFrame: return the rows whose draw is below their probability."""
    refuse_present(df.columns, "balance", BALANCE_COLUMNS)
    need_columns(df, "balance", list(MATCH_COLUMNS), MATCH_FIRST)
    keys = key_columns(df.columns, "balance", key, url_column, text_column)
    key_value = _key(df, "balance", keys)
    image = image_column(df.columns, unit, url_column)
    factor = None if weight is None else _weight(df, weight)
    check_workers(df.sparkSession)
    with working(df.sparkSession):
        probabilities = entry_probabilities(counts, threshold)
    # A broadcast with a key is unpacked once per worker, and not for every batch.
    broadcast = Broadcast.of(
        df.sparkSession, probabilities, key=blake2b(probabilities.tobytes(), digest_size=16).hexdigest()
    )
    probability = computed_once(
        column_function(lambda ids: pa.array(batch_probability(ids, broadcast.value)), "double", pa.list_(pa.int32()))
    )
    p, value = F.col("sampling_probability"), F.col(_KEY)
    refused = F.raise_error(F.lit(f"balance: {null_key_message(keys)}")).cast("double")
    # The key gets a column, because Spark would recompute an expression wherever it is used.
    added = {"sampling_probability": probability("entry_ids"), _KEY: key_value}
    keyed = settled(df.withColumns(added if factor is None else {**added, _WEIGHT: factor}))
    if image is not None:
        matched = keyed.where(p > 0).withColumn(_KEY, F.coalesce(value, refused.cast("string")))
        keyed = smallest_of(settled(matched.withColumn(_IMAGE, _image(df, image))), F.col(_IMAGE), value, seed)
        drawn = keyed.withColumn("draw", draw(_IMAGE, seed))
    else:
        drawn = keyed.withColumn("draw", F.when((p > 0) & value.isNull(), refused).otherwise(draw(value, seed)))
    if factor is not None:
        weighted = F.when(p > 0, p * F.col(_WEIGHT)).otherwise(F.lit(0.0))
        drawn = drawn.withColumn("sampling_probability", weighted)
    return drawn.drop(_KEY, _IMAGE, _WEIGHT).where(F.col("draw") < p)


def _weight(df: DataFrame, name: str) -> Column:
    """Return the weight of each row; a matched row without one fails the Spark job."""
    need_columns(df, "balance", [name], WEIGHT_HINT)
    text = isinstance(df.schema[name].dataType, StringType)
    kind, values = (pa.string(), _column(name)) if text else (pa.float64(), _column(name).cast("double"))

    def work(numbers: pa.Array, ids: pa.ListArray) -> pa.Array:
        weights = weights_of_column(numbers, name)
        refuse_no_weight(name, weights, ids.value_lengths().fill_null(0).to_numpy(zero_copy_only=False))
        return pa.array(weights)

    function = computed_once(column_function(work, "double", kind, pa.list_(pa.int32())))
    return function(values, "entry_ids")


def explain(
    df: DataFrame,
    metadata: Entries,
    counts: Counts | None,
    *,
    threshold: int | None,
    seed: int,
    key: str | None,
    url_column: str,
    text_column: str,
    lang_column: str | None,
) -> DataFrame:
    """Explain why each row of a DataFrame is kept or dropped."""
    known = as_metadata(metadata)
    lists = list_choice(known, lang_column, "explain")
    refuse_present(df.columns, "explain", (EXPLANATION if lists is None else LANGUAGE_EXPLANATION).names)
    text = _text(df, text_column, "explain")
    check_workers(df.sparkSession)
    try:
        keys = key_columns(df.columns, "explain", key, url_column, text_column)
    except InputError:
        if key is not None:
            raise
        keys = ()
    value = _key(df, "explain", keys) if keys else F.lit(None)
    drawn = F.when(value.isNotNull(), draw(value.cast("string"), seed))
    given = [text.alias("_text"), drawn.alias("_draw")]
    if lists is None:
        with working(df.sparkSession):
            one = Broadcast.of(df.sparkSession, Explainer.of(known, counts, threshold))
        return _with_columns(df, df.select("*", *given), EXPLANATION_DDL, lambda *columns: one.value.explain(*columns))
    refuse_threshold(threshold)
    assert isinstance(known, WorldwideMetadata)
    lang = _string(df, lang_column or "", "explain", LANG_HINT)
    with working(df.sparkSession):
        explainer = Broadcast.of(df.sparkSession, LanguageExplainer.of(known, counts))
    entries = broadcast_entries(df.sparkSession, known)
    choose = computed_once(column_function(lists.choose, "string", pa.string()))
    ids = computed_once(match_languages_function(df.sparkSession, known, lists))
    given += [lang.alias("_lang"), choose(lang).alias("_list"), ids(text, lang).alias("_ids")]

    def explain_languages(*columns: pa.Array) -> pa.RecordBatch:
        return explainer.value.explain(entries.value, *columns)

    return _with_columns(df, df.select("*", *given), LANGUAGE_EXPLANATION_DDL, explain_languages)


def _with_columns(df: DataFrame, rows: DataFrame, ddl: str, compute: Callable[..., pa.RecordBatch]) -> DataFrame:
    """Return `df` with more columns.

    Args:
        rows: `df`, and after its columns those that `compute` takes.
        ddl: the names and types of the columns that `compute` returns.
    """
    n_columns = len(df.columns)

    def work(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            computed = compute(*batch.columns[n_columns:])
            names = [*batch.schema.names[:n_columns], *computed.schema.names]
            yield pa.RecordBatch.from_arrays([*batch.columns[:n_columns], *computed.columns], names)

    added = cast(StructType, StructType.fromDDL(ddl))  # pyspark declares a DataType
    return rows.mapInArrow(work, StructType([*df.schema.fields, *added.fields]))


def _column(name: str) -> Column:
    return F.col("`" + name.replace("`", "``") + "`")


def _string(df: DataFrame, name: str, verb: str, hint: str) -> Column:
    need_columns(df, verb, [name], hint)
    kind = df.schema[name].dataType
    if not isinstance(kind, StringType):
        raise InputError(f"{verb}: column {name!r} holds {kind.simpleString()}; expected strings. {hint}")
    return _column(name)


def _text(df: DataFrame, name: str, verb: str) -> Column:
    return _string(df, name, verb, text_hint(df.columns, name))


def _key(df: DataFrame, verb: str, keys: tuple[str, ...]) -> Column:
    """Return the key of a row's draw, a string; null where one of the key's columns is null."""
    if len(keys) == 2:
        function = computed_once(column_function(pair_keys, "string", pa.string(), pa.string()))
        return function(_string(df, keys[0], verb, url_hint(df.columns, keys[0])), _text(df, keys[1], verb))
    kind = df.schema[keys[0]].dataType
    if isinstance(kind, BinaryType):
        return pair_id_of(_column(keys[0]))
    if isinstance(kind, (IntegralType, DecimalType, StringType)):
        return _column(keys[0]).cast("string")
    raise InputError(f"{verb}: column {keys[0]!r} holds {kind.simpleString()}; expected {KEY_TYPES}.")


def _image(df: DataFrame, name: str) -> Column:
    """Return the id of each row's image, a string; a null fails the Spark job."""
    column = _string(df, name, "balance", url_hint(df.columns, name))
    refused = F.raise_error(F.lit(f"balance: {null_key_message([name])}")).cast("string")
    if name == "image_id":
        return F.coalesce(column, refused)
    return F.coalesce(computed_once(column_function(image_keys, "string", pa.string()))(column), refused)
