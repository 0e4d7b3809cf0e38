"""The verbs on pyarrow Tables: one process, no Spark, no Java, no Delta.

The same functions that Spark's workers call, so the results are those of Spark, bit for bit. A table has to fit into
memory. Every verb keeps all columns and the order of the rows, and needs no other columns than those it names.

The draw: a pair is kept when `u < p`, and u is a function of the row's key and the seed alone. The key is the column
named by `key`; else the column `pair_id` where there is one; else the pair id of url and text, as in the tables of
`metaclip-spark run`. Rows with equal keys are kept or dropped together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metaclip_spark.core.checks import need_names
from metaclip_spark.core.counts import EntrySums
from metaclip_spark.core.draw import draws, image_keys, pair_keys, smallest_of
from metaclip_spark.core.sampling import batch_probability
from metaclip_spark.errors import InputError
from metaclip_spark.matchers import compile_matcher
from metaclip_spark.matchers.base import matched_ids
from metaclip_spark.verbs.arguments import (
    BALANCED,
    MATCH_FIRST,
    MATCHED,
    Entries,
    as_metadata,
    curating_threshold,
    entry_probabilities,
    image_column,
    key_columns,
    null_key,
    refuse_other,
    refuse_taken,
    swept,
)
from metaclip_spark.verbs.explanation import EXPLAINED, Explainer

__all__ = ["balance", "count_entries", "curate", "explain", "match", "sweep"]

_SLICE = 1 << 16
"""Rows handled at a time: what a slice needs besides the table stays small."""
_FEW = 50_000
_USE_SPARK = "for a Spark DataFrame the verbs are metaclip_spark.curate(df, ...), without local."


def curate(
    table: pa.Table,
    metadata: Entries,
    *,
    threshold: int | None = None,
    tail_fraction: float | None = None,
    seed: int = 0,
    text_column: str = "text",
    url_column: str = "url",
    key: str | None = None,
    engine: str = "auto",
) -> pa.Table:
    """Match, count and balance: return the curated subset of a table of pairs.

    One row is one pair; rows that stand twice count twice, so drop repeats first.

    Args:
        table: with a column of texts, in memory.
        metadata: the entry list: its path, its entries in order, or loaded.
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
        >>> import pyarrow as pa
        >>> import metaclip_spark as mc
        >>> texts = ["a photo"] * 1000 + ["a photo of an otter", "no entry in this one"]
        >>> pairs = pa.table({"url": [f"https://example.org/{n}.jpg" for n in range(1002)], "text": texts})
        >>> curated = mc.local.curate(pairs, metadata=["photo", "otter"], threshold=20)
        >>> curated.num_rows, curated["text"].to_pylist()[-1]
        (20, 'a photo of an otter')
    """
    known = as_metadata(metadata)
    refuse_taken(_names(table), "curate", (*MATCHED, *BALANCED))
    key_columns(table.column_names, "curate", key, url_column, text_column)
    matched = match(table, known, text_column=text_column, engine=engine)
    counts = count_entries(matched)
    chosen = curating_threshold(counts, known, threshold, tail_fraction)
    return balance(
        matched, counts, threshold=chosen, seed=seed, key=key, url_column=url_column, text_column=text_column
    )


def match(table: pa.Table, metadata: Entries, *, text_column: str = "text", engine: str = "auto") -> pa.Table:
    """Return the table with a column `entry_ids`: the entries that each text matches.

    Args:
        table: with a column of texts, in memory.
        metadata: the entry list: its path, its entries in order, or loaded.
        text_column: what is matched, as it stands: case and punctuation count, as in the paper.
        engine: which matcher; all give the same ids.

    Returns:
        All rows. `entry_ids` (list of int32) is ascending and distinct; empty where nothing matches, null for a null.

    Raises:
        InputError: the text column is missing or holds no strings, or `entry_ids` is there already.
        MetadataError: the entry list cannot be used.

    Examples:
        >>> import pyarrow as pa
        >>> import metaclip_spark as mc
        >>> pairs = pa.table({"text": ["a photo of an otter", "PHOTO", None]})
        >>> mc.local.match(pairs, metadata=["photo", "otter", "an otter"])["entry_ids"].to_pylist()
        [[0, 1, 2], [], None]
    """
    refuse_taken(_names(table), "match", MATCHED)
    texts = _strings(table, text_column, "match")
    # For few texts nothing is compiled that would take longer than matching them.
    chosen = "ahocorasick" if engine == "auto" and len(texts) < _FEW else engine
    matcher = compile_matcher(as_metadata(metadata), chosen)
    found = [matched_ids(matcher, part) for part in _slices(texts)]
    return table.append_column("entry_ids", pa.chunked_array(found, pa.list_(pa.int32())))


def count_entries(table: pa.Table, metadata: Entries | None = None) -> pa.Table:
    """Return how many rows match each entry, for the entries that any row matches.

    Args:
        table: with `entry_ids`, as `match` adds it.
        metadata: the entry list that was matched; given, the entries themselves stand beside their ids.

    Returns:
        `entry_id` (int32, ascending), `entry` where `metadata` is given, and `count` (int64).

    Raises:
        InputError: there is no column `entry_ids`.

    Examples:
        >>> import pyarrow as pa
        >>> import metaclip_spark as mc
        >>> entries = ["photo", "otter", "kite"]
        >>> matched = mc.local.match(pa.table({"text": ["a photo", "photo of an otter"]}), entries)
        >>> mc.local.count_entries(matched, entries).to_pylist()
        [{'entry_id': 0, 'entry': 'photo', 'count': 2}, {'entry_id': 1, 'entry': 'otter', 'count': 1}]
    """
    need_names(_names(table), "count_entries", MATCHED, MATCH_FIRST)
    sums = EntrySums()
    for part in _slices(table["entry_ids"]):
        sums.add(part)
    counts = pa.Table.from_batches([sums.to_arrow()])
    if metadata is None:
        return counts
    entries = pa.array(as_metadata(metadata).entries, pa.string())
    return counts.add_column(1, "entry", entries.take(counts["entry_id"].combine_chunks()))


def sweep(table: pa.Table, counts: pa.Table, thresholds: Sequence[int] | None = None) -> pa.Table:
    """Return what every t would keep of the pool, exactly, before anything is drawn.

    Args:
        table: with `entry_ids`, as `match` adds it.
        counts: what `count_entries` returned for the whole pool.
        thresholds: the t; by default 1, 2, 5, 10, 20, ... up to the first at which all is kept. All are served by one
            pass over `entry_ids`.

    Returns:
        A row each t, ascending: `threshold`; `expected_size` and `expected_sd`, the mean and the standard deviation of
        the subset's size in rows; `tail_fraction`, the share of all counts in entries with count < t; `entries_head`,
        `entries_tail`, `counts_head` and `counts_tail`: how matched entries and their counts divide at t.

    Raises:
        InputError: a column is missing; a row matches an entry that has no count.
        ConfigError: a t that is none.

    Examples:
        >>> import pyarrow as pa
        >>> import metaclip_spark as mc
        >>> pairs = pa.table({"id": range(1000), "text": ["a photo"] * 999 + ["an otter"]})
        >>> matched = mc.local.match(pairs, metadata=["photo", "otter"])
        >>> sizes = mc.local.sweep(matched, mc.local.count_entries(matched), thresholds=[20, 999])
        >>> [(row["threshold"], round(row["expected_size"], 6)) for row in sizes.to_pylist()]
        [(20, 21.0), (999, 1000.0)]
    """
    from metaclip_spark.core.expected_size import (  # imports numba, which the others do not
        ExpectedSums,
        Thresholds,
        sizes_at,
    )

    need_names(_names(table), "sweep", MATCHED, MATCH_FIRST)
    by_entry, values = swept(counts, thresholds)
    sums = ExpectedSums(Thresholds(by_entry, values))
    for part in _slices(table["entry_ids"]):
        sums.add(part)
    return sizes_at(pa.Table.from_batches([sums.to_arrow()]), by_entry, values)


def balance(
    table: pa.Table,
    counts: pa.Table,
    *,
    threshold: int | None = None,
    seed: int = 0,
    unit: str = "pair",
    key: str | None = None,
    url_column: str = "url",
    text_column: str = "text",
) -> pa.Table:
    """Return the rows whose draw is below their sampling probability.

    An entry keeps each of its rows with probability t / max(count, t), and a row stays when any of its entries
    keeps it. A row that matches nothing is dropped.

    Args:
        table: with `entry_ids`, as `match` adds it.
        counts: what `count_entries` returned for the whole pool; or entries with their `probability`, without t.
        threshold: t.
        seed: of the draw.
        unit: "pair"; or "image": of each image's matched rows one is drawn, the one whose key has the smallest hash,
            and the draw is keyed by the image: its `image_id`, or that of its url.
        key: the column that identifies a row, strings or integers.
        url_column: the image's url, where there is no key.
        text_column: the text, where there is no key.

    Returns:
        The kept rows, with `sampling_probability` (float64) and `draw` (float64, in [0, 1)).

    Raises:
        InputError: a column is missing, of another type, or in the way; there is no key; a row matches an entry
            that has no count.
        ConfigError: t or the unit is missing or none.

    Examples:
        >>> import pyarrow as pa
        >>> import metaclip_spark as mc
        >>> pairs = pa.table({"id": range(1000), "text": ["a photo"] * 999 + ["an otter"]})
        >>> matched = mc.local.match(pairs, metadata=["photo", "otter"])
        >>> kept = mc.local.balance(matched, mc.local.count_entries(matched), threshold=20, key="id")
        >>> kept.num_rows, kept["sampling_probability"].to_pylist()[-1]
        (29, 1.0)
    """
    refuse_taken(_names(table), "balance", BALANCED)
    need_names(table.column_names, "balance", MATCHED, MATCH_FIRST)
    keys = key_columns(table.column_names, "balance", key, url_column, text_column)
    image = image_column(table.column_names, unit, url_column)
    by_entry = entry_probabilities(counts, threshold)
    p = _joined([batch_probability(part, by_entry) for part in _slices(table["entry_ids"])])
    if image is not None:
        table, p, drawn = _one_an_image(table, p, keys, image, seed)
    else:
        drawn = _draws(table, "balance", keys, seed)
        if drawn.filter(pa.array(p > 0)).null_count:
            raise InputError(f"balance: {null_key(keys)}")
    u = drawn.to_numpy(zero_copy_only=False)
    return table.append_column("sampling_probability", pa.array(p)).append_column("draw", drawn).filter(pa.array(u < p))


def explain(
    table: pa.Table,
    metadata: Entries,
    counts: pa.Table | None = None,
    *,
    threshold: int | None = None,
    seed: int = 0,
    key: str | None = None,
    url_column: str = "url",
    text_column: str = "text",
) -> pa.Table:
    """Return the rows with what decides about each: its matches, their counts, the probability, the draw.

    Args:
        table: a few rows; any column of texts will do.
        metadata: the entry list: its path, its entries in order, or loaded.
        counts: what `count_entries` returned for the pool; without it only the matches are told.
        threshold: t; needed where counts are given.
        seed: of the draw.
        key: the column that identifies a row; without a key and without urls there is no draw to tell.
        url_column: the image's url, where there is no key.
        text_column: what is matched.

    Returns:
        All rows, with `spaced` (the text as matching sees it), `matches` (a list of structs: `entry_id`, `entry`,
        `positions` in characters of the spaced text, `count`, `part`: head or tail, `probability`),
        `sampling_probability`, `draw` and `verdict`.

    Raises:
        InputError: the text column is missing or holds no strings, or a column is in the way.
        ConfigError: counts without t, or a t that is none.

    Examples:
        >>> import pyarrow as pa
        >>> import metaclip_spark as mc
        >>> counts = pa.table({"entry_id": [0, 1], "count": [1000, 3]})
        >>> pairs = pa.table({"text": ["a photo of an otter"]})
        >>> told = mc.local.explain(pairs, ["photo", "otter"], counts, threshold=20).to_pylist()[0]
        >>> [(found["entry"], found["part"], found["probability"]) for found in told["matches"]]
        [('photo', 'head', 0.02), ('otter', 'tail', 1.0)]
        >>> told["verdict"]
        'kept with probability 1; the draw depends on the key'
    """
    refuse_taken(_names(table), "explain", EXPLAINED.names)
    texts = _strings(table, text_column, "explain")
    explainer = Explainer.of(as_metadata(metadata), counts, threshold)
    try:
        keys = key_columns(table.column_names, "explain", key, url_column, text_column)
    except InputError:
        if key is not None:
            raise
        keys = ()
    drawn = _draws(table, "explain", keys, seed) if keys else pa.nulls(len(table), pa.float64())
    told = explainer.explain(texts.combine_chunks(), drawn)
    for name in EXPLAINED.names:
        table = table.append_column(name, told.column(name))
    return table


def _names(table: pa.Table) -> list[str]:
    if not isinstance(table, pa.Table):
        raise refuse_other(table, "a pyarrow Table", _USE_SPARK)
    return table.column_names


def _strings(table: pa.Table, name: str, verb: str, expected: str = "strings") -> pa.ChunkedArray:
    need_names(_names(table), verb, [name], "text_column names the texts.")
    column = table[name]
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    strings = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_null)
    if not any(is_kind(kind) for is_kind in strings):
        raise InputError(f"{verb}: column {name!r} holds {kind}; expected {expected}.")
    return column.cast(pa.large_string())


def _slices(column: pa.ChunkedArray) -> Iterator[pa.Array]:
    for chunk in column.chunks:
        for start in range(0, len(chunk), _SLICE):
            yield chunk.slice(start, _SLICE)


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.zeros(0), *parts])


def _one_an_image(
    table: pa.Table, p: np.ndarray, keys: tuple[str, ...], image: str, seed: int
) -> tuple[pa.Table, np.ndarray, pa.Array]:
    """Return the row of each image that is drawn, its p, and the image's draw."""
    table, p = table.filter(pa.array(p > 0)), p[p > 0]
    images = _strings(table, image, "balance").combine_chunks()
    values = _key_values(table, "balance", keys)
    for column, names in ((values, keys), (images, (image,))):
        if column.null_count:
            raise InputError(f"balance: {null_key(names)}")
    images = images if image == "image_id" else image_keys(images)
    chosen = smallest_of(images, values, seed)
    return table.filter(pa.array(chosen)), p[chosen], pa.array(draws(images.filter(pa.array(chosen)), seed))


def _key_values(table: pa.Table, verb: str, keys: tuple[str, ...]) -> pa.Array:
    """Return each row's key, strings; null where a column of it is."""
    if len(keys) == 2:
        return pair_keys(*(_strings(table, name, verb).combine_chunks() for name in keys))
    return _key_strings(table, verb, keys[0])


def _draws(table: pa.Table, verb: str, keys: tuple[str, ...], seed: int) -> pa.Array:
    """Return u of every row, float64; null where the key is."""
    values = _key_values(table, verb, keys)
    u = draws(pc.fill_null(values, ""), seed)
    return pc.if_else(values.is_null(), pa.scalar(None, pa.float64()), pa.array(u))


def _key_strings(table: pa.Table, verb: str, name: str) -> pa.Array:
    if pa.types.is_integer(table.schema.field(name).type):
        return table[name].cast(pa.string()).combine_chunks()
    return _strings(table, name, verb, "strings or integers").combine_chunks()
