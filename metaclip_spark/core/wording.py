"""Words for numbers, one form for 1, another for all other numbers; and texts of others, cut and without controls."""

from __future__ import annotations

import unicodedata

_JOINERS = "\u200c\u200d"
"""Zero-width joiner and non-joiner, which Persian, Hindi and many emoji need."""


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


def shortened(text: str, most: int = 200) -> str:
    """Return a text for an error: of a longer one the beginning, and how long it is.

    >>> shortened("short"), shortened("x" * 10_000, most=3)
    ('short', 'xxx... (10,000 characters)')
    """
    return text if len(text) <= most else f"{text[:most]}... ({len(text):,} characters)"


def is_invisible(char: str) -> bool:
    """Return whether a character shows nothing, and may change what a terminal or a page shows: an escape, a line end.

    >>> is_invisible("\\x1b"), is_invisible("\\u202e"), is_invisible("a"), is_invisible(" ")
    (True, True, False, False)
    """
    if char in _JOINERS:
        return False
    code = ord(char)
    noncharacter = code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF
    return noncharacter or unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")


def name_of(char: str) -> str:
    """Return the name of an invisible character.

    >>> name_of("\\u202e")
    '[U+202E]'
    """
    return f"[U+{ord(char):04X}]"


def one_line(text: str) -> str:
    """Return a text that someone else wrote as one line for a terminal: invisible characters are shown by name.

    >>> one_line("a\\x1b[31mb\\nc")
    'a[U+001B][31mb[U+000A]c'
    """
    if text.isprintable():
        return text
    return "".join(name_of(char) if is_invisible(char) else char for char in text)


def visible_lines(text: str) -> str:
    """Return a text of several lines for a terminal: as `one_line`, but its line ends stay."""
    return "\n".join(map(one_line, text.split("\n")))


def duration(seconds: float) -> str:
    """Return a duration as rough as an estimate is, in seconds, minutes or hours.

    >>> duration(0.4), duration(41), duration(200), duration(9_000), duration(360_000)
    ('1 s', '40 s', '3 min', '2.5 h', '100 h')
    """
    if seconds < 10:
        return f"{max(1, round(seconds))} s"
    if seconds < 95:
        return f"{round(seconds / 5) * 5} s"
    if seconds < 95 * 60:
        return f"{round(seconds / 60)} min"
    hours = seconds / 3600
    return f"{hours:,.1f} h" if hours < 10 else f"{hours:,.0f} h"


def size(number: int) -> str:
    """Return a number of bytes in kB, MB, GB or TB.

    >>> size(900), size(23_587_816), size(1_200_000_000_000)
    ('0.9 kB', '23.6 MB', '1.2 TB')
    """
    for unit, bytes_ in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if number >= bytes_:
            return f"{number / bytes_:,.1f} {unit}"
    return f"{number / 1e3:,.1f} kB"
