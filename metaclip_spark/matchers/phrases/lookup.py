"""Look up the tokens of a window, and the phrases that begin with them."""

from __future__ import annotations

import numpy as np

from metaclip_spark.core.jit import inline, kernel, prefetch
from metaclip_spark.matchers.phrases.compiled_list import (
    BUCKETS,
    FIRST_BUCKET,
    FIRST_PLACE,
    HASH_BITS,
    LEFT_OVER,
    LEVEL_BUCKETS,
    LEVEL_LEFT_OVER,
    LEVEL_PLACES,
    NO_ENTRY,
    PLACES,
    SEED,
    STEP,
    TOKEN,
    step_bit,
    token_bit,
)
from metaclip_spark.matchers.phrases.grouped_ids import with_room
from metaclip_spark.matchers.phrases.slots import bucket_of, mixed, place_of
from metaclip_spark.matchers.phrases.tokens import SHORT, hash_of, same_bytes, short_hash, words_anywhere, words_of

_NO_ENTRY = np.uint64(NO_ENTRY)
_HALF, _ONE, _ZERO = np.uint64(32), np.uint64(1), np.uint64(0)


@kernel
def look_up_tokens(data, n, c, s):
    """Note each token's place in the table, and what may follow it."""
    unusual = _fetch_places(data, n, c, s)
    _compare(data, n, c, s)
    for j in range(unusual):
        _look_up_unusual(data, s.at[j], c, s)
    if c.head[LEFT_OVER]:
        for i in range(n):
            _look_up_left_over(data, i, c, s)


@inline
def _fetch_places(data, n, c, s):
    """Note where tokens of at most sixteen bytes would be; return how many others there are, noted in `s.at`."""
    places, buckets = np.uint64(c.head[PLACES]), np.uint64(c.head[BUCKETS])
    seed, shift = np.uint64(c.head[SEED]), np.uint64(64 - c.head[HASH_BITS])
    starts, sizes, place, unusual_at, moves = s.start, s.size, s.place, s.at, c.token_moves
    last, unusual = len(data) - SHORT, 0
    for i in range(n):
        at, size = starts[i], np.int64(sizes[i])
        first, second = words_of(data, min(at, last), max(size, 0))
        h = short_hash(first, second, size, seed) >> shift
        p = np.int64(place_of(h, np.uint64(moves[bucket_of(h, buckets)]), places))
        place[i] = p
        prefetch(c.tokens, TOKEN * p)
        unusual_at[unusual] = i
        unusual += np.int64(size > SHORT) | np.int64(at > last)
    return unusual


@inline
def _compare(data, n, c, s):
    """Note the places of tokens that are there, of tokens of at most sixteen bytes."""
    tokens, none = c.tokens, len(c.rest_at) - 1
    starts, sizes, place, filters = s.start, s.size, s.place, s.filters
    last = len(data) - SHORT
    for i in range(n):
        size, p = np.int64(sizes[i]), place[i]
        first, second = words_of(data, min(starts[i], last), max(size, 0))
        same = (
            (tokens[TOKEN * p] == first)
            & (tokens[TOKEN * p + 1] == second)
            & (tokens[TOKEN * p + 3] >> _HALF == np.uint64(size))
        )
        p = p if same else none
        place[i], filters[i] = p, tokens[TOKEN * p + 2]


@kernel
def _look_up_unusual(data, i, c, s):
    """Look up a token that is longer than sixteen bytes, or so near the end that sixteen cannot be read."""
    at, size = s.start[i], np.int64(s.size[i])
    if size < 0:
        return
    h = hash_of(data, at, size, c.head[SEED]) >> np.uint64(64 - c.head[HASH_BITS])
    move = np.uint64(c.token_moves[bucket_of(h, np.uint64(c.head[BUCKETS]))])
    p = np.int64(place_of(h, move, np.uint64(c.head[PLACES])))
    p = p if _is_at(data, at, size, p, c) else len(c.rest_at) - 1
    s.place[i], s.filters[i] = p, c.tokens[TOKEN * p + 2]


@kernel
def _look_up_left_over(data, i, c, s):
    """Look for a token that was not found among those that have no place of their own."""
    none = len(c.rest_at) - 1
    if s.place[i] != none or s.size[i] < 0:
        return
    for p in range(c.head[PLACES], none):
        if _is_at(data, s.start[i], np.int64(s.size[i]), p, c):
            s.place[i], s.filters[i] = p, c.tokens[TOKEN * p + 2]


