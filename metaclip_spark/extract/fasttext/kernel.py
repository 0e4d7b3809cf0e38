"""The kernels: prepare a text, add up the vectors of its words and n-grams, and find the likeliest label.

They compute what fastText's `predict` computes for the best label. Sums are in another order, so a score may differ in
its seventh digit. Where two labels are that close, the tree is searched in fastText's own order.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from metaclip_spark.core.jit import count_ones, kernel, prefetch

_BASIS, _PRIME = np.uint32(2166136261), np.uint32(16777619)
_WORDS_FACTOR = np.uint64(116049371)
_CLOSE = 1.0005
"""Labels whose scores have at most this ratio are searched in fastText's order. fastText adds 1e-5 to each factor of a
score, so a leaf of a tree may exceed the node above it, by less than this."""
_TINY = 1e-5

_ONE, _SIX, _SIXTY_THREE = np.uint64(1), np.uint64(6), np.uint64(63)

Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.uint64]
"""Buckets: hash values of n-grams, by remainder."""


class Room(NamedTuple):
    """Room for what a line is taken apart into; every thread needs its own.

    Attributes:
        extended: uint32, the bytes of the padded words, extended by their sign.
        starts: int32, the first byte of each of their characters, and the end.
        ends: int32, the number of the character after its word, for each.
        values, rests: uint32 and uint64, the hash of the n-gram that begins at each character, and its bucket.
        places: uint64, the buckets of the line.
        hashes: int32, the hashes of the words.
    """

    extended: npt.NDArray[np.uint32]
    starts: npt.NDArray[np.int32]
    ends: npt.NDArray[np.int32]
    values: npt.NDArray[np.uint32]
    rests: npt.NDArray[np.uint64]
    places: Places
    hashes: npt.NDArray[np.int32]


def new_room(chars: int, longest: int) -> Room:
    """Return room for a line.

    Args:
        chars: characters of the longest line; each word has two more.
        longest: characters of the longest n-gram.
    """
    padded = 3 * chars + 4
    return Room(
        np.zeros(4 * padded, np.uint32),
        np.zeros(padded + 1, np.int32),
        np.zeros(padded + 1, np.int32),
        np.zeros(padded + 1, np.uint32),
        np.zeros(padded + 1, np.uint64),
        np.zeros(padded * max(longest, 1) + 1, np.uint64),
        np.zeros(chars + 2, np.int32),
    )


@kernel
def _prepare(text: Bytes, start: int, stop: int, tables: Any, line: Bytes) -> Any:
    """Write the line that the model reads to `line[1:]`; return its end, and whether it has a letter."""
    lower, letters, max_chars, lowers = tables.lower, tables.letters, tables.max_chars, tables.lowers
    cut = min(stop, start + max_chars)
    if _is_ascii(text[start:cut]):
        return _prepare_ascii(text[start:cut], lowers, line)
    at, end, chars, has_letter = start, 1, 0, False
    while at < stop and chars < max_chars:
        first = np.uint32(text[at])
        chars += 1
        if first < 0x80:
            at += 1
            if np.uint32(65) <= first <= np.uint32(90):
                has_letter = True
                first += np.uint32(32) if lowers else np.uint32(0)
            elif np.uint32(97) <= first <= np.uint32(122):
                has_letter = True
            elif first == 10:
                first = np.uint32(32)
            line[end] = first
            end += 1
            continue
        size = 2 if first < 0xE0 else (3 if first < 0xF0 else 4)
        point = first & np.uint32(0xFF >> (size + 1))
        last = min(at + size, stop)
        for follow in range(at + 1, last):
            point = (point << np.uint32(6)) | np.uint32(text[follow] & 0x3F)
        at = last
        if point < len(letters) << 3 and letters[point >> np.uint32(3)] >> (point & np.uint32(7)) & 1:
            has_letter = True
        if lowers and point < len(lower):
            point = lower[point]
        end = _write(point, line, end)
    return end, has_letter


@kernel
def _is_ascii(text: Bytes) -> bool:
    found = np.uint8(0)
    for char in text:
        found |= char
    return bool(found < 128)


@kernel
def _prepare_ascii(text: Bytes, lowers: bool, line: Bytes) -> Any:
    """Do as `_prepare` does, for ASCII, in loops without branches, which become vector instructions."""
    found, step = np.uint8(0), np.uint8(32 if lowers else 0)
    out = line[1:]
    for at in range(len(text)):
        char = text[at]
        is_capital = np.uint8(char - np.uint8(65)) < np.uint8(26)
        is_small = np.uint8(char - np.uint8(97)) < np.uint8(26)
        found |= np.uint8(is_capital | is_small)
        changed = np.uint8(char + step) if is_capital else char
        out[at] = np.uint8(32) if char == np.uint8(10) else changed
    return len(text) + 1, found > 0


@kernel
def _write(point: np.uint32, line: Bytes, end: int) -> int:
    """Write a code point as UTF-8, and return the position after it."""
    if point < 0x80:
        line[end] = point
        return end + 1
    if point < 0x800:
        line[end] = 0xC0 | point >> np.uint32(6)
        line[end + 1] = 0x80 | point & np.uint32(0x3F)
        return end + 2
    if point < 0x10000:
        line[end] = 0xE0 | point >> np.uint32(12)
        line[end + 1] = 0x80 | (point >> np.uint32(6)) & np.uint32(0x3F)
        line[end + 2] = 0x80 | point & np.uint32(0x3F)
        return end + 3
    line[end] = 0xF0 | (point >> np.uint32(18)) & np.uint32(7)
    line[end + 1] = 0x80 | (point >> np.uint32(12)) & np.uint32(0x3F)
    line[end + 2] = 0x80 | (point >> np.uint32(6)) & np.uint32(0x3F)
    line[end + 3] = 0x80 | point & np.uint32(0x3F)
    return end + 4


@kernel
def _hashed(value: np.uint32, char: np.uint8) -> np.uint32:
    """Add a byte to an FNV-1a hash, as fastText does: bytes from 128 on are extended by their sign."""
    extended = np.uint32(char) | (np.uint32(0xFFFFFF00) if char >= 128 else np.uint32(0))
    return np.uint32((value ^ extended) * _PRIME)


@kernel
def _word_id(line: Bytes, start: int, stop: int, value: np.uint32, tables: Any) -> int:
    """Return the place of a word in the dictionary, or -1."""
    slots, hashes, offsets, data = tables.slots, tables.hashes, tables.word_offsets, tables.word_data
    mask = len(slots) - 1
    slot = np.int64(value) & mask
    while slots[slot] >= 0:
        word = slots[slot]
        if hashes[slot] == value and offsets[word + 1] - offsets[word] == stop - start:
            at, same = offsets[word], True
            for place in range(start, stop):
                if data[at] != line[place]:
                    same = False
                    break
                at += 1
            if same:
                return int(word)
        slot = (slot + 1) & mask
    return -1


@kernel
def _add(hidden: npt.NDArray[np.float32], vectors: npt.NDArray[np.float32], row: np.uint64) -> None:
    if len(hidden) == 16:
        for at in range(16):
            hidden[at] += vectors[row, at]
    else:
        for at in range(len(hidden)):
            hidden[at] += vectors[row, at]


@kernel
def _pad(line: Bytes, start: int, stop: int, room: Any, chars: int) -> int:
    """Append `<`, the word `line[start:stop]` and `>` to the words whose n-grams are wanted; return their characters.

    Args:
        room: see `new_room`.
        chars: number of characters so far.
    """
    extended, starts, ends = room.extended, room.starts, room.ends
    first, at = chars, starts[chars]
    extended[at] = 60
    chars += 1
    starts[chars] = at = at + 1
    for place in range(start, stop):
        char = line[place]
        if char & 0xC0 == 0x80 and place > start:
            starts[chars] = at + 1
        else:
            chars += 1
            starts[chars] = at + 1
        # fastText extends bytes from 128 on by their sign.
        extended[at] = np.uint32(char) | (np.uint32(0xFFFFFF00) if char >= 128 else np.uint32(0))
        at += 1
    extended[at] = 62
    chars += 1
    starts[chars] = at + 1
    for char in range(first, chars):
        ends[char] = chars
    return chars


@kernel
def _find_ngrams(tables: Any, room: Any, chars: int) -> int:
    """Write the buckets of the n-grams of the padded words to `room.places`; return their number.

    Of a pruned model, only the buckets with a vector are written. All n-grams of a size are hashed in one loop, which
    becomes vector instructions where each character has one byte.
    """
    extended, starts, ends, values, rests, places = (
        room.extended,
        room.starts,
        room.ends,
        room.values,
        room.rests,
        room.places,
    )
    bits, is_pruned = tables.kept_bits, tables.is_pruned
    magic, shift, bucket = tables.magic, tables.magic_shift, tables.bucket
    one_byte_each = starts[chars] == chars
    made = 0
    for first in range(chars):
        values[first] = _BASIS
    for size in range(1, tables.max_n + 1):
        last = chars - size + 1
        if one_byte_each:
            following = extended[size - 1 :]
            for first in range(last):
                values[first] = (values[first] ^ following[first]) * _PRIME
        else:
            for first in range(last):
                value = values[first]
                for at in range(starts[first + size - 1], starts[first + size]):
                    value = (value ^ extended[at]) * _PRIME
                values[first] = value
        if size < tables.min_n:
            continue
        for first in range(last):
            wide = np.uint64(values[first])
            # The remainder by multiplication; the quotient is at most one too high.
            rest = np.int64(wide - ((wide * magic) >> shift) * bucket)
            rests[first] = np.uint64(rest + (rest >> 63 & np.int64(bucket)))
        for first in range(last):
            place = rests[first]
            places[made] = place
            is_whole = first + size <= ends[first]
            if size == 1:  # `<` and `>` alone are no n-grams
                is_whole = is_whole and ends[first] > first + 1 and (first > 0 and ends[first - 1] == ends[first])
            has_vector = not is_pruned or bits[place >> _SIX] >> (place & _SIXTY_THREE) & _ONE
            made += is_whole and has_vector  # without branches: no processor can tell which have one
    return made


@kernel
def _row(place: np.uint64, tables: Any) -> np.uint64:
    """Return the row of a bucket that has one, in a pruned model: how many buckets before it have one."""
    word, bit = place >> _SIX, place & _SIXTY_THREE
    return np.uint64(tables.kept_before[word] + count_ones(tables.kept_bits[word] & ((_ONE << bit) - _ONE)))


@kernel
def _add_places(places: Places, made: int, tables: Any, hidden: npt.NDArray[np.float32]) -> None:
    """Add the vectors of buckets that have one."""
    grams, width = tables.grams, len(hidden)
    flat = grams.reshape(grams.size)
    for at in range(made):
        row = places[at]
        if tables.is_pruned:
            row = _row(row, tables)
            places[at] = row
        prefetch(flat, np.int64(row) * width)
    for at in range(made):
        _add(hidden, grams, places[at])


@kernel
def _is_space(char: np.uint8) -> bool:
    return bool(char == 32 or 9 <= char <= 13 or char == 0)


@kernel
def _is_label(line: Bytes, start: int, stop: int) -> bool:
    """Return whether a token begins as a label does: `__label__`, which fastText reads as no word."""
    if stop - start < 9:
        return False
    is_name = line[start + 2] == 108 and line[start + 3] == 97 and line[start + 4] == 98
    is_name = is_name and line[start + 5] == 101 and line[start + 6] == 108
    ends = line[start + 7] == 95 and line[start + 8] == 95
    return bool(is_name and ends and line[start] == 95 and line[start + 1] == 95)


@kernel
def _is_line_end(line: Bytes, start: int, stop: int) -> bool:
    """Return whether a token is `</s>`, fastText's word for a line's end."""
    is_it = stop - start == 4 and line[start] == 60 and line[start + 1] == 47
    return bool(is_it and line[start + 2] == 115 and line[start + 3] == 62)


@kernel
def _sum_of_line(line: Bytes, end: int, tables: Any, hidden: npt.NDArray[np.float32], room: Any) -> int:
    """Add up the vectors of a line; return their number.

    Args:
        line: from position 1 to `end`.
        room: see `new_room`.
    """
    hashes = room.hashes
    added, words, at, chars = 0, 0, 1, 0
    while at < end:
        if _is_space(line[at]):
            at += 1
            continue
        start, value = at, _BASIS
        while at < end and not _is_space(line[at]):
            value = _hashed(value, line[at])
            at += 1
        if value == tables.line_end_hash and _is_line_end(line, start, at):
            break  # fastText reads no word after it
        word = _word_id(line, start, at, value, tables)
        if word < 0 and _is_label(line, start, at):
            continue
        hashes[words] = np.int32(value)
        words += 1
        if word >= 0:
            _add(hidden, tables.words, np.uint64(word))
            added += tables.sizes[word]
        elif tables.max_n > 0:
            chars = _pad(line, start, at, room, chars)
    hashes[words] = np.int32(tables.line_end_hash)
    words += 1
    if tables.line_end >= 0:
        _add(hidden, tables.words, np.uint64(tables.line_end))
        added += tables.sizes[tables.line_end]
    made = _find_ngrams(tables, room, chars) if chars > 0 else 0
    _add_places(room.places, made, tables, hidden)
    return added + made + (_add_word_ngrams(hashes, words, tables, hidden) if tables.word_ngrams > 1 else 0)


@kernel
def _add_word_ngrams(hashes: npt.NDArray[np.int32], words: int, tables: Any, hidden: npt.NDArray[np.float32]) -> int:
    """Add the vectors of the n-grams of words; return how many have one."""
    added = 0
    for first in range(words):
        value = np.uint64(np.int64(hashes[first]))
        for last in range(first + 1, min(words, first + tables.word_ngrams)):
            value = np.uint64(value * _WORDS_FACTOR + np.uint64(np.int64(hashes[last])))
            row = value % tables.bucket
            if tables.is_pruned:
                if not tables.kept_bits[row >> _SIX] >> (row & _SIXTY_THREE) & _ONE:
                    continue
                row = _row(row, tables)
            _add(hidden, tables.grams, row)
            added += 1
    return added


@kernel
def _dot(hidden: npt.NDArray[np.float32], output: npt.NDArray[np.float32], row: int) -> np.float32:
    """Return the product of two vectors, in four sums, which become a vector instruction."""
    one, two, three, four = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
    weights = output[row]
    whole = len(hidden) & ~3
    for at in range(0, whole, 4):
        one += hidden[at] * weights[at]
        two += hidden[at + 1] * weights[at + 1]
        three += hidden[at + 2] * weights[at + 2]
        four += hidden[at + 3] * weights[at + 3]
    for at in range(whole, len(hidden)):
        one += hidden[at] * weights[at]
    return (one + two) + (three + four)


@kernel
def _right(hidden: npt.NDArray[np.float32], node: int, tables: Any) -> float:
    """Return the probability of a node's right branch."""
    return float(np.float32(1.0 / (1.0 + math.exp(-_dot(hidden, tables.output, node - tables.n_labels)))))


