"""Given counts are laid out by the entries of a list, and compared with those of a pool."""

from __future__ import annotations

import numpy as np
import pytest

from metaclip_spark.counts.card import CountsCard, ListCounts
from metaclip_spark.counts.files import ARRAY, OBJECT, PlainCounts
from metaclip_spark.counts.given import compared, digest_of_counts, laid_out
from metaclip_spark.counts.wording import largest, origin_sentence, rank_sentence, rows
from metaclip_spark.errors import InputError
from metaclip_spark.metadata import Metadata

LIST = Metadata.from_entries(["dog", "cat", "emu", "ü 猫"])
CARD = CountsCard(LIST.metadata_id, ("one",), {"und": ListCounts(4, 9, {"cat": 5, "ü 猫": 4})})


def test_every_layout_gives_counts_by_entry_id():
    """The same counts have the same digest, whatever they came from."""
    found = [
        laid_out(CARD, LIST, "f"),
        laid_out(PlainCounts(OBJECT, {"ü 猫": 4, "cat": 5, "dog": 0}), LIST, "f"),
        laid_out(PlainCounts(ARRAY, {}, (0, 5, 0, 4)), LIST, "f"),
    ]
    assert [each.counts.tolist() for each in found] == [[0, 5, 0, 4]] * 3
    assert len({each.digest for each in found}) == 1
    assert found[0].digest == digest_of_counts(np.array([0, 5, 0, 4, 0, 0]))
    assert found[0].digest != digest_of_counts(np.array([5, 0, 0, 4]))
    assert found[0].origin == {
        "layout": "card",
        "card_id": CARD.card_id,
        "snapshots": ["one"],
        "pairs": 9,
        "merged": 0,
    }
    assert found[1].origin == {"layout": OBJECT, "unknown": 0}


def test_entries_that_the_list_lacks_are_counted():
    """They are left out of an object of entry and count."""
    found = laid_out(PlainCounts(OBJECT, {"cat": 5, "Cat": 7, "zebu": 1}), LIST, "f")
    assert (found.counts.tolist(), found.origin["unknown"]) == ([0, 5, 0, 0], 2)


@pytest.mark.parametrize(
    ("counts", "error"),
    [
        (
            CountsCard("0" * 64, (), CARD.lists),
            f"counts f.json are of the list {'0' * 64}, and this pool is matched with the list {LIST.metadata_id}. "
            "Match the pool with the list of the card (`match --metadata`).",
        ),
        (
            CountsCard(LIST.metadata_id, (), {"und": ListCounts(4, 1, {"zebu": 1})}),
            "counts f.json: 'zebu' is no entry of the list 'und', although the card names its id",
        ),
        (
            CountsCard(LIST.metadata_id, (), {"en": ListCounts(4, 1, {"cat": 1})}),
            "counts f.json: the list 'en' of the card is none of und.",
        ),
        (PlainCounts(ARRAY, {}, (1, 2, 3)), "the array has 3 counts, and the list has 4 entries; expected one count"),
        (PlainCounts(ARRAY, {}, (1,) * 5), "the array has 5 counts, and the list has 4 entries"),
        (PlainCounts(ARRAY, {}, (0,) * 4), "no entry of the list has a count; expected counts of this list."),
        (PlainCounts(OBJECT, {"zebu": 4}), "no entry of the list has a count"),
        (PlainCounts(OBJECT, {}), "no entry of the list has a count"),
        (PlainCounts(ARRAY, {}, (2**53, 1, 0, 0)), "the counts sum to more than 9,007,199,254,740,992"),
    ],
    ids=["other list", "no entry", "no such language", "short", "long", "zeros", "unknown", "empty", "sum"],
)
def test_counts_that_do_not_fit_the_list_are_refused(counts, error):
    """With what was got and what was expected."""
    with pytest.raises(InputError) as refused:
        laid_out(counts, LIST, "f.json")
    assert error in str(refused.value)


def test_counts_are_compared_by_their_sums_ranks_and_shares():
    """An entry that either side lacks has count 0; equal counts share their mean rank."""
    own, given = np.array([10, 40, 50, 0]), np.array([100, 500, 0, 400])
    found = compared(own, given, 50, LIST)
    assert found["own"] == {"entries": 3, "total": 100, "tail_fraction": 0.5}
    assert found["given"] == {"entries": 3, "total": 1000, "tail_fraction": 0.0}
    assert found["lacking"] == {"entries": 1, "counts": 50}
    assert found["unmatched"] == 1
    assert found["rank_correlation"] == pytest.approx(np.corrcoef([1, 2, 3, 0], [1, 3, 0, 2])[0, 1])
    assert [(row["entry"], row["own"], row["given"]) for row in found["largest"]] == [
        ("emu", 50, 0),
        ("ü 猫", 0, 400),
        ("cat", 40, 500),
        ("dog", 10, 100),
    ]
    assert found["largest"][0]["ratio"] == 51.0
    assert found["largest"][2]["ratio"] == pytest.approx(41 / 51)
    assert rows(found) == [
        ("entries with a count", "3", "3"),
        ("only here", "1", "1"),
        ("sum of the counts", "100", "1,000"),
        ("tail fraction at t", "0.500", "0.000"),
    ]
    assert largest(found)[0] == ("emu", "und", "50", "0", "51")
    assert rank_sentence(found).endswith("over the entries that either has: -0.400.")


def test_ties_have_their_mean_rank_and_one_value_has_no_correlation():
    """Spearman's by hand."""
    tied = compared(np.array([1, 1, 2, 3]), np.array([5, 6, 7, 7]), 1, LIST)
    by_hand = np.corrcoef([1.5, 1.5, 3, 4], [1, 2, 3.5, 3.5])[0, 1]
    assert tied["rank_correlation"] == pytest.approx(by_hand)
    flat = compared(np.array([1, 1, 1, 1]), np.array([5, 6, 7, 7]), 1, LIST)
    assert flat["rank_correlation"] is None
    assert rank_sentence(flat).endswith("undefined.")


def test_the_log_says_whose_counts_they_are():
    """A card by its id, a merged one by its number of cards, other layouts by their kind."""
    card = {**laid_out(CARD, LIST, "f").origin, "lacking": {"entries": 1, "counts": 50}}
    assert origin_sentence(card) == (
        f"The entry counts are not those of this pool, but those of card {CARD.card_id[:16]} (9 pairs of one). The "
        "pool matches 1 entry that these do not count (50 of its counts). These are tail entries, whose entry "
        "probability is 1."
    )
    many = {**card, "merged": 2, "snapshots": list("abcdef")}
    assert "(9 pairs of a, b, c, d, e, ..., merged of 2 cards)" in origin_sentence(many)
    plain = {"layout": OBJECT, "unknown": 2, "lacking": card["lacking"]}
    assert "a file with an object of entries and counts, of which the list lacks 2 entries. The" in origin_sentence(
        plain
    )
