"""What the page carries for its search: which entries, which texts, and how much at most."""

from __future__ import annotations

import numpy as np
import pytest
from test_render import HOSTILE, hostile, make_card
from whole import composition, whole

from metaclip_spark.core.worldwide.sections import Sections
from metaclip_spark.report import search
from metaclip_spark.report.render import render
from metaclip_spark.storage.packed import ENTRIES, TEXTS, split_blocks

COUNTS = np.array([0, 40, 3, 0, 7])


def carried(**changes) -> tuple[str, dict]:
    """Return the sentence of a card's search, and what its page carries."""
    values = {"n_entries": 5, "entry_counts": COUNTS, "curated_entry_counts": np.minimum(COUNTS, 5), "threshold": 5}
    found = search.search(make_card(5, **(values | changes)))
    left, blocks = split_blocks(found.blocks)
    assert left.strip() == ""
    return found.sentence, blocks


def test_all_entries_with_a_count_are_carried_with_their_numbers():
    """Ids are distances; entries without a count are left out."""
    sentence, blocks = carried()
    assert sentence == (
        "The page has the numbers of all 3 entries with a count. Their texts need another pass over the pool, which "
        "`metaclip-spark report` makes."
    )
    assert blocks == {
        ENTRIES: {
            "ids": [1, 1, 2],
            "entries": ["entry 1", "entry 2", "entry 4"],
            "pool": [40, 3, 7],
            "curated": [5, 3, 5],
            "lists": [["", 0, 5]],
        }
    }
    assert carried(entry_counts=np.array([0, 0, 9, 0, 0]))[0].startswith("The page has the numbers of the only entry")
    assert search.search(make_card(5, entry_counts=np.zeros(5, np.int64))) is None


def test_the_most_frequent_entries_are_carried_of_a_longer_list(monkeypatch):
    """The sentence says how many there are."""
    monkeypatch.setattr(search, "SEARCHED", 2)
    sentence, blocks = carried()
    assert sentence.startswith("The page has the numbers of the 2 most frequent of 3 counted entries.")
    assert blocks[ENTRIES]["entries"] == ["entry 1", "entry 4"]


def test_each_language_has_its_list_and_its_t():
    """A list without entries is left out."""
    sections = Sections.of({"de": 2, "fr": 0, "en": 3})
    _, blocks = carried(sections=sections, entry_thresholds=np.array([4, 4, 20, 20, 20]))
    assert blocks[ENTRIES]["lists"] == [["de", 0, 4], ["en", 2, 20]]


def test_each_text_is_carried_once_and_entries_name_it():
    """Order is that of the hash, and both sides of an entry may share texts."""
    texts = {
        4: ([("a", "u1", "1"), ("b", "u2", "2")], [("b", "u2", "2")]),
        1: ([("b", "u2", "2"), ("c", "u3", "3")], []),
    }
    made = composition(["a"])
    object.__setattr__(made, "texts", texts)
    sentence, blocks = carried(composition=made)
    assert blocks[TEXTS] == {
        "texts": [["a", "u1", "1"], ["b", "u2", "2"], ["c", "u3", "3"]],
        "of": {"4": [[0, 1], [1]], "1": [[1, 2], []]},
    }
    assert sentence == (
        "The page has the numbers of all 3 entries with a count. 2 of them have up to 10 texts of the pool and 10 of "
        "the subset, sampled by a keyed hash of the pair: the 1,000 most frequent, and others chosen by a keyed hash."
    )
    object.__setattr__(made, "texts", {**texts, 2: ([("a", "u1", "1")], [("a", "u1", "1")])})
    assert carried(composition=made)[0].endswith(
        " Each has up to 10 texts of the pool and 10 of the subset, sampled by a keyed hash of the pair."
    )


def test_the_sentence_names_the_class_names_whose_texts_come_first():
    """They are there if --class-names was given."""
    texts = whole()["composition"]
    object.__setattr__(texts, "texts", {1: ([("a", "u1", "1")], [])})
    sentence, _ = carried(**{**whole(), "composition": texts, "pairs_sent": 13_000, "impossible": []})
    assert "of the pair: those of class names, the 1,000 most frequent, and others chosen by a keyed hash." in sentence


def test_texts_are_bounded_by_their_bytes_and_the_rest_is_said(monkeypatch):
    """The entries that matter come first."""
    monkeypatch.setattr(search, "TEXT_BYTES", 1_000)
    made = composition(["a"])
    object.__setattr__(made, "texts", {at: ([("é" * 200, f"http://a.org/{at}", "1")], []) for at in (4, 1, 2)})
    sentence, blocks = carried(composition=made)
    assert list(blocks[TEXTS]["of"]) == ["4", "1"]
    assert sentence.endswith(" More texts than 1.0 kB are left out.")


@pytest.mark.parametrize(
    "texts", [HOSTILE, ["</script><script>alert(1)</script>", "\ud800", "a\u2028b", "\x00", "x" * 5_000]]
)
def test_hostile_entries_and_texts_are_named_and_cut(texts):
    """Invisible characters have names; no long text gets through; the page carries letters of base64 alone."""
    html = render(make_card(entries=hostile, **whole(texts)))
    _, blocks = split_blocks(html)
    for text, url, _ in blocks[TEXTS]["texts"]:
        assert len(text) <= search.TEXT_WIDTH
        assert not any(char in text + url for char in "\u202e\u2028\x00\n")
    assert max(map(len, blocks[ENTRIES]["entries"])) <= search.ENTRY_WIDTH
    html.encode()


def test_a_page_of_the_papers_list_has_a_bounded_size():
    """All 500,000 entries counted, and 1,500 of them with texts."""
    counts = 1 + (5_000_000 / np.arange(1, 500_001)).astype(np.int64)
    page = render(make_card(500_000, entry_counts=counts, curated_entry_counts=np.minimum(counts, 300), **whole()))
    assert len(page.encode()) < 6_000_000