@kernel
def _search_tree(
    hidden: npt.NDArray[np.float32], tables: Any, nodes: npt.NDArray[np.int32], scores: npt.NDArray[np.float64]
) -> Any:
    """Return the likeliest label of hierarchical softmax and its score; -1 for none.

    The likelier branch is followed first, so most others end early. nodes, scores: room for a stack.
    """
    best, score, second = -1, 0.0, 0.0
    depth = 1
    nodes[0], scores[0] = 2 * tables.n_labels - 2, 1.0
    while depth > 0:
        depth -= 1
        node, at_node = nodes[depth], scores[depth]
        if at_node < _TINY or at_node * _CLOSE < score:
            continue
        if node < tables.n_labels:
            if at_node > score:
                best, second, score = node, score, at_node
            elif at_node > second:
                second = at_node
            continue
        right = _right(hidden, node, tables)
        left_score = at_node * (float(np.float32(1.0 - right)) + _TINY)
        right_score = at_node * (right + _TINY)
        if right > 0.5:
            nodes[depth], scores[depth] = tables.left[node], left_score
            nodes[depth + 1], scores[depth + 1] = tables.right[node], right_score
        else:
            nodes[depth], scores[depth] = tables.right[node], right_score
            nodes[depth + 1], scores[depth + 1] = tables.left[node], left_score
        depth += 2
    if second * _CLOSE >= score:
        return _search_in_order(hidden, tables, nodes, scores)
    return best, score


