"""Rank wordsegment's English bigrams by the score of MetaCLIP 2, and compare with the published order.

    python tests/benchmarks/bigram_order.py

It needs `pip install '.[metadata]'`. The published first five are New York, United States and three pairs of function
words. wordsegment has bigrams in lower case without most of those that are written with capitals, but counts words in
any case. So it is also printed what rank a bigram could have at most: at the count of the rarer of its words.
"""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

from metaclip_spark.metadata.counts import Bigram, read_bigrams, read_counts
from metaclip_spark.metadata.scores import metaclip2_entries

PUBLISHED = ("united states", "of the", "new york", "such as", "has been")
BASES = (2.0, math.e, 10.0)


def rows() -> tuple[list[Bigram], dict[str, int]]:
    """Return wordsegment's bigrams and the counts of its words."""
    found = importlib.util.find_spec("wordsegment")
    if found is None or found.origin is None:
        raise SystemExit("wordsegment is not installed; run pip install '.[metadata]'.")
    folder = Path(found.origin).parent
    return list(read_bigrams([folder / "bigrams.txt"])), read_counts([folder / "unigrams.txt"])


def ranks(bigrams: list[Bigram], words: dict[str, int], base: float) -> tuple[dict[str, int], list[str]]:
    """Return the rank of each published bigram, from 1, and the first ten bigrams."""
    ranking = metaclip2_entries(lambda: bigrams, words, log_base=base).ranking.entries
    place = {entry: at for at, (entry, _) in enumerate(ranking, start=1)}
    return {entry: place[entry] for entry in PUBLISHED}, [entry for entry, _ in ranking[:10]]


def at_most(bigrams: list[Bigram], words: dict[str, int]) -> list[Bigram]:
    """Return the bigrams with the two names at their highest possible count."""
    names = {"united states", "new york"}
    others = [bigram for bigram in bigrams if f"{bigram.first} {bigram.second}" not in names]
    pairs = [name.split() for name in sorted(names)]
    return [*others, *(Bigram(one, two, min(words[one], words[two])) for one, two in pairs)]


def main() -> None:
    """Print the ranks for each base, and with the names at their highest possible count."""
    bigrams, words = rows()
    for base in BASES:
        placed, first = ranks(bigrams, words, base)
        print(f"base {base:.4g}: {', '.join(f'{entry} {rank:,}' for entry, rank in placed.items())}")
    print(f"first ten: {', '.join(first)}")
    for name in ("united states", "new york"):
        one, two = name.split()
        count = sum(bigram.occurrences for bigram in bigrams if (bigram.first, bigram.second) == (one, two))
        print(f"{name}: {count:,}; its words: {words[one]:,} and {words[two]:,}")
    placed, first = ranks(at_most(bigrams, words), words, 2.0)
    print(f"at the count of the rarer word: {', '.join(f'{entry} {rank:,}' for entry, rank in placed.items())}")


if __name__ == "__main__":
    main()
