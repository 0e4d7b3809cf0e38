"""Compare two cards: their numbers, the differences, and the entries that changed most."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from metaclip_spark.report.card import Card, share
from metaclip_spark.report.card_json import FORMAT, as_plain
from metaclip_spark.report.composition.model import LEAST, Composition, Part, Parts
from metaclip_spark.report.formatting import flat

MOVED = 30
"""Number of entries shown, by count and by kept share."""

_NUMBERS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        "Texts and pairs",
        (
            ("Records", "records_read"),
            ("Texts", "texts_read"),
            ("Matched", "texts_matched"),
            ("Unique pairs", "unique_pairs"),
            ("Opt-outs", "opted_out"),
            ("Passed over", "passed_over"),
            ("Rejects", "rejected"),
        ),
    ),
    (
        "Entries",
        (
            ("Entries", "n_entries"),
            ("Unmatched", "entries_unmatched"),
            ("Tail", "entries_tail"),
            ("Head", "entries_head"),
            ("Counts", "total_counts"),
            ("Counts after", "curated_total_counts"),
            ("Head share", "head_share_of_counts"),
            ("Head share after", "curated_head_share_of_counts"),
            ("Matches per text", "mean_matches"),
            ("Matches per text after", "curated_mean_matches"),
        ),
    ),
    (
        "Balance",
        (
            ("t", "threshold"),
            ("Tail fraction", "tail_fraction"),
            ("Curated subset", "curated_size"),
            ("Pool kept", "kept_share"),
            ("Expected size", "expected_size"),
            ("Standard deviation", "expected_sd"),
        ),
    ),
)
_SHARES = {"head_share_of_counts", "curated_head_share_of_counts", "tail_fraction", "kept_share"}


@dataclass(frozen=True)
class Row:
    """A number of both runs. `kind` is its format: count, share or value."""

    name: str
    key: str
    first: float
    second: float
    kind: str

    @property
    def difference(self) -> float:
        """The second number minus the first."""
        return self.second - self.first


@dataclass(frozen=True)
class Moved:
    """The counts of an entry in both runs."""

    entry: str
    counts: tuple[int, int]
    curated: tuple[int, int]

    @property
    def kept(self) -> tuple[float, float]:
        """Share of the entry's pairs that each run keeps."""
        return share(self.curated[0], self.counts[0]), share(self.curated[1], self.counts[1])


@dataclass(frozen=True)
class PartRow:
    """Pairs of a language, text source or domain in each run; None if a card does not list it."""

    value: str
    pool: tuple[int | None, int | None]
    curated: tuple[int | None, int | None]


@dataclass(frozen=True, eq=False)
class Compared:
    """The comparison of two runs.

    Attributes:
        groups: (title, rows) of numbers.
        parts: (title, rows) of languages, text sources and domains; empty unless both cards have a composition.
        rejects: numbers of rejects by reason.
        by_count: entries whose count in the pool differs most, by |a - b| / sqrt(a + b).
        by_share: entries whose kept share differs most, among those with at least LEAST pairs in both pools.
        settings: (name, first, second) of the settings that differ.
    """

    first: Card
    second: Card
    groups: Sequence[tuple[str, Sequence[Row]]]
    parts: Sequence[tuple[str, Sequence[PartRow]]]
    rejects: Sequence[Row]
    by_count: Sequence[Moved]
    by_share: Sequence[Moved]
    settings: Sequence[tuple[str, str, str]]

    def as_plain(self) -> dict[str, Any]:
        """Return the numbers as plain values, for JSON."""
        rows = [row for _, rows in self.groups for row in rows]
        return {
            "format": FORMAT,
            "compared": [self.first.run_id, self.second.run_id],
            "differences": {
                row.key: {"first": row.first, "second": row.second, "difference": row.difference} for row in rows
            },
            "rejected": {row.key: [row.first, row.second] for row in self.rejects},
            "settings": {name: [first, second] for name, first, second in self.settings},
            "moved_by_count": [_moved_plain(entry) for entry in self.by_count],
            "moved_by_kept_share": [_moved_plain(entry) for entry in self.by_share],
            "cards": [as_plain(self.first), as_plain(self.second)],
        }


def compare(first: Card, second: Card) -> Compared:
    """Compare two cards. Entries of different lists are the same if their strings are equal."""
    entries, counts, curated = _aligned(first, second)
    return Compared(
        first=first,
        second=second,
        groups=[(title, [_row(name, key, first, second) for name, key in rows]) for title, rows in _NUMBERS],
        parts=_parts_of_both(first.composition, second.composition),
        rejects=_rejects(first, second),
        by_count=_moved(_by_count(counts), entries, counts, curated),
        by_share=_moved(_by_share(counts, curated), entries, counts, curated),
        settings=_settings(first, second),
    )


