"""Assemble ranked sources into one list: within a budget, each entry once, by source and then by rank.

Source: "Demystifying CLIP Data" (arXiv 2309.16671), section 3.1: WordNet, words, bigrams, titles; 500,000 entries.
"""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from metaclip_spark.metadata.load import never_matching
from metaclip_spark.metadata.ngrams import Ranking

BUDGET = 500_000
"""The paper's number of entries."""
MAX_CHARS = 256
"""Maximum length of an entry in characters, as in the code of the paper's successor."""

PUNCTUATION = frozenset(string.punctuation)
"""ASCII punctuation: an entry of nothing else is dropped."""


@dataclass(frozen=True)
class Part:
    """A source's ranked entries, and the maximum number to take from them.

    Attributes:
        name: The name of the source in the sidecar and the provenance.
        ranking: Its entries, the best first.
        limit: Maximum number of entries that no earlier source has; None is no limit.
        any_length: Keep entries of more than 256 characters, too.
    """

    name: str
    ranking: Ranking
    limit: int | None = None
    any_length: bool = False


@dataclass
class SourceCounts:
    """The numbers of entries that one source offered and that the list took.

    The names of the attributes are keys of the JSON that `metadata build --json` prints.

    Attributes:
        name: The source.
        read: Number of candidates that were read.
        offered: Number of ranked entries.
        taken: Number of entries that the list took from this source.
        first_id: The id of the first of these entries; None if there are none.
        cut: Number of candidates that were not taken, by reason.
    """

    name: str
    read: int
    offered: int
    taken: int = 0
    first_id: int | None = None
    cut: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        """Return the numbers as JSON has them."""
        return {**vars(self), "cut": dict(self.cut)}


@dataclass
class AssembledList:
    """An entry list, and the source of each entry. `entries`, `sources`, `ranks` and `scores` have the same length.

    Attributes:
        entries: The entries in the order of their ids.
        sources: The source of each entry, as an index into `source_counts`.
        ranks: The rank of each entry in its source, from 0.
        scores: The score of each entry in its source.
        also_in: Entry id to the later sources that offered the entry too, as indexes into `source_counts`. An entry
            without such a source has no item.
        source_counts: The counts of each source, in the order of the sources.
    """

    entries: list[str] = field(default_factory=list)
    sources: list[int] = field(default_factory=list)
    ranks: list[int] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    also_in: dict[int, list[int]] = field(default_factory=dict)
    source_counts: list[SourceCounts] = field(default_factory=list)


def assemble(
    parts: Sequence[Part],
    budget: int | None = BUDGET,
    drop_never_matching: bool = False,
    punctuation: frozenset[str] = PUNCTUATION,
) -> AssembledList:
    """Take entries from the sources in order until the budget is full.

    The first source that offers an entry determines its position. Entries of punctuation alone and entries of more than
    256 characters are dropped.

    Args:
        parts: The sources in order.
        budget: Maximum number of entries in the list; None is no limit.
        drop_never_matching: Drop entries that no text can match. The paper's own list keeps them.
        punctuation: Characters; an entry of nothing else is dropped.

    Returns:
        The list, with the number of dropped candidates by source and reason.

    Example:
        >>> from metaclip_spark.metadata.ngrams import RankedEntry
        >>> words = Ranking([RankedEntry("cat", 9.0), RankedEntry("!", 8.0)], 2, {})
        >>> titles = Ranking([RankedEntry("cat", 5.0), RankedEntry("New York", 4.0)], 2, {})
        >>> result = assemble([Part("words", words), Part("titles", titles)])
        >>> result.entries, dict(result.source_counts[1].cut)
        (['cat', 'New York'], {'brought by an earlier source': 1})
    """
    result = AssembledList()
    ids: dict[str, int] = {}
    for index, part in enumerate(parts):
        ranked = part.ranking.entries
        counts = SourceCounts(part.name, part.ranking.candidates, len(ranked), cut=Counter(part.ranking.excluded))
        impossible = never_matching([entry for entry, _ in ranked]) if drop_never_matching else None
        for rank, (entry, score) in enumerate(ranked):
            longest = None if part.any_length else MAX_CHARS
            reason = _drop_reason(entry, bool(impossible is not None and impossible[rank]), punctuation, longest)
            if reason is None and entry in ids:
                same = result.sources[ids[entry]] == index
                reason = "repeated" if same else "brought by an earlier source"
                if not same:
                    result.also_in.setdefault(ids[entry], []).append(index)
            elif reason is None and part.limit is not None and counts.taken >= part.limit:
                reason = "not among the best"
            elif reason is None and budget is not None and len(result.entries) >= budget:
                reason = f"over the budget of {budget:,}"
            if reason is not None:
                counts.cut[reason] += 1
                continue
            ids[entry] = len(result.entries)
            counts.first_id = len(result.entries) if counts.first_id is None else counts.first_id
            counts.taken += 1
            result.entries.append(entry)
            result.sources.append(index)
            result.ranks.append(rank)
            result.scores.append(score)
        counts.cut = Counter({reason: number for reason, number in counts.cut.items() if number})
        result.source_counts.append(counts)
    return result


def _drop_reason(entry: str, impossible: bool, punctuation: frozenset[str], longest: int | None) -> str | None:
    if not entry or entry.isspace():
        return "blank"
    if punctuation.issuperset(entry):
        return "punctuation alone"
    if longest is not None and len(entry) > longest:
        return f"over {longest} characters"
    return "can never match" if impossible else None