@kernel
def _search_in_order(
    hidden: npt.NDArray[np.float32], tables: Any, nodes: npt.NDArray[np.int32], scores: npt.NDArray[np.float64]
) -> tuple[int, float]:
    """Do as `_search_tree` does, in the order and with the logarithms of fastText, which decide near ties."""
    best, score = -1, -np.inf
    least = np.float32(math.log(_TINY))
    depth = 1
    nodes[0], scores[0] = 2 * tables.n_labels - 2, 0.0
    while depth > 0:
        depth -= 1
        node, at_node = nodes[depth], scores[depth]
        if at_node < least or (best >= 0 and at_node < score):
            continue
        if node < tables.n_labels:
            if best < 0 or at_node > score:
                best, score = node, at_node
            continue
        right = _right(hidden, node, tables)
        left = float(np.float32(1.0 - right))
        nodes[depth], scores[depth] = tables.right[node], np.float32(at_node + np.float32(math.log(right + _TINY)))
        nodes[depth + 1], scores[depth + 1] = (
            tables.left[node],
            np.float32(at_node + np.float32(math.log(left + _TINY))),
        )
        depth += 2
    return best, math.exp(score) if best >= 0 else 0.0


@kernel
def _search_softmax(hidden: npt.NDArray[np.float32], tables: Any) -> tuple[int, float]:
    """Return the likeliest label of softmax, and its score."""
    best, highest = 0, np.float32(-np.inf)
    for label in range(tables.n_labels):
        value = _dot(hidden, tables.output, label)
        if value > highest:
            best, highest = label, value
    total = 0.0
    for label in range(tables.n_labels):
        total += math.exp(float(_dot(hidden, tables.output, label)) - float(highest))
    return best, 1.0 / total + _TINY


