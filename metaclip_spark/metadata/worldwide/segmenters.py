"""How the text of a language is tokenized for counting words, by the code of its Wikipedia.

Source: the n-gram builder of MetaCLIP 2's reference code, which has a segmenter for each language without spaces.
Its segmenters cannot be installed together any more. ICU's word iterator takes their place, so word borders differ.
"""

from __future__ import annotations

SEGMENTERS = {
    "spaces": "White space, and each CJK, Thai-like or punctuation character is a token of its own.",
    "words": "ICU's word iterator (dictionaries).",
    "syllables": "ICU's word iterator; in Tibetan script a token is a syllable.",
}
"""The segmenters, each with one sentence."""

TSHEG = "\u0f0b"
"""The mark between two syllables of Tibetan script."""

_UNSPACED = {
    "bo": "syllables",
    "dz": "syllables",
    "ja": "words",
    "km": "words",
    "lo": "words",
    "my": "words",
    "ryu": "words",
    "th": "words",
    "zh": "words",
    "zh_classical": "words",
    "zh_yue": "words",
}


def segmenter_of(code: str) -> str:
    """Return the segmenter of a Wikipedia's code; `-` and `_` are the same.

    >>> segmenter_of("zh-yue"), segmenter_of("zh_min_nan")
    ('words', 'spaces')
    """
    return _UNSPACED.get(code.replace("-", "_"), "spaces")


def joiner_of(code: str) -> str:
    """Return the text between the two words of a bigram's entry: a space, or nothing in languages without spaces.

    Tibetan script writes a mark between two syllables. Without it, no text would contain the entry.

    >>> joiner_of("fi"), joiner_of("th"), joiner_of("bo")
    (' ', '', '་')
    """
    return {"spaces": " ", "words": "", "syllables": TSHEG}[segmenter_of(code)]
