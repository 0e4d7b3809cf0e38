"""Statements about the use of content, with the examples of the drafts that define them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaclip_spark.core.preferences import MAX_CHARS, signal_disallows, usage_disallows


@pytest.mark.parametrize(
    ("value", "disallows"),
    [
        # Examples of draft-ietf-aipref-vocab-07, and of draft-ietf-aipref-attach-05.
        ("train-ai=y, search=n", False),
        ('train-ai=y, train-ai, search=n, search="n"', False),
        ("train-ai;allow=n, train-ai=y", False),
        ('train-ai;has;parameters="?";', False),
        ("train-ai=n", True),
        ("train-ai=y", False),
        # The rest of the drafts' text: case, the last of repeated keys, parameters, values that are no tokens.
        ("Train-AI=n", False),
        ("train-ai=N", False),
        ("train-ai=y, train-ai=n", True),
        ("train-ai=n;why=y", True),
        ('train-ai="n"', False),
        ("train-ai=?0", False),
        ("train-ai=(n)", False),
        ("train-ai", False),
        ("train-ai=n,", False),
        ("train-ai=n search=n", False),
        ("  train-ai=n\t,\tsearch=y ", True),
        ("search=n", False),
        ("unheard-of=n", False),
        ("", False),
        ("train-ai=\u0146", False),
        ("train-ai=\ud800", False),
        # Labels of drafts 01 to 04.
        ("ai=n", True),
        ("genai=n", True),
        ("train-genai=n, search=y", True),
        ("train-ai=y, train-genai=n", True),
        ("bots=n", True),
        ("all=n", True),
        ("tdm=n", True),
        ("bots=n, train-ai=y", False),
        ("bots=n, train-ai=maybe", True),
        ("bots=y", False),
        ("ai-use=n, ai-output=n, inference=n", False),
    ],
)
def test_content_usage(value, disallows):
    """Training is disallowed by the token n; what does not parse, and what is not known, states nothing."""
    assert usage_disallows(value) is disallows


@pytest.mark.parametrize(
    ("value", "disallows"),
    [
        ("search=yes, ai-train=no", True),
        ("search=yes,ai-train=no", True),
        ("AI-Train = No", True),
        ("ai-train=yes, search=yes, ai-input=yes", False),
        ("ai-train=yes, ai-train=no", True),
        ("ai-input=no, search=no", False),
        ("ai-train", False),
        ("ai-train=n", False),
        ("", False),
    ],
)
def test_content_signal(value, disallows):
    """Training is disallowed by no, in upper or lower case."""
    assert signal_disallows(value) is disallows


def test_a_statement_of_megabytes_states_nothing():
    """A page may send a header of any length, and a list of a million keys costs seconds to parse."""
    assert usage_disallows("train-ai=n" + " " * (MAX_CHARS - 10)) is True
    assert usage_disallows("train-ai=n" + " " * MAX_CHARS) is False
    assert signal_disallows("a," * MAX_CHARS + "ai-train=no") is False


@given(st.text(st.characters(), max_size=40) | st.text('train-ai=n,;"?() \t', max_size=40))
def test_any_text_is_read(value):
    """No value raises."""
    assert usage_disallows(value) in (True, False)
    assert signal_disallows(value) in (True, False)
