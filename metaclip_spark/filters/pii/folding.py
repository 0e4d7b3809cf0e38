"""Fold a text to plain digits, letters and marks, so that each pattern is written once, and find the places again."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

_PLAIN = {"Zs": " ", "Pd": "-"}
_KEYCAP = "\u20e3"
_SELECTORS = range(0xFE00, 0xFE10)


class _Table(dict[int, "str | int | None"]):
    """What each character becomes, filled as characters are met: at most one value per character of Unicode."""

    def __missing__(self, code: int) -> str | int | None:
        self[code] = value = _folded(chr(code))
        return value


def _folded(char: str) -> str | int | None:
    kind = unicodedata.category(char)
    if kind == "Cf" or char == _KEYCAP or ord(char) in _SELECTORS:
        return None
    if kind == "Nd":
        return str(unicodedata.decimal(char))
    if kind in _PLAIN:
        return _PLAIN[kind]
    normal = unicodedata.normalize("NFKC", char)
    # Superscripts and circled numbers (No) are no digits: the area of a room is no number of a telephone.
    return normal if len(normal) == 1 and normal.isascii() and kind != "No" else ord(char)


_TABLE = _Table()


@dataclass(frozen=True)
class Folded:
    """A folded text.

    Attributes:
        text: the digits of all scripts, full-width characters, spaces and dashes as those of ASCII; without characters
            that cannot be seen (marks of direction, zero-width and soft hyphens).
        positions: the position of each character in the text as it was; None if they are equal.
    """

    text: str
    positions: Sequence[int] | None = None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Return the span of the text as it was; characters that cannot be seen are in it where they are inside."""
        if self.positions is None:
            return start, end
        return self.positions[start], self.positions[end - 1] + 1


def fold(text: str) -> Folded:
    """Fold a text.

    >>> fold("\uff0b\uff11\u2010\u0664").text
    '+1-4'
    """
    if text.isascii():
        return Folded(text)
    folded = text.translate(_TABLE)
    if len(folded) == len(text):
        return Folded(folded)
    return Folded(folded, [at for at, char in enumerate(text) if _TABLE[ord(char)] is not None])


SPACE = 40
"""Number of characters before a number in which a word may say what it is."""


def said_before(words: re.Pattern[str], text: str, start: int, within: int = SPACE) -> bool:
    """Return whether a pattern is found in the characters before a position, behind the last "]": a mask is no word."""
    before = text[max(0, start - within) : start]
    return words.search(before[before.rfind("]") + 1 :]) is not None