def _row(name: str, key: str, first: Card, second: Card) -> Row:
    values = _value(first, key), _value(second, key)
    kind = "share" if key in _SHARES else "count" if all(isinstance(value, int) for value in values) else "value"
    return Row(name, key, *values, kind)


def _value(card: Card, key: str) -> float:
    value: float | Mapping[str, int] = getattr(card, key)
    return sum(value.values()) if isinstance(value, Mapping) else value


def _aligned(first: Card, second: Card) -> tuple[Callable[[int], str], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the entries of both lists, and their counts in the pools and in the subsets, int64[2, entries]."""
    if first.metadata_id == second.metadata_id:
        return (
            first.entry,
            np.stack([first.entry_counts, second.entry_counts]),
            np.stack([first.curated_entry_counts, second.curated_entry_counts]),
        )
    names = [[card.entry(at) for at in range(card.n_entries)] for card in (first, second)]
    position = {name: at for at, name in enumerate(dict.fromkeys([*names[0], *names[1]]))}
    counts, curated = np.zeros((2, 2, len(position)), np.int64)
    for at, card in enumerate((first, second)):
        positions = [position[name] for name in names[at]]
        counts[at, positions], curated[at, positions] = card.entry_counts, card.curated_entry_counts
    entries = list(position)
    return entries.__getitem__, counts, curated


def _by_count(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    difference: npt.NDArray[np.float64] = np.abs(counts[1] - counts[0]) / np.sqrt(np.maximum(counts.sum(axis=0), 1))
    return difference


def _by_share(counts: npt.NDArray[np.int64], curated: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    kept = curated / np.maximum(counts, 1)
    return np.where((counts >= LEAST).all(axis=0), np.abs(kept[1] - kept[0]), 0.0)


def _moved(
    difference: npt.NDArray[np.float64],
    entries: Callable[[int], str],
    counts: npt.NDArray[np.int64],
    curated: npt.NDArray[np.int64],
) -> list[Moved]:
    """Return the entries that differ most. Ties are ordered by count, then by position."""
    order = np.lexsort((np.arange(len(difference)), -counts.sum(axis=0), -difference))[:MOVED]
    return [
        Moved(entries(int(at)), (int(counts[0, at]), int(counts[1, at])), (int(curated[0, at]), int(curated[1, at])))
        for at in order
        if difference[at] > 0
    ]


def _parts_of_both(first: Composition | None, second: Composition | None) -> list[tuple[str, list[PartRow]]]:
    if first is None or second is None:
        return []
    kinds = (("Languages", "languages"), ("Text sources", "text_sources"), ("Image domains", "domains"))
    return [(title, _part_rows(getattr(first, name), getattr(second, name))) for title, name in kinds]


def _part_rows(first: Parts, second: Parts, shown: int = 15) -> list[PartRow]:
    listed = [{part.value: part for part in parts.listed} for parts in (first, second)]
    # A value that is missing from a complete list has no pairs. If the list is incomplete, the number is unknown.
    unlisted = [Part("", 0, 0) if parts.values == len(parts.listed) else None for parts in (first, second)]
    values = list(dict.fromkeys([part.value for parts in (first, second) for part in parts.listed[:shown]]))
    rows = []
    for value in values:
        a, b = (parts.get(value, other) for parts, other in zip(listed, unlisted, strict=True))
        pool = (a.pool if a else None, b.pool if b else None)
        curated = (a.curated if a else None, b.curated if b else None)
        rows.append(PartRow(value, pool, curated))
    return rows


def _rejects(first: Card, second: Card) -> list[Row]:
    reasons = {**first.rejected, **second.rejected}
    rows = [Row(why, why, first.rejected.get(why, 0), second.rejected.get(why, 0), "count") for why in reasons]
    return sorted(rows, key=lambda row: (-row.first - row.second, row.name))


def _settings(first: Card, second: Card) -> list[tuple[str, str, str]]:
    both = [dict(flat(card.config)) for card in (first, second)]
    names = sorted({*both[0], *both[1]})
    return [
        (name, both[0].get(name, "not set"), both[1].get(name, "not set"))
        for name in names
        if both[0].get(name) != both[1].get(name)
    ]


def _moved_plain(moved: Moved) -> dict[str, Any]:
    return {
        "entry": moved.entry,
        "pool": list(moved.counts),
        "curated": list(moved.curated),
        "kept_share": list(moved.kept),
    }
