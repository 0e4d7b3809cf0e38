"""Worldwide curation in one process, written only from its description. The pipeline must equal it.

Each text has the list of its language. Ids are those of all lists one after the other, in the order of their names.
"""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from typing import NamedTuple

from reference import Row, keyed_hash, spaced

RANGES = (
    "4E00-9FFF 3400-4DBF 20000-2A6DF 2A700-2B73F 2B740-2B81F 2B820-2CEAF 2CEB0-2EBEF F900-FAFF "
    "2E80-2EFF 2F00-2FDF 2FF0-2FFF 0E00-0E7F 0E80-0EFF 1000-109F 1780-17FF 0F00-0FFF"
)
MARKS = "，。、；：？！“”‘’（）【】《》〈〉「」『』～—"
ASCII_PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"


class Worldwide(NamedTuple):
    """The results for a pool; ids and counts are of the lists one after the other."""

    pairs: dict[str, Row]
    lists: dict[str, str]
    entry_ids: dict[str, list[int]]
    counts: dict[int, int]
    thresholds: dict[str, int]
    entry_probabilities: dict[int, float]
    kept: dict[str, tuple[float, float]]


def is_edge(character):
    for part in RANGES.split():
        first, last = part.split("-")
        if int(first, 16) <= ord(character) <= int(last, 16):
            return True
    return character in MARKS or character in ASCII_PUNCTUATION


def needle(entry):
    left = "" if is_edge(entry[0]) else " "
    right = "" if is_edge(entry[-1]) else " "
    return left + entry + right


def naive_matcher(entries):
    """Return text -> ids of the entries whose needle is a substring of the spaced text, ascending."""
    needles = [needle(entry) for entry in entries]
    return lambda text: [at for at, wanted in enumerate(needles) if wanted in spaced(text)]


def share_below(counts, t):
    return sum(count for count in counts if count < t) / sum(counts)


def nearest_threshold(counts, fraction):
    """Return the count at which the cumulative share is nearest; upstream returns 0 as it is, ours at least 1."""
    ascending = sorted(counts)
    total = sum(ascending)
    if not total:
        return 1
    shares = [cumulated / total for cumulated in itertools.accumulate(ascending)]
    nearest = min(range(len(shares)), key=lambda i: abs(shares[i] - fraction))
    return max(1, ascending[nearest])


def curate(
    rows,
    lists,
    list_of,
    *,
    threshold=None,
    tail_fraction=0.06,
    given=None,
    seed=0,
    unit="pair",
    matcher=None,
    weights=None,
):
    """Match, deduplicate, count, choose t and draw.

    Args:
        rows: (row, code of its language).
        lists: name -> entries.
        list_of: code -> name; a text of another code is dropped.
        threshold: t of English, whose tail fraction is that of all other languages.
        given: name -> t.
        matcher: entries -> (text -> ids), instead of the naive search.
        weights: name -> the factor of the probabilities of its pairs.
    """
    starts = dict(
        zip(sorted(lists), itertools.accumulate([0, *(len(lists[name]) for name in sorted(lists))]), strict=False)
    )
    matchers = {}
    first, of, ids, images = {}, {}, {}, {}
    for row, code in rows:
        name = list_of.get(code)
        if name is None:
            continue
        pair, image = keys_of(row)
        if name not in matchers:
            matchers[name] = (matcher or naive_matcher)(lists[name])
        matched = [starts[name] + at for at in matchers[name](row.text)]
        if matched and (pair not in first or row < first[pair]):
            first[pair], of[pair], ids[pair], images[pair] = row, name, matched, image
    counts = Counter(at for matched in ids.values() for at in matched)
    of_list = {name: [counts[starts[name] + at] for at in range(len(lists[name]))] for name in lists}
    t = dict(given or {})
    if threshold is not None:
        tail_fraction = share_below(of_list["en"], threshold)
        t["en"] = threshold
    for name in lists:
        t.setdefault(name, nearest_threshold(of_list[name], tail_fraction))
    p_entry = {
        starts[name] + at: t[name] / max(count, t[name])
        for name in lists
        for at, count in enumerate(of_list[name])
        if count
    }
    chosen = set(first)
    if unit == "image":
        by_image = {}
        for pair in sorted(first, key=lambda pair: (keyed_hash("choose", seed, pair), pair)):
            by_image.setdefault(images[pair], pair)
        chosen = set(by_image.values())
    kept = {}
    for pair in chosen:
        missed = 1.0
        for at in ids[pair]:
            missed *= 1.0 - p_entry[at]
        u = (keyed_hash("draw", seed, pair if unit == "pair" else images[pair]) >> 11) * 2**-53
        p = (1.0 - missed) * (weights or {}).get(of[pair], 1.0)
        if u < p:
            kept[pair] = (p, u)
    return Worldwide(first, of, ids, {at: n for at, n in counts.items() if n}, t, p_entry, kept)


def keys_of(row):
    raw = row.url.encode()
    pair = hashlib.blake2b(len(raw).to_bytes(8, "little") + raw + row.text.encode(), digest_size=16).hexdigest()
    return pair, hashlib.sha224(row.url.replace("\t", "").replace(" ", "").encode()).hexdigest()[:24]
