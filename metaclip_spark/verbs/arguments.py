"""What the verbs take, checked: the entry list, t, counts, and the key of a row's draw (no Spark).

`verbs/spark.py` and `verbs/local.py` (pyarrow) share it, so that both take and refuse the same.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pyarrow as pa

from metaclip_spark.core.checks import need_names
from metaclip_spark.core.entry_lists import by_entry
from metaclip_spark.core.sampling import LOW_THRESHOLD, TAIL_FRACTION, entry_probability, threshold_for_tail_fraction
from metaclip_spark.core.threshold_search import round_thresholds
from metaclip_spark.errors import ConfigError, InputError
from metaclip_spark.metadata.load import Metadata, load_metadata

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

Entries: TypeAlias = "Metadata | str | os.PathLike[str] | Sequence[str]"
"""An entry list: loaded, the path of its file, or the entries themselves in order."""

Counts: TypeAlias = "DataFrame | pa.Table"
"""One row an entry: `entry_id` with `count`, or with `probability`."""

MATCHED = ("entry_ids",)
BALANCED = ("sampling_probability", "draw")
MATCH_FIRST = "Call match first, which adds it."
_COUNT_HINT = "Expected what count_entries returns."


def as_metadata(entries: Entries) -> Metadata:
    """Return the entry list, loaded and checked.

    Raises:
        MetadataError: the file or the list cannot be used.
    """
    if isinstance(entries, Metadata):
        return entries
    if isinstance(entries, (str, os.PathLike)):
        return load_metadata(entries)
    return Metadata.from_entries(entries)


def checked_threshold(threshold: int) -> int:
    """Refuse a t that is none.

    Raises:
        ConfigError: not an integer of at least 1.
    """
    if isinstance(threshold, bool) or not isinstance(threshold, (int, np.integer)) or threshold < 1:
        raise ConfigError(f"threshold must be an integer >= 1, got {threshold!r}. MetaCLIP-400M used 20000.")
    return int(threshold)


def choose_threshold(counts: Counts, metadata: Entries, tail_fraction: float = TAIL_FRACTION) -> int:
    """Return the t whose tail fraction, the share of counts that belongs to entries with count < t, is nearest.

    Args:
        counts: what `count_entries` returns, in Spark or as a pyarrow Table.
        metadata: the entry list; entries that nothing matched have a part in the choice, too.
        tail_fraction: between 0 and 1; about 0.06 for both of the paper's sets.

    Raises:
        ConfigError: a tail fraction that is none.

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
    by_entry = count_array(as_table(counts, verb, "count"), len(metadata.entries))
    threshold = threshold_for_tail_fraction(by_entry, tail_fraction)
    if threshold < LOW_THRESHOLD:
        said = f"t = {threshold} is very low: the pool is small for a tail fraction of {tail_fraction}."
        # The line that is shown is the caller's: of choose_threshold one above, of curate one more.
        warnings.warn(f"{said} threshold=... sets t itself.", stacklevel=3 if verb == "choose_threshold" else 4)
    return threshold


def curating_threshold(counts: Counts, metadata: Metadata, threshold: int | None, tail_fraction: float | None) -> int:
    """Return the t that `curate` draws with: given, or by tail fraction.

    Raises:
        ConfigError: both are given, or the one that is given is none.
    """
    if threshold is None:
        return _nearest_threshold(counts, metadata, TAIL_FRACTION if tail_fraction is None else tail_fraction, "curate")
    if tail_fraction is not None:
        raise ConfigError("curate: threshold and tail_fraction say the same thing in two ways; give one of them.")
    return checked_threshold(threshold)


def as_table(counts: Counts, verb: str, *wanted: str) -> pa.Table:
    """Return counts as a pyarrow Table, ids as int32; a DataFrame's rows (at most one an entry) come to the driver.

    Raises:
        InputError: a column is missing, or the counts are of more than one entry list.
    """
    names = counts.column_names if isinstance(counts, pa.Table) else counts.columns
    need_names(names, verb, ["entry_id", *wanted], _COUNT_HINT)
    kept = [name for name in ("entry_id", "count", "probability", "metadata_id") if name in names]
    table = counts.select(kept) if isinstance(counts, pa.Table) else counts.select(*kept).toArrow()
    lists = table["metadata_id"].unique().to_pylist() if "metadata_id" in kept else []
    if len(lists) > 1:
        raise InputError(f"{verb}: the counts are of {len(lists)} entry lists; keep the rows of one metadata_id.")
    return table.set_column(0, "entry_id", table["entry_id"].cast(pa.int32()))


