"""Spacing and cleaning: the matched form, the stored form, and the examples of the docstrings."""

from __future__ import annotations

import doctest
import importlib
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metaclip_spark.core.text import PADDED, clean_text, spaced, spaced_entry

CASES = Path(__file__).parents[2] / "data" / "matching_cases.json"
CORE = [
    "metaclip_spark.core.text",
    "metaclip_spark.core.hashing.digest",
    "metaclip_spark.core.hashing.ids",
    "metaclip_spark.core.sampling",
    "metaclip_spark.core.urls.resolve",
    "metaclip_spark.cli.options",
    "metaclip_spark.metadata.load",
]

any_text = st.text(
    alphabet=st.one_of(st.sampled_from(" \t\n\r\0.,&;#39amp\u00a0\u2003\x1c\x85\u3000\ud800\udfff"), st.characters())
)


@pytest.mark.parametrize("name", CORE)
def test_examples_in_docstrings_are_true(name):
    """Each core module has examples, and they give what they say."""
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0
    assert result.failed == 0


def test_exactly_seven_characters_are_padded():
    """Of all of ASCII, these seven get spaces around them and three become a space; the rest is left alone."""
    for code in range(128):
        char = chr(code)
        expected = f" x {char} x " if char in ",.;:?!`" else " x x " if char in "\t\n\r" else f" x{char}x "
        assert spaced(f"x{char}x") == expected
    assert sorted(PADDED) == sorted(",.;:?!`")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "  "),
        ("a", " a "),
        (" a ", "  a  "),
        ("a,b", " a , b "),
        ("a , b", " a  ,  b "),
        ("...", "  .  .  .  "),
        ("a\r\nb", " a  b "),
        ("\u3002\uff0c\u00a0", " \u3002\uff0c\u00a0 "),
    ],
)
def test_spacing(text, expected):
    """Padding is added to the spaces that are there, and none is ever taken away."""
    assert spaced(text) == expected


def test_entries_are_not_padded_inside():
    """An entry gets its two end spaces only, so that upstream's never-matching entries stay never-matching."""
    assert spaced_entry("St. John") == " St. John "
    assert spaced_entry(" a\tb,") == "  a\tb, "


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("Tom&#39;s", "Tom's"),
        ("&amp;#39;", "&#39;"),
        ("&amp;amp;", "&amp;"),
        ("a &lt;b&gt; &quot;c&quot;", 'a <b> "c"'),
        ("&nbsp;a&nbsp;b&nbsp;", "a\u00a0b"),
        ("fish &amp chips &copy 2020", "fish & chips \u00a9 2020"),
        ("R&D & more &unknown; &", "R&D & more &unknown; &"),
        ("a&#10;b&#9;c&#13;", "a b c"),
        ("&#0;&#xD800;x", "\ufffd\ufffdx"),
    ],
)
def test_entities_of_html_are_decoded_once(raw, expected):
    """The character of an entity is cleaned like any other character, and is not decoded again."""
    assert clean_text(raw, is_html=True) == expected


def test_entities_of_other_inputs_are_text():
    """A tabular pool's text is not HTML: an ampersand in it is an ampersand."""
    assert clean_text("Tom&#39;s &amp; Co") == "Tom&#39;s &amp; Co"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("", ""),
        (" \t\r\n ", ""),
        ("\0", ""),
        (" \0 ", ""),
        ("\0 a \0", "a"),
        ("a\0b", "ab"),
        ("a\tb\nc\rd", "a b c d"),
        ("a\r\nb", "a  b"),
        ("a  b", "a  b"),
        ("\u00a0a\u2003", "a"),
        ("\x1ca\x85", "a"),
        ("a\u00a0b\u2028c", "a\u00a0b\u2028c"),
        ("\ufeffa", "\ufeffa"),
        ("\ud83d\ude00", "\ufffd\ufffd"),
        ("a\ud800b\udfff", "a\ufffdb\ufffd"),
        ("\U0001f600", "\U0001f600"),
        ("e\u0301", "e\u0301"),
    ],
)
def test_cleaning(raw, expected):
    """One line, no NUL, no lone surrogate, no outer whitespace; inner spaces and characters stay."""
    assert clean_text(raw) == expected


@settings(max_examples=300)
@given(raw=any_text, is_html=st.booleans())
def test_a_cleaned_text_is_storable_and_clean(raw, is_html):
    """A cleaned text is UTF-8, on one line, without NUL and outer whitespace; cleaning it again changes nothing."""
    text = clean_text(raw, is_html=is_html)
    assert text.encode().decode() == text
    assert not set(text) & set("\t\n\r\0")
    assert text == text.strip()
    assert clean_text(text) == text


@settings(max_examples=200)
@given(raw=any_text)
def test_spacing_adds_spaces_and_nothing_else(raw):
    """Without its spaces, a spaced text is the text without its spaces, tabs and line ends."""
    kept = [char for char in raw if char not in " \t\n\r"]
    assert [char for char in spaced(raw) if char != " "] == kept


def test_the_table_of_cases_is_ascii():
    """The table is read by other programs: no byte of it depends on an editor's idea of Unicode."""
    assert json.loads(CASES.read_bytes().decode("ascii"))
