"""The kernel: add up the vectors of a line's words and their n-grams, and find the likeliest label.

It computes what fastText's `predict` computes for the best label. Sums are in another order, so a score may differ in
its seventh digit. Where two labels are that close, the tree is searched in fastText's own order.

Texts repeat their words. The vector of a word, the sum of its own and those of its n-grams, is computed once and
remembered, until another word takes its place. The vector of a line is the sum of the vectors of its words, in their
order. A word's vector is computed by itself, remembered or not, so the result for a text does not depend on the texts
before it, to the last bit.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from metaclip_spark.core.jit import count_trailing_zeros, kernel, load_word, part, prefetch
from metaclip_spark.extract.fasttext.labels import search_softmax, search_tree
from metaclip_spark.extract.fasttext.lines import SLACK, spaces_in, write_line
from metaclip_spark.extract.fasttext.ngrams import Chars, find_rows, new_chars, pad, rank_of
from metaclip_spark.extract.fasttext.tables import MIX, SHORT, aligned
from metaclip_spark.extract.fasttext.vectors import LANES, add_rows

_BASIS, _PRIME = np.uint32(2166136261), np.uint32(16777619)
_WORDS_FACTOR = np.uint64(116049371)
_LINE_END = np.uint64(0x3E732F3C)
"""`</s>`, fastText's word for a line's end, as the first bytes of a token."""
_LABEL, _PREFIX_END = np.uint64(0x6C6562616C5F5F), np.uint64(0x00FFFFFFFFFFFFFF)
"""`__label`, as the first bytes of a token, and the bytes that are compared."""
_SPREAD, _SECOND, _THIRD = map(np.uint64, MIX)
_HIGH, _NONE, _ONE, _LOW = np.uint64(0x8080808080808080), np.uint64(0), np.uint64(1), np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_FIVE, _LOW_FIVE = np.uint64(5), np.uint64(31)
_MEMORY = 3 << 21
"""Bytes of the remembered words of a thread. A core's second cache is smaller, but to fetch a word from behind it, in
advance, costs less than to sum its n-grams again: a quarter more texts a second than with 1.5 MiB, over 129,007 texts.
"""
_KEY = 4
"""Values of a remembered word: its bytes, at most 24, zeros after them; the number of vectors in its sum."""

Bytes = npt.NDArray[np.uint8]
Vector = npt.NDArray[np.float32]


class Room(NamedTuple):
    """Memory of a thread: room for a line, and the remembered words.

    Attributes:
        line: see `lines.write_line`.
        chars: see `ngrams.new_chars`.
        keys: uint64, (_KEY * words,): the remembered words.
        vectors: float32, (words + words of a line, dim): their vectors, and those of the words of a line that are not
            remembered.
        found: uint64, (_KEY * words of a line,): of each word its bytes, as in `keys`, and their hash.
        spans: int64, (_SPAN * words of a line,): of each word its start and end in the line, and its slot; -1: it is
            too long to be remembered.
        rows: uint32: of each word of the line, the row of its vector in `vectors`.
        hashes: int32: of each word of the line, fastText's hash, if there are n-grams of words.
        missed: int64, (_MISSED * words of a line,): of each word that is not remembered: its number in the line, the
            character after its padded form, its row in the dictionary or -1, the number of vectors in its sum.
        hidden: float32, (dim,): the line's vector.
        nodes, scores: see `labels.search_tree`.
    """

    line: Bytes
    chars: Chars
    keys: npt.NDArray[np.uint64]
    vectors: npt.NDArray[np.float32]
    found: npt.NDArray[np.uint64]
    spans: npt.NDArray[np.int64]
    rows: npt.NDArray[np.uint32]
    hashes: npt.NDArray[np.int32]
    missed: npt.NDArray[np.int64]
    hidden: Vector
    nodes: npt.NDArray[np.int32]
    scores: npt.NDArray[np.float64]


_SPAN, _MISSED = 3, 4


def new_room(tables: Any) -> Room:
    """Return room for texts, without remembered words.

    Args:
        tables: see `tables.Tables`.
    """
    dim, words = tables.words.shape[1], tables.max_chars // 2 + 2
    slots = 1 << max(6, (_MEMORY // (8 * _KEY + 4 * dim)).bit_length() - 1)
    nodes = 2 * len(tables.output) + 2
    return Room(
        line=np.zeros(4 * tables.max_chars + SLACK, np.uint8),
        chars=new_chars(tables.max_chars, tables.lengths.min_n, tables.lengths.max_n),
        keys=aligned(np.zeros(_KEY * slots, np.uint64)),
        vectors=aligned(np.zeros((slots + words, dim), np.float32)),
        found=np.zeros(_KEY * words, np.uint64),
        spans=np.zeros(_SPAN * words, np.int64),
        rows=np.zeros(words, np.uint32),
        hashes=np.zeros(words, np.int32),
        missed=np.zeros(_MISSED * words, np.int64),
        hidden=np.zeros(dim, np.float32),
        nodes=np.zeros(nodes, np.int32),
        scores=np.zeros(nodes, np.float64),
    )


@part
def _sum_rows(
    out: Vector, vectors: npt.NDArray[np.float32], rows: npt.NDArray[np.uint32], first: int, last: int
) -> None:
    """Add rows of a matrix to a vector, in order."""
    whole = len(out) & ~(LANES - 1)
    for column in range(0, whole, LANES):
        add_rows(out, vectors, rows, first, last, column)
    if whole < len(out):
        for at in range(first, last):
            for column in range(whole, len(out)):
                out[column] += vectors[rows[at], column]


@part
def _start_sum(out: Vector, vectors: npt.NDArray[np.float32], row: int) -> None:
    """Begin a sum with a row of a matrix, or with zeros for row -1."""
    for column in range(len(out)):
        out[column] = vectors[row, column] if row >= 0 else np.float32(0)


@part
def _word_row(line: Bytes, start: int, stop: int, value: np.uint64, tables: Any) -> int:
    """Return the row of a word in the dictionary, or -1. value: its hash for the dictionary, 32 bits."""
    slots, offsets, data = tables.slots, tables.word_offsets, tables.word_data
    mask = len(slots) - 1
    slot = np.int64(value) & mask
    while slots[slot] != _NONE:
        if slots[slot] >> _HALF == value:
            word = np.int64(slots[slot] & _LOW) - 1
            at = offsets[word]
            if offsets[word + 1] - at == stop - start:
                place = start
                while place < stop and data[at + place - start] == line[place]:
                    place += 1
                if place == stop:
                    return word
        slot = (slot + 1) & mask
    return -1


@part
def _is_label(line: Bytes, start: int, stop: int) -> bool:
    """Return whether a token that begins with `__label` begins as a label does: `__label__`."""
    return bool(stop - start >= 9 and line[start + 7] == 95 and line[start + 8] == 95)


@part
def _find_words(end: int, tables: Any, room: Any) -> int:
    """Find the words of a line, and prefetch what may be remembered of them; return their number.

    Args:
        end: bytes of `room.line`.
    """
    line, found, spans, keys, vectors = room.line, room.found, room.spans, room.keys, room.vectors
    dim = vectors.shape[1]
    flat = vectors.reshape(vectors.size)
    shift = np.uint64(64 - count_trailing_zeros(np.uint64(len(keys) // _KEY)))
    words, at = 0, 0
    while True:
        while at < end and line[at] == 32:
            at += 1
        if at >= end:
            return words
        start = at
        first, second, third = load_word(line, start), _NONE, _NONE
        gap = spaces_in(first)
        slot, mixed = -1, _NONE
        if gap != _NONE:
            size = count_trailing_zeros(gap) >> 3
            first &= (_ONE << np.uint64(size << 3)) - _ONE
            at = start + size
            if first == _LINE_END:
                return words  # fastText reads no word after it
        else:
            at = start + 8
            second = load_word(line, at)
            gap = spaces_in(second)
            if gap == _NONE:
                at = start + 16
                third = load_word(line, at)
                gap = spaces_in(third)
                if gap != _NONE:
                    third &= (_ONE << np.uint64(count_trailing_zeros(gap))) - _ONE >> np.uint64(7)
            else:
                second &= (_ONE << np.uint64(count_trailing_zeros(gap))) - _ONE >> np.uint64(7)
            if gap != _NONE:
                at += count_trailing_zeros(gap) >> 3
            else:
                at = start + SHORT
                while at < end and line[at] != 32:
                    at += 1
        if at - start <= SHORT and gap != _NONE:
            mixed = (first ^ second * _SECOND ^ third * _THIRD) * _SPREAD
            slot = np.int64(mixed >> shift)
            prefetch(keys, slot * _KEY)
            prefetch(flat, slot * dim)
        if first & _PREFIX_END == _LABEL and _is_label(line, start, at):
            value = mixed >> _HALF if slot >= 0 else np.uint64(_fnv_hash(line, start, at))
            if _word_row(line, start, at, value, tables) < 0:
                continue  # fastText reads it as no word
        here = words * _KEY
        found[here], found[here + 1], found[here + 2], found[here + 3] = first, second, third, mixed
        here = words * _SPAN
        spans[here], spans[here + 1], spans[here + 2] = start, at, slot
        words += 1


@part
def _sum_of_line(end: int, tables: Any, room: Any) -> int:
    """Write the sum of the vectors of a line to `room.hidden`; return their number.

    Args:
        end: bytes of `room.line`.
    """
    found, spans, keys, rows, missed = room.found, room.spans, room.keys, room.rows, room.missed
    hidden = room.hidden
    slots, known_words = len(keys) // _KEY, len(tables.slots) - 1
    words = _find_words(end, tables, room)
    added, misses = 0, 0
    for word in range(words):
        here, slot = word * _KEY, spans[word * _SPAN + 2]
        key = max(slot, 0) * _KEY
        is_known = keys[key] == found[here] and keys[key + 1] == found[here + 1] and keys[key + 2] == found[here + 2]
        if is_known and slot >= 0:
            added += np.int64(keys[key + 3])
            rows[word] = slot
            continue
        rows[word] = slots + misses
        missed[misses * _MISSED] = word
        prefetch(tables.slots, np.int64(found[here + 3] >> _HALF) & known_words)
        misses += 1
    if misses > 0:
        added += _sum_words(misses, slots, tables, room)
    _start_sum(hidden, tables.words, tables.line_end)
    added += tables.line_end >= 0
    _sum_rows(hidden, room.vectors, rows, 0, words)
    if misses > 0:
        _remember(misses, slots, room)
    if tables.word_ngrams > 1:
        added += _add_word_ngrams(words, tables, room)
    return added


@part
def _sum_words(misses: int, slots: int, tables: Any, room: Any) -> int:
    """Compute the vectors of the words of a line that are not remembered; return the number of vectors in them."""
    line, found, spans, missed, vectors = room.line, room.found, room.spans, room.missed, room.vectors
    own, grams, ngram_rows, upto = tables.words, tables.grams, room.chars.rows, room.chars.upto
    dim = vectors.shape[1]
    chars, longest = 0, 1
    for miss in range(misses):
        here = missed[miss * _MISSED]
        start, stop, slot = spans[here * _SPAN], spans[here * _SPAN + 1], spans[here * _SPAN + 2]
        here *= _KEY
        is_short = slot >= 0
        value = found[here + 3] >> _HALF if is_short else np.uint64(_fnv_hash(line, start, stop))
        row = _word_row(line, start, stop, value, tables)
        if row >= 0:
            prefetch(own.reshape(own.size), row * dim)
        if tables.lengths.max_n > 0:
            is_ascii = is_short and (found[here] | found[here + 1] | found[here + 2]) & _HIGH == _NONE
            chars, most = pad(line, start, stop, is_ascii, chars, room.chars)
            longest = max(longest, most)
        missed[miss * _MISSED + 1], missed[miss * _MISSED + 2] = chars, row
    if chars > 0:
        find_rows(chars, longest, tables.lengths, tables.ranks, room.chars)
        flat = grams.reshape(grams.size)
        for at in range(upto[chars - 1]):
            prefetch(flat, np.int64(ngram_rows[at]) * dim)
    added, before = 0, 0
    for miss in range(misses):
        here = miss * _MISSED
        vector, row = vectors[slots + miss], missed[here + 2]
        after = upto[missed[here + 1] - 1] if chars > 0 else 0
        _start_sum(vector, own, row)
        _sum_rows(vector, grams, ngram_rows, before, after)
        number = after - before + np.int64(row >= 0)
        before = after
        missed[here + 3] = number
        added += number
    return added


@part
def _remember(misses: int, slots: int, room: Any) -> None:
    """Put the words of a line that were not remembered in their slots."""
    vectors, keys, found, spans, missed = room.vectors, room.keys, room.found, room.spans, room.missed
    for miss in range(misses):
        word = missed[miss * _MISSED]
        slot = spans[word * _SPAN + 2]
        if slot >= 0:
            for at in range(3):
                keys[slot * _KEY + at] = found[word * _KEY + at]
            keys[slot * _KEY + 3] = np.uint64(missed[miss * _MISSED + 3])
            _start_sum(vectors[slot], vectors, slots + miss)


@part
def _fnv_hash(line: Bytes, start: int, stop: int) -> np.uint32:
    """Return fastText's hash of a word."""
    value = _BASIS
    for place in range(start, stop):
        value = np.uint32((value ^ np.uint32(np.int8(line[place]))) * _PRIME)
    return value


