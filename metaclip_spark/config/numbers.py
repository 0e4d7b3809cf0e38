"""Read numbers as people write them: percentages are read, other spellings are refused with the plain number."""

from __future__ import annotations

import math
import re
import unicodedata
from decimal import Decimal, InvalidOperation
from typing import Any

_SCALES = {"": 0, "k": 3, "thousand": 3, "m": 6, "mm": 6, "million": 6, "g": 9, "b": 9, "bn": 9, "billion": 9, "t": 12}
_SCALED = re.compile(rf"([+-]?\d+(?:\.\d+)?(?:e[+-]?\d{{1,2}})?)\s*({'|'.join(scale for scale in _SCALES if scale)})?")
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:[.,'_ \u2019]\d{3})+")
_PLAIN = re.compile(r"[+-]?\d+(?:_\d+)*")
_PERCENTAGE = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*%")


def whole(value: Any) -> Any:
    """Return the value of a setting that is a whole number, for pydantic to check further.

    `20.000` would be read as 20 otherwise, and `true` as 1.

    Raises:
        ValueError: it is a text other than digits, or a truth value; the error says what to write, if that is clear.
    """
    if isinstance(value, bool):
        raise ValueError(f"expected a whole number, got {value!r}")
    if not isinstance(value, str) or _PLAIN.fullmatch(_normal(value)):
        return _normal(value) if isinstance(value, str) else value
    meant = _meant(_normal(value).lower())
    hint = f" (write {meant})" if meant is not None else ""
    raise ValueError(f"expected a whole number{hint}, got {value!r}")


def share(value: Any) -> Any:
    """Return the value of a setting that is a share of 1, which may be a percentage: `6%` is 0.06.

    Raises:
        ValueError: it is a text that is no number, or a truth value; the error says what to write, if that is clear.
    """
    if isinstance(value, bool):
        raise ValueError(f"expected a number between 0 and 1, or a percentage such as 6%, got {value!r}")
    if not isinstance(value, str):
        return value
    text = _normal(value)
    percentage = _PERCENTAGE.fullmatch(text)
    if percentage:
        return float(Decimal(percentage[1]) / 100)
    try:
        return float(text)
    except ValueError:
        pointed = re.sub(r"(\d),(\d+%?)$", r"\1.\2", text)
        hint = f" (write {pointed})" if pointed != text else ""
        raise ValueError(
            f"expected a number between 0 and 1, or a percentage such as 6%{hint}, got {value!r}"
        ) from None


def amount(value: Any) -> str:
    """Return a number of things or a percentage of them as text: `3`, `2%`.

    Raises:
        ValueError: it is neither.
    """
    text = "" if isinstance(value, bool) else _normal(str(value))
    percentage = _PERCENTAGE.fullmatch(text)
    if percentage:
        return f"{percentage[1]}%"
    if re.fullmatch(r"\d+", text):
        return text
    hint = ""
    if re.fullmatch(r"0?\.\d+", text):
        hint = f" (write {Decimal(text) * 100:f}".rstrip("0").rstrip(".") + "%)"
    raise ValueError(f"expected a number of sources or a percentage such as 2%{hint}, got {value!r}")


def of_amount(amount: str, things: int) -> int:
    """Return the number that an amount of `amount` means, out of `things`.

    >>> of_amount("3", 200), of_amount("2%", 200)
    (3, 4)
    """
    return int(things * float(amount[:-1]) / 100) if amount.endswith("%") else int(amount)


def percentage_meant(value: float) -> str:
    """Return the percentage that somebody meant who gave a share above 1, as a question; "" below 1.

    >>> percentage_meant(6.0)
    'Did you mean 6%? '
    """
    return f"Did you mean {value:g}%? " if math.isfinite(value) and 1 < value < 100 else ""


def _normal(text: str) -> str:
    """Return a text without outer spaces and in plain digits."""
    return unicodedata.normalize("NFKC", text).strip()


def _meant(text: str) -> str | None:
    """Return the whole number that a text stands for in another notation, or None.

    >>> _meant("20k"), _meant("1e4"), _meant("20,000"), _meant("1.5"), _meant("many")
    ('20000', '10000', '20000', None, None)
    """
    if _GROUPED.fullmatch(text):
        return re.sub(r"[^\d+-]", "", text)
    scaled = _SCALED.fullmatch(text)
    if scaled is None:
        return None
    try:
        number = Decimal(scaled[1]).scaleb(_SCALES[scaled[2] or ""])
    except InvalidOperation:
        return None
    return f"{number:.0f}" if number == number.to_integral_value() and abs(number) < 10**18 else None
