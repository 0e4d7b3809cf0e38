"""The verbs where each language has a list: which list a row has, and the t of each language."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from metaclip_spark.core.worldwide.list_choice import ListChoice
from metaclip_spark.core.worldwide.thresholds import choose
from metaclip_spark.errors import ConfigError, InputError
from metaclip_spark.matchers.worldwide.by_section import compiled_lists, matched_by_list
from metaclip_spark.metadata.load import Metadata
from metaclip_spark.metadata.worldwide.entries import WorldwideMetadata
from metaclip_spark.metadata.worldwide.lists import SHIPPED, WorldwideLists
from metaclip_spark.verbs.arguments import Counts, count_array, counts_table, curate_threshold

LANG_HINT = "lang_column names the column with the language of each text."


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


def matched_by_language(
    texts: pa.Array, langs: pa.Array, metadata: Metadata, lists: ListChoice, engine: str
) -> pa.ListArray:
    """Return the entry ids of each text, `list<int32>`; null for a null text, empty where a language has no list."""
    assert isinstance(metadata, WorldwideMetadata)
    return matched_by_list(compiled_lists(metadata, engine), texts, lists.choose(langs))


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
    totals = count_array(counts_table(counts, "language_probabilities", "count"), len(metadata.entries))
    if len(totals) > len(metadata.entries):
        raise InputError(
            f"language_probabilities: got counts of entry {len(totals) - 1:,}, and the lists have "
            f"{len(metadata.entries):,} entries. Give the lists that the texts were matched against."
        )
    if threshold is not None and tail_fraction is not None:
        raise ConfigError("threshold and tail_fraction both choose t; give one of them.")
    if tail_fraction is not None and not 0 < tail_fraction < 1:
        raise ConfigError(f"tail_fraction must be between 0 and 1, got {tail_fraction!r}.")
    return choose(totals, metadata.sections, threshold, tail_fraction, thresholds).probabilities(totals)
