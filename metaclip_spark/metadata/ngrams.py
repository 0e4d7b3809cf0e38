"""Rank words and bigrams as sources of entries.

Source: "Demystifying CLIP Data" (arXiv 2309.16671), section 3.1: Wikipedia's words with a count of at least 100, and
its bigrams by pointwise mutual information (PMI).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from metaclip_spark.metadata.counts import Bigram

MIN_COUNT = 100
"""The paper's minimum count of a word."""
MIN_PMI = 30.0
"""The paper's minimum PMI of a bigram in bits. The paper's list was made with NLTK's measure, a logarithm to base 2."""

WordCase = Literal["source", "both"]


class RankedEntry(NamedTuple):
    """An entry and the score that ranks it in its source: a count, a PMI or page views."""

    entry: str
    score: float


class Ranking(NamedTuple):
    """The ranked entries of a source.

    Attributes:
        entries: Entries, the best first.
        candidates: Number of candidates that were read.
        excluded: Number of candidates that are not in `entries`, by reason.
    """

    entries: list[RankedEntry]
    candidates: int
    excluded: dict[str, int]


def unigram_entries(counts: Mapping[str, int], min_count: int = MIN_COUNT, case: WordCase = "source") -> Ranking:
    """Rank words by count.

    Args:
        counts: Word to count.
        min_count: Words with a lower count are excluded.
        case: `source` takes the words as they are in `counts`. `both` is for counts that ignore case: it adds the
            capitalized form after each word, so `the` and `The` are both entries.

    Returns:
        Words by descending count; words with equal counts by code points.

    Example:
        >>> [word for word, _ in unigram_entries({"cat": 100, "the": 900, "rare": 99}, case="both").entries]
        ['the', 'The', 'cat', 'Cat']
    """
    kept = sorted((-count, word) for word, count in counts.items() if count >= min_count)
    ranked = [RankedEntry(form, float(-count)) for count, word in kept for form in _forms(word, case)]
    return Ranking(ranked, len(counts), {f"count under {min_count}": len(counts) - len(kept)})


def _forms(word: str, case: WordCase) -> tuple[str, ...]:
    if case == "source":
        return (word,)
    capital = word[:1].upper() + word[1:]
    return (word,) if capital == word else (word, capital)


def pmi(count: int, first: int, second: int, total: int) -> float:
    """Return a bigram's pointwise mutual information in bits.

    The formula is that of NLTK's `BigramAssocMeasures.pmi`: log2(count * total) - log2(first * second). The PMI is at
    most log2(total / count). So a minimum of 30 needs more than 2^30 words, and it selects bigrams whose words rarely
    occur apart.

    Args:
        count: Number of times that the second word follows the first.
        first: Count of the first word.
        second: Count of the second word.
        total: Count of all words.

    Example:
        >>> pmi(count=8, first=8, second=8, total=1024)
        7.0
    """
    return math.log2(count * total) - math.log2(first * second)


def bigram_entries(
    bigrams: Iterable[Bigram],
    counts: Mapping[str, int],
    min_pmi: float | None = MIN_PMI,
    best: int | None = None,
    total: int | None = None,
) -> Ranking:
    """Rank bigrams by PMI. The bigrams that reach the minimum are kept in memory.

    Args:
        bigrams: Bigrams. A bigram may occur several times: the counts that reach the minimum are summed.
        counts: Word to count, for all words, also those under a minimum count.
        min_pmi: Bigrams with a lower PMI are excluded; None excludes none.
        best: Maximum number of bigrams in the result; None is no limit.
        total: Count of all words; None is the sum of `counts`.

    Returns:
        Bigrams by descending PMI; bigrams with equal PMI by code points.
    """
    total = sum(counts.values()) if total is None else total
    excluded: Counter[str] = Counter()
    passing: dict[tuple[str, str], int] = {}
    read = 0
    for bigram in bigrams:
        read += 1
        words = (bigram.first, bigram.second)
        if not (bigram.occurrences and counts.get(bigram.first) and counts.get(bigram.second)):
            excluded["a word without a count"] += 1
        elif min_pmi is not None and _lift(bigram.occurrences, words, counts, total) < 2.0**min_pmi:
            excluded[f"PMI under {min_pmi:g}"] += 1
        elif words in passing:
            excluded["repeated (summed)"] += 1
            passing[words] += bigram.occurrences
        else:
            passing[words] = bigram.occurrences
    order = sorted((-_lift(count, words, counts, total), " ".join(words)) for words, count in passing.items())
    if best is not None and len(order) > best:
        excluded["not among the best"] = len(order) - best
    ranked = []
    for _, entry in order[:best]:
        first, second = entry.split(" ")
        ranked.append(RankedEntry(entry, pmi(passing[first, second], counts[first], counts[second], total)))
    return Ranking(ranked, read, dict(excluded))


def _lift(count: int, words: tuple[str, str], counts: Mapping[str, int], total: int) -> float:
    # A quotient of two integers is rounded once, and alike on every machine. A logarithm is not.
    return (count * total) / (counts[words[0]] * counts[words[1]])