@part
def _add_word_ngrams(words: int, tables: Any, room: Any) -> int:
    """Add the vectors of the n-grams of words, the line's end among them; return how many have one."""
    hashes, rows, ranks, spans = room.hashes, room.chars.rows, tables.ranks, room.spans
    added, bucket = 0, np.uint64(tables.lengths.bucket)
    for word in range(words):
        hashes[word] = np.int32(_fnv_hash(room.line, spans[word * _SPAN], spans[word * _SPAN + 1]))
    hashes[words] = np.int32(tables.line_end_hash)
    words += 1
    for first in range(words):
        value = np.uint64(np.int64(hashes[first]))
        for last in range(first + 1, min(words, first + tables.word_ngrams)):
            value = np.uint64(value * _WORDS_FACTOR + np.uint64(np.int64(hashes[last])))
            place = value % bucket
            if len(ranks) > 0:
                found, bit = ranks[place >> _FIVE], place & _LOW_FIVE
                if not found >> bit & _ONE:
                    continue
                place = rank_of(found, bit)
            rows[0] = place
            _sum_rows(room.hidden, tables.grams, rows, 0, 1)
            added += 1
    return added


@kernel
def identify(
    text: Bytes,
    offsets: npt.NDArray[np.int32],
    tables: Any,
    room: Any,
    labels: npt.NDArray[np.int32],
    scores: npt.NDArray[np.float32],
) -> None:
    """Write the label of each text, -1 for none, and its score.

    Args:
        text, offsets: the bytes and the offsets of n texts, (n + 1,).
        room: see `new_room`.
        labels, scores: (n,).
    """
    hidden = room.hidden
    for at in range(len(labels)):
        end, has_letter = write_line(
            text,
            np.int64(offsets[at]),
            np.int64(offsets[at + 1]),
            tables.max_chars,
            tables.lowers,
            tables.lower,
            tables.has_case,
            tables.letters,
            room.line,
        )
        labels[at], scores[at] = -1, 0
        if not has_letter:
            continue
        added = _sum_of_line(end, tables, room)
        if added == 0:
            continue
        part = np.float32(1.0 / added)
        for place in range(len(hidden)):
            hidden[place] *= part
        if tables.is_tree:
            best, score = search_tree(hidden, tables.output, tables.children, room.nodes, room.scores)
        else:
            best, score = search_softmax(hidden, tables.output, room.scores)
        labels[at] = best
        # fastText adds 1e-5 to each factor, so a score can exceed 1.
        scores[at] = min(score, 1.0)
