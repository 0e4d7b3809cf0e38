"""Weights of pairs: how they are made of the column and the list, and how they change a draw."""

from __future__ import annotations

import math
import random

import numpy as np
import pyarrow as pa
import pytest
import reference

from metaclip_spark.core.weights.pairs import PairWeights, sentence_of
from metaclip_spark.verbs import local


def test_a_weight_is_that_of_the_column_times_that_of_the_list():
    """A list without a weight weighs 1, and so does no list; a pair without a value has the weight for such pairs."""
    texts, lists = pa.array(["0.5", None, "0.5", "x"]), pa.array(["de", "de", "en", None])
    assert PairWeights("score", 0.25, (("de", 0.5),)).of(texts, lists).tolist() == [0.25, 0.125, 0.5, 0.0]
    assert PairWeights("score", None).of(texts, lists).tolist() == [0.5, 0.0, 0.5, 0.0]
    assert PairWeights(None, None, (("de", 0.5),)).of(texts, lists).tolist() == [0.5, 0.5, 1.0, 1.0]


def test_settings_give_weights_or_none():
    """`error` is the default for pairs without a value; weights of lists are in the order of their names."""
    assert PairWeights.given(None, None, None) is None
    assert PairWeights.given(None, None, {}) is None
    assert PairWeights.given("score", None, None) == PairWeights.given("score", "error", {}) == PairWeights("score")
    assert PairWeights.given("score", "0.5", {"fr": 1.0, "de": 0.5}) == PairWeights(
        "score", 0.5, (("de", 0.5), ("fr", 1.0))
    )


@pytest.mark.parametrize(
    ("now", "earlier", "is_at_most"),
    [
        (PairWeights("a"), PairWeights("a"), True),
        (PairWeights("a"), PairWeights("b"), False),
        (PairWeights("a", 0.5), PairWeights("a", 1.0), False),
        (PairWeights("a", 0.5), PairWeights("a"), False),
        (PairWeights(None, None, (("de", 0.5),)), PairWeights(None, None, (("de", 0.5),)), True),
        (PairWeights(None, None, (("de", 0.4),)), PairWeights(None, None, (("de", 0.5),)), True),
        (PairWeights(None, None, (("de", 0.6),)), PairWeights(None, None, (("de", 0.5),)), False),
        (PairWeights(None, None, (("fr", 0.5),)), PairWeights(None, None, (("de", 0.5),)), False),
        (PairWeights(None, None, (("de", 0.5), ("fr", 0.5))), PairWeights(None, None, (("de", 0.5),)), True),
        (PairWeights("a"), PairWeights("a", None, (("de", 0.5),)), False),
        (PairWeights("a", None, (("de", 0.5),)), PairWeights("a"), True),
    ],
)
def test_weights_are_at_most_earlier_ones_if_no_pair_can_weigh_more(now, earlier, is_at_most):
    """The column and the weight of pairs without a value must be the same, because nothing is known of the values."""
    assert now.is_at_most(earlier.plain) is is_at_most


def test_the_log_says_weights_in_a_sentence():
    """Both kinds of weights, the mean, and the pairs without a value."""
    logged = {"column": "score", "missing": 1.0, "languages": {"de": 0.5}, "mean": 0.43211}
    assert sentence_of({**logged, "pairs": 2000, "pairs_missing": 0}) == (
        "Each pair's sampling probability is multiplied by its weight in the kept column 'score' and the weight of its "
        "language (de 0.5; all others 1): 0.4321 on average."
    )
    assert sentence_of({**logged, "languages": {}, "pairs": 2000, "pairs_missing": 1000}) == (
        "Each pair's sampling probability is multiplied by its weight in the kept column 'score': 0.4321 on average. "
        "1,000 of 2,000 matched pairs have no value there and weigh 1."
    )


# --- laws, over 200 seeds --------------------------------------------------------------------------------------

SEEDS = range(200)
BINS = (0.0, 0.1, 0.5, 0.9, 1.0)
ENTRIES = list("abcdefgh")
T = 25


