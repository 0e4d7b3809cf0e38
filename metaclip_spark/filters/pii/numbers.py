"""Find numbers of accounts, cards and persons in a folded text, by their form and their check digits.

python-stdnum has the rules of each number. A form that has few check digits, or none, counts only behind a word that
says what it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module

from metaclip_spark.filters.pii.folding import said_before

_ENDS = r"(?![\w\[]|[-./,]\d)"
_BEGINS = r"(?<![\w.,/=#&%+\]-])"
"""Behind a number, and before it: no part of a word or a longer number, and no mask, which may stand for a part."""
_CARD = re.compile(
    _BEGINS + r"(?:\d{15,16}|\d{4}([ -])\d{4}\1\d{4}\1\d{4}(?:\1\d{3})?|\d{4}([ -])\d{6}\2\d{4,5})" + _ENDS,
    re.ASCII,
)
_ISSUERS = re.compile(
    r"(?:4\d{15}(?:\d{3})?"  # Visa
    r"|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}"  # Mastercard
    r"|3[47]\d{13}"  # American Express
    r"|6(?:011|4[4-9]\d|5\d\d)\d{12}(?:\d{3})?"  # Discover
    r"|3(?:0[0-5]|[689]\d)\d{11}"  # Diners Club
    r"|35(?:2[89]|[3-8]\d)\d{12}"  # JCB
    r"|62\d{14}(?:\d{3})?)",  # UnionPay
    re.ASCII,
)
_IBAN_HEAD = re.compile(r"(?<![A-Za-z0-9\]])[A-Z]{2}\d{2}(?=[ -]?[A-Z0-9])", re.ASCII)
_IBAN_REST = re.compile(r"(?:[ -]?[A-Z0-9])*", re.ASCII)
_IBAN_CHARS = range(34, 14, -1)
_WITHOUT_SIGNS = str.maketrans("", "", " .-")


def cards(text: str) -> Iterator[tuple[int, int]]:
    """Yield the spans of card numbers: the range of an issuer and Luhn's check digit, written at once or in groups."""
    for found in _CARD.finditer(text):
        digits = found[0].translate(_WITHOUT_SIGNS)
        if _ISSUERS.fullmatch(digits) and _is_valid("luhn", digits):
            yield found.span()


def ibans(text: str) -> Iterator[tuple[int, int]]:
    """Yield the spans of IBANs: the country's length and form, and the check digits modulo 97; upper case only."""
    end = 0
    for found in _IBAN_HEAD.finditer(text):
        start = found.start()
        if start < end:
            continue
        rest = _IBAN_REST.match(text[found.end() : found.end() + 2 * _IBAN_CHARS.start])
        written = found[0] + (rest[0] if rest is not None else "")
        places = [at for at, char in enumerate(written) if char not in " -"]
        for size in _IBAN_CHARS:
            if len(places) < size:
                continue
            stop = places[size - 1] + 1
            after = text[start + stop : start + stop + 1]
            ends_here = after != "[" and not after.isalnum()
            if ends_here and _is_valid("iban", "".join(written[at] for at in places[:size])):
                end = start + stop
                yield start, end
                break


@dataclass(frozen=True)
class _NationalId:
    """The national id of a country.

    Attributes:
        kind: its kind.
        module: the module of python-stdnum.
        form: what it looks like.
        words: what must stand before it; None if its form is enough.
    """

    kind: str
    module: str
    form: re.Pattern[str]
    words: re.Pattern[str] | None = None


def _form(pattern: str) -> re.Pattern[str]:
    return re.compile(_BEGINS + pattern + _ENDS, re.ASCII)


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?i)(?<![\w\[])(?:{pattern})(?!\w)")


_CPF_WORDS = _words("cpf")
_ES_WORDS = _words(r"d\.?n\.?i\.?|n\.?i\.?e\.?|n\.?i\.?f\.?|documento nacional(?: de identidad)?")

_IDS = (
    _NationalId(
        "id_it",
        "it.codicefiscale",
        _form("[A-Z]{6}[0-9LMNP-V]{2}[A-EHLMPRST][0-9LMNP-V]{2}[A-Z][0-9LMNP-V]{3}[A-Z]"),
    ),
    _NationalId("id_cn", "cn.ric", _form(r"\d{17}[\dXx]")),
    _NationalId("id_fr", "fr.nir", _form(r"[12] ?\d\d ?(?:0[1-9]|1[0-2]) ?(?:\d\d|2[AB]) ?\d{3} ?\d{3} ?\d\d")),
    _NationalId("id_br", "br.cpf", _form(r"\d{3}\.\d{3}\.\d{3}-\d\d")),
    _NationalId("id_br", "br.cpf", _form(r"\d{9}-?\d\d"), _CPF_WORDS),
    _NationalId("id_es", "es.dni", _form(r"\d{2}\.\d{3}\.\d{3}[ -]?[A-Z]")),
    _NationalId("id_es", "es.dni", _form(r"\d{8}[ -]?[A-Z]"), _ES_WORDS),
    _NationalId("id_es", "es.nie", _form(r"[XYZ][ -]?\d{7}[ -]?[A-Z]"), _ES_WORDS),
    _NationalId(
        "id_us", "us.ssn", _form(r"\d{3}[ -]?\d\d[ -]?\d{4}"), _words(r"ssns?|social security(?: (?:number|no\.?|#))?")
    ),
    _NationalId("id_nl", "nl.bsn", _form(r"\d{4}\.?\d\d\.?\d{3}"), _words("bsn|burgerservicenummer|sofi-?nummer")),
    _NationalId("id_pl", "pl.pesel", _form(r"\d{11}"), _words("pesel")),
    _NationalId(
        "id_in", "in_.aadhaar", _form(r"\d{4} ?\d{4} ?\d{4}"), _words("aadhaa?r|adhaa?r|uidai|\u0906\u0927\u093e\u0930")
    ),
)


def national_ids(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield kind and span of national ids."""
    for one in _IDS:
        for found in one.form.finditer(text):
            if one.words is not None and not said_before(one.words, text, found.start()):
                continue
            number = found[0].translate(_WITHOUT_SIGNS).upper()
            if len(set(number)) > 1 and _is_valid(one.module, number):
                yield one.kind, *found.span()


@cache
def _check(module: str) -> Callable[[str], bool]:
    check: Callable[[str], bool] = import_module(f"stdnum.{module}").is_valid
    return check


def _is_valid(module: str, number: str) -> bool:
    return _check(module)(number)
