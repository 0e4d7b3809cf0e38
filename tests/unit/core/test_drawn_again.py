"""Survivors of a drawn subset: each has the weight 1 / p', and the same draw decides again."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from metaclip_spark.core.counts import EntrySums
from metaclip_spark.core.sampling import (
    WEIGHT_SCALE,
    batch_probability,
    drawn_again,
    entry_probability,
    weighted_counts,
    weights_of,
)
from metaclip_spark.errors import InputError

ENTRIES, PAIRS, SEEDS = 60, 6000, 200


def pool() -> tuple[pa.ListArray, np.ndarray]:
    """Return matched entries of each pair, a few of them frequent, and which pairs survive download."""
    rng = np.random.default_rng(11)
    weight = 1 / np.arange(1, ENTRIES + 1) ** 1.2
    lists = [np.unique(rng.choice(ENTRIES, size=3, p=weight / weight.sum())) for _ in range(PAIRS)]
    return pa.array([ids.tolist() for ids in lists], pa.list_(pa.int32())), rng.random(PAIRS) < 0.6


def counts_of(entry_ids: pa.ListArray, kept: np.ndarray) -> np.ndarray:
    sums = EntrySums(ENTRIES)
    sums.add(entry_ids, kept)
    return sums.sums


def test_thinning_and_then_balancing_has_the_law_of_balancing_the_survivors_of_the_pool():
    """Over 200 seeds: weighted counts are those of all survivors on average, each within 5 standard errors, and so is
    the subset's size; counted as they are, the survivors would nearly all be kept."""
    entry_ids, alive = pool()
    first = batch_probability(entry_ids, entry_probability(counts_of(entry_ids, np.ones(PAIRS, bool)), 400))
    true_counts = counts_of(entry_ids, alive)
    wanted = batch_probability(entry_ids, entry_probability(true_counts, 60))[alive].sum()
    counts, sizes, capped, naive = [], [], [], []
    for seed in range(SEEDS):
        u = np.random.default_rng(seed).random(PAIRS)
        left = alive & (u < first)
        ids, within = entry_ids.filter(pa.array(left)), first[left]
        sums = EntrySums(ENTRIES)
        sums.add_weighted(ids, weights_of(within))
        counts.append(sums.sums / WEIGHT_SCALE)
        p = batch_probability(ids, entry_probability(weighted_counts(sums.sums), 60))
        sizes.append(int((u[left] < p).sum()))
        capped.append(float((p > within).mean()))
        plain = batch_probability(ids, entry_probability(counts_of(entry_ids, left), 60))
        naive.append(int((u[left] < plain).sum()))
    error = np.std(counts, axis=0) / np.sqrt(SEEDS)
    assert (np.abs(np.mean(counts, axis=0) - true_counts) <= 5 * error + 1e-6).all()
    spread = np.std(sizes) / np.sqrt(SEEDS)
    assert abs(np.mean(sizes) - wanted) < 5 * spread
    assert np.mean(capped) < 0.01
    assert np.mean(naive) > wanted + 20 * spread


def test_weights_are_whole_numbers_so_that_sums_are_order_independent():
    """A weight is 1 / p', rounded to 20 binary places; an entry that any survivor matches counts at least 1."""
    assert weights_of(np.array([1.0, 0.5, 0.3])).tolist() == [1 << 20, 2 << 20, round((1 << 20) / 0.3)]
    assert weighted_counts(np.array([0, 1, 3 << 19, (5 << 19) - 1, 7 << 20])).tolist() == [0, 1, 2, 2, 7]


def test_a_pair_that_was_drawn_is_kept_for_certain_where_its_probability_rose():
    """The result is min(1, p / p'), and p for a pair that no run drew before."""
    p, within = np.array([0.2, 0.2, 0.2, 0.0]), np.array([0.4, 0.1, np.nan, 0.5])
    assert drawn_again(p, within).tolist() == [0.5, 1.0, 0.2, 0.0]


def test_negative_ids_are_refused_by_weighted_sums_too():
    """numpy would add a negative id to the end of the array."""
    with pytest.raises(InputError, match="^entry_ids holds -1, expected positions in the entry list"):
        EntrySums(3).add_weighted(pa.array([[-1]], pa.list_(pa.int32())), np.array([1]))
