"""Check the verbs' arguments: the entry list, t, counts, and the key of a row's draw (no Spark).

`verbs/spark.py` and `verbs/local.py` share these checks, so that both accept and refuse the same arguments.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from metaclip_spark.core.checks import need_names
from metaclip_spark.core.entry_lists import by_entry
from metaclip_spark.core.sampling import LOW_THRESHOLD, TAIL_FRACTION, entry_probability, threshold_for_tail_fraction
from metaclip_spark.core.threshold_search import round_thresholds
from metaclip_spark.core.weights.values import read_weights
from metaclip_spark.core.wording import agrees
from metaclip_spark.errors import ConfigError, InputError
from metaclip_spark.verbs.columns import text_hint, url_hint
from metaclip_spark.verbs.entries import as_metadata
from metaclip_spark.verbs.rows import Rows, is_spark, to_table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from metaclip_spark.metadata.load import Metadata

Frame = TypeVar("Frame", bound="DataFrame")
"""A Spark DataFrame, classic or Connect. A verb returns a Spark DataFrame for it, and a pyarrow Table for `Rows`."""

Entries: TypeAlias = "Metadata | str | os.PathLike[str] | Sequence[str] | Any"
"""An entry list: a `Metadata`, the path of a file, or the entries in order: a list, a tuple, or a column of strings (a
pandas or Polars Series, a numpy or pyarrow array). A set is refused, because its order differs in each process."""

Counts: TypeAlias = "DataFrame | Rows"
"""One row per entry: `entry_id` with `count`, or with `probability`; a Spark DataFrame, or what `Rows` names."""

MATCH_COLUMNS = ("entry_ids",)
BALANCE_COLUMNS = ("sampling_probability", "draw")
MATCH_FIRST = "Call match first, which adds it."
WEIGHT_HINT = "weight names a column of numbers from 0 to 1."
COUNT_HINT = "Expected what count_entries returns."
_COUNT_TYPES = {
    "entry_id": pa.int32(),
    "count": pa.int64(),
    "threshold": pa.int64(),
    "probability": pa.float64(),
}


def checked_threshold(threshold: int) -> int:
    """Return t as an int.

    Raises:
        ConfigError: t is not an integer, or is below 1.
    """
    if isinstance(threshold, bool) or not isinstance(threshold, (int, np.integer)) or threshold < 1:
        raise ConfigError(f"threshold must be an integer >= 1, got {threshold!r}. MetaCLIP-400M used 20000.")
    return int(threshold)


def choose_threshold(counts: Counts, metadata: Entries, tail_fraction: float = TAIL_FRACTION) -> int:
    """Return the t whose tail fraction is nearest: the share of all counts that belongs to entries with count < t.

    Args:
        counts: the result of `count_entries`, as it is or in another library's DataFrame.
        metadata: the entry list; entries that match no pair take part in the choice, too.
        tail_fraction: between 0 and 1; about 0.06 for both of the paper's sets.

    Raises:
        ConfigError: the tail fraction is not between 0 and 1.

    Examples:
        >>> import pyarrow as pa
        >>> import metaclip_spark as mc
        >>> counts = pa.table({"entry_id": [0, 1, 2], "count": [1000, 30, 30]})
        >>> mc.choose_threshold(counts, ["a", "otter", "kite", "never seen"])
        30
    """
    return _nearest_threshold(counts, as_metadata(metadata), tail_fraction, "choose_threshold")


def _nearest_threshold(counts: Counts, metadata: Metadata, tail_fraction: float, verb: str) -> int:
    if not 0 < tail_fraction < 1:
        raise ConfigError(f"tail_fraction must be between 0 and 1, got {tail_fraction!r}. The paper's is 0.06.")
    totals = count_array(counts_table(counts, verb, "count"), len(metadata.entries))
    threshold = threshold_for_tail_fraction(totals, tail_fraction)
    if threshold < LOW_THRESHOLD:
        warnings.warn(
            f"t = {threshold} is very low: the pool is small for a tail fraction of {tail_fraction}. "
            "Set t itself with threshold=...",
            stacklevel=_caller_level(),
        )
    return threshold


def _caller_level() -> int:
    """Return the `stacklevel` at which a warning shows the line that called a verb."""
    # Python 3.12 has `skip_file_prefixes` for this; the supported versions begin with 3.10.
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("metaclip_spark.verbs."):
        level, frame = level + 1, frame.f_back
    return level


def curate_threshold(counts: Counts, metadata: Metadata, threshold: int | None, tail_fraction: float | None) -> int:
    """Return the t of `curate`: the given one, or the one of the tail fraction.

    Raises:
        ConfigError: both are given, or the given one is invalid.
    """
    if threshold is None:
        return _nearest_threshold(counts, metadata, TAIL_FRACTION if tail_fraction is None else tail_fraction, "curate")
    if tail_fraction is not None:
        raise ConfigError("curate: got both threshold and tail_fraction, expected one; each of them sets t.")
    return checked_threshold(threshold)


def counts_table(counts: Counts, verb: str, *wanted: str, hint: str = COUNT_HINT) -> pa.Table:
    """Return counts as a pyarrow Table: entry_id int32 and the wanted columns; metadata_id and lang if present.

    The rows of a Spark DataFrame are collected on the driver; there is at most one per entry.

    Args:
        wanted: count (int64), threshold (int64) or probability (float64).
        hint: the end of the error about a column that is missing.

    Raises:
        InputError: a column is missing, has a null or another type, or the counts belong to more than one entry list.
    """
    given, names = _named(counts, verb)
    need_names(names, verb, ["entry_id", *wanted], hint)
    columns = list(dict.fromkeys(("entry_id", *wanted)))
    columns += [name for name in ("metadata_id", "lang") if name in names]
    table = given.select(columns) if isinstance(given, pa.Table) else given.select(*columns).toArrow()
    lists = table["metadata_id"].unique().to_pylist() if "metadata_id" in columns else []
    if len(lists) > 1:
        raise InputError(
            f"{verb}: the counts belong to {len(lists)} entry lists, expected one; keep the rows of one metadata_id."
        )
    for name in dict.fromkeys(("entry_id", *wanted)):
        table = table.set_column(columns.index(name), name, _numbers(table[name], name, verb))
    return table


def _named(counts: Counts, verb: str) -> tuple[Any, list[str]]:
    """Return counts as a Spark DataFrame or a Table, and the names of their columns."""
    if is_spark(counts):
        frame: Any = counts
        return frame, frame.columns
    table = to_table(counts, verb)
    return table, table.column_names


def _numbers(column: pa.ChunkedArray, name: str, verb: str) -> pa.ChunkedArray:
    """Return a column of counts in its type; other libraries give unsigned, decimal and float columns.

    Raises:
        InputError: a value is null, is not a number of that type, or is negative.
    """
    kind = _COUNT_TYPES[name]
    fault = "a null" if column.null_count else ""
    if not fault:
        try:
            column = column.cast(kind)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            fault = f"a value of type {column.type} that is no {kind}"
    if not fault and len(column) and pc.min(column).as_py() < 0:
        fault = f"{pc.min(column).as_py()}"
    if fault:
        raise InputError(f"{verb}: column {name!r} of the counts holds {fault}; expected {kind} >= 0. {COUNT_HINT}")
    return column


def count_array(counts: pa.Table, n_entries: int = 0) -> npt.NDArray[np.int64]:
    """Return counts as an array by entry id, int64; the rows of one entry (one per snapshot) are summed.

    Args:
        counts: `entry_id` and `count`.
        n_entries: the smallest length of the array; larger ids extend it.
    """
    ids = counts["entry_id"].to_numpy()
    totals = np.zeros(max(n_entries, int(ids.max()) + 1 if len(ids) else 0), dtype=np.int64)
    np.add.at(totals, ids, counts["count"].to_numpy())
    return totals


def entry_probabilities(counts: Counts, threshold: int | None) -> npt.NDArray[np.float64]:
    """Return entry probabilities as an array by entry id, float64; NaN for an entry without a row.

    Args:
        counts: `entry_id` with `count`, which needs t; or with `probability`, as in the table `entry_probabilities`.
        threshold: t; None where `counts` has probabilities.

    Raises:
        ConfigError: t is missing or invalid.
        InputError: a column is missing, or an entry has several probabilities.
    """
    given, names = _named(counts, "balance")
    if threshold is None and "probability" not in names:
        raise ConfigError(
            "balance: t is missing; give threshold=..., or counts with a column 'probability'. "
            "choose_threshold(counts, metadata) gives the t of a tail fraction."
        )
    table = counts_table(given, "balance", "probability" if threshold is None else "count")
    if threshold is not None:
        totals = count_array(table)
        return np.where(totals > 0, entry_probability(totals, checked_threshold(threshold)), np.nan)
    ids = table["entry_id"].to_numpy()
    refuse_repeats(ids, "balance", "probabilities")
    return by_entry(ids, table["probability"].to_numpy(), missing=np.nan)


def refuse_repeats(ids: npt.NDArray[np.int32], verb: str, values: str) -> None:
    """Refuse several rows of one entry.

    Raises:
        InputError: an id is there twice.
    """
    if len(np.unique(ids)) < len(ids):
        raise InputError(f"{verb}: an entry has several {values}, expected one; keep the rows of one run_id.")


def sweep_arguments(counts: Counts, thresholds: Sequence[int] | None) -> tuple[npt.NDArray[np.int64], list[int]]:
    """Return counts by entry id, int64, and the t to sweep, ascending; by default 1, 2, 5, 10, ...

    Raises:
        ConfigError: a t is invalid, or the list is empty.
        InputError: the column `count` is missing.
    """
    totals = count_array(counts_table(counts, "sweep", "count"))
    if thresholds is None:
        return totals, round_thresholds(int(totals.max(initial=1)))
    if not len(thresholds):
        raise ConfigError("sweep: thresholds is empty; expected at least one t, or None for 1, 2, 5, 10, ...")
    return totals, sorted({checked_threshold(threshold) for threshold in thresholds})


def key_columns(
    columns: Sequence[str], verb: str, key: str | None, url_column: str, text_column: str
) -> tuple[str, ...]:
    """Return the columns that give the key of a row's draw: one key, or url and text, whose `pair_id` is the key.

    Raises:
        InputError: the named column is missing, or no column gives a key.
    """
    if key is not None:
        need_names(columns, verb, [key], "key names the column that identifies a row.")
        return (key,)
    if "pair_id" in columns:
        return ("pair_id",)
    if url_column in columns and text_column in columns:
        return (url_column, text_column)
    is_url = url_column not in columns
    missing, hint = (
        (url_column, url_hint(columns, url_column)) if is_url else (text_column, text_hint(columns, text_column))
    )
    raise InputError(
        f"{verb}: the draw needs a key for each row, and column {missing!r} is missing; got {list(columns)}. "
        f"key names the column that identifies a row, or {hint}"
    )


def image_column(columns: Sequence[str], unit: str, url_column: str) -> str | None:
    """Return the column that identifies an image: `image_id` or the url; None where the unit is the pair.

    Raises:
        ConfigError: the unit is unknown.
        InputError: both columns are missing.
    """
    if unit not in ("pair", "image"):
        raise ConfigError(f"unit must be pair or image, got {unit!r}.")
    if unit == "pair":
        return None
    if "image_id" not in columns:
        need_names(columns, "balance", [url_column], "unit='image' needs the image: its url, or a column 'image_id'.")
        return url_column
    return "image_id"


def weights_of_column(values: pa.Array, name: str) -> npt.NDArray[np.float64]:
    """Return the weight of each row, float64; NaN where the value is no weight.

    Args:
        values: numbers, or strings that are numbers.

    Raises:
        InputError: the column has another type.
    """
    if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
        try:
            if pa.types.is_boolean(values.type):
                raise pa.ArrowInvalid("a truth value is no weight")
            values = values.cast(pa.float64()).cast(pa.string())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise InputError(
                f"balance: column {name!r} holds {values.type}; expected weights, numbers from 0 to 1."
            ) from error
    weights, kinds = read_weights(values)
    weights[kinds > 0] = np.nan
    return weights


def refuse_no_weight(name: str, weights: npt.NDArray[np.float64], p: npt.NDArray[np.float64]) -> None:
    """Refuse matched rows whose weight is NaN.

    Raises:
        InputError: there is such a row.
    """
    matched = p > 0
    wrong = int((np.isnan(weights) & matched).sum())
    if wrong:
        has = agrees(wrong, "has", "have")
        raise InputError(
            f"balance: {wrong:,} of {int(matched.sum()):,} matched rows {has} no weight from 0 to 1 in column "
            f"{name!r}. Fill or drop them first."
        )


def null_key_message(keys: Sequence[str]) -> str:
    """Return the error text for a matched row whose key is null."""
    subject = f"column {keys[0]!r}" if len(keys) == 1 else f"column {keys[0]!r} or {keys[1]!r}"
    return f"a matched row has no key: {subject} is null; the draw needs one. Drop such rows, or name another key."


def refuse_present(columns: Sequence[str], verb: str, added: Sequence[str]) -> None:
    """Refuse columns that the verb itself adds; case makes no difference, as in Spark.

    Raises:
        InputError: a column of that name exists.
    """
    for name in columns:
        if name.lower() in added:
            raise InputError(
                f"{verb} adds the column {name.lower()!r}, which exists already; drop it or rename it first."
            )
