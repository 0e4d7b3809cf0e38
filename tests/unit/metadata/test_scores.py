"""Bigrams by the score of MetaCLIP 2: hand-computed values, the cut, ties, and the published order."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import pytest

from metaclip_spark.errors import MetadataError
from metaclip_spark.metadata.counts import Bigram
from metaclip_spark.metadata.recipe import Recipe
from metaclip_spark.metadata.scores import metaclip2_entries

WORDS = {"New": 100, "York": 95, "a": 500, "dog": 80, "the": 9000}
BIGRAMS = [Bigram("New", "York", 90), Bigram("a", "dog", 5), Bigram("dog", "a", 1)]


def scores_of(bigrams=BIGRAMS, counts=WORDS, **settings) -> dict[str, float]:
    return dict(metaclip2_entries(lambda: bigrams, counts, **settings).ranking.entries)


def test_the_score_is_the_published_formula():
    """PMIs by hand: log2(90 * 9775 / 9500), log2(5 * 9775 / 40000), log2(9775 / 40000); PMI30 is at 0.6 of the way."""
    pmis = [math.log2(90 * 9775 / 9500), math.log2(5 * 9775 / 40_000), math.log2(9775 / 40_000)]
    percentile = pmis[2] + 0.6 * (pmis[1] - pmis[2])
    expected = [(count + 1) ** 0.7 * (pmi - percentile) for count, pmi in zip((90, 5, 1), pmis, strict=True)]
    got = metaclip2_entries(lambda: BIGRAMS, WORDS, min_score=-100)
    assert got.percentile == pytest.approx(percentile)
    assert [entry for entry, _ in got.ranking.entries] == ["New York", "a dog", "dog a"]
    assert [score for _, score in got.ranking.entries] == pytest.approx(expected, abs=1e-6)


def test_only_scores_over_the_minimum_are_entries():
    """The minimum itself is out, and everything that is out is counted."""
    assert scores_of() == {"New York": 168.659749}
    got = metaclip2_entries(lambda: [*BIGRAMS, Bigram("a", "cat", 9)], WORDS, min_score=168.659749)
    assert got.ranking.entries == []
    assert got.ranking.excluded == {"a word without a count": 1, "score not over 168.66": 3}
    assert got.ranking.candidates == 4


@pytest.mark.parametrize("base", [math.e, 10])
def test_the_base_scales_every_score_alike(base):
    """So the order does not depend on it; the cut at 30 does."""
    two, other = scores_of(min_score=-100), scores_of(min_score=-100, log_base=base)
    assert list(two) == list(other)
    assert list(other.values()) == pytest.approx([score / math.log2(base) for score in two.values()], abs=1e-5)


def test_the_best_are_taken_and_ties_are_by_code_points():
    """Three bigrams of equal counts: the first two by code points, however they are read."""
    counts = {word: 10 for word in "abcdefgh"} | {"z": 1000}
    tied = [Bigram("e", "f", 8), Bigram("a", "b", 8), Bigram("c", "d", 8), Bigram("g", "h", 1), Bigram("h", "g", 1)]
    for bigrams in (tied, tied[::-1]):
        got = metaclip2_entries(lambda given=bigrams: given, counts, min_score=1, best=2)
        assert [entry for entry, _ in got.ranking.entries] == ["a b", "c d"]
        assert got.ranking.excluded == {"score not over 1": 2, "not among the best": 1}
    assert metaclip2_entries(lambda: tied, counts, best=0).ranking.entries == []


def test_a_joiner_takes_the_place_of_the_space():
    """Languages without spaces."""
    assert list(scores_of(joiner="")) == ["NewYork"]


def test_counts_of_a_repeated_bigram_are_summed():
    """A bigram in three lines is one bigram, for PMI30 too; a repeat without a count changes nothing."""
    once = metaclip2_entries(lambda: BIGRAMS, WORDS, min_score=-100)
    parts = [Bigram("a", "dog", 2), BIGRAMS[0], Bigram("a", "dog", 0), Bigram("a", "dog", 2), BIGRAMS[2]]
    parts.append(Bigram("a", "dog", 1))
    several = metaclip2_entries(lambda: parts, WORDS, min_score=-100)
    assert (several.ranking.entries, several.percentile) == (once.ranking.entries, once.percentile)
    assert several.ranking.excluded == {"a word without a count": 1, "repeated (summed)": 2}


def test_nothing_to_rank():
    """No bigrams, and none with counts."""
    assert scores_of([]) == {}
    assert scores_of([Bigram("x", "y", 3)]) == {}


@pytest.mark.parametrize("base", [1, 0, -2, math.nan, math.inf])
def test_a_base_that_has_no_logarithm_is_refused(base):
    """By the settings of a list, which name the flag."""
    with pytest.raises(MetadataError, match="--log-base must be over 1"):
        Recipe(wordnet="w", log_base=base)


def test_the_minimum_of_the_other_score_is_refused():
    """--min-pmi means nothing for MetaCLIP 2's score."""
    with pytest.raises(MetadataError, match="--min-pmi needs --bigram-score pmi"):
        Recipe(unigrams=("u",), bigrams=("b",), bigram_score="metaclip2", min_pmi=3)


def test_the_published_order_or_why_not():
    """wordsegment's counts do not give it, for any base; docs/WORLDWIDE.md explains the difference with these ranks."""
    pytest.importorskip("wordsegment", reason="wordsegment is not installed (pip install '.[metadata]')")
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "bigram_order.py"
    spec = importlib.util.spec_from_file_location("bigram_order", path)
    order = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(order)
    bigrams, words = order.rows()
    expected = {"united states": 19_937, "of the": 1, "new york": 3_695, "such as": 17, "has been": 8}
    assert order.ranks(bigrams, words, 2)[0] == order.ranks(bigrams, words, 10)[0] == expected
    highest = order.ranks(order.at_most(bigrams, words), words, 2)[0]
    assert highest == {"united states": 2, "of the": 1, "new york": 7, "such as": 19, "has been": 10}
    page = (path.parents[2] / "docs" / "WORLDWIDE.md").read_text(encoding="utf-8")
    for ranks in (expected, highest):
        assert f"| {' | '.join(f'{rank:,}' for rank in ranks.values())} |" in page
