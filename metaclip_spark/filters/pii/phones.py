"""Find telephone numbers in a folded text; Google's phonenumbers says which numbers a country has."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from metaclip_spark.filters.pii.folding import said_before

_REST = r"\d(?:[ ./()-]{0,3}\d){6,14}(?![\w\[])"
_INTERNATIONAL = re.compile(rf"(?<![\w+/=\]-])\+\(?{_REST}", re.ASCII)
_NORTH_AMERICAN = re.compile(
    r"(?<![\w.,/=#&%+\]-])(?:1[ .-])?(?:\([2-9]\d\d\) ?[2-9]\d\d[-. ]|[2-9]\d\d-[2-9]\d\d-|[2-9]\d\d\.[2-9]\d\d\.)\d{4}"
    r"(?![\w\[]|[-./,]\d)",
    re.ASCII,
)
_ANY = re.compile(rf"(?<![\w.,/=#&%+\]-])\(?{_REST}", re.ASCII)
_YEARS = re.compile(
    r"(?:1[0-9]|20)\d\d[ ./()-]{1,3}(?:1[0-9]|20)\d\d(?!\d)|(?:1[0-9]|20)\d\d([-./])[01]\d\1[0-3]\d(?!\d)"
)
"""A range of years, or a date."""
_SAID = re.compile(
    r"(?i)(?:(?<![\w\[])(?:t[e\xe9]l(?:[e\xe9]fono?|[e\xe9]?phone|efon|efone|efoon)?|phone|ph|"
    r"call(?: us)?|(?:tele)?fax|mobile?|mob|m[o\xf3]vil|cell(?:phone)?|celular|handy(?:nummer)?|whats ?app|viber|"
    r"hotline|sms|\u0442\u0435\u043b(?:\u0435\u0444\u043e\u043d)?|\u043c\u043e\u0431)(?![^\W_])"
    r"|\u96fb\u8a71|\u7535\u8bdd|\u624b\u6a5f|\u624b\u673a|\uc804\ud654|\u0e42\u0e17\u0e23|[\u260e\u260f\U0001f4de\U0001f4f1])"
    r"[^\d]{0,14}\Z"
)
"""A word or sign for a telephone, with few characters and no digit behind it."""
_SAID_CHARS = 40
_REGIONS: Sequence[str] = (
    *("US", "GB", "IN", "DE", "FR", "IT", "ES", "BR", "MX", "RU", "CN", "JP", "KR", "TR", "PL"),
    *("NL", "BE", "CH", "AT", "SE", "AU", "ID", "PK", "NG", "VN", "TH", "PH", "UA", "ZA", "EG"),
)
"""The countries whose national numbers are known behind a word for a telephone."""

_MOST = 50
"""Maximum number of numbers behind such a word, in one text, that are looked up: further ones count as they are."""


def phones(text: str) -> Iterator[tuple[int, int]]:
    """Yield the spans of telephone numbers.

    These are numbers that begin with + and a country, North American ones with parentheses, dashes or dots, and those
    of `_REGIONS` behind a word for a telephone. Each is a number that its country gives out, but for the rest of a
    list of numbers (`_MOST`).
    """
    for found in _INTERNATIONAL.finditer(text):
        end = _valid_end(text, *found.span(), (None,))
        if end:
            yield found.start(), end
    for found in _NORTH_AMERICAN.finditer(text):
        if _valid_end(text, *found.span(), ("US",)) == found.end():
            yield found.span()
    looked_at = 0
    for found in _ANY.finditer(text):
        if _YEARS.match(found[0]) or not said_before(_SAID, text, found.start(), _SAID_CHARS):
            continue
        looked_at += 1
        end = found.end() if looked_at > _MOST else _valid_end(text, *found.span(), _REGIONS)
        if end:
            yield found.start(), end


def _valid_end(text: str, start: int, end: int, regions: Sequence[str | None]) -> int:
    """Return where a valid number ends that begins at `start`, at `end` or an earlier end of a group; 0 for none."""
    while end > start:
        if any(_is_valid(text[start:end], region) for region in regions):
            return end
        end = max(text.rfind(sign, start, end) for sign in " ./-(")
        while end > start and not text[end - 1].isdigit():
            end -= 1
    return 0


def _is_valid(number: str, region: str | None) -> bool:
    import phonenumbers  # an extra

    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(number, region))
    except phonenumbers.NumberParseException:
        return False
