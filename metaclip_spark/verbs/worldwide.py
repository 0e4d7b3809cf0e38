"""The verbs where each language has a list: which list a row has, and the t of each language."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from metaclip_spark.core.worldwide.list_choice import ListChoice
from metaclip_spark.core.worldwide.sections import Sections
from metaclip_spark.core.worldwide.thresholds import FRACTIONS, LanguageThresholds, choose, for_fractions
from metaclip_spark.errors import ConfigError, InputError
from metaclip_spark.matchers.worldwide.by_section import compiled_lists, matched_by_list
from metaclip_spark.metadata.load import Metadata
from metaclip_spark.metadata.worldwide.entries import WorldwideMetadata
from metaclip_spark.metadata.worldwide.lists import SHIPPED, WorldwideLists
from metaclip_spark.verbs.arguments import (
    COUNT_HINT,
    Counts,
    Entries,
    checked_threshold,
    count_array,
    counts_table,
    curate_threshold,
    refuse_repeats,
    sweep_arguments,
)
from metaclip_spark.verbs.entries import as_metadata

LANG_HINT = "lang_column names the column with the language of each text."
_SAME = "Give the lists that the texts were matched against."
_T_HINT = "language_probabilities(counts, metadata, ...) gives the t of each language."


def load_worldwide(folder: str | os.PathLike[str] = SHIPPED) -> WorldwideMetadata:
    """Read the lists of languages: those that ship, or those of a folder (docs/WORLDWIDE.md).

    Raises:
        MetadataError: the folder or a list cannot be used.
    """
    return WorldwideMetadata.read(WorldwideLists.open(folder))


def list_choice(metadata: Metadata, lang_column: str | None, verb: str) -> ListChoice | None:
    """Return the list of each language; None for one list for all texts.

    Raises:
        ConfigError: lists of languages come without a column of languages, or the other way round.
    """
    choice = metadata.list_choice()
    if choice is None:
        if lang_column is not None:
            raise ConfigError(
                f"{verb}: lang_column is for the lists of languages; give metadata=load_worldwide(...), or leave it "
                "out."
            )
        return None
    if lang_column is None:
        raise ConfigError(f"{verb}: the lists of languages need lang_column, the column with the code of each text.")
    return choice


def matched_by_list_of(texts: pa.Array, lists: pa.Array, metadata: Metadata, engine: str) -> pa.ListArray:
    """Return the entry ids of each text, `list<int32>`; null for a null text, empty where the list is null."""
    assert isinstance(metadata, WorldwideMetadata)
    return matched_by_list(compiled_lists(metadata, engine), texts, lists)


def refuse_threshold(threshold: int | None) -> None:
    """Refuse one t for all languages in `explain`.

    Raises:
        ConfigError: t is given.
    """
    if threshold is not None:
        raise ConfigError(
            "explain: each language has its t, so the lists of languages take no threshold; give "
            "counts=language_probabilities(counts, metadata, ...), which has them."
        )


def known_entries(metadata: Metadata, ids: npt.NDArray[np.int32]) -> pa.RecordBatch:
    """Return the columns `entry` of some ids, ascending, and `lang` where each language has a list."""
    columns = {"entry": metadata.entries_of(ids)}
    if not metadata.sections.is_one:
        columns["lang"] = pa.array(metadata.sections.names_of(ids), pa.string())
    return pa.record_batch(columns)


def chosen_t(
    counts: pa.Table,
    metadata: Metadata,
    threshold: int | None,
    tail_fraction: float | None,
    thresholds: Mapping[str, int] | None,
) -> tuple[pa.Table, int | None]:
    """Return counts and t as `balance` takes them; with lists of languages, probabilities and no t."""
    if isinstance(metadata, WorldwideMetadata):
        how = {"threshold": threshold, "tail_fraction": tail_fraction, "thresholds": thresholds}
        return language_probabilities(counts, metadata, **how), None  # type: ignore[arg-type]
    if thresholds:
        raise ConfigError(
            "curate: language_thresholds is for the lists of languages; give metadata=load_worldwide(...)."
        )
    return counts, curate_threshold(counts, metadata, threshold, tail_fraction)


def language_probabilities(
    counts: Counts,
    metadata: WorldwideMetadata,
    *,
    threshold: int | None = None,
    tail_fraction: float | None = None,
    thresholds: Mapping[str, int] | None = None,
) -> pa.Table:
    """Choose the t of each language, and return the probability of each entry, as `balance` takes it.

    Args:
        counts: the result of `count_entries` for the whole pool.
        metadata: the lists, as `load_worldwide` reads them.
        threshold: t of English; its tail fraction gives the t of all other languages.
        tail_fraction: the tail fraction of every language instead (default 0.06).
        thresholds: language -> t, for languages for which the fraction does not decide.

    Returns:
        One row per counted entry, ascending: `entry_id` (int), `lang` (its list), `count` and `threshold` (bigint),
        `probability` (double).

    Raises:
        ConfigError: a t cannot be chosen so.
        InputError: a column is missing, or an entry id is beyond the lists.
    """
    totals = count_array(_checked_counts(counts, metadata, "language_probabilities", "count"), len(metadata.entries))
    if threshold is not None and tail_fraction is not None:
        raise ConfigError("threshold and tail_fraction both choose t; give one of them.")
    if tail_fraction is not None and not 0 < tail_fraction < 1:
        raise ConfigError(f"tail_fraction must be between 0 and 1, got {tail_fraction!r}.")
    given = _checked_thresholds(thresholds)
    return choose(totals, metadata.sections, threshold, tail_fraction, given).probabilities(totals)


def language_counts(
    counts: Counts, metadata: WorldwideMetadata, verb: str
) -> tuple[npt.NDArray[np.int64], dict[str, int]]:
    """Return counts by entry id, int64, and the t of each language that has a counted entry.

    Args:
        counts: the result of `language_probabilities`, or a run's rows of `entry_probabilities`.

    Raises:
        InputError: a column is missing, an entry or a language has several t, or the counts are of other lists.
    """
    table = _checked_counts(counts, metadata, verb, "count", "threshold", hint=_T_HINT)
    ids, sections = table["entry_id"].to_numpy(), metadata.sections
    refuse_repeats(ids, verb, "t")
    section, t = sections.index_of(ids), table["threshold"].to_numpy()
    found, first = np.unique(section, return_index=True)
    of_section = np.zeros(len(sections.names), np.int64)
    of_section[found] = t[first]
    differs = np.flatnonzero(t != of_section[section])
    if len(differs):
        at = differs[0]
        raise InputError(
            f"{verb}: the counts have t = {of_section[section[at]]} and t = {t[at]} for the language "
            f"{sections.names[section[at]]!r}, expected one t for a language. {_T_HINT}"
        )
    return count_array(table, len(metadata.entries)), {sections.names[at]: int(of_section[at]) for at in found.tolist()}


def sweep_values(
    counts: Counts,
    thresholds: Sequence[int] | None,
    metadata: Entries | None,
    tail_fractions: Sequence[float] | None,
    language_thresholds: Mapping[str, int] | None,
) -> tuple[npt.NDArray[np.int64], list[int], list[LanguageThresholds] | None]:
    """Return counts by entry id, int64, and what to sweep, as `core.expected_size.Thresholds` takes it.

    Returns:
        The counts; the t, or with lists of languages the tail fractions in millionths, ascending; the t of each
        language at each fraction, None for one list.

    Raises:
        ConfigError: a t or a tail fraction is invalid, or is not for this kind of list.
        InputError: a column is missing, or the counts are of other lists.
    """
    known = None if metadata is None else as_metadata(metadata)
    if not isinstance(known, WorldwideMetadata):
        if tail_fractions is not None or language_thresholds:
            raise ConfigError(
                "sweep: tail_fractions and language_thresholds are for the lists of languages; give "
                "metadata=load_worldwide(...), or thresholds=[...] for one list."
            )
        return *sweep_arguments(counts, thresholds), None
    if thresholds is not None:
        raise ConfigError(
            "sweep: each language has its t, so the lists of languages take no thresholds; give tail_fractions=[...]."
        )
    fractions = FRACTIONS if tail_fractions is None else tail_fractions
    if not len(fractions) or not all(0 < fraction < 1 for fraction in fractions):
        raise ConfigError(
            f"sweep: tail_fractions must be numbers between 0 and 1, got {list(fractions)!r}; None for 0.01, 0.02, ..."
        )
    totals = count_array(_checked_counts(counts, known, "sweep", "count"), len(known.entries))
    at = for_fractions(totals, known.sections, fractions, _checked_thresholds(language_thresholds))
    return totals, list(at), list(at.values())


def _checked_thresholds(given: Mapping[str, int] | None) -> dict[str, int]:
    return {name: checked_threshold(t) for name, t in (given or {}).items()}


def _checked_counts(
    counts: Counts, metadata: WorldwideMetadata, verb: str, *wanted: str, hint: str = COUNT_HINT
) -> pa.Table:
    """Return counts as `counts_table` does, and check that each entry is in the lists, and in the list of its `lang`.

    Raises:
        InputError: the counts are of other lists.
    """
    table = counts_table(counts, verb, *wanted, hint=hint)
    ids = table["entry_id"].to_numpy()
    if len(ids) and ids.max() >= len(metadata.entries):
        raise InputError(
            f"{verb}: got counts of entry {ids.max():,}, and the lists have {len(metadata.entries):,} entries. {_SAME}"
        )
    if "lang" in table.column_names:
        _check_langs(ids, table["lang"], metadata.sections, verb)
    return table


def _check_langs(ids: npt.NDArray[np.int32], langs: pa.ChunkedArray, sections: Sections, verb: str) -> None:
    encoded = langs.cast(pa.string()).combine_chunks().dictionary_encode()
    names = np.array([sections.names.index(n) if n in sections.names else -1 for n in encoded.dictionary.to_pylist()])
    given = np.append(names, -1)[encoded.indices.fill_null(len(names)).to_numpy()]
    right = sections.index_of(ids)
    differs = np.flatnonzero(given != right)
    if len(differs):
        at = int(differs[0])
        raise InputError(
            f"{verb}: entry {ids[at]:,} of the counts is of the language {langs[at].as_py()!r}, and of "
            f"{sections.names[right[at]]!r} in these lists. {_SAME}"
        )
