"""The arithmetic of balancing: equal to plain Python to the last bit, for any division of the pool into batches."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from metaclip_spark.core import entry_lists
from metaclip_spark.core.counts import BLOCK, EntrySums
from metaclip_spark.core.sampling import (
    DRAW_SCALE,
    draw_key,
    entry_probability,
    fixed_point,
    from_fixed_point,
    pair_probability,
    tail_fraction,
    threshold_for_tail_fraction,
)
from metaclip_spark.errors import InputError

counts_lists = st.lists(st.integers(0, 10**12), min_size=1, max_size=40)
probabilities = st.one_of(
    st.floats(0, 1, allow_nan=False, exclude_min=True),
    st.sampled_from([1.0, 0.5, 1 / 3, 1e-9, 5e-324, 1 - 2**-53]),
)


def one_pair(ids: list[int], probability: list[float]) -> float:
    """Return p(pair) as in the algorithm: a product in float64, over ascending ids, one after the other."""
    missed = 1.0
    for number in ids:
        missed *= 1.0 - probability[number]
    return 1.0 - missed


def in_arrow_layout(lists: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    offsets = np.cumsum([0, *map(len, lists)]).astype(np.int32)
    return offsets, np.array([number for ids in lists for number in ids], dtype=np.int32)


def bits(values) -> bytes:
    return np.asarray(values, dtype=np.float64).tobytes()


@settings(max_examples=200)
@given(counts=counts_lists, threshold=st.integers(1, 10**12))
@example(counts=[0, 1, 19_999, 20_000, 20_001, 54_000_000], threshold=20_000)
def test_entry_probability_equals_a_loop(counts, threshold):
    """p = t / max(count, t) for each entry, to the last bit."""
    expected = [threshold / float(max(count, threshold)) for count in counts]
    assert bits(entry_probability(np.array(counts, np.int64), threshold)) == bits(expected)


def test_entries_below_and_at_t_are_kept_for_certain():
    """The tail (count < t) has probability 1 exactly; the head has less."""
    result = entry_probability(np.array([0, 1, 19, 20, 21, 40]), 20)
    assert result[:4].tolist() == [1.0] * 4
    assert result[4] < 1.0
    assert result[5] == 0.5
    assert result.dtype == np.float64


@st.composite
def pools(draw):
    probability = draw(st.lists(probabilities, min_size=1, max_size=12))
    ids = st.lists(st.integers(0, len(probability) - 1), unique=True, max_size=10).map(sorted)
    lists = draw(st.lists(ids, max_size=12))
    cuts = sorted(draw(st.lists(st.integers(0, len(lists)), max_size=4)))
    return probability, lists, cuts


@pytest.mark.parametrize("small", [0, entry_lists.SMALL], ids=["compiled", "numpy"])
@settings(max_examples=200)
@given(pool=pools())
def test_pair_probability_equals_a_loop_for_any_cut_into_batches(small, pool):
    """Whole, cut anywhere, or as slices of one array: each pair's probability has the same bits."""
    probability, lists, cuts = pool
    expected = bits([one_pair(ids, probability) for ids in lists])
    table = np.array(probability)
    offsets, ids = in_arrow_layout(lists)
    borders = [0, *cuts, len(lists)]
    ranges = list(zip(borders, borders[1:], strict=False))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(entry_lists, "SMALL", small)
        assert bits(pair_probability(offsets, ids, table)) == expected
        parts = [pair_probability(*in_arrow_layout(lists[start:stop]), table) for start, stop in ranges]
        assert b"".join(map(bits, parts)) == expected
        slices = [pair_probability(offsets[start : stop + 1], ids, table) for start, stop in ranges]
        assert b"".join(map(bits, slices)) == expected


@pytest.mark.parametrize("small", [0, entry_lists.SMALL], ids=["compiled", "numpy"])
@settings(max_examples=60)
@given(pool=pools(), data=st.data())
def test_entries_are_counted_for_all_pairs_or_those_that_are_kept(small, pool, data):
    """Slices, nulls and chosen pairs: each id of a counted pair adds one, in compiled loops and without."""
    _, lists, _ = pool
    rows = [None if data.draw(st.booleans()) and not ids else ids for ids in lists]
    start = data.draw(st.integers(0, len(rows)))
    kept = np.array(data.draw(st.lists(st.booleans(), min_size=len(rows) - start, max_size=len(rows) - start)), bool)
    array = pa.array(rows, pa.list_(pa.int32())).slice(start)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(entry_lists, "SMALL", small)
        for chosen in (None, kept):
            sums = EntrySums(2)
            sums.add(array, chosen)
            counted = [ids or [] for n, ids in enumerate(rows[start:]) if chosen is None or chosen[n]]
            expected = np.bincount([number for ids in counted for number in ids], minlength=len(sums.sums))
            assert sums.sums.tolist() == expected.tolist()


