"""Telephone numbers: of any country with +, of North America by their form, of some countries behind a word."""

from __future__ import annotations

import pytest

from metaclip_spark.filters.pii import spans_of


def found_in(text: str) -> list[str]:
    return [text[start:end] for start, end, kind in spans_of(text) if kind == "phone"]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("+44 20 7946 0958", "+44 20 7946 0958"),
        ("tel:+493012345678.", "+493012345678"),
        ("+1 (201) 555-0123 x2", "+1 (201) 555-0123"),
        ("+442079460958 2024", "+442079460958"),
        ("(201) 555-0123", "(201) 555-0123"),
        ("201-555-0123", "201-555-0123"),
        ("201.555.0123,", "201.555.0123"),
        ("1-800-234-5678", "1-800-234-5678"),
        ("Call 850 - 244 - 5117 .", "850 - 244 - 5117"),
        ("Call us: 030 12345678", "030 12345678"),
        ("Telefon 030/12345678", "030/12345678"),
        ("\u2706 t\xe9l. 01 23 45 67 89", "01 23 45 67 89"),
        ("\u7535\u8bdd:010 6552 9988", "010 6552 9988"),
        ("WhatsApp (11) 96123-4567", "(11) 96123-4567"),
    ],
)
def test_a_number_is_found_whole(text, number):
    """The last group that makes it no number of a country is left out."""
    assert found_in(text) == [number]


@pytest.mark.parametrize(
    "text",
    [
        "+1 555 0100",
        "+50 000 000 views",
        "+999 123456789",
        "a+442079460958",
        "201 555 0123",
        "030 12345678",
        "123-456-7890",
        "201-555-01234",
        "x201-555-0123",
        "12-201-555-0123",
        "hymns 166, 45, 359, 577",
        "phone 1999-2003",
        "Call of 2004-10-30",
        "iPhone 12345678901",
        "telescope 030 12345678",
        "[PHONE] 030 12345678",
        "2111 - 2113 Centre Avenue",
        "tel 12",
    ],
)
def test_other_numbers_are_not_found(text):
    """No number of the country, no word before it, years, dates, addresses."""
    assert found_in(text) == []
