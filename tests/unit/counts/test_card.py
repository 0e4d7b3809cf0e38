"""Cards of counts: their id, and what adding them gives."""

from __future__ import annotations

import itertools

import pytest

from metaclip_spark.counts.card import MOST, CountsCard, ListCounts, merge, repeated_snapshots
from metaclip_spark.errors import InputError

A = CountsCard("list", ("one",), {"und": ListCounts(4, 7, {"cat": 5, "dog": 2})})
B = CountsCard("list", ("two",), {"und": ListCounts(4, 3, {"cat": 1, "emu": 3})})
C = CountsCard("list", ("one", "three"), {"und": ListCounts(4, 1, {"dog": 1})})


def test_the_id_depends_on_all_that_a_card_says():
    """Each field changes it; the order of a mapping does not."""
    same = CountsCard("list", ("one",), {"und": ListCounts(4, 7, {"dog": 2, "cat": 5})})
    others = [
        CountsCard("other", ("one",), A.lists),
        CountsCard("list", ("two",), A.lists),
        CountsCard("list", ("one",), A.lists, ("0" * 64,)),
        CountsCard("list", ("one",), {"en": A.lists["und"]}),
        CountsCard("list", ("one",), {"und": ListCounts(5, 7, {"cat": 5, "dog": 2})}),
        CountsCard("list", ("one",), {"und": ListCounts(4, 8, {"cat": 5, "dog": 2})}),
        CountsCard("list", ("one",), {"und": ListCounts(4, 7, {"cat": 5, "dog": 3})}),
    ]
    assert same.card_id == A.card_id
    assert len({card.card_id for card in (A, *others)}) == 8
    assert (A.pairs, A.total, A.counted) == (7, 7, 2)


def test_cards_are_added_in_any_order():
    """Counts, pairs and snapshots; the merged card names the cards that it holds, also over several merges."""
    made = [merge([(f"{at}", card) for at, card in enumerate(order)]) for order in itertools.permutations((A, B, C))]
    assert len({card.card_id for card in made}) == 1
    assert made[0].lists["und"] == ListCounts(4, 11, {"cat": 6, "dog": 3, "emu": 3})
    assert made[0].snapshots == ("one", "three", "two")
    assert made[0].merged == tuple(sorted((A.card_id, B.card_id, C.card_id)))
    in_steps = merge([("ab", merge([("a", A), ("b", B)])), ("c", C)])
    assert in_steps.card_id == made[0].card_id


def test_lists_of_languages_are_added_one_by_one():
    """A language that one card lacks keeps its counts."""
    one = CountsCard("w", ("s",), {"de": ListCounts(2, 1, {"ein": 1}), "en": ListCounts(3, 2, {"a": 2})})
    two = CountsCard("w", ("t",), {"en": ListCounts(3, 4, {"a": 3, "dog": 1}), "zh": ListCounts(1, 1, {"猫": 1})})
    merged = merge([("one", one), ("two", two)])
    assert dict(merged.lists) == {
        "de": ListCounts(2, 1, {"ein": 1}),
        "en": ListCounts(3, 6, {"a": 5, "dog": 1}),
        "zh": ListCounts(1, 1, {"猫": 1}),
    }


AB = merge([("a", A), ("b", B)])


@pytest.mark.parametrize(
    ("cards", "twice"),
    [([A, A], A), ([A, B, A], A), ([AB, B], B), ([AB, AB], AB), ([AB, merge([("b", B), ("c", C)])], B)],
    ids=["same", "third", "in a merged one", "merged twice", "in two merged ones"],
)
def test_a_card_twice_is_refused(cards, twice):
    """By its id, alone or within another card."""
    with pytest.raises(InputError) as refused:
        merge([(f"{at}.json", card) for at, card in enumerate(cards)])
    found = str(refused.value)
    assert found.startswith(f"card {twice.card_id[:16]} is in ") or twice is AB
    assert found.endswith(": its pairs would count twice. Give each card once.")


def test_cards_of_different_lists_are_refused():
    """With both ids."""
    other = CountsCard("x" * 64, ("one",), A.lists)
    with pytest.raises(InputError) as refused:
        merge([("a.json", A), ("b.json", other)])
    assert str(refused.value) == (
        "a.json and b.json count entries of different lists (list and xxxxxxxxxxxxxxxx), so their counts cannot be "
        "added. Give cards of one list; `match` counts a pool with another list."
    )


def test_a_sum_that_no_pool_reaches_is_refused():
    """Two cards may each be possible."""
    one, two = (CountsCard("list", (name,), {"und": ListCounts(1, 1, {"a": MOST})}) for name in ("one", "two"))
    with pytest.raises(InputError, match=r"the counts of list 'und' sum to more than 9,007,199,254,740,992"):
        merge([("one", one), ("two", two)])


def test_snapshots_that_several_cards_name_are_said():
    """Two cards by name, more of them by number."""
    assert repeated_snapshots([("a", A), ("b", B)]) == []
    assert repeated_snapshots([("a", A), ("c", C)]) == ["a and c both name snapshot one"]
    assert repeated_snapshots([("a", A), ("c", C), ("d", A)]) == ["3 cards name snapshot one"]
