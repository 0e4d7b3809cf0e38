"""Bytes sought in bytes, 128 at a time: compiled loops that become vector instructions."""

from __future__ import annotations

import numpy as np

from metaclip_spark.core.jit import kernel

BLOCK = 128


@kernel
def find_in(raw: np.ndarray, what: np.ndarray, a: int, b: int, at: int, stop: int) -> int:
    """Return where `what` stands first in [at, stop), -1 where it does not.

    Args:
        raw, what: (.,) uint8.
        a, b: places in `what` that are looked at first; seldom both are met elsewhere.
        at, stop: bounds.
    """
    stop -= len(what) - 1
    one, other = what[a], what[b]
    while at < stop:
        end = min(at + BLOCK, stop)
        if end - at == BLOCK:
            first, later = raw[at + a : end + a], raw[at + b : end + b]
            hit = False
            for place in range(BLOCK):
                hit |= (first[place] == one) & (later[place] == other)
            if not hit:
                at = end
                continue
        for place in range(at, end):
            if raw[place + a] == one and starts(raw, place, what):
                return place
        at = end
    return -1


@kernel
def _mentions(raw: np.ndarray, word: np.ndarray) -> bool:
    """Return whether a lower-case word stands anywhere, in whatever case."""
    size, middle, at = len(word), len(word) // 2, 0
    a, b, c, low = word[0], word[middle], word[-1], np.uint8(32)
    while at + size <= len(raw):
        stop = min(at + BLOCK, len(raw) - size + 1)
        if stop - at == BLOCK:
            first, later, last = raw[at:stop], raw[at + middle : stop + middle], raw[at + size - 1 : stop + size - 1]
            hit = False
            for place in range(BLOCK):  # a few other characters become a letter or a hyphen, too
                hit |= (first[place] | low == a) & (later[place] | low == b) & (last[place] | low == c)
            if not hit:
                at = stop
                continue
        for start in range(at, stop):
            same = 0
            while same < size and lowered(raw[start + same]) == word[same]:
                same += 1
            if same == size:
                return True
        at = stop
    return False


@kernel
def mentions_any(raw: np.ndarray, words: np.ndarray) -> bool:
    """Return whether any word stands anywhere, in whatever case.

    Args:
        raw: (n,) uint8.
        words: (k, m) uint8, lower-case ASCII letters and hyphens, and zeros behind them.
    """
    for index in range(len(words)):  # noqa: SIM110 - this is compiled
        if _mentions(raw, words[index, : np.count_nonzero(words[index])]):
            return True
    return False


@kernel
def is_ascii(raw: np.ndarray) -> bool:
    """Return whether all bytes are."""
    largest = np.uint8(0)
    for char in raw:
        largest = max(largest, char)
    return largest < 128


@kernel
def count_of(raw: np.ndarray, byte: int) -> int:
    """Return how often a byte occurs."""
    wanted, count, at = np.uint8(byte), 0, 0
    while at < len(raw):
        found = np.uint8(0)
        for char in raw[at : at + BLOCK]:
            found += np.uint8(char == wanted)
        count += found
        at += BLOCK
    return count


@kernel
def last_image(raw: np.ndarray, end: int) -> int:
    """Return where `<im` stands last that ends before `end`, in whatever case; -1 where it does not."""
    stop = end - 2
    while stop > 0:
        at = max(0, stop - BLOCK)
        if stop - at == BLOCK:
            first, second, third = raw[at:stop], raw[at + 1 : stop + 1], raw[at + 2 : stop + 2]
            hit = np.uint8(0)
            for place in range(BLOCK):
                found = (first[place] == 60) & (second[place] | 32 == 105) & (third[place] | 32 == 109)
                hit = max(hit, np.uint8(found))
            if not hit:
                stop = at
                continue
        for place in range(stop - 1, at - 1, -1):
            if raw[place] == 60 and raw[place + 1] | 32 == 105 and raw[place + 2] | 32 == 109:
                return place
        stop = at
    return -1


@kernel
def lowered(char: int) -> int:
    """Return an ASCII letter in lower case, any other byte as it is."""
    return char + 32 if 65 <= char <= 90 else char


@kernel
def starts(raw: np.ndarray, at: int, expected: np.ndarray) -> bool:
    """Return whether `expected` stands at `at`, of which nothing is assumed."""
    if at < 0 or at + len(expected) > len(raw):
        return False
    for place in range(len(expected)):  # noqa: SIM110 - this is compiled
        if raw[at + place] != expected[place]:
            return False
    return True
