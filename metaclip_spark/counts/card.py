"""A card of counts: the entry counts of a pool, without its pairs."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from metaclip_spark.core.wording import counted
from metaclip_spark.errors import InputError

FORMAT = "metaclip-spark counts"
VERSION = 1
"""The version of the format. A name that changes its meaning needs a new version; an added name does not."""
UNIT = "pair"
"""What counts: each pair of an image and a text of the whole pool, once, after deduplication."""
MOST = 2**53
"""Maximum count, and maximum sum of the counts of a list: float64 represents these exactly."""


@dataclass(frozen=True)
class ListCounts:
    """The counts of the entries of one list.

    Attributes:
        entries: number of entries of the list, those without a match included.
        pairs: number of pairs that match an entry of the list.
        counts: entry -> count, at least 1, in the order of the entries' characters.
    """

    entries: int
    pairs: int
    counts: Mapping[str, int] = field(repr=False)

    @property
    def total(self) -> int:
        """Sum of the counts."""
        return sum(self.counts.values())

    @property
    def plain(self) -> dict[str, Any]:
        """The counts as plain values, as they are in a card."""
        sums = {"entries": self.entries, "counted": len(self.counts), "pairs": self.pairs, "total": self.total}
        return {**sums, "counts": dict(self.counts)}


@dataclass(frozen=True)
class CountsCard:
    """The entry counts of a pool.

    Attributes:
        metadata_id: the id of the entry list, or of the lists of all languages.
        snapshots: the snapshots that were counted, in order.
        lists: language -> counts of its list; `und` for one list.
        merged: ids of the cards that were added, in order; empty for the card of a pool.
    """

    metadata_id: str
    snapshots: tuple[str, ...]
    lists: Mapping[str, ListCounts]
    merged: tuple[str, ...] = ()

    @property
    def pairs(self) -> int:
        """Number of pairs that match an entry."""
        return sum(each.pairs for each in self.lists.values())

    @property
    def total(self) -> int:
        """Sum of all counts."""
        return sum(each.total for each in self.lists.values())

    @property
    def counted(self) -> int:
        """Number of entries with a count."""
        return sum(len(each.counts) for each in self.lists.values())

    @property
    def cards(self) -> frozenset[str]:
        """Ids of the cards that this one holds: its own, and those that were added."""
        return frozenset((self.card_id, *self.merged))

    @cached_property
    def card_id(self) -> str:
        """sha256 of what the card says, in hex."""
        canonical = json.dumps(self._content, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    @property
    def _content(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "version": VERSION,
            "unit": UNIT,
            "metadata_id": self.metadata_id,
            "snapshots": list(self.snapshots),
            "merged": list(self.merged),
            "pairs": self.pairs,
            "total": self.total,
            "lists": {name: self.lists[name].plain for name in sorted(self.lists)},
        }

    @property
    def plain(self) -> dict[str, Any]:
        """The card as plain values: its head first, the counts last."""
        content = self._content
        lists = content.pop("lists")
        return {**content, "card_id": self.card_id, "lists": lists}


def merge(cards: Sequence[tuple[str, CountsCard]]) -> CountsCard:
    """Add the counts of several cards of the same list; their order makes no difference.

    Args:
        cards: (name in errors, card), at least two.

    Raises:
        InputError: the cards are of different lists, or have a card in common.
    """
    (first_name, first), *others = cards
    known = {card_id: first_name for card_id in first.cards}
    for name, card in others:
        if card.metadata_id != first.metadata_id:
            raise InputError(
                f"{first_name} and {name} count entries of different lists ({first.metadata_id[:16]} and "
                f"{card.metadata_id[:16]}), so their counts cannot be added. Give cards of one list; `match` counts a "
                "pool with another list."
            )
        for card_id in sorted(card.cards):
            if card_id in known:
                raise InputError(
                    f"card {card_id[:16]} is in {known[card_id]} and in {name}: its pairs would count twice. Give "
                    "each card once."
                )
            known[card_id] = name
    every = [card for _, card in cards]
    lists = {}
    for language in sorted({language for card in every for language in card.lists}):
        parts = [card.lists[language] for card in every if language in card.lists]
        sums: Counter[str] = Counter()
        for part in parts:
            sums.update(part.counts)
        lists[language] = ListCounts(
            max(part.entries for part in parts), sum(part.pairs for part in parts), dict(sorted(sums.items()))
        )
        if lists[language].total > MOST:
            raise InputError(f"the counts of list {language!r} sum to more than {MOST:,}, which no pool reaches.")
    leaves = {card_id for card in every for card_id in (card.merged or (card.card_id,))}
    snapshots = sorted({snapshot for card in every for snapshot in card.snapshots})
    return CountsCard(first.metadata_id, tuple(snapshots), lists, tuple(sorted(leaves)))


def repeated_snapshots(cards: Sequence[tuple[str, CountsCard]]) -> list[str]:
    """Return a sentence for each snapshot that several cards name, whose pairs may count twice."""
    names: dict[str, list[str]] = {}
    for name, card in cards:
        for snapshot in card.snapshots:
            names.setdefault(snapshot, []).append(name)
    return [
        f"{' and '.join(of)} both name snapshot {snapshot}"
        if len(of) == 2
        else f"{counted(len(of), 'card')} name snapshot {snapshot}"
        for snapshot, of in sorted(names.items())
        if len(of) > 1
    ]