@kernel
def _is_at(data, at, size, p, c):
    """Return whether a place of the table is this token's, byte for byte."""
    first, second = words_anywhere(data, at, size)
    return (
        c.tokens[TOKEN * p] == first
        and c.tokens[TOKEN * p + 1] == second
        and c.tokens[TOKEN * p + 3] >> _HALF == np.uint64(size)
        and (size <= SHORT or same_bytes(data, at + SHORT, c.rest, np.int64(c.rest_at[p]), size - SHORT))
    )


@kernel
def look_up_entries(whole, n, c, s, rows, ids):
    """Note the entries of the phrases that begin with the first `whole` of n tokens, in any order.

    Returns:
        How many are noted; and `rows` and `ids`, larger ones where there are more than they had room for.
    """
    rows, ids = with_room(rows, n), with_room(ids, n)
    m = note_entries(whole, c, s, rows, ids)
    left, level = first_pairs(whole, n, c, s), 0
    while left and level < len(c.levels):
        rows, ids = with_room(rows, m + left), with_room(ids, m + left)
        left, m = look_up_steps(level, left, n, c, s, rows, ids, m)
        level += 1
    return m, rows, ids


@kernel
def note_entries(n, c, s, rows, ids):
    """Note the entries that are one token; return how many."""
    m = 0
    for i in range(n):
        entry = c.tokens[TOKEN * s.place[i] + 3] & _NO_ENTRY
        ids[m], rows[m] = np.int32(entry), s.row[i]
        m += np.int64(entry != _NO_ENTRY)
    return m


@kernel
def first_pairs(whole, n, c, s):
    """Note the tokens that an entry begins with which may go on with the next token; return how many."""
    left, none = 0, len(c.rest_at) - 1
    for i in range(min(whole, n - 1)):
        following = s.place[i + 1]
        bit = (s.filters[i] >> token_bit(np.uint64(following))) & _ONE
        s.at[left], s.so_far[left] = i, s.place[i]
        left += np.int64(bit) & np.int64(following != none)
    return left


@kernel
def look_up_steps(level, left, n, c, s, rows, ids, m):
    """Look up the phrases that may go on, one token longer; return how many may go on still, and entries noted."""
    row = c.levels[level]
    places, buckets, left_over = np.uint64(row[LEVEL_PLACES]), np.uint64(row[LEVEL_BUCKETS]), row[LEVEL_LEFT_OVER]
    first_place, first_bucket = row[FIRST_PLACE], row[FIRST_BUCKET]
    seed, shift = np.uint64(c.head[SEED]), np.uint64(64 - c.head[HASH_BITS])
    for j in range(left):
        key = np.uint64(s.so_far[j]) << _HALF | np.uint64(s.place[s.at[j] + level + 1])
        h = mixed(key, _ZERO, seed) >> shift
        move = np.uint64(c.step_moves[first_bucket + np.int64(bucket_of(h, buckets))])
        p = first_place + np.int64(place_of(h, move, places))
        s.keys[j], s.so_far[j] = key, p
        prefetch(c.steps, STEP * p)
    on, none = 0, len(c.rest_at) - 1
    for j in range(left):
        p, i, key = s.so_far[j], s.at[j], s.keys[j]
        if left_over > 0 and c.steps[STEP * p] != key:
            p = _step_left_over(key, first_place + np.int64(places), left_over, p, c)
        same, ends = c.steps[STEP * p] == key, c.steps[STEP * p + 1]
        entry = ends & _NO_ENTRY
        ids[m], rows[m] = np.int32(entry), s.row[i]
        m += np.int64(same & (entry != _NO_ENTRY))
        following = s.place[min(i + level + 2, n - 1)]
        bit = (ends >> step_bit(np.uint64(following))) & _ONE
        s.at[on], s.so_far[on] = i, p
        on += np.int64(same) & np.int64(bit) & np.int64(following != none)
    return on, m


@kernel
def _step_left_over(key, start, count, otherwise, c):
    """Return the place of a key among those that have none of their own."""
    for p in range(start, start + count):
        if c.steps[STEP * p] == key:
            return p
    return otherwise
