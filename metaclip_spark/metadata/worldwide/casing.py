"""Capitalize a word in the way of its language."""

from __future__ import annotations

_DOTTED = ("az", "tr", "crh", "gag", "kaa", "tt")
"""Languages whose small i has a capital with a dot, and whose dotless i is a letter of its own, in Latin script."""


def capitalized(word: str, code: str) -> str:
    """Return the word with a capital first letter; unchanged in a script without case.

    The capital is Unicode's title case: Georgian has none in ordinary text. Turkish and its relatives write `İ` for
    `i`, and Dutch writes `IJ`.

    >>> capitalized("iki", "tr"), capitalized("iris", "es"), capitalized("ijs", "nl"), capitalized("ქარი", "ka")
    ('İki', 'Iris', 'IJs', 'ქარი')
    """
    if code in _DOTTED and word[:1] == "i":
        return "İ" + word[1:]
    if code == "nl" and word[:2] == "ij":
        return "IJ" + word[2:]
    return word[:1].title() + word[1:]


def both_cases(word: str, code: str) -> tuple[str, ...]:
    """Return the word, and its capitalized form if that differs.

    >>> both_cases("hond", "nl"), both_cases("犬", "ja")
    (('hond', 'Hond'), ('犬',))
    """
    capital = capitalized(word, code)
    return (word,) if capital == word else (word, capital)
