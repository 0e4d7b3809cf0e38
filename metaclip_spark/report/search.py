"""What the page's search looks through: the numbers and the sample texts of entries, packed for its script."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from metaclip_spark.core.wording import size
from metaclip_spark.report.card import Card
from metaclip_spark.report.composition.entry_texts import FREQUENT, PER_SIDE
from metaclip_spark.report.composition.model import Composition
from metaclip_spark.report.formatting import number, visible
from metaclip_spark.storage.packed import ENTRIES, TEXTS, block

SEARCHED = 500_000
"""Maximum number of entries in the page, the most frequent ones: the list of the paper fits."""
TEXT_BYTES = 8_000_000
"""Maximum number of bytes of texts and urls in the page, before they are compressed."""
ENTRY_WIDTH, TEXT_WIDTH, URL_WIDTH = 200, 300, 1 << 20
"""Maximum numbers of columns of an entry, a text and a url in the page. Urls are whole: a takedown looks for them."""


@dataclass(frozen=True)
class Search:
    """The page's search: which entries and texts the page has, and the elements that carry them."""

    sentence: str
    blocks: str


def search(card: Card) -> Search | None:
    """Return what the page's search needs; None if no entry has a count."""
    ids = _searched(card.entry_counts)
    if not len(ids):
        return None
    sentence, blocks = _sentence(card, len(ids)), [block(ENTRIES, _numbers(card, ids))]
    if card.composition is None:
        sentence += " Their texts need another pass over the pool, which `metaclip-spark report` makes."
    else:
        texts = _texts(card.composition)
        named = card.classes is not None
        sentence += _text_sentence(len(texts["of"]), len(ids), len(card.composition.texts), named)
        blocks.append(block(TEXTS, texts))
    return Search(sentence, "\n".join(blocks))


def _searched(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the ids of the most frequent entries with a count, ascending. Ties are ordered by id."""
    order = np.argsort(-counts, kind="stable")[:SEARCHED]
    return np.sort(order[counts[order] > 0])


def _numbers(card: Card, ids: npt.NDArray[np.int64]) -> dict[str, Any]:
    """Return the entries, ids as distances and counts in columns, and the lists: name, first id and t."""
    return {
        "ids": np.diff(ids, prepend=0).tolist(),
        "entries": [visible(card.entry(at), ENTRY_WIDTH) for at in ids.tolist()],
        "pool": card.entry_counts[ids].tolist(),
        "curated": card.curated_entry_counts[ids].tolist(),
        "lists": _lists(card),
    }


def _lists(card: Card) -> list[tuple[str, int, int]]:
    if card.sections is None:
        return [("", 0, card.threshold)]
    starts = card.sections.starts
    parts = zip(card.sections.names, starts, starts[1:], strict=False)
    return [(visible(name, 40), start, card.threshold_of(start)) for name, start, stop in parts if stop > start]


def _texts(composition: Composition) -> dict[str, Any]:
    """Return the distinct (text, url, pair id), and which of them each entry has before and after, up to TEXT_BYTES."""
    numbers: dict[tuple[str, str, str], int] = {}
    of: dict[int, tuple[list[int], list[int]]] = {}
    used = 0
    for entry_id, sides in composition.texts.items():
        shown = [
            [(visible(text, TEXT_WIDTH), visible(url, URL_WIDTH), visible(pair_id)) for text, url, pair_id in side]
            for side in sides
        ]
        new = {pair for side in shown for pair in side if pair not in numbers}
        used += sum(len(part.encode()) for pair in new for part in pair)
        if used > TEXT_BYTES:
            break
        before, after = ([numbers.setdefault(pair, len(numbers)) for pair in side] for side in shown)
        of[entry_id] = before, after
    return {"texts": list(numbers), "of": of}


def _sentence(card: Card, searched: int) -> str:
    matched = card.n_entries - card.entries_unmatched
    if searched < matched:
        return f"The page has the numbers of the {number(searched)} most frequent of {number(matched)} counted entries."
    which = "the only entry" if matched == 1 else f"all {number(matched)} entries"
    return f"The page has the numbers of {which} with a count."


def _text_sentence(shown: int, searched: int, chosen: int, named: bool) -> str:
    """Say how many entries have texts: of `searched` entries, texts of `chosen` were sampled, class names first."""
    whose = "Each" if shown == searched else f"{number(shown)} of them"
    has = "has" if shown in (1, searched) else "have"
    first = "those of class names, " if named else ""
    which = f": {first}the {number(FREQUENT)} most frequent, and others chosen by a keyed hash"
    how = "" if shown == searched else which
    cut = f" More texts than {size(TEXT_BYTES)} are left out." if shown < chosen else ""
    return (
        f" {whose} {has} up to {PER_SIDE} texts of the pool and {PER_SIDE} of the subset, sampled by a keyed hash of "
        f"the pair{how}.{cut}"
    )
