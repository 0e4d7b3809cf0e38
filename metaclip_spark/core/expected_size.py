"""Compute expected sizes at many t in one pass over matched entries: exact, order-independent sums of p and p(1 - p).

For each pair, the products of all t are computed side by side, over the ids in ascending order. Each p equals that of
`sampling.pair_probability`, bit for bit. Entries with equal counts share a row of factors, and so do the entries
that are tail at every t. So the factors stay in the processor's cache.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from metaclip_spark.core.entry_lists import list_layout
from metaclip_spark.core.jit import kernel
from metaclip_spark.core.sampling import entry_probability, from_fixed_point, tail_fraction
from metaclip_spark.core.worldwide.sections import Sections
from metaclip_spark.core.worldwide.thresholds import FRACTION_STEPS, LanguageThresholds
from metaclip_spark.errors import InputError

EXPECTED_DDL = (
    "text_source string, lang string, threshold bigint, pairs bigint, matched bigint, "
    "expected_high bigint, expected_low bigint, variance_high bigint, variance_low bigint"
)
"""One row per group of pairs and t: pairs, matched pairs, and sums in the form of `sampling.fixed_point`."""

SIZES = pa.schema(
    [
        ("threshold", pa.int64()),
        ("expected_size", pa.float64()),
        ("expected_sd", pa.float64()),
        ("tail_fraction", pa.float64()),
        ("entries_head", pa.int64()),
        ("entries_tail", pa.int64()),
        ("counts_head", pa.int64()),
        ("counts_tail", pa.int64()),
    ]
)
"""One row per t: the expected size of the subset, and how counts divide into head and tail."""
LANGUAGE_SIZES = pa.schema(
    [("fraction", pa.float64()), *SIZES, ("thresholds", pa.map_(pa.string(), pa.int64()))],
)
"""One row per tail fraction, where each language has its t: `threshold` is the t that stands for all, and `thresholds`
has language -> t."""
_COLUMNS = ("expected_high", "expected_low", "variance_high", "variance_low")
_NEVER = -1
_COARSE = 1.5 * 2.0**26
"""Adding and subtracting this constant rounds a value in [0, 1] to a multiple of 2**-26. Adding and subtracting 0.5
rounds a value in [0, 1/4] to a multiple of 2**-53."""


class Thresholds:
    """The t of a sweep, and the factors of every entry at each t.

    Attributes:
        values: int64, ascending, shape (k,): the t; or what stands for them where each language has a t of its own.
        rows: int32, by entry id: the entry's row of factors; -1 for an entry that was never counted.
    """

    def __init__(
        self,
        counts: npt.NDArray[np.int64],
        values: Sequence[int],
        by_section: Sequence[LanguageThresholds] | None = None,
    ) -> None:
        """Take counts (int64, by entry id, 0 for an entry without a match) and at least one t.

        Args:
            by_section: for each of `values`, the t of every section of the list; each of them at least as high as the
                one before it. None: the values are t of all entries.
        """
        given = np.asarray(values, dtype=np.int64)
        self.values, first = np.unique(given, return_index=True)
        if by_section is None:
            sections, t = Sections.whole(len(counts)), self.values[None, :]
        else:
            chosen = [by_section[at] for at in first.tolist()]
            sections = chosen[0].sections
            t = np.stack([one.values for one in chosen], axis=1)
        # Row 0 belongs to the entries with p = 1 at every t: their counts are at most the smallest t. The other rows
        # belong to the entries of a section with the same count.
        self.rows = np.full(len(counts), _NEVER, dtype=np.int32)
        row_counts, row_t = [t[:1, 0]], [t[:1]]
        number = 1
        for section, (part, at) in enumerate(zip(sections.parts(counts), sections.starts, strict=False)):
            least = t[section, 0]
            distinct, rows = np.unique(part[part > least], return_inverse=True)
            of_part = self.rows[at : at + len(part)]
            of_part[(part > 0) & (part <= least)] = 0
            of_part[part > least] = number + rows
            row_counts.append(distinct)
            row_t.append(np.broadcast_to(t[section], (len(distinct), len(self.values))))
            number += len(distinct)
        self._counts, self._t = np.concatenate(row_counts), np.concatenate(row_t)

    def misses(self) -> npt.NDArray[np.float64]:
        """Return 1 - p(entry) by row and t, float64, shape (rows, k)."""
        return np.stack([1.0 - entry_probability(self._counts, t) for t in self._t.T], axis=1)


class ExpectedSums:
    """Sums of p and p(1 - p) over the batches that were added, by text source and language."""

    def __init__(self, thresholds: Thresholds) -> None:
        self._values = thresholds.values
        self._rows, self._misses = thresholds.rows, thresholds.misses()
        self._groups: dict[tuple[str | None, str | None], int] = {}
        self._counted = np.zeros((0, 3), dtype=np.int64)
        self._sums = np.zeros((0, 4, len(self._values)), dtype=np.int64)

    def add(
        self,
        entry_ids: pa.ListArray,
        text_source: pa.Array | None = None,
        lang: pa.Array | None = None,
        weights: npt.NDArray[np.float64] | None = None,
    ) -> None:
        """Add a batch of fewer than 2**26 pairs.

        Args:
            entry_ids: `list<int32>`, ascending; null or empty where nothing matched.
            text_source, lang: strings, the groups of the sums; both or neither.
            weights: float64 in [0, 1], the factor of each pair's probability; None: every pair weighs 1.

        Raises:
            InputError: a pair matches an entry that was never counted.
        """
        groups = self._group_numbers(len(entry_ids), text_source, lang)
        offsets, ids = list_layout(entry_ids)
        parts = np.zeros((len(self._groups), 4, len(self._values)))
        factors = np.zeros(0) if weights is None else weights
        if not _add(offsets, ids, self._rows, self._misses, groups, factors, self._counted, parts):
            raise InputError("a pair matches an entry that was never counted: pairs and counts differ; run count again")
        # Sums of multiples of 2**-26 and of remainders below it are exact in float64. Scaled, they are whole numbers.
        self._sums += (parts * np.array([2.0**26, 2.0**53, 2.0**26, 2.0**53])[:, None]).astype(np.int64)

    def to_arrow(self) -> pa.RecordBatch:
        """Return the sums with the columns of EXPECTED_DDL, one row per group and t."""
        k, groups = len(self._values), list(self._groups)
        sums = self._sums.copy()
        sums[:, 0] += self._counted[:, 2:] << 26  # pairs with p = 1 are counted, not summed
        return pa.record_batch(
            {
                "text_source": pa.array([source for source, _ in groups for _ in range(k)], pa.string()),
                "lang": pa.array([lang for _, lang in groups for _ in range(k)], pa.string()),
                "threshold": pa.array(np.tile(self._values, len(groups))),
                "pairs": pa.array(np.repeat(self._counted[:, 0], k)),
                "matched": pa.array(np.repeat(self._counted[:, 1], k)),
                **{name: pa.array(sums[:, at].ravel()) for at, name in enumerate(_COLUMNS)},
            }
        )

    def _group_numbers(self, length: int, text_source: pa.Array | None, lang: pa.Array | None) -> npt.NDArray[np.int32]:
        """Return the number of each pair's group, int32, and extend the sums by the new groups."""
        if text_source is None or lang is None:
            numbers = np.zeros(length, dtype=np.int32)
            self._groups.setdefault((None, None), 0)
        else:
            sources, langs = (pc.dictionary_encode(column, null_encoding="encode") for column in (text_source, lang))
            width = max(1, len(langs.dictionary))
            codes = sources.indices.to_numpy() * width + langs.indices.to_numpy()
            number_of = np.zeros(width * max(1, len(sources.dictionary)), dtype=np.int32)
            for code in np.flatnonzero(np.bincount(codes, minlength=1)):
                group = sources.dictionary[code // width].as_py(), langs.dictionary[code % width].as_py()
                number_of[code] = self._groups.setdefault(group, len(self._groups))
            numbers = number_of[codes]
        new = len(self._groups) - len(self._sums)
        self._counted = np.concatenate([self._counted, np.zeros((new, *self._counted.shape[1:]), np.int64)])
        self._sums = np.concatenate([self._sums, np.zeros((new, *self._sums.shape[1:]), np.int64)])
        return numbers


def sizes_at(
    sums: pa.Table,
    counts: npt.NDArray[np.int64],
    thresholds: Sequence[int],
    by_section: Sequence[LanguageThresholds] | None = None,
) -> pa.Table:
    """Return one row per value: the expected size of the subset, and how the counts divide into head and tail.

    Args:
        sums: rows of EXPECTED_DDL, of any groups, with integer or decimal sums; no rows for an empty pool.
        counts: int64, by entry id, zeros included.
        thresholds: the t, or the tail fractions in millionths where each language has its t.
        by_section: as `Thresholds` takes it, the t of each language at each fraction.

    Returns:
        `threshold` (int64); `expected_size` and `expected_sd`, the mean and the standard deviation of the subset's size
        in pairs; `tail_fraction`, the share of all counts in entries with count < t (float64); `entries_head` and
        `entries_tail`, the matched entries with count >= t and count < t; `counts_head` and `counts_tail`, the sums of
        their counts (int64). With `by_section`, rows of `LANGUAGE_SIZES`.
    """
    totals: dict[int, list[int]] = {int(t): [0, 0, 0, 0] for t in thresholds}
    for row in sums.select(["threshold", *_COLUMNS]).to_pylist():
        total = totals[row["threshold"]]
        total[:] = [before + int(row[name]) for before, name in zip(total, _COLUMNS, strict=True)]
    if by_section is None:
        rows = [{"threshold": t, **_size_at(t, total, counts)} for t, total in totals.items()]
        return pa.Table.from_pylist(rows, SIZES)
    of_languages: list[dict[str, object]] = [
        {
            "fraction": value / FRACTION_STEPS,
            "threshold": chosen.main,
            "thresholds": list(chosen.by_name.items()),
            **_size_at(chosen.by_entry, totals[value], counts),
        }
        for value, chosen in zip(map(int, thresholds), by_section, strict=True)
    ]
    return pa.Table.from_pylist(of_languages, LANGUAGE_SIZES)


def _size_at(t: int | npt.NDArray[np.int64], total: Sequence[int], counts: npt.NDArray[np.int64]) -> dict[str, float]:
    expected_high, expected_low, variance_high, variance_low = total
    head = counts >= t
    return {
        "expected_size": from_fixed_point(expected_high, expected_low),
        "expected_sd": math.sqrt(from_fixed_point(variance_high, variance_low)),
        "tail_fraction": tail_fraction(counts, t),
        "entries_head": int(head.sum()),
        "entries_tail": int((~head & (counts > 0)).sum()),
        "counts_head": int(counts[head].sum()),
        "counts_tail": int(counts[~head].sum()),
    }


@kernel
def _add(
    offsets: npt.NDArray[np.int64],
    ids: npt.NDArray[np.int32],
    rows: npt.NDArray[np.int32],
    misses: npt.NDArray[np.float64],
    groups: npt.NDArray[np.int32],
    weights: npt.NDArray[np.float64],
    counted: npt.NDArray[np.int64],
    sums: npt.NDArray[np.float64],
) -> bool:
    """Add p and p(1 - p) of each pair at every t to the sums of its group; return False for an id without a count.

    Args:
        offsets, ids: int64 and int32; the ids of pair i are `ids[offsets[i]:offsets[i + 1]]`.
        rows: int32, by entry id; -1: never counted; 0: p = 1 at every t.
        misses: float64, shape (rows, k).
        groups: int32, shape (pairs,).
        weights: float64 in [0, 1], shape (pairs,), factors of p; empty: every pair weighs 1.
        counted: int64, shape (groups, 3): the pairs, the matched pairs, and the pairs with p = 1 at every t.
        sums: float64, shape (groups, 4, k): p and p(1 - p), rounded to 2**-53, as multiples of 2**-26 and remainders.
    """
    k = misses.shape[1]
    product = np.empty(k)
    for pair in range(len(groups)):
        begin, end, group = offsets[pair], offsets[pair + 1], groups[pair]
        weight = weights[pair] if len(weights) else 1.0
        counted[group, 0] += 1
        if begin == end:
            continue
        counted[group, 1] += 1
        certain = False
        for at in range(begin, end):
            entry = ids[at]
            if entry >= len(rows) or rows[entry] < 0:
                return False
            certain |= rows[entry] == 0
        if certain and weight == 1.0:
            counted[group, 2] += 1
            continue
        first = misses[rows[ids[begin]]]
        for t in range(k):
            product[t] = first[t]
        for at in range(begin + 1, end):
            factor = misses[rows[ids[at]]]
            for t in range(k):
                product[t] *= factor[t]
        high, low, wide, narrow = sums[group, 0], sums[group, 1], sums[group, 2], sums[group, 3]
        for t in range(k):
            p = (1.0 - product[t]) * weight
            v = (p * (1.0 - p) + 0.5) - 0.5
            if p < 0.5:  # the product with a weight may have more digits; from 1/2 on, float64 has none below 2**-53
                p = (p + 0.5) - 0.5
            coarse = (p + _COARSE) - _COARSE
            high[t] += coarse
            low[t] += p - coarse
            coarse = (v + _COARSE) - _COARSE
            wide[t] += coarse
            narrow[t] += v - coarse
    return True
