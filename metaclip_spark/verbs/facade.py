"""The verbs take a Spark DataFrame, or rows that Arrow can read.

A verb returns a Spark DataFrame for a Spark DataFrame (classic or Connect), else a pyarrow Table. Rows that Arrow can
read are a pyarrow Table, a pandas or Polars DataFrame, a DuckDB relation, a Hugging Face dataset, a RecordBatchReader,
a pyarrow Dataset, an iterable of record batches, any object with the Arrow PyCapsule interface (`__arrow_c_stream__`),
or the path, folder or glob of Parquet files. `counts` may be any of these, too.

A verb keeps all columns, whatever their types, and reads only the columns that its arguments name. Both kinds give the
same rows, ids, probabilities and draws, bit for bit. What differs:

- *Spark DataFrame*: the result is computed when it is used, and the order of its rows is undefined. `curate` and
  `sweep` run a job at once. Only texts, ids and keys travel to the Python workers. Counts are collected on the
  driver, which also reads the entry list. A row that cannot be balanced fails the job that computes the result.
- *Other rows*: they are read into memory, a stream once. The result is computed at once, in one process, without Spark,
  Java or Delta. Rows keep their order. A row that cannot be balanced raises an `InputError`. Nulls and NaN of a pandas
  column of texts are null texts, and the index of a pandas DataFrame is not a column. String views come back as
  `large_string`.

The draw u of a row lies in [0, 1). A row is kept when u is below its sampling probability. u is a function of the
row's key and the seed alone: neither partitions nor a retried task can change it. The key is the column that `key`
names; without `key`, the column `pair_id`; without that, the pair id of url and text, as in the tables of
`metaclip-spark run`. Rows with equal keys are kept or dropped together.

In the examples, `spark` is a session.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from metaclip_spark.verbs.arguments import Counts, Entries, Frame
from metaclip_spark.verbs.rows import Rows, is_spark

__all__ = ["balance", "count_entries", "curate", "explain", "match", "sweep"]


def curate(
    df: Frame | Rows,
    metadata: Entries,
    *,
    threshold: int | None = None,
    tail_fraction: float | None = None,
    seed: int = 0,
    text_column: str = "text",
    url_column: str = "url",
    key: str | None = None,
    engine: str = "auto",
    lang_column: str | None = None,
    language_thresholds: Mapping[str, int] | None = None,
) -> Frame | pa.Table:
    """Return the curated subset of a pool of pairs: `match`, `count_entries` and `balance` in one call.

    One row is one pair. A repeated row counts again; drop repeats first.

    Spark reads the pool twice: at once for the counts, and again when the result is computed. Both passes must see
    the same rows, so no `rand()` or `limit` may come before. Where a second pass is too expensive, store the result of
    `match`, then count and balance that.

    Args:
        df: the pool, with a column of texts; a Spark DataFrame, or rows that Arrow can read.
        metadata: the entry list: its path, its entries in order (a list or a column), or a `Metadata`.
        threshold: t. An entry with a count below t keeps all its pairs.
        tail_fraction: sets t instead: the share of counts in entries below t (default 0.06). See `choose_threshold`.
        seed: the seed of the draw; the same seed gives the same subset.
        text_column: the column of texts, matched verbatim.
        url_column: the column of image urls. Without `key` and `pair_id`, url and text give the row's key.
        key: the column that identifies a row: strings, integers, decimals, UUIDs or bytes.
        engine: the matcher: auto, phrases, ahocorasick or naive; all give the same ids.
        lang_column: the column with the language of each text, where `metadata` is `load_worldwide(...)`. Then
            `threshold` is the t of English, whose tail fraction gives the t of all other languages.
        language_thresholds: language -> t, for languages for which the fraction does not decide.

    Returns:
        The kept rows, with `entry_ids`, `sampling_probability` and `draw`.

    Raises:
        TypeError: `df` is neither a Spark DataFrame nor rows that Arrow can read.
        WorkerError: the workers of the Spark session lack this package, a library, or this version of Python.
        MetaclipError: the DataFrame is of Spark 3.
        InputError: a column is missing, has another type, or exists already; or no column gives a key.
        ConfigError: t or the tail fraction is invalid.
        MetadataError: the entry list cannot be used.

    Examples:
        >>> import pyarrow as pa
        >>> import metaclip_spark as mc
        >>> texts = ["a photo"] * 1000 + ["a photo of an otter", "no entry in this one"]
        >>> pairs = pa.table({"url": [f"https://example.org/{n}.jpg" for n in range(1002)], "text": texts})
        >>> curated = mc.curate(pairs, metadata=["photo", "otter"], threshold=20)
        >>> curated.num_rows, curated["text"].to_pylist()[-1]
        (20, 'a photo of an otter')

        Other libraries' tables go in as they are, and take the result:

        >>> frame = pairs.to_pandas().rename(columns={"text": "caption"})
        >>> curated = mc.curate(frame, metadata=["photo", "otter"], threshold=20, text_column="caption")
        >>> curated.to_pandas().columns.tolist()
        ['url', 'caption', 'entry_ids', 'sampling_probability', 'draw']

        On Spark:

        >>> df = spark.createDataFrame(pairs)
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
    curated: Frame | pa.Table = _backend(df, "curate").curate(
        df,
        metadata,
        threshold=threshold,
        tail_fraction=tail_fraction,
        seed=seed,
        text_column=text_column,
        url_column=url_column,
        key=key,
        engine=engine,
        lang_column=lang_column,
        language_thresholds=language_thresholds,
    )
    return curated


