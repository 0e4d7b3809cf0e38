"""The tokenizer of word counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaclip_spark.core.text import PADDED, spaced, spaced_entry
from metaclip_spark.metadata.load import never_matching
from metaclip_spark.metadata.words import phrases_of

CASES = [
    ("case is kept", "The the THE", [["The", "the", "THE"]]),
    ("padded punctuation ends a run", "a cat, a dog", [["a", "cat"], ["a", "dog"]]),
    ("padded punctuation splits a word", "e.g.3.5", [["e"], ["g"], ["3"], ["5"]]),
    ("quotes are removed and end a run", 'a "black cat" sat', [["a"], ["black", "cat"], ["sat"]]),
    ("brackets are removed", "cats (and dogs) [1]", [["cats"], ["and", "dogs"], ["1"]]),
    ("marks inside a word stay", "don't well-known AC/DC 大阪。京都", [["don't", "well-known", "AC/DC", "大阪。京都"]]),
    ("marks alone are not words", "a - b — c ... !", [["a"], ["b"], ["c"]]),
    ("a line's end ends a run", "New\nYork", [["New"], ["York"]]),
    ("several spaces, tabs and no-break spaces count as one space", "a  b\tc\u00a0d", [["a", "b", "c", "d"]]),
    ("typographic quotes and dashes", "„Haus“ ‘it’s’ 1914–1918", [["Haus"], ["it’s"], ["1914–1918"]]),
    ("other scripts", "東京 と 大阪。 京都", [["東京", "と", "大阪"], ["京都"]]),
    ("no words", " \n. ", []),
]


@pytest.mark.parametrize(("text", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_words_of(text, expected):
    """One case per rule."""
    assert phrases_of(text) == expected


@given(st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from(PADDED + " \n'\"-()")))
def test_every_word_is_one_that_matching_can_find(text):
    """No word contains white space or a padded character, so each word can match as an entry."""
    words = [word for run in phrases_of(text) for word in run]
    assert not never_matching(words).any()
    assert all(word and not word.isspace() for word in words)


@given(st.lists(st.sampled_from(["cat", "Dog", "a", "New", "York", "don't"]), min_size=1), st.sampled_from(" ,.;\n"))
def test_every_bigram_is_one_that_matching_finds(words, sign):
    """Each bigram is a phrase of the spaced text, whatever sign the text has elsewhere."""
    text = f"x{sign}" + " ".join(words)
    spaced_text = spaced(text)
    for run in phrases_of(text):
        for first, second in zip(run, run[1:], strict=False):
            assert spaced_entry(f"{first} {second}") in spaced_text
