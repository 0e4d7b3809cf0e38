"""Words for numbers: one form for 1, another for all other numbers."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun.

    Args:
        noun: the singular.
        plural: the plural; None adds an s to the singular.

    >>> counted(1, "source"), counted(12_000, "source"), counted(0, "entry", "entries")
    ('1 source', '12,000 sources', '0 entries')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def agrees(number: int, singular: str, plural: str) -> str:
    """Return the form of a word that agrees with a number.

    >>> f"{counted(1, 'source')} {agrees(1, 'is', 'are')} partial"
    '1 source is partial'
    """
    return singular if number == 1 else plural