def match(
    df: Frame | Rows,
    metadata: Entries,
    *,
    text_column: str = "text",
    engine: str = "auto",
    lang_column: str | None = None,
) -> Frame | pa.Table:
    """Match each text: add the column `entry_ids` with the ids of the entries that the text matches.

    Args:
        df: rows with a column of texts; a Spark DataFrame, or rows that Arrow can read.
        metadata: the entry list: its path, its entries in order (a list or a column), or a `Metadata`.
        text_column: the column of texts, matched verbatim: case and punctuation count, as in the paper.
        engine: the matcher: auto, phrases, ahocorasick or naive; all give the same ids.
        lang_column: the column with the language of each text (a code such as en), where `metadata` is
            `load_worldwide(...)`: each text is matched against the list of its language, with the edge rule. A text
            whose language has no list matches nothing. Ids are those of the lists one after the other.

    Returns:
        All rows. `entry_ids` (`array<int>`, in Arrow `list<int32>`) is ascending and distinct; it is empty where
        nothing matches, and null for a null text.

    Raises:
        TypeError: `df` is neither a Spark DataFrame nor rows that Arrow can read.
        WorkerError: the workers of the Spark session lack this package, a library, or this version of Python.
        MetaclipError: the DataFrame is of Spark 3.
        InputError: the text column is missing or has another type, or `entry_ids` exists already.
        MetadataError: the entry list cannot be used.

    Examples:
        >>> import pyarrow as pa
        >>> import metaclip_spark as mc
        >>> texts = pa.table({"text": ["a photo of an otter", "PHOTO", None]})
        >>> mc.match(texts, metadata=["photo", "otter", "an otter"])["entry_ids"].to_pylist()
        [[0, 1, 2], [], None]

        On Spark:

        >>> df = spark.createDataFrame(texts)
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
    matched: Frame | pa.Table = _backend(df, "match").match(
        df, metadata, text_column=text_column, engine=engine, lang_column=lang_column
    )
    return matched


def count_entries(df: Frame | Rows, metadata: Entries | None = None) -> Frame | pa.Table:
    """Count the rows that match each entry.

    Args:
        df: rows with `entry_ids`, as `match` adds it; a Spark DataFrame, or rows that Arrow can read.
        metadata: the entry list that was matched; adds the column `entry`.

    Returns:
        One row per entry that matches any row: `entry_id` (int), `entry` (string) where `metadata` is given, and
        `count` (bigint). A Table is sorted by `entry_id`; the order of a DataFrame's rows is undefined.

    Raises:
        TypeError: `df` is neither a Spark DataFrame nor rows that Arrow can read.
        WorkerError: the workers of the Spark session lack this package, a library, or this version of Python.
        MetaclipError: the DataFrame is of Spark 3.
        InputError: the column `entry_ids` is missing.

    Examples:
        >>> import pyarrow as pa
        >>> import metaclip_spark as mc
        >>> entries = ["photo", "otter", "kite"]
        >>> texts = pa.table({"text": ["a photo", "photo of an otter"]})
        >>> mc.count_entries(mc.match(texts, entries), entries).to_pylist()
        [{'entry_id': 0, 'entry': 'photo', 'count': 2}, {'entry_id': 1, 'entry': 'otter', 'count': 1}]

        On Spark:

        >>> df = spark.createDataFrame(texts)
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
    counts: Frame | pa.Table = _backend(df, "count_entries").count_entries(df, metadata)
    return counts


