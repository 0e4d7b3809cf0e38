"""Entries that no text can match, checked against a naive implementation of the matching rule."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from metaclip_spark.metadata import never_matching

PADDED = ",.;:?!`"


def naive_spaced(text: str) -> str:
    """Space a text character by character, as the matching rule says."""
    padded = "".join(f" {char} " if char in PADDED else char for char in f" {text} ")
    return "".join(" " if char in "\t\n\r" else char for char in padded)


def naive_match(entry: str, text: str) -> bool:
    """Match an entry as the matching rule says."""
    return f" {entry} " in naive_spaced(text)


def text_containing(entry: str) -> str:
    """Undo the padding of a spaced entry: remove one space from each side of each padded character."""
    text = f" {entry} "
    for char in PADDED:
        text = text.replace(f" {char} ", "\0" + str(PADDED.index(char)))
    for char in PADDED:
        text = text.replace("\0" + str(PADDED.index(char)), char)
    return text


ENTRIES = st.text(PADDED + " \t\n\rab猫", min_size=1, max_size=8)


@given(ENTRIES)
@example(". .")
@example(" .")
@example(".  .")
@example(".   .")
def test_entry_that_can_match_has_a_text_containing_it(entry):
    """The spaced entry without its padding is such a text."""
    if not never_matching([entry])[0]:
        assert naive_match(entry, text_containing(entry))


@given(ENTRIES, st.text(PADDED + " \t\n\rab猫", max_size=12), st.text(PADDED + " ab", max_size=6))
def test_entry_that_never_matches_is_in_no_text(entry, before, after):
    """No text matches such an entry: not the entry itself, not its unpadded form, in any context."""
    if never_matching([entry])[0]:
        for text in (entry, before + entry + after, before + text_containing(entry) + after, before):
            assert not naive_match(entry, text)


@given(st.text(PADDED + " \tab", max_size=20), st.data())
def test_every_part_of_a_spaced_text_can_match(text, data):
    """A part of a text between two spaces is never reported as an entry that no text can match."""
    spaced = naive_spaced(text)
    spaces = [index for index, char in enumerate(spaced) if char == " "]
    first = data.draw(st.sampled_from(spaces))
    last = data.draw(st.sampled_from(spaces))
    entry = spaced[first + 1 : last]
    if entry:
        assert naive_match(entry, text)
        assert not never_matching([entry])[0]


NEVER = [
    "St. John",
    "U.S.",
    ".22",
    "a,b",
    "what?",
    "`tis",
    "a\tb",
    "a\nb",
    "a\r",
    ". .",
    ", . ;",
    "..",
    ": )`",
]
SOMETIMES = [
    "cat",
    "St . John",
    ".",
    ".  .",
    " . ",
    "cat  dog",
    " cat",
    "a-b",
    "a/b",
    "(x)",
    "it's",
    "a\u00a0b",
    "\u3002",
]


def test_known_entries_are_classified():
    """Typical entries of both kinds; the result is a mask of bool."""
    mask = never_matching(NEVER + SOMETIMES)
    assert mask.dtype == np.bool_
    assert mask.tolist() == [True] * len(NEVER) + [False] * len(SOMETIMES)
    assert never_matching([]).shape == (0,)