def count_array(counts: pa.Table, n_entries: int = 0) -> np.ndarray:
    """Return counts by entry id, int64; several rows of an entry (one a snapshot) add up.

    Args:
        n_entries: the length wanted; ids beyond it make it longer.
    """
    ids = counts["entry_id"].to_numpy()
    by_entry = np.zeros(max(n_entries, int(ids.max()) + 1 if len(ids) else 0), dtype=np.int64)
    np.add.at(by_entry, ids, counts["count"].to_numpy())
    return by_entry


def entry_probabilities(counts: Counts, threshold: int | None) -> np.ndarray:
    """Return entry probabilities by entry id, float64; NaN for an entry without a row.

    Args:
        counts: with `count`, and then t is needed; or with `probability`, as in the table `entry_probabilities`.

    Raises:
        ConfigError: t is missing or none.
        InputError: counts without the columns, or with several probabilities for an entry.
    """
    names = counts.column_names if isinstance(counts, pa.Table) else counts.columns
    if threshold is None and "probability" not in names:
        raise ConfigError(
            "balance: t is missing; give threshold=..., or counts with a column 'probability'. "
            "choose_threshold(counts, metadata) gives the t of a tail fraction."
        )
    table = as_table(counts, "balance", "probability" if threshold is None else "count")
    ids = table["entry_id"].to_numpy()
    if threshold is not None:
        summed = count_array(table)
        found = np.where(summed > 0, entry_probability(summed, checked_threshold(threshold)), np.nan)
        return found
    if len(np.unique(ids)) < len(ids):
        raise InputError("balance: an entry has several probabilities; keep the rows of one run_id.")
    return by_entry(ids, table["probability"].to_numpy(), missing=np.nan)


def swept(counts: Counts, thresholds: Sequence[int] | None) -> tuple[np.ndarray, list[int]]:
    """Return counts by entry id, int64, and the t to sweep, ascending: those given, else 1, 2, 5, 10, ...

    Raises:
        ConfigError: a t that is none, or an empty list of them.
        InputError: counts without the column `count`.
    """
    by_entry = count_array(as_table(counts, "sweep", "count"))
    if thresholds is None:
        return by_entry, round_thresholds(int(by_entry.max(initial=1)))
    if not len(thresholds):
        raise ConfigError("sweep: thresholds is empty; expected at least one t, or leave it out.")
    return by_entry, sorted({checked_threshold(threshold) for threshold in thresholds})


def key_columns(
    columns: Sequence[str], verb: str, key: str | None, url_column: str, text_column: str
) -> tuple[str, ...]:
    """Return the columns that key a row's draw: one (a key), or two (url and text, whose `pair_id` is the key).

    Raises:
        InputError: the column named is missing, or there is nothing to key the draw by.
    """
    if key is not None:
        need_names(columns, verb, [key], "key names the column that identifies a row.")
        return (key,)
    if "pair_id" in columns:
        return ("pair_id",)
    if url_column in columns and text_column in columns:
        return (url_column, text_column)
    missing = url_column if url_column not in columns else text_column
    raise InputError(
        f"{verb}: whether a row is kept depends on a draw, which is a function of the row's key and the seed, and "
        f"there is no key: column {missing!r} is missing; got {list(columns)}. Name the column that identifies a row "
        "(key='...': strings or integers), or the image's url (url_column='...')."
    )


def image_column(columns: Sequence[str], unit: str, url_column: str) -> str | None:
    """Return the column that says which image a row is of: `image_id`, else the url's; None where pairs are drawn.

    Raises:
        ConfigError: a unit that is none.
        InputError: neither column is there.
    """
    if unit not in ("pair", "image"):
        raise ConfigError(f"unit must be pair or image, got {unit!r}.")
    if unit == "pair":
        return None
    if "image_id" not in columns:
        need_names(columns, "balance", [url_column], "unit='image' needs the image: its url, or a column 'image_id'.")
        return url_column
    return "image_id"


def null_key(keys: Sequence[str]) -> str:
    """Return what is said of a row whose key is null."""
    what = f"column {keys[0]!r}" if len(keys) == 1 else f"column {keys[0]!r} or {keys[1]!r}"
    return f"a matched row has no key: {what} is null; the draw needs one. Drop such rows, or name another key."


def refuse_taken(columns: Sequence[str], verb: str, added: Sequence[str]) -> None:
    """Refuse columns that a verb would add a second time; as in Spark, case makes no difference.

    Raises:
        InputError: a name is taken.
    """
    for name in columns:
        if name.lower() in added:
            raise InputError(f"{verb} adds the column {name.lower()!r}, and there is one; drop or rename it first.")


def refuse_other(value: Any, wanted: str, use: str) -> TypeError:
    """Return the error for a table of another kind."""
    return TypeError(f"expected {wanted}, got {type(value).__module__}.{type(value).__name__}; {use}")