def sweep(
    df: Frame | Rows,
    counts: Counts,
    thresholds: Sequence[int] | None = None,
    *,
    metadata: Entries | None = None,
    tail_fractions: Sequence[float] | None = None,
    language_thresholds: Mapping[str, int] | None = None,
) -> Frame | pa.Table:
    """Compute the expected size of the curated subset at each t, exactly, before anything is drawn.

    One pass over `entry_ids` serves all t. On Spark it runs at once, and its sums (one row per t) are collected on
    the driver.

    Args:
        df: rows with `entry_ids`, as `match` adds it; a Spark DataFrame, or rows that Arrow can read.
        counts: the result of `count_entries` for the whole pool.
        thresholds: the t; by default 1, 2, 5, 10, 20, ... up to the first that keeps every matched row.
        metadata: `load_worldwide(...)`, if that was matched. Then each language has its t, and the values of a sweep
            are tail fractions, as in the command `sweep` of a worldwide curation.
        tail_fractions: the tail fractions, with the lists of languages; by default 0.01, 0.02, ... 0.5. Each is rounded
            to millionths.
        language_thresholds: language -> t, for languages for which the fraction does not decide.

    Returns:
        One row per t, ascending: `threshold`; `expected_size` and `expected_sd`, the mean and the standard deviation of
        the subset's size in rows; `tail_fraction`, the share of all counts in entries with count < t; `entries_head`
        and `entries_tail`, the matched entries with count >= t and count < t; `counts_head` and `counts_tail`, the sums
        of their counts. With the lists of languages, one row per tail fraction: `fraction` in front, `threshold` is the
        t of English (without English the largest), and `thresholds` at the end is a map of language -> t.

    Raises:
        TypeError: `df` is neither a Spark DataFrame nor rows that Arrow can read.
        WorkerError: the workers of the Spark session lack this package, a library, or this version of Python.
        MetaclipError: the DataFrame is of Spark 3.
        InputError: a column is missing, a row matches an entry that has no count, or the counts are of other lists.
        ConfigError: a t or a tail fraction is invalid or is not for this kind of list, or there is none.

    Examples:
        >>> import pyarrow as pa
        >>> import metaclip_spark as mc
        >>> pairs = pa.table({"id": range(1000), "text": ["a photo"] * 999 + ["an otter"]})
        >>> matched = mc.match(pairs, metadata=["photo", "otter"])
        >>> sizes = mc.sweep(matched, mc.count_entries(matched), thresholds=[20, 999])
        >>> [(row["threshold"], round(row["expected_size"], 6)) for row in sizes.to_pylist()]
        [(20, 21.0), (999, 1000.0)]

        With a list for each language:

        >>> lists = mc.load_worldwide()
        >>> pairs = pa.table({"text": ["a photo"] * 90 + ["ein Foto"] * 9, "lang": ["en"] * 90 + ["de"] * 9})
        >>> matched = mc.match(pairs, lists, lang_column="lang")
        >>> sizes = mc.sweep(matched, mc.count_entries(matched), metadata=lists, tail_fractions=[0.5])
        >>> [(row["expected_size"], dict(row["thresholds"])["de"]) for row in sizes.to_pylist()]
        [(99.0, 9)]

        On Spark:

        >>> pairs = spark.createDataFrame([("a photo",)] * 999 + [("an otter",)], "text string")
        >>> matched = mc.match(pairs, metadata=["photo", "otter"])
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
    sizes: Frame | pa.Table = _backend(df, "sweep").sweep(
        df,
        counts,
        thresholds,
        metadata=metadata,
        tail_fractions=tail_fractions,
        language_thresholds=language_thresholds,
    )
    return sizes


def balance(
    df: Frame | Rows,
    counts: Counts,
    *,
    threshold: int | None = None,
    seed: int = 0,
    unit: str = "pair",
    key: str | None = None,
    url_column: str = "url",
    text_column: str = "text",
    weight: str | None = None,
) -> Frame | pa.Table:
    """Balance a pool: return the rows whose draw is below their sampling probability.

    An entry keeps each of its rows with probability t / max(count, t). A row is kept when any of its entries keeps
    it. A row that matches nothing is dropped.

    Args:
        df: rows with `entry_ids`, as `match` adds it; a Spark DataFrame, or rows that Arrow can read.
        counts: the result of `count_entries` for the whole pool. Or entries with their `probability`, and no t, such as
            a run's rows of `entry_probabilities`.
        threshold: t; needed where `counts` has the column `count`.
        seed: the seed of the draw; the same seed gives the same subset.
        unit: "pair" or "image". With "image" one matched row of each image is drawn, the one whose key has the
            smallest hash, and the image's id is the key of the draw: `image_id`, or the id of its url. On Spark this
            costs one shuffle.
        key: the column that identifies a row: strings, integers, decimals, UUIDs or bytes.
        url_column: the column of image urls, used where no other column gives the key.
        text_column: the column of texts, used where no other column gives the key.
        weight: the column with a number from 0 to 1 for each row, such as the score of a model. The row's sampling
            probability is multiplied by it. The draw stays the same, so a lower weight only removes rows.

    Returns:
        The kept rows, with `sampling_probability` (double) and `draw` (double, in [0, 1)).

    Raises:
        TypeError: `df` is neither a Spark DataFrame nor rows that Arrow can read.
        WorkerError: the workers of the Spark session lack this package, a library, or this version of Python.
        MetaclipError: the DataFrame is of Spark 3.
        InputError: a column is missing, has another type, or exists already; no column gives a key; a matched row of a
            Table has a null key or no weight, or matches an entry that has no count. On Spark such a row fails the job
            that computes the result.
        ConfigError: t is missing or invalid, or the unit is unknown.

    Examples:
        >>> import pyarrow as pa
        >>> import metaclip_spark as mc
        >>> pairs = pa.table({"id": range(1000), "text": ["a photo"] * 999 + ["an otter"]})
        >>> matched = mc.match(pairs, metadata=["photo", "otter"])
        >>> kept = mc.balance(matched, mc.count_entries(matched), threshold=20, key="id")
        >>> kept.num_rows, kept["sampling_probability"].to_pylist()[-1]
        (29, 1.0)

        With a weight for each row:

        >>> scored = matched.append_column("score", pa.array([0.5] * 1000))
        >>> kept = mc.balance(scored, mc.count_entries(matched), threshold=20, key="id", weight="score")
        >>> kept.num_rows, round(kept["sampling_probability"].to_pylist()[-1], 6)
        (14, 0.01001)

        On Spark:

        >>> matched = mc.match(spark.createDataFrame(pairs), metadata=["photo", "otter"])
        >>> kept = mc.balance(matched, mc.count_entries(matched), threshold=20, key="id")
        >>> kept.count(), kept.where("id = 999").first()["sampling_probability"]
        (29, 1.0)
    """
    kept: Frame | pa.Table = _backend(df, "balance").balance(
        df,
        counts,
        threshold=threshold,
        seed=seed,
        unit=unit,
        key=key,
        url_column=url_column,
        text_column=text_column,
        weight=weight,
    )
    return kept


def explain(
    df: Frame | Rows,
    metadata: Entries,
    counts: Counts | None = None,
    *,
    threshold: int | None = None,
    seed: int = 0,
    key: str | None = None,
    url_column: str = "url",
    text_column: str = "text",
    lang_column: str | None = None,
) -> Frame | pa.Table:
    """Explain why each row is kept or dropped: its matches, their counts, its probability and its draw.

    Args:
        df: a few rows with a column of texts; a Spark DataFrame, or rows that Arrow can read.
        metadata: the entry list: its path, its entries in order (a list or a column), or a `Metadata`.
        counts: the result of `count_entries` for the pool; without counts only the matches are reported. With the lists
            of languages, the result of `language_probabilities`, or a run's rows of `entry_probabilities`: they have
            the t of each language.
        threshold: t; needed where `counts` is given, but not with the lists of languages.
        seed: the seed of the draw.
        key: the column that identifies a row; without any key the draw is null.
        url_column: the column of image urls, used where no other column gives the key.
        text_column: the column of texts, matched verbatim.
        lang_column: the column with the language of each text (a code such as en), where `metadata` is
            `load_worldwide(...)`: each text is explained with the list of its language.

    Returns:
        All rows, with `spaced` (the text as matching sees it), `matches` (an array of structs: `entry_id`, `entry`,
        `positions` in characters of the spaced text, `count`, `part`: head or tail, `probability`),
        `sampling_probability`, `draw` and `verdict`. With the lists of languages, `list_lang` (the list of the text;
        null where its language has none) and `threshold` (its t; null where no entry of the list is counted) come
        before them.

    Raises:
        TypeError: `df` is neither a Spark DataFrame nor rows that Arrow can read.
        WorkerError: the workers of the Spark session lack this package, a library, or this version of Python.
        MetaclipError: the DataFrame is of Spark 3.
        InputError: a column is missing or has another type, an added column exists already, or the counts are of other
            lists.
        ConfigError: only one of counts and t is given, t is invalid, or `lang_column` does not fit the kind of list.

    Examples:
        >>> import pyarrow as pa
        >>> import metaclip_spark as mc
        >>> counts = pa.table({"entry_id": [0, 1], "count": [1000, 3]})
        >>> texts = pa.table({"text": ["a photo of an otter"]})
        >>> row = mc.explain(texts, ["photo", "otter"], counts, threshold=20).to_pylist()[0]
        >>> [(found["entry"], found["part"], found["probability"]) for found in row["matches"]]
        [('photo', 'head', 0.02), ('otter', 'tail', 1.0)]
        >>> row["verdict"]
        'kept with probability 1; the draw depends on the key'

        With a list for each language:

        >>> lists = mc.load_worldwide()
        >>> texts = pa.table({"text": ["ein Foto", "a photo"], "lang": ["de", "tlh"]})
        >>> rows = mc.explain(texts, lists, lang_column="lang").to_pylist()
        >>> [(row["list_lang"], [found["entry"] for found in row["matches"]]) for row in rows]
        [('de', ['ein', 'Foto']), (None, [])]
        >>> rows[1]["verdict"]
        "dropped: the language is 'tlh', for which there is no list"

        On Spark:

        >>> texts = spark.createDataFrame([("a photo of an otter",)], "text string")
        >>> explained = mc.explain(texts, ["photo", "otter"], counts, threshold=20)
        >>> explained.selectExpr("inline(matches)").show()
        +--------+-----+---------+-----+----+-----------+
        |entry_id|entry|positions|count|part|probability|
        +--------+-----+---------+-----+----+-----------+
        |       0|photo|      [3]| 1000|head|       0.02|
        |       1|otter|     [15]|    3|tail|        1.0|
        +--------+-----+---------+-----+----+-----------+
        <BLANKLINE>
    """
    explained: Frame | pa.Table = _backend(df, "explain").explain(
        df,
        metadata,
        counts,
        threshold=threshold,
        seed=seed,
        key=key,
        url_column=url_column,
        text_column=text_column,
        lang_column=lang_column,
    )
    return explained


def _backend(df: object, verb: str) -> Any:
    """Return the module with the verbs for a Spark DataFrame, or for other rows."""
    if is_spark(df):
        from metaclip_spark.spark.versions import check_installed

        advice = f"A pool that fits into memory needs no Spark: {verb}(df.toPandas(), ...)."
        check_installed("the pyspark of this DataFrame", advice)
        from metaclip_spark.verbs import spark

        return spark
    from metaclip_spark.verbs import local

    return local