@pytest.fixture(scope="module")
def pool() -> pa.Table:
    """Return matched rows, with a weight out of BINS and a higher one."""
    rng = random.Random(5)
    n = 400
    weights = [BINS[number % len(BINS)] for number in range(n)]
    table = pa.table(
        {
            "url": [f"https://example.org/{number // 2}.jpg" for number in range(n)],
            "text": [f"{' '.join(rng.choices(ENTRIES, k=rng.randint(1, 3)))} {number}" for number in range(n)],
            "weight": weights,
            "higher": [weight + (1 - weight) * rng.random() for weight in weights],
        }
    )
    return local.match(table, ENTRIES)


def kept(pool: pa.Table, seed: int, weight: str | None, unit: str = "pair", t: int = T) -> dict[str, tuple]:
    """Return text -> (sampling probability, draw)."""
    counts = local.count_entries(pool)
    rows = local.balance(pool, counts, threshold=t, seed=seed, unit=unit, weight=weight)
    return dict(
        zip(
            rows["text"].to_pylist(),
            zip(rows["sampling_probability"].to_pylist(), rows["draw"].to_pylist(), strict=True),
            strict=True,
        )
    )


def test_the_kept_share_of_a_weight_is_p_times_the_weight(pool):
    """Over 200 seeds, the pairs kept of each weight are within five standard deviations of the sum of p * weight."""
    p = {text: p for text, (p, _) in kept(pool, 0, None, t=10**6).items()}
    counts = local.count_entries(pool)
    expected = local.sweep(pool, counts, [T]).to_pylist()[0]["expected_size"]
    by_entry = {row["entry_id"]: T / max(row["count"], T) for row in counts.to_pylist()}
    for ids, text in zip(pool["entry_ids"].to_pylist(), pool["text"].to_pylist(), strict=True):
        p[text] = 1.0 - math.prod(1.0 - by_entry[entry] for entry in ids)
    assert sum(p.values()) == pytest.approx(expected)
    weight = dict(zip(pool["text"].to_pylist(), pool["weight"].to_pylist(), strict=True))
    found = dict.fromkeys(BINS, 0)
    for seed in SEEDS:
        for text in kept(pool, seed, "weight"):
            found[weight[text]] += 1
    for each in BINS:
        chances = np.array([p[text] * each for text in p if weight[text] == each])
        mean, sd = len(SEEDS) * chances.sum(), math.sqrt(len(SEEDS) * (chances * (1 - chances)).sum())
        assert abs(found[each] - mean) <= 5 * sd, each
    assert found[0.0] == 0


@pytest.mark.parametrize("unit", ["pair", "image"])
def test_subsets_are_nested_in_the_weight_and_in_t(pool, unit):
    """A higher weight only adds pairs, a higher t too, and the draws stay."""
    for seed in SEEDS:
        low, high = kept(pool, seed, "weight", unit), kept(pool, seed, "higher", unit)
        plain, more = kept(pool, seed, None, unit), kept(pool, seed, "weight", unit, t=2 * T)
        assert low.keys() <= high.keys() <= plain.keys()
        assert low.keys() <= more.keys()
        for text, (p, u) in low.items():
            assert (p <= high[text][0] <= plain[text][0], u) == (True, plain[text][1])


@pytest.mark.parametrize("unit", ["pair", "image"])
def test_every_seed_equals_the_reference(pool, unit):
    """Kept rows, probabilities and draws, bit for bit; of an image, the drawn text's weight counts."""
    weight = dict(zip(pool["text"].to_pylist(), pool["weight"].to_pylist(), strict=True))
    rows = [
        reference.Row("", "", "text", url, text)
        for url, text in zip(pool["url"].to_pylist(), pool["text"].to_pylist(), strict=True)
    ]
    for seed in SEEDS:
        right = reference.curate(rows, ENTRIES, threshold=T, seed=seed, unit=unit, weigh=lambda row: weight[row.text])
        assert kept(pool, seed, "weight", unit) == {right.pairs[pair].text: found for pair, found in right.kept.items()}
