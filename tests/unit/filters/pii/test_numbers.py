"""Numbers of cards, accounts and persons: form, check digits, and the word before them where it is needed."""

from __future__ import annotations

import pytest

from metaclip_spark.filters.pii.numbers import cards, ibans, national_ids


def found_by(finder, text: str) -> list[str]:
    return [text[start:end] for start, end in finder(text)]


@pytest.mark.parametrize(
    "number",
    [
        "4111111111111111",
        "4111 1111 1111 1111",
        "5555-5555-5555-4444",
        "2221000000000009",
        "378282246310005",
        "3782 822463 10005",
        "6011 1111 1111 1117",
        "3530111333300000",
        "3056 930902 5904",
        "6200 0000 0000 0000 000",
    ],
)
def test_a_card_is_found_in_the_groups_in_which_it_is_printed(number):
    """These are the numbers that issuers publish for tests."""
    assert found_by(cards, f"card {number}, please") == [number]


@pytest.mark.parametrize(
    "text",
    [
        "4111111111111112",
        "1234567812345670",
        "41111111111111111",
        "4111 1111-1111 1111",
        "4111 11111111 1111",
        "x4111111111111111",
        "_4111111111111111_n.jpg",
        "/4111111111111111",
        "id=4111111111111111",
        "4111111111111111.5",
        "30569309025904",
        "4222222222222",
        "ISBN 9780306406157",
    ],
)
def test_a_number_that_is_no_card_is_not_found(text):
    """A wrong digit, no issuer, another length or grouping, part of a name or url; 13 and 14 digits at once."""
    assert found_by(cards, text) == []


@pytest.mark.parametrize(
    ("text", "iban"),
    [
        ("IBAN: DE89370400440532013000", "DE89370400440532013000"),
        ("DE89 3704 0044 0532 0130 00 BIC COBADEFF", "DE89 3704 0044 0532 0130 00"),
        ("GB29-NWBK-6016-1331-9268-19.", "GB29-NWBK-6016-1331-9268-19"),
        ("NO9386011117947", "NO9386011117947"),
    ],
)
def test_an_iban_ends_where_its_country_s_does(text, iban):
    """The examples are of the registry's publications."""
    assert found_by(ibans, text) == [iban]


@pytest.mark.parametrize(
    "text", ["DE88370400440532013000", "DE8937040044053201300", "XX89370400440532013000", "aDE89370400440532013000",
             "de89370400440532013000", "TKF14HP333101PK", "DE89370400440532013000A", "WB31K10026   Set of 4"]
)  # fmt: skip
def test_what_is_no_iban_is_not_found(text):
    """Wrong check digits, lengths, countries and borders; article numbers."""
    assert found_by(ibans, text) == []


@pytest.mark.parametrize(
    ("kind", "text", "number"),
    [
        ("id_it", "CF RCCMNL83S18D969H", "RCCMNL83S18D969H"),
        ("id_cn", "360426199101010071", "360426199101010071"),
        ("id_fr", "2 95 10 99 126 111 93", "2 95 10 99 126 111 93"),
        ("id_fr", "295109912611193", "295109912611193"),
        ("id_br", "390.533.447-05", "390.533.447-05"),
        ("id_br", "CPF 39053344705", "39053344705"),
        ("id_es", "DNI: 54362315K", "54362315K"),
        ("id_es", "54.362.315-K", "54.362.315-K"),
        ("id_es", "NIE X-5253868-R", "X-5253868-R"),
        ("id_us", "SSN: 536-90-4399", "536-90-4399"),
        ("id_us", "social security number 536904399", "536904399"),
        ("id_nl", "BSN 1112.22.333", "1112.22.333"),
        ("id_nl", "burgerservicenummer: 111222333", "111222333"),
        ("id_pl", "PESEL: 44051401359", "44051401359"),
        ("id_in", "Aadhaar 2341 2341 2346", "2341 2341 2346"),
    ],
)
def test_a_national_id_is_found(kind, text, number):
    """The examples are those of python-stdnum's documentation."""
    assert [(found, text[start:end]) for found, start, end in national_ids(text)] == [(kind, number)]


@pytest.mark.parametrize(
    "text",
    [
        "RCCMNL83S18D969I",
        "360426199101010072",
        "295109912611194",
        "390.533.447-06",
        "111.111.111-11",
        "39053344705",
        "54362315K",
        "DNI 54362315A",
        "X5253868R",
        "536-90-4399",
        "SSN 000-12-3456",
        "111222333",
        "44051401359",
        "2341 2341 2346",
        "0306406152",
    ],
)
def test_a_wrong_digit_or_a_number_without_its_word_is_not_found(text):
    """Where a form says little, the number is left alone."""
    assert list(national_ids(text)) == []
