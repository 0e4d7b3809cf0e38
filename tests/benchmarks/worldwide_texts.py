"""Seeded texts and lists of many languages for the benchmarks: real captions and lemmas if they are available."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
CAPTIONS = SHARED / "captions" / "xflickrco_8lang.parquet"
LEMMAS = SHARED / "metadata" / "omw_lemmas.parquet"
LEMMA_LANGUAGES = {"zh": ["cmn", "qcn"]}

# Thai has no captions at hand: words of its syllables, joined without spaces.
_CONSONANTS = [chr(code) for code in range(0x0E01, 0x0E2F) if code not in (0x0E03, 0x0E05, 0x0E24, 0x0E26)]
_BEFORE = ["", "", "", "", "\u0e40", "\u0e41", "\u0e42", "\u0e44"]
_AFTER = ["", "\u0e32", "\u0e31", "\u0e34", "\u0e35", "\u0e38", "\u0e39", "\u0e2d", "\u0e33"]
_TONES = ["", "", "", "\u0e48", "\u0e49"]


def captions_of(language: str) -> list[str]:
    """Return the 2,000 captions of a language (de, en, es, id, ja, ru, tr, zh)."""
    table = pq.read_table(CAPTIONS)
    return table.filter(pc.equal(table["lang"], language))["text"].to_pylist()


def thai_words(number: int, rng: np.random.Generator) -> list[str]:
    """Return different words of one to four generated syllables, the short ones first."""
    made: dict[str, None] = {}
    while len(made) < number:
        syllables = 1 + min(3, len(made) * 4 // number)
        parts = [rng.choice(_BEFORE) + rng.choice(_CONSONANTS) + rng.choice(_AFTER) + rng.choice(_TONES)]
        parts += [
            rng.choice(_BEFORE) + rng.choice(_CONSONANTS) + rng.choice(_AFTER) + rng.choice(_CONSONANTS)
            for _ in range(syllables - 1)
        ]
        made["".join(parts)] = None
    return list(made)


def thai_texts(number: int, seed: int = 0) -> list[str]:
    """Return texts of 4 to 20 words, the frequent ones often, with a space after some."""
    rng = np.random.default_rng(seed)
    words = np.array(thai_words(5_000, rng))
    texts = []
    for size in rng.integers(4, 21, number).tolist():
        at = np.minimum(rng.zipf(1.3, size) - 1, len(words) - 1)
        spaces = (rng.random(size) < 0.1).tolist()
        texts.append("".join(word + " " * space for word, space in zip(words[at].tolist(), spaces, strict=True)))
    return texts


def joined_halves(base: Sequence[str], number: int, seed: int = 0) -> list[str]:
    """Make different texts of about the same lengths: halves of two texts, by characters, and a number."""
    first, second = np.random.default_rng(seed).integers(0, len(base), (2, number))
    halves = zip(first.tolist(), second.tolist(), strict=True)
    return [f"{base[a][: len(base[a]) // 2]}{base[b][len(base[b]) // 2 :]} {at}" for at, (a, b) in enumerate(halves)]


def entries_for(texts: Sequence[str], number: int, grams: int, words: Sequence[str] = (), seed: int = 0) -> list[str]:
    """Make a list: given words, then what is frequent in the texts, then strings of the texts' characters.

    Args:
        texts: the texts.
        number: the number of entries.
        grams: the number of frequent sequences of one to eight characters of the texts that are entries.
        words: real words.
    """
    rng = np.random.default_rng(seed)
    counts = Counter(
        text[at : at + size] for text in texts for size in range(1, 9) for at in range(len(text) - size + 1)
    )
    frequent = [gram for gram, count in counts.most_common(grams) if count > 1]
    entries = dict.fromkeys(entry for entry in [*words, *frequent] if not entry.isspace())
    chars = np.array([char for text in texts for char in text if not char.isspace()])
    while len(entries) < number:
        lengths = rng.choice([2, 3, 4, 5, 6], 50_000, p=[0.3, 0.3, 0.25, 0.1, 0.05])
        picked = "".join(rng.choice(chars, lengths.sum()))
        ends = np.cumsum(lengths)
        for start, end in zip((ends - lengths).tolist(), ends.tolist(), strict=True):
            entries[picked[start:end]] = None
    return list(entries)[:number]


def thai_entries(texts: int, seed: int = 0) -> list[str]:
    """Return the words of `thai_texts`, and pairs of words that it may write."""
    rng = np.random.default_rng(seed)
    words = thai_words(5_000, rng)
    pairs = np.minimum(np.random.default_rng(seed + 1).zipf(1.3, (texts, 2)) - 1, len(words) - 1).tolist()
    return list(dict.fromkeys([*words, *(words[a] + words[b] for a, b in pairs)]))


def lemmas_of(language: str) -> list[str]:
    """Return the lemmas of a language in WordNets; none for a language without them."""
    wanted = LEMMA_LANGUAGES.get(language, [])
    if not wanted or not LEMMAS.exists():
        return []
    table = pq.read_table(LEMMAS, columns=["lang", "lemma"])
    found = table.filter(pc.is_in(table["lang"], pa.array(wanted)))["lemma"].to_pylist()
    return list(dict.fromkeys(lemma.replace("_", " ").replace("+", "") for lemma in found))