@settings(max_examples=60)
@given(
    sums=st.lists(st.dictionaries(st.integers(0, 20_000), st.sampled_from([1, 7, 2**32 - 1, 2**32, 2**40])), max_size=4)
)
def test_sums_handed_on_in_blocks_add_up(sums):
    """The blocks of several tasks give the same sums; a block takes four bytes per entry, or eight where needed."""
    total = EntrySums()
    for task in sums:
        own = EntrySums(max(task, default=-1) + 1)
        for entry, number in task.items():
            own.sums[entry] = number
        blocks = own.to_blocks()
        for block, packed in zip(blocks.column("block").to_pylist(), blocks.column("sums").to_pylist(), strict=True):
            largest = max(number for entry, number in task.items() if entry // BLOCK == block)
            assert len(packed) == BLOCK * (4 if largest < 2**32 else 8)
        total.add_blocks(blocks.column("block"), blocks.column("sums"))
    expected = Counter()
    for task in sums:
        expected.update(task)
    assert {row["entry_id"]: row["count"] for row in total.to_arrow().to_pylist()} == expected


def test_a_negative_id_is_refused():
    """An id is a position in the list; the error says what is there."""
    with pytest.raises(InputError, match="^entry_ids holds -1, expected positions in the entry list, from 0"):
        EntrySums(3).add(pa.array([[0], [-1]], pa.list_(pa.int32())))


@settings(max_examples=100)
@given(pool=pools(), turn=st.randoms())
def test_pair_probability_does_not_depend_on_the_order_of_pairs(pool, turn):
    """Shuffled pairs have their own probabilities still."""
    probability, lists, _ = pool
    order = list(range(len(lists)))
    turn.shuffle(order)
    table = np.array(probability)
    straight = pair_probability(*in_arrow_layout(lists), table)
    shuffled = pair_probability(*in_arrow_layout([lists[number] for number in order]), table)
    assert bits(shuffled) == bits(straight[np.array(order, dtype=np.int64)])


def test_product_runs_over_ascending_ids():
    """Three factors whose product depends on the order give the bits of the ascending one."""
    rng = np.random.default_rng(1)
    while True:
        table = rng.random(3)
        forward = one_pair([0, 1, 2], table.tolist())
        if forward != one_pair([2, 1, 0], table.tolist()):
            break
    assert pair_probability(np.array([0, 3]), np.array([0, 1, 2]), table).tolist() == [forward]


def test_pair_without_matches_has_probability_zero():
    """An empty list is never drawn, between others and alone."""
    result = pair_probability(np.array([0, 0, 1, 1]), np.array([0]), np.array([0.25]))
    assert result.tolist() == [0.0, 0.25, 0.0]
    assert pair_probability(np.array([0]), np.zeros(0, np.int32), np.array([0.25])).tolist() == []


def test_a_tail_entry_makes_its_pairs_certain():
    """With one entry of probability 1 the pair's probability is 1 exactly, whatever the others are."""
    table = np.array([1e-12, 1.0, 0.3])
    result = pair_probability(np.array([0, 3, 5, 6]), np.array([0, 1, 2, 0, 1, 1]), table)
    assert result.tolist() == [1.0, 1.0, 1.0]


def test_an_entry_that_was_never_counted_shows():
    """NaN marks it: such a pair is not silently dropped or kept, and its neighbours are unharmed."""
    table = np.array([0.5, math.nan])
    result = pair_probability(np.array([0, 1, 3, 4]), np.array([0, 0, 1, 0]), table)
    assert result[[0, 2]].tolist() == [0.5, 0.5]
    assert math.isnan(result[1])


def test_pairs_with_many_matches():
    """A pair with 3,000 matches runs through the same product."""
    table = np.random.default_rng(2).random(3000) * 1e-3
    lists = [list(range(3000)), [], [7], list(range(0, 3000, 7))]
    expected = [one_pair(ids, table.tolist()) for ids in lists]
    assert bits(pair_probability(*in_arrow_layout(lists), table)) == bits(expected)


@pytest.mark.parametrize(
    ("counts", "fraction", "expected"),
    [
        # shares of ascending counts 1 2 3 4: 0.1 0.3 0.6 1.0
        ([4, 3, 2, 1], 0.1, 1),
        ([4, 3, 2, 1], 0.25, 2),
        ([4, 3, 2, 1], 0.6, 3),
        ([4, 3, 2, 1], 0.79, 3),
        ([4, 3, 2, 1], 0.81, 4),
        ([4, 3, 2, 1], 0.999, 4),
        # as near to one as to the other (0.25 and 0.75 from 0.5): the smaller
        ([1, 2, 1], 0.5, 1),
        # zeros come first with share 0, and are nearest to a small fraction: at least 1
        ([0, 0, 10], 0.06, 1),
        ([0, 0, 10], 0.51, 10),
        ([0, 0, 0], 0.06, 1),
        ([1_000_000], 0.06, 1_000_000),
        ([7, 7, 7, 7], 0.3, 7),
    ],
)
def test_threshold_for_a_tail_fraction(counts, fraction, expected):
    """t is the count at the index whose cumulative share is nearest to the fraction, and at least 1."""
    assert threshold_for_tail_fraction(np.array(counts), fraction) == expected


@settings(max_examples=200)
@given(counts=counts_lists, fraction=st.floats(0.001, 0.999), turn=st.randoms())
def test_threshold_equals_a_loop_and_ignores_order(counts, fraction, turn):
    """Sorted, summed and compared in plain Python gives the same t, for any order of entries."""
    ordered, shares, total = sorted(counts), [], 0
    for count in ordered:
        total += count
        shares.append(total)
    distances = [abs(share / sum(counts) - fraction) for share in shares] if total else []
    expected = max(1, ordered[distances.index(min(distances))]) if total else 1
    turn.shuffle(counts)
    result = threshold_for_tail_fraction(np.array(counts, np.int64), fraction)
    assert result == expected
    assert type(result) is int


def test_no_counts_at_all_give_the_smallest_t():
    """An empty list of counts is no error: t = 1 keeps what there is."""
    assert threshold_for_tail_fraction(np.zeros(0, np.int64), 0.06) == 1


def test_tail_fraction_counts_entries_strictly_below_t():
    """An entry whose count is t belongs to the head."""
    counts = np.array([0, 1, 2, 3, 4])
    assert [tail_fraction(counts, t) for t in (1, 2, 3, 4, 5)] == [0.0, 0.1, 0.3, 0.6, 1.0]
    assert tail_fraction(np.zeros(3, np.int64), 5) == 0.0


def test_tail_fraction_is_exact_beyond_float_integers():
    """Sums above 2**53 are integers until the one division at the end."""
    counts = np.array([2**53, 1, 1, 2**55], np.int64)
    assert tail_fraction(counts, 2**54) == float(Fraction(2**53 + 2, 2**53 + 2 + 2**55))


@settings(max_examples=200)
@given(values=st.lists(st.floats(0, 1), max_size=60), turn=st.randoms())
def test_fixed_point_sums_are_exact_and_free_of_order(values, turn):
    """The two integers are the exact sum of the values, each rounded to 2**-53, in any order and any cut."""
    exact = sum((Fraction(round(Fraction(value) * 2**53), 2**53) for value in values), Fraction(0))
    high, low = fixed_point(np.array(values))
    assert Fraction((high << 27) + low, 2**53) == exact
    assert from_fixed_point(high, low) == float(exact)
    cut = turn.randint(0, len(values))
    turn.shuffle(values)
    first, second = fixed_point(np.array(values[:cut])), fixed_point(np.array(values[cut:]))
    assert (first[0] + second[0], first[1] + second[1]) == (high, low)


def test_fixed_point_holds_certainty_and_multiples_of_the_draw():
    """1 and every multiple of 2**-53 are exact: rounding loses no tail pair."""
    assert from_fixed_point(*fixed_point(np.ones(1000))) == 1000.0
    assert from_fixed_point(*fixed_point(np.array([1 - 2**-53, 2**-53]))) == 1.0
    assert fixed_point(np.array([2**-53])) == (0, 1)
    assert fixed_point(np.zeros(0)) == (0, 0)


def test_fixed_point_sums_of_a_large_pool_fit_64_bits():
    """At 2**36 pairs (68 billion) both parts, kept in two BIGINT columns, are still below 2**63."""
    for value in (1.0, 1 - 2**-53, 2**-26 - 2**-53):
        high, low = fixed_point(np.array([value]))
        assert max(high, low) * 2**36 < 2**63


def test_every_decision_has_its_own_key():
    """Purposes and seeds that differ never share a key, also where their digits could run together."""
    purposes = ["draw", "choose", "shard", "sample"]
    keys = {draw_key(seed, purpose) for purpose in purposes for seed in [0, 1, 10, 11, 100, -1, 2**40]}
    assert len(keys) == len(purposes) * 7
    assert draw_key(0, "draw") == "draw:0"


def test_the_largest_draw_is_below_one():
    """The shift by 11 keeps u below 1, so that a pair with p = 1 is always kept."""
    assert (2**64 - 1 >> 11) * DRAW_SCALE < 1.0
    assert DRAW_SCALE == 2.0**-53
