"""Scan a batch of texts for personal data, and write them with a word in the place of each find.

Regular expressions on Arrow (RE2, in time by the length of the texts) leave few texts to look at closely.
"""

from __future__ import annotations

from bisect import bisect
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from metaclip_spark.core.extras import how_to_install
from metaclip_spark.errors import ConfigError
from metaclip_spark.filters.pii.addresses import emails, ip_addresses
from metaclip_spark.filters.pii.folding import fold
from metaclip_spark.filters.pii.numbers import cards, ibans, national_ids
from metaclip_spark.filters.pii.phones import phones

_WORDS = {"email": "[EMAIL]", "iban": "[IBAN]", "card": "[CARD]", "ip": "[IP]", "phone": "[PHONE]"}
_OF_AN_ID = "[ID]"
_MAYBE = (
    r"[@\x{ff20}\x{fe6b}]"
    r"|\p{Nd}[^\p{L}]{6}"
    r"|[23][0-9A-Fa-f]{3}[:\x{fe13}\x{fe55}\x{ff1a}]"
    r"|[A-Z]{2}\p{Nd}{2}[\pZ\p{Pd}]?[A-Z\p{Nd}]"
    r"|[A-Z]{6}[0-9A-Z]{2}[A-EHLMPRST][0-9A-Z]{2}[A-Z]"
    # Characters that `fold` removes, and letters and digits that it writes as plain ones: they may break a form up.
    r"|[\p{Cf}\x{fe00}-\x{fe0f}\x{20e3}\x{ff10}-\x{ff5a}\x{1d400}-\x{1d7ff}]"
)
"""What a text has that may hold personal data: an "@", a digit without letters behind it, or the beginning of a form.

Without repetitions of groups, which RE2 reads far more slowly.
"""
Span = tuple[int, int, str]
"""Start, end and kind of a find."""


@dataclass(frozen=True)
class Scan:
    """The texts of a batch that hold personal data.

    Attributes:
        rows: k, ascending: their indices.
        kinds: for each, the kinds of its finds, by their place in the text, each once.
        masked: string array of k, the texts with a word in the place of each find.
    """

    rows: npt.NDArray[np.int64]
    kinds: Sequence[tuple[str, ...]]
    masked: pa.Array

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def counts(self) -> Counter[str]:
        """Kind -> number of texts that hold it."""
        return Counter(kind for kinds in self.kinds for kind in kinds)


def check_installed() -> None:
    """Check that the packages that know the numbers are there.

    Raises:
        ConfigError: one of them is missing.
    """
    missing = [name for name in ("stdnum", "phonenumbers") if find_spec(name) is None]
    if missing:
        raise ConfigError(f"--pii needs the package {missing[0]}: {how_to_install('pii')}")


def scan(texts: pa.Array) -> Scan:
    """Find the texts of a batch that hold personal data.

    Args:
        texts: string array of n without nulls.
    """
    rows, kinds, masked = [], [], []
    candidates = np.flatnonzero(may_hold(texts).to_numpy(zero_copy_only=False))
    for row, text in zip(candidates, texts.take(pa.array(candidates)).to_pylist(), strict=True):
        spans = spans_of(text)
        if spans:
            rows.append(row)
            kinds.append(tuple(dict.fromkeys(kind for _, _, kind in spans)))
            masked.append(_with_words(text, spans))
    return Scan(np.array(rows, dtype=np.int64), kinds, pa.array(masked, pa.string()))


def may_hold(texts: pa.Array) -> pa.Array:
    """Return whether a text has what all personal data have; every text for which `spans_of` finds some has it."""
    return pc.match_substring_regex(texts, _MAYBE)


def spans_of(text: str) -> list[Span]:
    """Return the finds in a text, in order; of finds that overlap, the kind that is looked for first counts.

    >>> spans_of("write to someone@example.org")
    [(9, 28, 'email')]
    """
    folded = fold(text)
    taken: list[Span] = []
    for span in _finds(folded.text):
        at = bisect(taken, span)
        after_last = at == 0 or taken[at - 1][1] <= span[0]
        before_next = at == len(taken) or span[1] <= taken[at][0]
        if after_last and before_next:
            taken.insert(at, span)
    return [(*folded.span(start, end), kind) for start, end, kind in taken]


def _finds(text: str) -> Iterator[Span]:
    for kind, finder in (("email", emails), ("iban", ibans)):
        yield from ((start, end, kind) for start, end in finder(text))
    yield from ((start, end, kind) for kind, start, end in national_ids(text))
    for kind, finder in (("card", cards), ("ip", ip_addresses), ("phone", phones)):
        yield from ((start, end, kind) for start, end in finder(text))


def mask_text(text: str) -> str:
    """Return a text with a word in the place of each find.

    >>> mask_text("write to someone@example.org")
    'write to [EMAIL]'
    """
    return _with_words(text, spans_of(text))


def _with_words(text: str, spans: Sequence[Span]) -> str:
    parts, done = [], 0
    for start, end, kind in spans:
        parts += [text[done:start], _WORDS.get(kind, _OF_AN_ID)]
        done = end
    return "".join([*parts, text[done:]])
