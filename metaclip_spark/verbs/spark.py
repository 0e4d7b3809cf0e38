"""The verbs on Spark DataFrames: any DataFrame with a column of texts, without tables of ours.

Every verb keeps all columns, whatever their types; only the texts, ids and keys travel to Python workers. Each returns
a DataFrame that is computed when it is used. `curate` starts a job of its own, for the counts, and so does `sweep`.

The draw: a pair is kept when `u < p`, and u is a function of the row's key and the seed alone, so neither partitions
nor a retried task can change it. The key is the column named by `key`; else the column `pair_id` where there is one;
else the pair id of url and text, as in the tables of `metaclip-spark run`. Rows with equal keys are kept or dropped
together. The examples have `spark`, a session.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import IntegralType, StringType, StructType

from metaclip_spark.core.draw import image_keys, pair_keys
from metaclip_spark.core.expected_size import sizes_at
from metaclip_spark.core.sampling import batch_probability
from metaclip_spark.errors import InputError
from metaclip_spark.spark.arrow_udf import column_function, computed_once
from metaclip_spark.spark.broadcast import Broadcast
from metaclip_spark.stages.choose import smallest_of
from metaclip_spark.stages.columns import draw, need_columns
from metaclip_spark.stages.count import count, with_entry
from metaclip_spark.stages.match import match_entries_function
from metaclip_spark.stages.sweep import expected_sums
from metaclip_spark.verbs.arguments import (
    BALANCED,
    MATCH_FIRST,
    MATCHED,
    Counts,
    Entries,
    as_metadata,
    as_table,
    curating_threshold,
    entry_probabilities,
    image_column,
    key_columns,
    null_key,
    refuse_other,
    refuse_taken,
    swept,
)
from metaclip_spark.verbs.explanation import EXPLAINED, EXPLAINED_DDL, Explainer

__all__ = ["balance", "count_entries", "curate", "explain", "match", "sweep"]

_KEY = "metaclip_key"
_IMAGE = "metaclip_image"
_USE_LOCAL = "for a pyarrow Table the verbs are metaclip_spark.local.curate(table, ...)."


def curate(
    df: DataFrame,
    metadata: Entries,
    *,
    threshold: int | None = None,
    tail_fraction: float | None = None,
    seed: int = 0,
    text_column: str = "text",
    url_column: str = "url",
    key: str | None = None,
    engine: str = "auto",
) -> DataFrame:
    """Match, count and balance: return the curated subset of a DataFrame of pairs.

    The pool is read twice: now to count, and again to draw, when the result is used. So the DataFrame has to be the
    same at both: no `rand()` or `limit` before it. Where that costs too much, store what `match` returns, then count
    and balance that. One row is one pair; rows that stand twice count twice, so drop repeats first.

    Args:
        df: with a column of texts; any other columns.
        metadata: the entry list: its path on the driver, its entries in order, or loaded.
        threshold: t. Entries that fewer pairs match keep every pair.
        tail_fraction: chooses t instead: the share of counts below it (default 0.06). See `choose_threshold`.
        seed: same seed, same subset.
        text_column: what is matched, as it stands.
        url_column: the image; with the text it makes the row's key, unless there is one.
        key: the column that identifies a row, strings or integers.
        engine: which matcher; all give the same ids.

    Returns:
        The kept rows, with `entry_ids`, `sampling_probability` and `draw`.

    Raises:
        InputError: a column is missing, of another type, or in the way; there is no key.
        ConfigError: a t or tail fraction that is none.
        MetadataError: the entry list cannot be used.

    Examples:
        >>> import metaclip_spark as mc
        >>> texts = ["a photo"] * 1000 + ["a photo of an otter", "no entry in this one"]
        >>> pairs = [(f"https://example.org/{n}.jpg", text) for n, text in enumerate(texts)]
        >>> df = spark.createDataFrame(pairs, "url string, text string")
        >>> curated = mc.curate(df, metadata=["photo", "otter"], threshold=20)
        >>> curated.groupBy("text").count().orderBy("count").show()
        +-------------------+-----+
        |               text|count|
        +-------------------+-----+
        |a photo of an otter|    1|
        |            a photo|   19|
        +-------------------+-----+
        <BLANKLINE>
    """
    known = as_metadata(metadata)
    refuse_taken(_frame(df).columns, "curate", (*MATCHED, *BALANCED))
    key_columns(df.columns, "curate", key, url_column, text_column)
    matched = match(df, known, text_column=text_column, engine=engine)
    counts = as_table(count_entries(matched), "curate", "count")
    chosen = curating_threshold(counts, known, threshold, tail_fraction)
    return balance(
        matched, counts, threshold=chosen, seed=seed, key=key, url_column=url_column, text_column=text_column
    )


def match(df: DataFrame, metadata: Entries, *, text_column: str = "text", engine: str = "auto") -> DataFrame:
    """Return the DataFrame with a column `entry_ids`: the entries that each text matches.

    Args:
        df: with a column of texts; any other columns.
        metadata: the entry list: its path on the driver, its entries in order, or loaded.
        text_column: what is matched, as it stands: case and punctuation count, as in the paper.
        engine: which matcher; all give the same ids.

    Returns:
        All rows. `entry_ids` (`array<int>`) is ascending and distinct; empty where nothing matches, null for a null.

    Raises:
        InputError: the text column is missing or holds no strings, or `entry_ids` is there already.
        MetadataError: the entry list cannot be used.

    Examples:
        >>> import metaclip_spark as mc
        >>> df = spark.createDataFrame([("a photo of an otter",), ("PHOTO",), (None,)], "text string")
        >>> mc.match(df, metadata=["photo", "otter", "an otter"]).show()
        +-------------------+---------+
        |               text|entry_ids|
        +-------------------+---------+
        |a photo of an otter|[0, 1, 2]|
        |              PHOTO|       []|
        |               NULL|     NULL|
        +-------------------+---------+
        <BLANKLINE>
    """
    refuse_taken(_frame(df).columns, "match", MATCHED)
    text = _string(df, text_column, "match")
    function = computed_once(match_entries_function(df.sparkSession, as_metadata(metadata), engine))
    return df.withColumn("entry_ids", function(text))


def count_entries(df: DataFrame, metadata: Entries | None = None) -> DataFrame:
    """Return how many rows match each entry, for the entries that any row matches.

    Args:
        df: with `entry_ids`, as `match` adds it.
        metadata: the entry list that was matched; given, the entries themselves stand beside their ids.

    Returns:
        `entry_id` (int), `entry` where `metadata` is given, and `count` (bigint), in no order.

    Raises:
        InputError: there is no column `entry_ids`.

    Examples:
        >>> import metaclip_spark as mc
        >>> entries = ["photo", "otter", "kite"]
        >>> df = spark.createDataFrame([("a photo",), ("photo of an otter",)], "text string")
        >>> counts = mc.count_entries(mc.match(df, entries), entries)
        >>> counts.orderBy("entry_id").show()
        +--------+-----+-----+
        |entry_id|entry|count|
        +--------+-----+-----+
        |       0|photo|    2|
        |       1|otter|    1|
        +--------+-----+-----+
        <BLANKLINE>
    """
    need_columns(_frame(df), "count_entries", list(MATCHED), MATCH_FIRST)
    if metadata is None:
        return count(df)
    entries = as_metadata(metadata).entries
    return with_entry(count(df, len(entries)), Broadcast.of(df.sparkSession, pa.array(entries, pa.string())))


def sweep(df: DataFrame, counts: Counts, thresholds: Sequence[int] | None = None) -> DataFrame:
    """Return what every t would keep of the pool, exactly, before anything is drawn.

    Args:
        df: with `entry_ids`, as `match` adds it.
        counts: what `count_entries` returned for the whole pool.
        thresholds: the t; by default 1, 2, 5, 10, 20, ... up to the first at which all is kept. All are served by one
            pass over `entry_ids`, which runs now; its sums, a row a t, come to the driver.

    Returns:
        A row each t, ascending: `threshold`; `expected_size` and `expected_sd`, the mean and the standard deviation of
        the subset's size in rows; `tail_fraction`, the share of all counts in entries with count < t; `entries_head`,
        `entries_tail`, `counts_head` and `counts_tail`: how matched entries and their counts divide at t.

    Raises:
        InputError: a column is missing; a row matches an entry that has no count.
        ConfigError: a t that is none.

    Examples:
        >>> import metaclip_spark as mc
        >>> rows = [(n, "a photo") for n in range(999)] + [(999, "an otter")]
        >>> df = spark.createDataFrame(rows, "id bigint, text string")
        >>> matched = mc.match(df, metadata=["photo", "otter"])
        >>> sizes = mc.sweep(matched, mc.count_entries(matched), thresholds=[20, 999])
        >>> sizes.selectExpr("threshold", "round(expected_size, 6) AS expected_size", "entries_head").show()
        +---------+-------------+------------+
        |threshold|expected_size|entries_head|
        +---------+-------------+------------+
        |       20|         21.0|           1|
        |      999|       1000.0|           1|
        +---------+-------------+------------+
        <BLANKLINE>
    """
    need_columns(_frame(df), "sweep", list(MATCHED), MATCH_FIRST)
    by_entry, values = swept(counts, thresholds)
    sums = expected_sums(df, by_entry, values, by_group=False)
    return df.sparkSession.createDataFrame(sizes_at(sums, by_entry, values))


def balance(
    df: DataFrame,
    counts: Counts,
    *,
    threshold: int | None = None,
    seed: int = 0,
    unit: str = "pair",
    key: str | None = None,
    url_column: str = "url",
    text_column: str = "text",
) -> DataFrame:
    """Return the rows whose draw is below their sampling probability.

    An entry keeps each of its rows with probability t / max(count, t), and a row stays when any of its entries
    keeps it. A row that matches nothing is dropped.

    Args:
        df: with `entry_ids`, as `match` adds it.
        counts: what `count_entries` returned for the whole pool; or entries with their `probability`, without t,
            such as a run's rows of `entry_probabilities`. Its rows, at most one an entry, come to the driver now.
        threshold: t.
        seed: of the draw.
        unit: "pair"; or "image": of each image's matched rows one is drawn, the one whose key has the smallest hash,
            and the draw is keyed by the image: its `image_id`, or that of its url. Costs one shuffle of the rows.
        key: the column that identifies a row, strings or integers.
        url_column: the image's url, where there is no key.
        text_column: the text, where there is no key.

    Returns:
        The kept rows, with `sampling_probability` (double) and `draw` (double, in [0, 1)).

    Raises:
        InputError: a column is missing, of another type, or in the way; there is no key.
        ConfigError: t or the unit is missing or none.

    A row without a key, and one that matches an entry without a count, fail the job that computes the result.

    Examples:
        >>> import metaclip_spark as mc
        >>> rows = [(n, "a photo") for n in range(999)] + [(999, "an otter")]
        >>> df = spark.createDataFrame(rows, "id bigint, text string")
        >>> matched = mc.match(df, metadata=["photo", "otter"])
        >>> kept = mc.balance(matched, mc.count_entries(matched), threshold=20, key="id")
        >>> kept.count(), kept.where("id = 999").first()["sampling_probability"]
        (29, 1.0)
    """
    refuse_taken(_frame(df).columns, "balance", BALANCED)
    need_columns(df, "balance", list(MATCHED), MATCH_FIRST)
    keys = key_columns(df.columns, "balance", key, url_column, text_column)
    key_value = _key(df, "balance", keys)
    image = image_column(df.columns, unit, url_column)
    probabilities = entry_probabilities(counts, threshold)
    # With a key: a worker unpacks it once, and not for every batch.
    by_entry = Broadcast.of(
        df.sparkSession, probabilities, key=blake2b(probabilities.tobytes(), digest_size=16).hexdigest()
    )
    probability = computed_once(
        column_function(lambda ids: pa.array(batch_probability(ids, by_entry.value)), "double", pa.list_(pa.int32()))
    )
    p, value = F.col("sampling_probability"), F.col(_KEY)
    refused = F.raise_error(F.lit(f"balance: {null_key(keys)}")).cast("double")
    # In a column of its own: Spark would compute the key anew for each place that names it.
    keyed = df.withColumns({"sampling_probability": probability("entry_ids"), _KEY: key_value})
    if image is not None:
        matched = keyed.where(p > 0).withColumn(_KEY, F.coalesce(value, refused.cast("string")))
        keyed = smallest_of(matched.withColumn(_IMAGE, _image(df, image)), F.col(_IMAGE), value, seed)
        return keyed.withColumn("draw", draw(_IMAGE, seed)).drop(_KEY, _IMAGE).where(F.col("draw") < p)
    drawn = keyed.withColumn("draw", F.when((p > 0) & value.isNull(), refused).otherwise(draw(value, seed)))
    return drawn.drop(_KEY).where(F.col("draw") < p)


def explain(
    df: DataFrame,
    metadata: Entries,
    counts: Counts | None = None,
    *,
    threshold: int | None = None,
    seed: int = 0,
    key: str | None = None,
    url_column: str = "url",
    text_column: str = "text",
) -> DataFrame:
    """Return the rows with what decides about each: its matches, their counts, the probability, the draw.

    Args:
        df: a few rows; any column of texts will do.
        metadata: the entry list: its path on the driver, its entries in order, or loaded.
        counts: what `count_entries` returned for the pool; without it only the matches are told.
        threshold: t; needed where counts are given.
        seed: of the draw.
        key: the column that identifies a row; without a key and without urls there is no draw to tell.
        url_column: the image's url, where there is no key.
        text_column: what is matched.

    Returns:
        All rows, with `spaced` (the text as matching sees it), `matches` (an array of structs: `entry_id`, `entry`,
        `positions` in characters of the spaced text, `count`, `part`: head or tail, `probability`),
        `sampling_probability`, `draw` and `verdict`.

    Raises:
        InputError: the text column is missing or holds no strings, or a column is in the way.
        ConfigError: counts without t, or a t that is none.

    Examples:
        >>> import metaclip_spark as mc
        >>> counts = spark.createDataFrame([(0, 1000), (1, 3)], "entry_id int, count bigint")
        >>> df = spark.createDataFrame([("a photo of an otter",)], "text string")
        >>> told = mc.explain(df, ["photo", "otter"], counts, threshold=20)
        >>> told.selectExpr("inline(matches)").show()
        +--------+-----+---------+-----+----+-----------+
        |entry_id|entry|positions|count|part|probability|
        +--------+-----+---------+-----+----+-----------+
        |       0|photo|      [3]| 1000|head|       0.02|
        |       1|otter|     [15]|    3|tail|        1.0|
        +--------+-----+---------+-----+----+-----------+
        <BLANKLINE>
        >>> told.first()["verdict"]
        'kept with probability 1; the draw depends on the key'
    """
    refuse_taken(_frame(df).columns, "explain", EXPLAINED.names)
    text = _string(df, text_column, "explain")
    broadcast = Broadcast.of(df.sparkSession, Explainer.of(as_metadata(metadata), counts, threshold))
    try:
        keys = key_columns(df.columns, "explain", key, url_column, text_column)
    except InputError:
        if key is not None:
            raise
        keys = ()
    value = _key(df, "explain", keys) if keys else F.lit(None)
    drawn = F.when(value.isNotNull(), draw(value.cast("string"), seed))
    n_columns = len(df.columns)

    def work(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        explainer = broadcast.value
        for batch in batches:
            told = explainer.explain(batch.column(n_columns), batch.column(n_columns + 1))
            names = [*batch.schema.names[:n_columns], *told.schema.names]
            yield pa.RecordBatch.from_arrays([*batch.columns[:n_columns], *told.columns], names)

    schema = StructType([*df.schema.fields, *StructType.fromDDL(EXPLAINED_DDL).fields])
    return df.select("*", text.alias("_text"), drawn.alias("_draw")).mapInArrow(work, schema)


def _frame(df: DataFrame) -> DataFrame:
    if not isinstance(df, DataFrame):
        raise refuse_other(df, "a Spark DataFrame", _USE_LOCAL)
    return df


def _column(name: str) -> Column:
    return F.col("`" + name.replace("`", "``") + "`")


def _string(df: DataFrame, name: str, verb: str, expected: str = "strings") -> Column:
    need_columns(df, verb, [name], "text_column names the texts.")
    kind = df.schema[name].dataType
    if not isinstance(kind, StringType):
        raise InputError(f"{verb}: column {name!r} holds {kind.simpleString()}; expected {expected}.")
    return _column(name)


def _key(df: DataFrame, verb: str, keys: tuple[str, ...]) -> Column:
    """Return the key that the draw is a function of, a string; null where a column of it is."""
    if len(keys) == 2:
        function = computed_once(column_function(pair_keys, "string", pa.string(), pa.string()))
        return function(*(_string(df, name, verb) for name in keys))
    if isinstance(df.schema[keys[0]].dataType, IntegralType):
        return _column(keys[0]).cast("string")
    return _string(df, keys[0], verb, "strings or integers")


def _image(df: DataFrame, name: str) -> Column:
    """Return the id of each row's image, a string; a null fails the job that computes it."""
    given = _string(df, name, "balance", "strings")
    refused = F.raise_error(F.lit(f"balance: {null_key([name])}")).cast("string")
    if name == "image_id":
        return F.coalesce(given, refused)
    return F.coalesce(computed_once(column_function(image_keys, "string", pa.string()))(given), refused)
