"""Character references of attributes are decoded as a browser does: the tables, and the same as an HTML parser."""

from __future__ import annotations

import doctest
from html.entities import html5

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from metaclip_spark.core import references
from metaclip_spark.core.references import decode_references


def by_parser(value: str) -> str:
    """Return the value of an attribute that an HTML parser reads."""
    image = LexborHTMLParser(f'<img alt="{value}">').css_first("img")
    return image.attributes["alt"] or ""


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Bread &amp; butter", "Bread & butter"),
        ("it&#39;s", "it's"),
        ("&amp;amp;lt;", "&amp;lt;"),
        ("?a=1&copy=2&reg=3", "?a=1&copy=2&reg=3"),
        ("?a=1&timestamp=2&notit=3", "?a=1&timestamp=2&notit=3"),
        ("?a=1&copy", "?a=1\u00a9"),
        ("?a&lt&b", "?a<&b"),
        ("food&regional", "food&regional"),
        ("&copy2020", "&copy2020"),
        ("&copy-2020 &copy_x", "\u00a9-2020 \u00a9_x"),
        ("&copy;=", "\u00a9="),
        ("&notin;&notit;&not;it;", "\u2209&notit;\u00acit;"),
        ("&unknown; &; & &&amp;", "&unknown; &; & &&"),
        ("&#8364;&#x20AC;&#X20ac &#8364=", "\u20ac\u20ac\u20ac \u20ac="),
        ("&#65a&#x41g", "Aa" + "Ag"),
        ("&#;&#x;&#xg;&#", "&#;&#x;&#xg;&#"),
        ("&#128;&#150;&#x9F;&#129;", "\u20ac\u2013\u0178\x81"),
        ("&#0;&#xD800;&#xDFFF;&#x110000;&#4294967361;", "\ufffd" * 5),
        ("&#" + "0" * 5000 + "65;", "A"),
        ("&#" + "9" * 5000 + ";", "\ufffd"),
        ("&ThickSpace;&bne;", "\u205f\u200a=\u20e5"),
        ("&AMP;&AMP &Amp;", "&& &Amp;"),
    ],
)
def test_references_are_decoded_by_the_rules_of_attributes(value, expected):
    """The expected values are those of the HTML standard, and of a parser that follows it."""
    assert decode_references(value) == expected
    assert by_parser(value) == expected


def test_every_name_is_decoded_as_a_parser_does():
    """With and without `;`, before each kind of character that decides, and cut anywhere."""
    for name in html5:
        bare = name.rstrip(";")
        values = [f"&{name}{after}" for after in ("", "=", "a", "1", ";", "&", "-", " ", "\u00e9")]
        values += [f"&{bare[:stop]}{end}" for stop in range(1, len(bare)) for end in ("", ";")]
        text = "|".join(values)
        assert decode_references(text) == by_parser(text), name


def test_every_small_number_is_decoded_as_a_parser_does():
    """Controls and the bytes of windows-1252 too, in decimal and hexadecimal, with and without `;`."""
    for number in [*range(0x200), 0xD7FF, 0xD800, 0xDFFF, 0xE000, 0xFFFE, 0x10FFFF, 0x110000, 1 << 32, 1 << 64]:
        text = f"&#{number};|&#{number}|&#{number}=|&#x{number:x};|&#X{number:X}g|&#000{number};"
        assert decode_references(text) == by_parser(text), number


PIECES = ["&", "#", "x", "X", ";", "=", "a", "6", "0", "amp", "not", "notin", "copy", "&amp;", "&#", "&#x", "lt", "GT"]
PIECES += ["frac12", "there4", "\u00e9", "\U0001f600", " ", "-", "_", "sup1", "sup"]


@settings(max_examples=1000)
@given(st.lists(st.sampled_from(PIECES) | st.sampled_from(sorted(html5)), max_size=8).map("".join))
@example("&&amp;;")
def test_any_value_is_decoded_as_a_parser_does(value):
    """Decoding equals the HTML parser that reads WARCs, so a pair has the same id from a WAT and a WARC."""
    assert decode_references(value) == by_parser(value)


def test_values_without_references_are_returned_as_they_are():
    """A value without an ampersand is the same object: nothing is copied."""
    value = "a photo of a cat; #1"
    assert decode_references(value) is value


def test_examples_in_docstrings_are_true():
    """The examples of the module give what they say."""
    result = doctest.testmod(references)
    assert result.attempted > 0
    assert result.failed == 0
