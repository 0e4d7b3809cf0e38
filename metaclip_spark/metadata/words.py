r"""Tokenize a text into the words and bigrams that word counts are made of.

A counted word may become an entry, and an entry is searched in a *spaced* text (`core/text.py`). So the tokenizer
splits a text where matching does: at white space and at each of `, . ; : ? !` and the backquote. As in upstream's
n-gram builder, punctuation marks are not words, and they end a bigram. Upstream splits a word at every mark. This
tokenizer removes marks from the outside of a word (`"cat"` is `cat`) and keeps marks inside it (`don't`, `well-known`,
`AC/DC`), because matching keeps them there. A bigram is two words with only spaces between them: no other two words
can match as a phrase. Case is kept.
"""

from __future__ import annotations

import re
import string

from metaclip_spark.core.text import PADDED

TOKENISER = "spaced-words-1"
"""Version of the tokenizer, stored with the counts. A change that gives other words for a text needs a new version."""

# The marks are listed here: the tables of `unicodedata` change with the version of Python, and the counts would change.
_MARKS = string.punctuation + "¡¿§¶·«»‐‑‒–—―‖‗‘’‚‛“”„‟†‡•‣․‥…‰′″‴‵‶‷‸‹›※‼‽‾⁂⁄。、，；：？！（）【】《》〈〉「」『』～・"
_MARK_RUN = f"[{re.escape(_MARKS)}]+"
_OUTER_MARKS = re.compile(rf"(?<!\S){_MARK_RUN}|{_MARK_RUN}(?!\S)")


def phrases_of(text: str) -> list[list[str]]:
    r"""Return the words of a text in runs; both words of a bigram are in the same run.

    A run ends at punctuation and at the end of a line.

    >>> phrases_of('The "old" dog, it seems, don\'t bark (much)')
    [['The'], ['old'], ['dog'], ['it', 'seems'], ["don't", 'bark'], ['much']]
    >>> phrases_of("New York City\nUnited States - 3.5")
    [['New', 'York', 'City'], ['United', 'States'], ['3'], ['5']]
    """
    for mark in PADDED:
        text = text.replace(mark, "\n")
    return [words for line in _OUTER_MARKS.sub("\n", text).split("\n") if (words := line.split())]
