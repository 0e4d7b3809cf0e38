r"""The tokeniser of word counts: what is a word of a text, and which two words are a bigram.

A word that is counted here may become an entry, and an entry is looked up in a *spaced* text (`core/text.py`).
So a text is cut where matching cuts it: at white space and at each of `, . ; : ? !` and the backquote. As in upstream's
own n-gram builder, marks of punctuation are no words and end a bigram. Upstream cuts a word at every mark; here marks
are taken off a word's outside (`"cat"` is `cat`) and stay inside it (`don't`, `well-known`, `AC/DC`), because matching
sees them there. A bigram is two words with nothing but spaces between them: only such a pair can match as a phrase.
Case is kept.
"""

from __future__ import annotations

import re
import string

from metaclip_spark.core.text import PADDED

TOKENISER = "spaced-words-1"
"""Changes whenever the same text may give other words; stands beside every count."""

# Written out, not asked of `unicodedata`: its tables change with Python's version, and counts would with them.
_MARKS = string.punctuation + "¡¿§¶·«»‐‑‒–—―‖‗‘’‚‛“”„‟†‡•‣․‥…‰′″‴‵‶‷‸‹›※‼‽‾⁂⁄。、，；：？！（）【】《》〈〉「」『』～・"
_CLASS = f"[{re.escape(_MARKS)}]+"
_OUTSIDE = re.compile(rf"(?<!\S){_CLASS}|{_CLASS}(?!\S)")


def phrases_of(text: str) -> list[list[str]]:
    r"""Return the words of a text, in runs between which a bigram cannot reach.

    A run ends at punctuation and at a line's end.

    >>> phrases_of('The "old" dog, it seems, don\'t bark (much)')
    [['The'], ['old'], ['dog'], ['it', 'seems'], ["don't", 'bark'], ['much']]
    >>> phrases_of("New York City\nUnited States - 3.5")
    [['New', 'York', 'City'], ['United', 'States'], ['3'], ['5']]
    """
    for mark in PADDED:
        text = text.replace(mark, "\n")
    return [words for line in _OUTSIDE.sub("\n", text).split("\n") if (words := line.split())]
