"""Texts are folded to plain digits, letters and marks, and finds are placed in the text as it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaclip_spark.filters.pii.folding import fold


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("plain 1-2", "plain 1-2"),
        ("\uff0b\uff11 \uff12\uff0d\uff13\uff20\uff21", "+1 2-3@A"),
        ("\u0661\u0662 \u0967 \u1041", "12 1 1"),
        ("1\u20132\u20143\u22124\u2010\u20115", "1-2-3\u22124--5"),
        ("1\u00a02\u20093\u3000", "1 2 3 "),
        ("\u202d+1\u202c 4\u200b1\u00ad2\ufeff", "+1 412"),
        ("1\ufe0f\u20e32\ufe0f\u20e3", "12"),
        ("20 m\u00b2, \u2460, \u00bd", "20 m\u00b2, \u2460, \u00bd"),
        ("caf\u00e9 \u732b", "caf\u00e9 \u732b"),
    ],
)
def test_digits_spaces_and_dashes_are_those_of_ascii(text, folded):
    """Digits of all scripts; superscripts and circled numbers are no digits; what cannot be seen is removed."""
    assert fold(text).text == folded


@given(st.text(st.characters(codec="utf-8") | st.sampled_from("\u200b\u202d\ufe0f12@.\uff11"), max_size=30), st.data())
def test_a_span_is_that_of_the_same_characters(text, data):
    """The characters of a span of the folded text are those of the span as it was, folded again."""
    folded = fold(text)
    if folded.text:
        start = data.draw(st.integers(0, len(folded.text) - 1))
        end = data.draw(st.integers(start + 1, len(folded.text)))
        first, last = folded.span(start, end)
        assert fold(text[first:last]).text == folded.text[start:end]
