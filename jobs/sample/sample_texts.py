"""Draw the texts of the sample: WordNet's words in templates, with the long tail of the web."""

from __future__ import annotations

import bisect
import hashlib
import itertools
import json
import math
import random
from pathlib import Path

# Texts are made of these ranges of the list, each given by its first and last entry. The entries name things that
# pictures show, and no people.
KINDS = [
    ("Animalia", "somite"),
    ("aba", "zoot suit"),
    ("solid food", "soul food"),
    ("Plantae", "tree of knowledge"),
    ("ylem", "xanthine"),
]
EXCLUDED = {"bomb", "condom", "dildo", "dirty bomb", "negro peach", "rape", "tit"}
PLACES = [("here", "House of War"), ("Aare", "Zuider Zee")]
UNCAPITALISED = {"a", "and", "as", "at", "but", "by", "for", "from", "in", "of", "on", "the", "to", "with"}

TEMPLATES = json.loads(Path(__file__).with_name("templates.json").read_text(encoding="utf-8"))


class Draws:
    """Seeded draws that do not depend on the platform."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed).random

    def chance(self, probability: float) -> bool:
        return self._random() < probability

    def below(self, stop: int) -> int:
        return int(self._random() * stop)

    def pick(self, items: list):
        return items[self.below(len(items))]

    def inverse(self) -> float:
        """Draw a number from [1, inf) that is above x with probability 1 / x."""
        return 1 / (1 - self._random())

    def long_tailed(self, items: list, cumulative: list[float]):
        return items[bisect.bisect(cumulative, self._random() * cumulative[-1])]


class Texts:
    """Texts whose words are drawn with a weight of 1 / (rank + 10)^1.25: a few words have most of the counts."""

    def __init__(self, entries: list[str], draws: Draws) -> None:
        self.draws, self.earlier = draws, [""]
        known = set(entries)
        common = [word for word in TEMPLATES["common"] if word in known]
        words = common + sorted(set(_ranges(entries, KINDS)) - set(common), key=_rarity)
        places = sorted(set(_ranges(entries, PLACES)), key=_rarity)
        self._words = words, _cumulative_weights(len(words))
        self._places = places, _cumulative_weights(len(places))

    def text(self) -> str:
        """Draw a text as it is written in an alt attribute, with entities and odd spaces."""
        d = self.draws
        if d.chance(0.06):
            return d.pick(self.earlier)
        text = self._plain()
        if d.chance(0.85):
            text = text.replace("&", "&amp;").replace("'", "&#39;").replace('"', "&quot;")
        if d.chance(0.1):
            text = text.replace("&amp;", "&amp;amp;")
        if d.chance(0.01):
            text += d.pick(["&nbsp;", " &copy; 2026", " caf&eacute;"])
        if d.chance(0.03):
            text = text.replace(" ", d.pick(["\n", "\t", "\r\n  ", " \n"]), 1)
        if d.chance(0.02):
            text = d.pick([" ", "\n    ", "\t"]) + text + " "
        self.earlier.append(text)
        return text

    def _plain(self) -> str:
        d = self.draws
        kind = d.below(100)
        if kind < 18:
            return self._fill(d.pick(TEMPLATES["files"])).replace(" ", "_")
        if kind < 24:
            words = d.pick(TEMPLATES["foreign"]).split()
            return " ".join(d.pick(words) for _ in range(1 + d.below(4)))
        if kind < 30:
            return d.pick(TEMPLATES["boilerplate"])
        if kind < 33:
            return ". ".join(self._fill(d.pick(TEMPLATES["medium"])).capitalize() for _ in range(4 + d.below(12))) + "."
        text = self._fill(d.pick(TEMPLATES["short" if kind < 69 else "medium"]))
        style = d.below(100)
        if style < 36:
            lower = set() if style < 10 else UNCAPITALISED
            words = text.split(" ")
            text = " ".join(word if word in lower else word[:1].upper() + word[1:] for word in words)
        elif style < 40:
            return text.upper()
        return text[:1].upper() + text[1:] if style < 50 else text

    def _fill(self, template: str) -> str:
        for slot, draw in (
            ("{n}", self._word),
            ("{p}", self._place),
            ("{d}", self._digits),
            ("{i}", self._ordinal),
            ("{h}", self.host),
        ):
            while slot in template:
                template = template.replace(slot, draw(), 1)
        return template

    def _word(self) -> str:
        return self.draws.long_tailed(*self._words)

    def _place(self) -> str:
        return self.draws.long_tailed(*self._places)

    def _digits(self) -> str:
        return str(self.draws.below(10 ** (1 + self.draws.below(5))))

    def _ordinal(self) -> str:
        return str(int(1.4 * self.draws.inverse()))

    def host(self) -> str:
        """Draw a host in the domains that are reserved for examples."""
        d = self.draws
        name = f"{d.pick(['www', 'shop', 'blog', 'img'])}{d.below(40) * d.below(40)}"
        return f"{name}.example.{d.pick(['org', 'com', 'net'])}"


def _ranges(entries: list[str], bounds: list[tuple[str, str]]) -> list[str]:
    found = (e for first, last in bounds for e in entries[entries.index(first) : entries.index(last) + 1])
    return [entry for entry in found if entry.lower() not in EXCLUDED]


def _cumulative_weights(count: int) -> list[float]:
    # Compute (rank + 10)^-1.25 from square roots, because pow() may differ in its last bit between platforms.
    roots = (math.sqrt(math.sqrt(rank + 10)) for rank in range(count))
    return list(itertools.accumulate(1 / (root * root * root * root * root) for root in roots))


def _rarity(entry: str) -> tuple[int, str]:
    # Short words are roughly the common ones; the hash makes ranks independent of the alphabet.
    digest = hashlib.sha256(entry.encode()).hexdigest()
    return len(entry) + int(digest[:8], 16) % 24 + 8 * (entry != entry.lower()), digest
