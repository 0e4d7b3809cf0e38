"""A filter as one would write it oneself: leaves out texts that hold a word or phrase of a list.

    --filter 'metaclip_spark.filters.words:word_list?path=words.txt&reason=nsfw'

One word or phrase a line; empty lines and lines that begin with "#" are skipped. Words are compared whole and
case-folded; what stands between them (spaces, punctuation) does not count.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

import pyarrow as pa

from metaclip_spark.errors import ConfigError

_WORD = re.compile(r"\w+")
Words = tuple[str, ...]


@dataclass(frozen=True)
class WordList:
    """The filter: called with a batch, returns (mask, reason).

    Attributes:
        phrases: each as its case-folded words.
        lengths: how many words the phrases have, each length once, ascending.
        id: hash of the phrases and the reason, since they decide what is left out and under which name.
    """

    phrases: frozenset[Words]
    lengths: tuple[int, ...]
    reason: str
    id: str

    def __call__(self, batch: pa.RecordBatch) -> tuple[pa.Array, str]:
        """Keep the texts that hold none of the phrases."""
        texts = batch.column("text").to_pylist()
        return pa.array([not self.in_text(text) for text in texts], pa.bool_()), self.reason

    def in_text(self, text: str) -> bool:
        """Return whether a phrase is in the text.

        >>> word_filter = WordList.from_lines(["Red Mushroom"])
        >>> word_filter.in_text("a red, mushroom"), word_filter.in_text("red mushrooms")
        (True, False)
        """
        words = words_of(text)
        for length in self.lengths:
            shifted = (words[at:] for at in range(length))
            if not self.phrases.isdisjoint(zip(*shifted, strict=False)):
                return True
        return False

    @classmethod
    def from_lines(cls, lines: list[str], reason: str = "words") -> WordList:
        """Make the filter from words and phrases."""
        phrases = frozenset(words_of(line) for line in lines) - {()}
        listed = "\n".join([reason, *sorted(map(" ".join, phrases))])
        digest = hashlib.sha256(listed.encode()).hexdigest()
        return cls(phrases, tuple(sorted({len(phrase) for phrase in phrases})), reason, digest)


def words_of(text: str) -> Words:
    """Return the runs of letters, digits and "_", case-folded."""
    return tuple(_WORD.findall(text.casefold()))


def word_list(path: str, reason: str = "words") -> WordList:
    """Read the list (UTF-8); this is the factory that `--filter` names.

    Raises:
        ConfigError: the file cannot be read, or holds no word.
    """
    try:
        with open(path, encoding="utf-8-sig") as file:
            lines = [line for line in file if not line.startswith("#")]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"word list {path} cannot be read: {error}.") from None
    made = WordList.from_lines(lines, reason)
    if not made.phrases:
        raise ConfigError(f"word list {path} holds no word.")
    return made
