"""Rank bigrams by the score of MetaCLIP 2.

Source: worldwide curation (arXiv 2507.22062): `(c12 + 1)^0.7 * (PMI - PMI30)`, where PMI30 is the 30th percentile of
the PMI of the language's own bigrams, and only scores over 30 count. The base of the logarithm is not published. It
scales every score alike, so it decides how many bigrams pass the minimum, and not their order.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import xxhash

from metaclip_spark.errors import MetadataError
from metaclip_spark.metadata.counts import Bigram
from metaclip_spark.metadata.ngrams import RankedEntry, Ranking

BigramScore = Literal["pmi", "metaclip2"]

EXPONENT = 0.7
PERCENTILE = 30.0
MIN_SCORE = 30.0
"""Only bigrams with a higher score are entries."""
LOG_BASE = 2.0
"""Base of the logarithm of the PMI, as in the PMI of the paper's own list."""

_DECIMALS = 6
"""Scores are rounded: logarithms differ between machines in their last bits, and an order must not."""


def check_log_base(log_base: float) -> None:
    """Raise MetadataError if a logarithm cannot have this base."""
    if not 1 < log_base < float("inf"):
        raise MetadataError(f"--log-base must be over 1, got {log_base:g}; MetaCLIP 2 does not say which it used.")


class ScoredBigrams(NamedTuple):
    """Bigrams by their score.

    Attributes:
        ranking: The bigrams over the minimum, the best first.
        percentile: PMI30, in units of the logarithm; NaN without bigrams.
    """

    ranking: Ranking
    percentile: float


def metaclip2_entries(
    read: Callable[[], Iterable[Bigram]],
    counts: Mapping[str, int],
    min_score: float = MIN_SCORE,
    best: int | None = None,
    log_base: float = LOG_BASE,
    total: int | None = None,
    joiner: str = " ",
) -> ScoredBigrams:
    """Rank bigrams by `(c12 + 1)^0.7 * (PMI - PMI30)`.

    The bigrams are read twice, and once more if some repeat. In memory are some 60 bytes per bigram, and the strings of
    the best ones.

    Args:
        read: Returns the bigrams from the start, each call anew. The counts of a repeated bigram are summed.
        counts: Word to count, for all words of the corpus of the bigrams.
        min_score: Bigrams whose score is not higher are excluded.
        best: Maximum number of bigrams in the result; None is no limit.
        log_base: Base of the logarithm of the PMI.
        total: Count of all words; None is the sum of `counts`.
        joiner: The text between the words of an entry; empty for languages without spaces.

    Returns:
        Bigrams by descending score, rounded to 6 decimals; bigrams with equal scores by code points.

    Example:
        >>> bigrams = [Bigram("New", "York", 90), Bigram("a", "dog", 5), Bigram("dog", "a", 1)]
        >>> words = {"New": 100, "York": 95, "a": 500, "dog": 80, "the": 9000}
        >>> scored = metaclip2_entries(lambda: bigrams, words)
        >>> [(entry, round(score, 1)) for entry, score in scored.ranking.entries]
        [('New York', 168.7)]
    """
    total = sum(counts.values()) if total is None else total
    occurrences, products, hashes = array("q"), array("d"), array("Q")
    excluded: Counter[str] = Counter()
    for bigram in read():
        product = counts.get(bigram.first, 0) * counts.get(bigram.second, 0)
        usable = bool(product and bigram.occurrences)
        excluded["a word without a count"] += not usable
        occurrences.append(bigram.occurrences if usable else 0)
        products.append(float(product) if usable else 0.0)
        hashes.append(_hash(bigram))
    counted = np.array(occurrences, np.int64)
    excluded["repeated (summed)"] = _sum_repeats(read, counted, np.frombuffer(hashes, np.uint64))
    scores, percentile = _scores(counted, np.frombuffer(products), total, log_base)
    excluded[f"score not over {min_score:g}"] = int(np.sum(scores <= min_score))
    chosen = _chosen(scores, min_score, best)
    ranked = []
    for at, bigram in enumerate(read()):
        if chosen[at]:
            ranked.append(RankedEntry(f"{bigram.first}{joiner}{bigram.second}", float(scores[at])))
    ranked.sort(key=lambda item: (-item.score, item.entry))
    passing = int(np.sum(scores > min_score))
    if best is not None:
        del ranked[best:]
        excluded["not among the best"] = passing - len(ranked)
    reasons = {reason: number for reason, number in excluded.items() if number}
    return ScoredBigrams(Ranking(ranked, len(scores), reasons), percentile)


def _scores(
    occurrences: npt.NDArray[np.int64], products: npt.NDArray[np.float64], total: int, base: float
) -> tuple[npt.NDArray[np.float64], float]:
    """Return the score of each bigram (NaN without counts), shape (n,), and the 30th percentile of the PMI."""
    scores = np.full(len(occurrences), np.nan)
    usable = (products > 0) & (occurrences > 0)
    if not usable.any():
        return scores, float("nan")
    pmi = np.log(occurrences[usable] * float(total) / products[usable]) / np.log(base)
    percentile = float(np.percentile(pmi, PERCENTILE))
    scores[usable] = np.round((occurrences[usable] + 1) ** EXPONENT * (pmi - percentile), _DECIMALS)
    return scores, percentile


def _chosen(scores: npt.NDArray[np.float64], min_score: float, best: int | None) -> npt.NDArray[np.bool_]:
    """Return which bigrams pass the minimum and are among the best; ties of the last one are included."""
    passing = np.asarray(scores > min_score, np.bool_)
    if best is None or passing.sum() <= best:
        return passing
    if best < 1:
        return np.zeros(len(scores), np.bool_)
    last = np.partition(scores[passing], passing.sum() - best)[passing.sum() - best]
    return np.asarray(passing & (scores >= last), np.bool_)


def _sum_repeats(
    read: Callable[[], Iterable[Bigram]], occurrences: npt.NDArray[np.int64], hashes: npt.NDArray[np.uint64]
) -> int:
    """Add the counts of a repeated bigram to its first occurrence, in place; return the number of later ones."""
    ordered = np.sort(hashes)
    suspects = set(ordered[1:][ordered[1:] == ordered[:-1]].tolist())
    first: dict[tuple[str, str], int] = {}
    repeats = 0
    for at, bigram in enumerate(read() if suspects else ()):
        if occurrences[at] and _hash(bigram) in suspects:
            words = (bigram.first, bigram.second)
            if first.setdefault(words, at) != at:
                occurrences[first[words]] += occurrences[at]
                occurrences[at] = 0
                repeats += 1
    return repeats


def _hash(bigram: Bigram) -> int:
    return xxhash.xxh3_64_intdigest(f"{bigram.first} {bigram.second}".encode())
