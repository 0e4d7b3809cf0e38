"""Space and clean texts: the form that is matched, and the form that is stored.

Source: the reference code of "Demystifying CLIP Data" (arXiv 2309.16671), section 3.2 (substring matching).
"""

from __future__ import annotations

import re

from metaclip_spark.core.references import decode_references

PADDED = ",.;:?!`"
"""The characters that get a space on both sides before matching."""

_TO_SPACE = str.maketrans({"\t": " ", "\n": " ", "\r": " "})
_CLEANED = str.maketrans({"\t": " ", "\n": " ", "\r": " ", "\0": None})
_SURROGATE = re.compile("[\ud800-\udfff]")


def spaced(text: str) -> str:
    r"""Return the text as matching sees it: padded punctuation, a space at both ends.

    Case, Unicode form and repeated spaces are kept.

    >>> spaced("a cat, a dog")
    ' a cat ,  a dog '
    >>> spaced("tab\there")
    ' tab here '
    """
    padded = " " + text + " "
    for char in PADDED:
        if char in padded:
            padded = padded.replace(char, f" {char} ")
    return padded.translate(_TO_SPACE)


def spaced_entry(entry: str) -> str:
    """Return the entry with a space at both ends. The entry itself is not changed, as in upstream's code."""
    return " " + entry + " "


def clean_text(raw: str, *, is_html: bool = False) -> str:
    r"""Return the text in the form that is stored and matched, the same for every kind of input.

    Args:
        raw: the text of the source.
        is_html: decode character references once, for the value of an HTML attribute.

    >>> clean_text(" Tom&#39;s\n cat ", is_html=True)
    "Tom's  cat"
    """
    if is_html:
        raw = decode_references(raw)
    return without_surrogates(raw.translate(_CLEANED).strip())


def without_surrogates(text: str) -> str:
    """Return the text with U+FFFD for each lone surrogate: JSON can hold one, UTF-8 cannot."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)
