"""The verbs on pyarrow Tables, and on what `rows.to_table` turns into one: one process, no Spark, no Java, no Delta.

The docstrings are in `verbs/facade.py`. Spark's workers call the same functions of `core/` and `matchers/`, so both
backends give the same results, bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
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
    BALANCE_COLUMNS,
    MATCH_COLUMNS,
    MATCH_FIRST,
    WEIGHT_HINT,
    Counts,
    Entries,
    entry_probabilities,
    image_column,
    key_columns,
    null_key_message,
    refuse_no_weight,
    refuse_present,
    weights_of_column,
)
from metaclip_spark.verbs.columns import ids_of, key_strings, slices, strings_of, text_hint, url_hint
from metaclip_spark.verbs.entries import as_metadata
from metaclip_spark.verbs.explanation import EXPLANATION, LANGUAGE_EXPLANATION, Explainer, LanguageExplainer
from metaclip_spark.verbs.rows import Rows, to_table
from metaclip_spark.verbs.worldwide import (
    LANG_HINT,
    chosen_t,
    known_entries,
    list_choice,
    matched_by_list_of,
    refuse_threshold,
    sweep_values,
)

__all__ = ["balance", "count_entries", "curate", "explain", "match", "sweep"]

_FEW = 50_000
"""Number of texts below which `engine="auto"` uses pyahocorasick: compiling the phrase matcher would take longer."""


def curate(
    table: Rows,
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
) -> pa.Table:
    """Return the curated subset of a Table of pairs; see `metaclip_spark.curate`."""
    known, table = as_metadata(metadata), to_table(table, "curate")
    refuse_present(table.column_names, "curate", (*MATCH_COLUMNS, *BALANCE_COLUMNS))
    key_columns(table.column_names, "curate", key, url_column, text_column)
    matched = match(table, known, text_column=text_column, engine=engine, lang_column=lang_column)
    counts, t = chosen_t(count_entries(matched), known, threshold, tail_fraction, language_thresholds)
    return balance(matched, counts, threshold=t, seed=seed, key=key, url_column=url_column, text_column=text_column)


def match(
    table: Rows, metadata: Entries, *, text_column: str = "text", engine: str = "auto", lang_column: str | None = None
) -> pa.Table:
    """Match each text of a Table; see `metaclip_spark.match`."""
    table, known = to_table(table, "match"), as_metadata(metadata)
    refuse_present(table.column_names, "match", MATCH_COLUMNS)
    texts = _texts(table, text_column, "match")
    lists = list_choice(known, lang_column, "match")
    if lists is not None:
        chosen = lists.choose(_langs(table, lang_column or "", "match"))
        return table.append_column("entry_ids", matched_by_list_of(texts.combine_chunks(), chosen, known, engine))
    name = "ahocorasick" if engine == "auto" and len(texts) < _FEW else engine
    matcher = compile_matcher(known, name)
    ids = [matched_ids(matcher, part) for part in slices(texts)]
    return table.append_column("entry_ids", pa.chunked_array(ids, pa.list_(pa.int32())))


def count_entries(table: Rows, metadata: Entries | None = None) -> pa.Table:
    """Count the rows of a Table that match each entry; see `metaclip_spark.count_entries`."""
    sums = EntrySums()
    for part in ids_of(to_table(table, "count_entries"), "count_entries", MATCH_FIRST):
        sums.add(part)
    counts = pa.Table.from_batches([sums.to_arrow()])
    if metadata is None:
        return counts
    entries = known_entries(as_metadata(metadata), counts["entry_id"].to_numpy())
    for at, name in enumerate(entries.schema.names):
        counts = counts.add_column(1 + at, name, entries.column(name))
    return counts


def sweep(
    table: Rows,
    counts: Counts,
    thresholds: Sequence[int] | None = None,
    *,
    metadata: Entries | None = None,
    tail_fractions: Sequence[float] | None = None,
    language_thresholds: Mapping[str, int] | None = None,
) -> pa.Table:
    """Compute the expected size of the subset of a Table at each t; see `metaclip_spark.sweep`."""
    # This import needs numba. The other verbs work without it.
    from metaclip_spark.core.expected_size import ExpectedSums, Thresholds, sizes_at

    table = to_table(table, "sweep")
    need_names(table.column_names, "sweep", MATCH_COLUMNS, MATCH_FIRST)
    totals, values, by_section = sweep_values(counts, thresholds, metadata, tail_fractions, language_thresholds)
    sums = ExpectedSums(Thresholds(totals, values, by_section))
    for part in ids_of(table, "sweep", MATCH_FIRST):
        sums.add(part)
    return sizes_at(pa.Table.from_batches([sums.to_arrow()]), totals, values, by_section)


def balance(
    table: Rows,
    counts: Counts,
    *,
    threshold: int | None = None,
    seed: int = 0,
    unit: str = "pair",
    key: str | None = None,
    url_column: str = "url",
    text_column: str = "text",
    weight: str | None = None,
) -> pa.Table:
    """Balance a Table: return the rows whose draw is below their probability; see `metaclip_spark.balance`."""
    table = to_table(table, "balance")
    refuse_present(table.column_names, "balance", BALANCE_COLUMNS)
    need_names(table.column_names, "balance", MATCH_COLUMNS, MATCH_FIRST)
    keys = key_columns(table.column_names, "balance", key, url_column, text_column)
    image = image_column(table.column_names, unit, url_column)
    if weight is not None:
        need_names(table.column_names, "balance", [weight], WEIGHT_HINT)
    probabilities = entry_probabilities(counts, threshold)
    lists = ids_of(table, "balance", MATCH_FIRST)
    p = np.concatenate([np.zeros(0), *(batch_probability(part, probabilities) for part in lists)])
    factors = np.ones(1) if weight is None else weights_of_column(table[weight].combine_chunks(), weight)
    refuse_no_weight(weight or "", factors, p)
    if image is not None:
        table, p, drawn, chosen = _one_row_per_image(table, p, keys, image, seed)
        factors = factors if weight is None else factors[chosen]
    else:
        drawn = _draws(table, "balance", keys, seed)
        if drawn.filter(pa.array(p > 0)).null_count:
            raise InputError(f"balance: {null_key_message(keys)}")
    p = p if weight is None else np.where(p > 0, p * factors, 0.0)
    u = drawn.to_numpy(zero_copy_only=False)
    return table.append_column("sampling_probability", pa.array(p)).append_column("draw", drawn).filter(pa.array(u < p))


def explain(
    table: Rows,
    metadata: Entries,
    counts: Counts | None = None,
    *,
    threshold: int | None = None,
    seed: int = 0,
    key: str | None = None,
    url_column: str = "url",
    text_column: str = "text",
    lang_column: str | None = None,
) -> pa.Table:
    """Explain why each row of a Table is kept or dropped; see `metaclip_spark.explain`."""
    table, known = to_table(table, "explain"), as_metadata(metadata)
    lists = list_choice(known, lang_column, "explain")
    schema = EXPLANATION if lists is None else LANGUAGE_EXPLANATION
    refuse_present(table.column_names, "explain", schema.names)
    texts = _texts(table, text_column, "explain").combine_chunks()
    try:
        keys = key_columns(table.column_names, "explain", key, url_column, text_column)
    except InputError:
        if key is not None:
            raise
        keys = ()
    drawn = _draws(table, "explain", keys, seed) if keys else pa.nulls(len(table), pa.float64())
    if lists is None:
        explanation = Explainer.of(known, counts, threshold).explain(texts, drawn)
    else:
        refuse_threshold(threshold)
        codes = _langs(table, lang_column or "", "explain")
        chosen = lists.choose(codes)
        found = matched_by_list_of(texts, chosen, known, "auto")
        explainer = LanguageExplainer.of(known, counts)
        explanation = explainer.explain(known.entries, texts, drawn, codes, chosen, found)
    for name in schema.names:
        table = table.append_column(name, explanation.column(name))
    return table


def _texts(table: pa.Table, name: str, verb: str) -> pa.ChunkedArray:
    return strings_of(table, name, verb, text_hint(table.column_names, name))


def _langs(table: pa.Table, name: str, verb: str) -> pa.Array:
    return strings_of(table, name, verb, LANG_HINT).cast(pa.string()).combine_chunks()


def _one_row_per_image(
    table: pa.Table, p: npt.NDArray[np.float64], keys: tuple[str, ...], image: str, seed: int
) -> tuple[pa.Table, npt.NDArray[np.float64], pa.Array, npt.NDArray[np.int64]]:
    """Return one matched row per image, with its p, the draw of the image, and the number of the row."""
    rows = np.flatnonzero(p > 0)
    table, p = table.take(pa.array(rows)), p[rows]
    images = strings_of(table, image, "balance", url_hint(table.column_names, image)).combine_chunks()
    values = _key_values(table, "balance", keys)
    for column, names in ((values, keys), (images, (image,))):
        if column.null_count:
            raise InputError(f"balance: {null_key_message(names)}")
    images = images if image == "image_id" else image_keys(images)
    chosen = smallest_of(images, values, seed)
    u = pa.array(draws(images.filter(pa.array(chosen)), seed))
    return table.filter(pa.array(chosen)), p[chosen], u, rows[chosen]


def _key_values(table: pa.Table, verb: str, keys: tuple[str, ...]) -> pa.Array:
    """Return the key of each row, strings; null where one of the key's columns is null."""
    if len(keys) == 1:
        return key_strings(table, keys[0], verb)
    url = strings_of(table, keys[0], verb, url_hint(table.column_names, keys[0]))
    return pair_keys(url.combine_chunks(), _texts(table, keys[1], verb).combine_chunks())


def _draws(table: pa.Table, verb: str, keys: tuple[str, ...], seed: int) -> pa.Array:
    """Return the draw u of each row, float64; null where the key is null."""
    values = _key_values(table, verb, keys)
    u = draws(pc.fill_null(values, ""), seed)
    return pc.if_else(values.is_null(), pa.scalar(None, pa.float64()), pa.array(u))
