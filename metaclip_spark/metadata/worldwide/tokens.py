"""Tokenize a text as the recipe of MetaCLIP 2 does, for counting the words and bigrams of a Wikipedia.

Source: the n-gram builder of the reference code. White space separates tokens, and each CJK, Thai-like or punctuation
character is a token of its own. Languages without spaces have a segmenter instead. Punctuation is no word, and a bigram
never crosses it. Here a bigram does not cross the end of a line, either: two lines are no phrase.
"""

from __future__ import annotations

import re
import string
import sys
from collections.abc import Callable

from metaclip_spark.core.extras import how_to_install
from metaclip_spark.errors import ConfigError
from metaclip_spark.metadata.worldwide.segmenters import TSHEG, segmenter_of

PUNCTUATION = frozenset(string.punctuation + "，。、；：？¿！“”‘’（）【】《》〈〉「」『』～—")
"""The recipe's punctuation: an entry of nothing else is left out, and a bigram does not cross it."""
TOKENISER = "worldwide-tokens-1"
"""Version of the tokenizer, stored with the counts. A change that gives other words for a text needs a new version."""

Phrases = Callable[[str], list[list[str]]]
"""A function from a text to its words in runs; both words of a bigram are in the same run."""

# CJK, then Thai, Lao, Tibetan, Burmese and Khmer.
_ALONE = (
    "\u4e00-\u9fff\u3400-\u4dbf\U00020000-\U0002a6df\U0002a700-\U0002b73f\U0002b740-\U0002b81f\U0002b820-\U0002ceaf"
    "\U0002ceb0-\U0002ebef\uf900-\ufaff\u2e80-\u2eff\u2f00-\u2fdf\u2ff0-\u2fff"
    "\u0e00-\u0e7f\u0e80-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff"
)
_CHARACTER = re.compile(f"([{_ALONE}])")
_PUNCTUATION_RUN = re.compile(f"[{re.escape(''.join(sorted(PUNCTUATION)))}]+|[\r\n]+")
_PUNCTUATION_OR_SPACE = re.compile(f"[{re.escape(''.join(sorted(PUNCTUATION)))}\\s\u200b]+")
_ICU = "icu4py"
_ICU_PYTHON = (3, 11)


def phrases_for(code: str) -> Phrases:
    """Return the function that tokenizes a Wikipedia's texts.

    Args:
        code: The code of the Wikipedia, such as `de`, `th` or `zh_yue`.

    Raises:
        ConfigError: The language needs a segmenter that is not installed.

    >>> phrases_for("de")("Ein Hund, zwei Hunde")
    [['Ein', 'Hund'], ['zwei', 'Hunde']]
    """
    if segmenter_of(code) == "spaces":
        return spaced_phrases
    return _icu_phrases(code.replace("_", "-").partition("-")[0])


def tokeniser_of(code: str) -> str:
    """Return the name and version of the tokenizer of a Wikipedia, for the sidecar of its counts.

    Raises:
        ConfigError: The language needs a segmenter that is not installed.
    """
    if segmenter_of(code) == "spaces":
        return TOKENISER
    return f"{TOKENISER}, {segmenter_of(code)} by {_ICU} {_icu_version()}"


def spaced_phrases(text: str) -> list[list[str]]:
    """Return the words of a text in runs, by white space; a CJK or Thai-like character is a word.

    >>> spaced_phrases("Das Zeichen 木 (Baum) don't")
    [['Das', 'Zeichen', '木'], ['Baum'], ['don'], ['t']]
    """
    runs = (_CHARACTER.sub(r" \1 ", run).split() for run in _PUNCTUATION_RUN.split(text))
    return [words for words in runs if words]


def _icu_phrases(language: str) -> Phrases:
    breaker = _word_breaker()
    # dz, ryu and the variants of zh have no dictionary of their own: ICU chooses by script.
    locale = {"dz": "bo", "ryu": "ja"}.get(language, language)

    def phrases(text: str) -> list[list[str]]:
        runs: list[list[str]] = []
        # A bigram is written without a space, so white space ends a run: no text has its words without one.
        for run in _PUNCTUATION_OR_SPACE.split(text):
            words = [token.strip(TSHEG) for token in breaker(run, locale)] if run else []
            runs += _without_marks([word for word in words if word])
        return runs

    return phrases


def _without_marks(words: list[str]) -> list[list[str]]:
    """Split a run at tokens without a letter or digit, such as `།` or `・`."""
    runs: list[list[str]] = [[]]
    for word in words:
        if any(char.isalnum() for char in word):
            runs[-1].append(word)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _word_breaker() -> Callable[[str, str], list[str]]:
    try:
        from icu4py.breakers import WordBreaker
    except ImportError as error:
        raise _no_segmenter(error) from error

    def words(text: str, locale: str) -> list[str]:
        return list(WordBreaker(text, locale))

    return words


def _icu_version() -> str:
    try:
        import icu4py
    except ImportError as error:
        raise _no_segmenter(error) from error
    from importlib.metadata import version

    return f"{version(_ICU)} (ICU {icu4py.icu_version})"


def _no_segmenter(error: ImportError) -> ConfigError:
    needed, here = ".".join(map(str, _ICU_PYTHON)), ".".join(map(str, sys.version_info[:2]))
    if sys.version_info[:2] < _ICU_PYTHON:
        return ConfigError(
            f"counting a language without spaces needs {_ICU}, which needs Python >= {needed}, got Python {here}; run"
            " this command with a newer Python."
        )
    return ConfigError(
        f"counting a language without spaces needs {_ICU} ({error}; Python >= {needed}, here {here}); install it:"
        f" {how_to_install('segmenters')}"
    )