@kernel
def sum_words(tables: Any, vectors: npt.NDArray[np.float32], sizes: npt.NDArray[np.int32], room: Any) -> None:
    """Add the vectors of the n-grams of characters of each word to the word's own, and count them in `sizes`.

    Args:
        vectors: float32, (words, dim): each word's own vector.
        sizes: int32, (words,): 1 for each.
        room: see `new_room`, for the longest word.
    """
    data, offsets = tables.word_data, tables.word_offsets
    for word in range(tables.n_words):
        if word == tables.line_end or tables.max_n == 0:
            continue
        chars = _pad(data, offsets[word], offsets[word + 1], room, 0)
        made = _find_ngrams(tables, room, chars)
        _add_places(room.places, made, tables, vectors[word])
        sizes[word] += made


@kernel
def identify(
    text: Bytes,
    offsets: npt.NDArray[np.int64],
    tables: Any,
    room: Any,
    labels: npt.NDArray[np.int32],
    scores: npt.NDArray[np.float32],
) -> None:
    """Write the label of each text, -1 for none, and its score.

    Args:
        text, offsets: the bytes and the offsets of n texts, (n + 1,).
        room: see `new_room`, for lines of `tables.max_chars` characters.
        labels, scores: (n,).
    """
    line = np.zeros(4 * tables.max_chars + 8, np.uint8)
    hidden = np.zeros(tables.words.shape[1], np.float32)
    nodes, stack = np.zeros(2 * tables.n_labels + 2, np.int32), np.zeros(2 * tables.n_labels + 2, np.float64)
    for at in range(len(labels)):
        end, has_letter = _prepare(text, offsets[at], offsets[at + 1], tables, line)
        labels[at], scores[at] = -1, 0
        if not has_letter:
            continue
        hidden[:] = 0
        added = _sum_of_line(line, end, tables, hidden, room)
        if added == 0:
            continue
        part = np.float32(1.0 / added)
        for place in range(len(hidden)):
            hidden[place] *= part
        if tables.is_tree:
            best, score = _search_tree(hidden, tables, nodes, stack)
        else:
            best, score = _search_softmax(hidden, tables)
        labels[at] = best
        # fastText adds 1e-5 to each factor, so a score can exceed 1.
        scores[at] = min(score, 1.0)
