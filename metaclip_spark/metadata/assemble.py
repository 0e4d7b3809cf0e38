"""Putting sources together: one list within a budget, each entry once, in the order of sources and of ranks in them.

Source: "Demystifying CLIP Data" (arXiv 2309.16671), section 3.1: WordNet, words, bigrams, titles; 500,000 entries.
"""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from metaclip_spark.metadata.load import never_matching
from metaclip_spark.metadata.ngrams import Offer

BUDGET = 500_000
"""The paper's number of entries."""
MAX_CHARS = 256
"""Longer entries are left out, as the paper's successor does."""

_PUNCTUATION = frozenset(string.punctuation)


@dataclass(frozen=True)
class Part:
    """A source's offer, and how many of its entries may be taken.

    Attributes:
        name: What the source is called in the sidecar and the provenance.
        offer: Its entries, the best first.
        most: At most so many that no earlier source brought; None is no limit.
    """

    name: str
    offer: Offer
    most: int | None = None


@dataclass
class Taken:
    """What became of one source.

    Attributes:
        name: The source.
        read: Candidates that it was read from.
        offered: Entries that it offered.
        taken: Entries that it brought into the list.
        first_id: The id of its first entry; None if it brought none.
        cut: How many were not taken, by reason.
    """

    name: str
    read: int
    offered: int
    taken: int = 0
    first_id: int | None = None
    cut: Counter[str] = field(default_factory=Counter)


@dataclass
class Assembled:
    """The list, and for each entry where it is from; all lists are of one length.

    Attributes:
        entries: The entries in the order of their ids.
        sources: The source of each, as an index into `taken`.
        ranks: The entry's rank among what its source offered, from 0.
        scores: What ranks it there.
        also_in: Later sources that offered it too, as indexes into `taken`; only of entries that have any.
        taken: What became of each source.
    """

    entries: list[str] = field(default_factory=list)
    sources: list[int] = field(default_factory=list)
    ranks: list[int] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    also_in: dict[int, list[int]] = field(default_factory=dict)
    taken: list[Taken] = field(default_factory=list)


def assemble(parts: Sequence[Part], budget: int = BUDGET, drop_never_matching: bool = False) -> Assembled:
    """Takes the sources one after the other until the budget is full.

    An entry stands where it is first offered. Entries of punctuation alone or of more than 256 characters
    are left out.

    Args:
        parts: The sources in order.
        budget: How many entries the list may have.
        drop_never_matching: Leave out entries that no text can match; the paper's own list keeps them.

    Returns:
        The list; what was cut is counted by source and reason.

    Example:
        >>> from metaclip_spark.metadata.ngrams import Ranked
        >>> words = Offer([Ranked("cat", 9.0), Ranked("!", 8.0)], 2, {})
        >>> titles = Offer([Ranked("cat", 5.0), Ranked("New York", 4.0)], 2, {})
        >>> built = assemble([Part("words", words), Part("titles", titles)])
        >>> built.entries, dict(built.taken[1].cut)
        (['cat', 'New York'], {'brought by an earlier source': 1})
    """
    built = Assembled()
    ids: dict[str, int] = {}
    for index, part in enumerate(parts):
        ranked = part.offer.ranked
        note = Taken(part.name, part.offer.read, len(ranked), cut=Counter(part.offer.left_out))
        impossible = never_matching([entry for entry, _ in ranked]) if drop_never_matching else None
        for rank, (entry, score) in enumerate(ranked):
            reason = _cut_reason(entry, bool(impossible is not None and impossible[rank]))
            if reason is None and entry in ids:
                same = built.sources[ids[entry]] == index
                reason = "repeated" if same else "brought by an earlier source"
                if not same:
                    built.also_in.setdefault(ids[entry], []).append(index)
            elif reason is None and part.most is not None and note.taken >= part.most:
                reason = "not among the best"
            elif reason is None and len(built.entries) >= budget:
                reason = f"over the budget of {budget:,}"
            if reason is not None:
                note.cut[reason] += 1
                continue
            ids[entry] = len(built.entries)
            note.first_id = len(built.entries) if note.first_id is None else note.first_id
            note.taken += 1
            built.entries.append(entry)
            built.sources.append(index)
            built.ranks.append(rank)
            built.scores.append(score)
        note.cut = Counter({reason: number for reason, number in note.cut.items() if number})
        built.taken.append(note)
    return built


def _cut_reason(entry: str, impossible: bool) -> str | None:
    if not entry or entry.isspace():
        return "blank"
    if _PUNCTUATION.issuperset(entry):
        return "punctuation alone"
    if len(entry) > MAX_CHARS:
        return f"over {MAX_CHARS} characters"
    return "can never match" if impossible else None
