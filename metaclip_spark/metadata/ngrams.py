"""Words and bigrams as sources of entries.

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
"""The paper's floor under a word's count."""
MIN_PMI = 30.0
"""The paper's floor under a bigram's PMI, in bits: its list was made with NLTK's measure, a logarithm to base 2."""

WordCase = Literal["source", "both"]


class Ranked(NamedTuple):
    """An entry that a source offers, and what ranks it there (a count, a PMI, page views)."""

    entry: str
    score: float


class Offer(NamedTuple):
    """What a source offers.

    Attributes:
        ranked: Entries, the best first.
        read: How many candidates were read.
        left_out: How many were not offered, by reason.
    """

    ranked: list[Ranked]
    read: int
    left_out: dict[str, int]


def unigram_entries(counts: Mapping[str, int], min_count: int = MIN_COUNT, case: WordCase = "source") -> Offer:
    """Ranks words by count.

    Args:
        counts: Word to count.
        min_count: Words with a lower count are left out.
        case: `source` takes words as they are counted. `both` is for counts without case: each word is
            followed by itself with a capital, so that `the` and `The` are both entries.

    Returns:
        Words by descending count, equal counts by code points.

    Example:
        >>> [word for word, _ in unigram_entries({"cat": 100, "the": 900, "rare": 99}, case="both").ranked]
        ['the', 'The', 'cat', 'Cat']
    """
    kept = sorted((-count, word) for word, count in counts.items() if count >= min_count)
    ranked = [Ranked(form, float(-count)) for count, word in kept for form in _forms(word, case)]
    return Offer(ranked, len(counts), {f"count under {min_count}": len(counts) - len(kept)})


def _forms(word: str, case: WordCase) -> tuple[str, ...]:
    if case == "source":
        return (word,)
    capital = word[:1].upper() + word[1:]
    return (word,) if capital == word else (word, capital)


def pmi(count: int, first: int, second: int, total: int) -> float:
    """Returns a bigram's pointwise mutual information in bits.

    It is NLTK's `BigramAssocMeasures.pmi`: log2(count * total) - log2(first * second). It is at most
    log2(total / count), so a floor of 30 needs more than 2^30 words, and then takes bigrams of words that
    are hardly ever seen apart.

    Args:
        count: How often the two words stand in a row.
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
) -> Offer:
    """Ranks bigrams by PMI; holds in memory those that pass the floor.

    Args:
        bigrams: Bigrams; of one that comes several times the counts that pass the floor are summed.
        counts: Word to count, of all words and not only of those over a floor.
        min_pmi: Bigrams with a lower PMI are left out; None takes all.
        best: Return at most so many.
        total: Count of all words; the sum of `counts` when it is None.

    Returns:
        Bigrams by descending PMI, equal ones by code points.
    """
    total = sum(counts.values()) if total is None else total
    left_out: Counter[str] = Counter()
    passing: dict[tuple[str, str], int] = {}
    read = 0
    for bigram in bigrams:
        read += 1
        words = (bigram.first, bigram.second)
        if not (bigram.count and counts.get(bigram.first) and counts.get(bigram.second)):
            left_out["a word without a count"] += 1
        elif min_pmi is not None and _lift(bigram.count, words, counts, total) < 2.0**min_pmi:
            left_out[f"PMI under {min_pmi:g}"] += 1
        elif words in passing:
            left_out["repeated (summed)"] += 1
            passing[words] += bigram.count
        else:
            passing[words] = bigram.count
    order = sorted((-_lift(count, words, counts, total), " ".join(words)) for words, count in passing.items())
    if best is not None and len(order) > best:
        left_out["not among the best"] = len(order) - best
    ranked = []
    for _, entry in order[:best]:
        first, second = entry.split(" ")
        ranked.append(Ranked(entry, pmi(passing[first, second], counts[first], counts[second], total)))
    return Offer(ranked, read, dict(left_out))


def _lift(count: int, words: tuple[str, str], counts: Mapping[str, int], total: int) -> float:
    # Two whole numbers divided are rounded once and alike on every machine; logarithms are not.
    return (count * total) / (counts[words[0]] * counts[words[1]])
