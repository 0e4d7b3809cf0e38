"""The switches of worldwide mode, and what an entry and a text are under them.

All switches are off by default: then a text is spaced as always, and an entry follows the edge rule of the reference
code. Each switch makes more entries match. `tests/benchmarks/edge_switches.py` measures how many.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from metaclip_spark.core.text import spaced
from metaclip_spark.core.worldwide.edge_rule import kept_spaces

OTHER_PUNCTUATION = "\u00ab\u00bb\u201c\u201d\u3002\u060c\u061b\u061f\u0964\u0965\u00bf\u00a1\u2026\u00b7"
"""Punctuation of other scripts, which the switch `pad_punctuation` pads."""

_ZERO_WIDTH_SPACE, _NON_JOINER = "\u200b", "\u200c"
_PADDED = f"([{re.escape(OTHER_PUNCTUATION)}])"
_LETTERS = {"pad_punctuation": "p", "kana_hangul_edges": "k", "zero_width": "z", "nfc": "n"}


@dataclass(frozen=True)
class Switches:
    """What worldwide mode changes of the reference code's rules; all are off by default.

    Attributes:
        pad_punctuation: The characters of `OTHER_PUNCTUATION` get a space on both sides in texts, as ASCII's do.
        kana_hangul_edges: Kana and Hangul are edge characters: a noun matches inside a Japanese sentence, and before a
            Korean particle.
        zero_width: In texts and entries, a zero-width space (U+200B) is a space, and a zero-width non-joiner (U+200C)
            is removed.
        nfc: Texts and entries are compared in Unicode's form NFC.
    """

    pad_punctuation: bool = False
    kana_hangul_edges: bool = False
    zero_width: bool = False
    nfc: bool = False

    @property
    def rule(self) -> str:
        """The name of the rule in compiled lists: `edge1`, and a letter for each switch that is on.

        >>> Switches().rule, Switches(pad_punctuation=True, nfc=True).rule
        ('edge1', 'edge1-pn')
        """
        on = "".join(_LETTERS[field.name] for field in fields(self) if getattr(self, field.name))
        return f"edge1-{on}" if on else "edge1"

    @property
    def changes_entries(self) -> bool:
        """Whether an entry may be compared in another form than its own."""
        return self.zero_width or self.nfc


NO_SWITCHES = Switches()
"""The rules of the reference code."""


def normalised(strings: Any, switches: Switches) -> Any:
    """Return an Arrow array of texts or entries in the form in which they are compared; by default, the array itself.

    Args:
        strings: Arrow array of string or large_string.
        switches: `zero_width` and `nfc` are applied, in this order.
    """
    if switches.zero_width:
        strings = pc.replace_substring(strings, _ZERO_WIDTH_SPACE, " ")
        strings = pc.replace_substring(strings, _NON_JOINER, "")
    if switches.nfc:
        strings = pc.utf8_normalize(strings, form="NFC")
    return strings


def prepared(texts: Any, switches: Switches) -> Any:
    """Return an Arrow array of texts such that the usual spacing of each gives the text that entries are searched in.

    Without switches this is the array itself.
    """
    texts = normalised(texts, switches)
    if switches.pad_punctuation:
        texts = pc.replace_substring_regex(texts, pattern=_PADDED, replacement=r" \1 ")
    return texts


def spaced_text(text: str, switches: Switches = NO_SWITCHES) -> str:
    r"""Return the text that entries are searched in.

    >>> spaced_text("\u00bfun gato?", Switches(pad_punctuation=True))
    '  \u00bf un gato ?  '
    """
    return spaced(prepared(pa.array([text], pa.large_string()), switches)[0].as_py())


def edge_spaced_entry(entry: str, switches: Switches = NO_SWITCHES) -> str | None:
    r"""Return the string that is searched in spaced texts: the entry, with a space on each side that keeps it.

    Returns:
        None for an entry of which the switches leave nothing; it matches no text.

    >>> edge_spaced_entry("cat"), edge_spaced_entry("\u732b"), edge_spaced_entry("(cat")
    (' cat ', '\u732b', '(cat ')
    """
    if switches.changes_entries:
        entry = normalised(pa.array([entry], pa.large_string()), switches)[0].as_py()
    if not entry or entry.isspace():
        return None
    left, right = kept_spaces(entry, switches.kana_hangul_edges)
    return " " * left + entry + " " * right
