"""The edge rule: the side of an entry that keeps its boundary space.

Some scripts have no space between words. So an entry loses its boundary space on a side whose outermost character, the
edge character, is of such a script, or is punctuation. An entry that lost a space is an *edge entry*. It matches inside
a token, too.

Source: the reference code of MetaCLIP 2 (arXiv 2507.22062).
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

EDGE_RANGES: tuple[tuple[int, int, str], ...] = (
    (0x4E00, 0x9FFF, "CJK unified ideographs"),
    (0x3400, 0x4DBF, "CJK extension A"),
    (0x20000, 0x2A6DF, "CJK extension B"),
    (0x2A700, 0x2B73F, "CJK extension C"),
    (0x2B740, 0x2B81F, "CJK extension D"),
    (0x2B820, 0x2CEAF, "CJK extension E"),
    (0x2CEB0, 0x2EBEF, "CJK extension F"),
    (0xF900, 0xFAFF, "CJK compatibility ideographs"),
    (0x2E80, 0x2EFF, "CJK radicals supplement"),
    (0x2F00, 0x2FDF, "Kangxi radicals"),
    (0x2FF0, 0x2FFF, "ideographic description characters"),
    (0x0E00, 0x0E7F, "Thai"),
    (0x0E80, 0x0EFF, "Lao"),
    (0x1000, 0x109F, "Burmese"),
    (0x1780, 0x17FF, "Khmer"),
    (0x0F00, 0x0FFF, "Tibetan"),
    (0x21, 0x2F, "ASCII punctuation"),
    (0x3A, 0x40, "ASCII punctuation"),
    (0x5B, 0x60, "ASCII punctuation"),
    (0x7B, 0x7E, "ASCII punctuation"),
)
"""First and last code point, and what the range is. Kana and Hangul are not in it, as in the reference code."""

EDGE_MARKS = (
    "\uff0c\u3002\u3001\uff1b\uff1a\uff1f\uff01\u201c\u201d\u2018\u2019\uff08\uff09\u3010\u3011\u300a\u300b\u3008\u3009"
    "\u300c\u300d\u300e\u300f\uff5e\u2014"
)
"""Further edge characters: full-width and quotation marks."""

KANA_HANGUL_RANGES: tuple[tuple[int, int, str], ...] = (
    (0x3040, 0x309F, "Hiragana"),
    (0x30A0, 0x30FF, "Katakana"),
    (0x31F0, 0x31FF, "Katakana phonetic extensions"),
    (0xFF66, 0xFF9F, "half-width Katakana"),
    (0x1AFF0, 0x1B16F, "Kana supplement and extensions"),
    (0x1100, 0x11FF, "Hangul Jamo"),
    (0x3130, 0x318F, "Hangul compatibility Jamo"),
    (0xA960, 0xA97F, "Hangul Jamo extended A"),
    (0xAC00, 0xD7AF, "Hangul syllables"),
    (0xD7B0, 0xD7FF, "Hangul Jamo extended B"),
)
"""Further edge ranges, behind the switch `kana_hangul_edges`."""


@functools.cache
def edge_table(kana_hangul: bool = False) -> npt.NDArray[np.bool_]:
    """Return whether each code point is an edge character: bool, shape (0x110000,), read-only.

    Args:
        kana_hangul: the characters of `KANA_HANGUL_RANGES` are edge characters, too.
    """
    table = np.zeros(0x110000, np.bool_)
    for first, last, _ in EDGE_RANGES + (KANA_HANGUL_RANGES if kana_hangul else ()):
        table[first : last + 1] = True
    table[[ord(mark) for mark in EDGE_MARKS]] = True
    table.flags.writeable = False
    return table


def kept_spaces(entry: str, kana_hangul: bool = False) -> tuple[bool, bool]:
    r"""Return whether an entry keeps its space on the left, and on the right.

    Args:
        entry: not empty.
        kana_hangul: kana and Hangul are edge characters, too.

    >>> kept_spaces("cat"), kept_spaces("\u732b"), kept_spaces("(cat"), kept_spaces("T\u6064")
    ((True, True), (False, False), (False, True), (True, False))
    """
    table = edge_table(kana_hangul)
    return not table[ord(entry[0])], not table[ord(entry[-1])]
