"""Look up the tokens of a window, and the phrases that begin with them.

In all functions, `data` is the texts' bytes, `c` the compiled list, and `s` the buffers of the window. `n` is the
number of tokens, and `m` the number of entries that were found. The arrays `rows` and `ids`, int32, receive the text
of each entry, counted from the window's first text, and the entry id.
"""

from __future__ import annotations

import numpy as np

from metaclip_spark.core.jit import kernel, part, prefetch
from metaclip_spark.matchers.phrases.compiled_list import (
    BUCKETS,
    DEPTH_BUCKETS,
    DEPTH_OVERFLOW,
    DEPTH_SLOTS,
    FIRST_BUCKET,
    FIRST_SLOT,
    HASH_BITS,
    NO_ENTRY,
    OVERFLOW,
    SEED,
    SLOTS,
    TOKEN_WORDS,
    TRANSITION_WORDS,
    token_bit,
    transition_bit,
)
from metaclip_spark.matchers.phrases.grouped_ids import with_capacity
from metaclip_spark.matchers.phrases.slots import bucket_of, mix, slot_of
from metaclip_spark.matchers.phrases.tokens import SHORT, hash_of, same_bytes, short_hash, words_anywhere, words_of

_NO_ENTRY = np.uint64(NO_ENTRY)
_HALF, _ONE, _ZERO = np.uint64(32), np.uint64(1), np.uint64(0)


@kernel
def look_up_tokens(data, n, c, s):
    """Find the slot of each token in the token table, and the filter of its following tokens."""
    unusual = _prefetch_slots(data, n, c, s)
    _compare_tokens(data, n, c, s)
    for j in range(unusual):
        _look_up_unusual(data, s.at[j], c, s)
    if c.head[OVERFLOW]:
        for i in range(n):
            _look_up_overflow(data, i, c, s)


@part
def _prefetch_slots(data, n, c, s):
    """Prefetch the slot of each token of at most sixteen bytes; write the others to `s.at`, and return their number."""
    slots, buckets = np.uint64(c.head[SLOTS]), np.uint64(c.head[BUCKETS])
    seed, shift = np.uint64(c.head[SEED]), np.uint64(64 - c.head[HASH_BITS])
    starts, sizes, slot, unusual_at, keys, displacements = s.start, s.size, s.slot, s.at, s.keys, c.token_displacements
    last, unusual = len(data) - SHORT, 0
    for i in range(n):
        at, size = starts[i], np.int64(sizes[i])
        first, second = words_of(data, min(at, last), max(size, 0))
        h = short_hash(first, second, size, seed) >> shift
        keys[i] = h
        prefetch(displacements, np.int64(bucket_of(h, buckets)))
        unusual_at[unusual] = i
        unusual += np.int64(size > SHORT) | np.int64(at > last)
    for i in range(n):
        h = keys[i]
        p = np.int64(slot_of(h, np.uint64(displacements[bucket_of(h, buckets)]), slots))
        slot[i] = p
        prefetch(c.tokens, TOKEN_WORDS * p)
    return unusual


@part
def _compare_tokens(data, n, c, s):
    """Compare each token of at most sixteen bytes with its slot; a token that differs gets the slot of no entry."""
    tokens, none = c.tokens, len(c.rest_starts) - 1
    starts, sizes, slot, filters = s.start, s.size, s.slot, s.filters
    last = len(data) - SHORT
    for i in range(n):
        size, p = np.int64(sizes[i]), slot[i]
        first, second = words_of(data, min(starts[i], last), max(size, 0))
        same = (
            (tokens[TOKEN_WORDS * p] == first)
            & (tokens[TOKEN_WORDS * p + 1] == second)
            & (tokens[TOKEN_WORDS * p + 3] >> _HALF == np.uint64(size))
        )
        p = p if same else none
        slot[i], filters[i] = p, tokens[TOKEN_WORDS * p + 2]


@part
def _look_up_unusual(data, i, c, s):
    """Look up a token of more than sixteen bytes, or one within the last sixteen bytes of the data."""
    at, size = s.start[i], np.int64(s.size[i])
    if size < 0:
        return
    h = hash_of(data, at, size, c.head[SEED]) >> np.uint64(64 - c.head[HASH_BITS])
    displacement = np.uint64(c.token_displacements[bucket_of(h, np.uint64(c.head[BUCKETS]))])
    p = np.int64(slot_of(h, displacement, np.uint64(c.head[SLOTS])))
    p = p if _is_token_at(data, at, size, p, c) else len(c.rest_starts) - 1
    s.slot[i], s.filters[i] = p, c.tokens[TOKEN_WORDS * p + 2]


@part
def _look_up_overflow(data, i, c, s):
    """Scan the overflow for a token that was not found."""
    none = len(c.rest_starts) - 1
    if s.slot[i] != none or s.size[i] < 0:
        return
    for p in range(c.head[SLOTS], none):
        if _is_token_at(data, s.start[i], np.int64(s.size[i]), p, c):
            s.slot[i], s.filters[i] = p, c.tokens[TOKEN_WORDS * p + 2]


@part
def _is_token_at(data, at, size, p, c):
    """Return whether a slot contains this token, byte for byte."""
    first, second = words_anywhere(data, at, size)
    return (
        c.tokens[TOKEN_WORDS * p] == first
        and c.tokens[TOKEN_WORDS * p + 1] == second
        and c.tokens[TOKEN_WORDS * p + 3] >> _HALF == np.uint64(size)
        and (size <= SHORT or same_bytes(data, at + SHORT, c.rest, np.int64(c.rest_starts[p]), size - SHORT))
    )


@kernel
def look_up_entries(whole, n, c, s, rows, ids):
    """Write the entries of the phrases that begin with the first `whole` of n tokens, in any order.

    Returns:
        The number of entries; and `rows` and `ids`, replaced by larger arrays where their capacity did not suffice.
    """
    rows, ids = with_capacity(rows, n), with_capacity(ids, n)
    return look_up_longer(whole, n, c, s, rows, ids, single_token_entries(whole, c, s, rows, ids))


@kernel
def look_up_longer(whole, n, c, s, rows, ids, m):
    """Append the entries of two and more tokens to `m` entries; see `look_up_entries`."""
    active, depth = first_states(whole, n, c, s), 0
    while active and depth < len(c.depths):
        rows, ids = with_capacity(rows, m + active), with_capacity(ids, m + active)
        active, m = look_up_transitions(depth, active, n, c, s, rows, ids, m)
        depth += 1
    return m, rows, ids


@kernel
def single_token_entries(n, c, s, rows, ids):
    """Write the entries of one token; return their number."""
    m = 0
    for i in range(n):
        entry = c.tokens[TOKEN_WORDS * s.slot[i] + 3] & _NO_ENTRY
        ids[m], rows[m] = np.int32(entry), s.row[i]
        m += np.int64(entry != _NO_ENTRY)
    return m


@kernel
def first_states(whole, n, c, s):
    """Write the states of phrases that may continue after their first token; return their number."""
    active, none = 0, len(c.rest_starts) - 1
    for i in range(min(whole, n - 1)):
        following = s.slot[i + 1]
        bit = (s.filters[i] >> token_bit(np.uint64(following))) & _ONE
        s.at[active], s.state[active] = i, s.slot[i]
        active += np.int64(bit) & np.int64(following != none)
    return active


@kernel
def look_up_transitions(depth, active, n, c, s, rows, ids, m):
    """Extend each active phrase by one token; return the number that may continue, and the number of entries."""
    row = c.depths[depth]
    slots, buckets, overflow = np.uint64(row[DEPTH_SLOTS]), np.uint64(row[DEPTH_BUCKETS]), row[DEPTH_OVERFLOW]
    first_slot, first_bucket = row[FIRST_SLOT], row[FIRST_BUCKET]
    seed, shift = np.uint64(c.head[SEED]), np.uint64(64 - c.head[HASH_BITS])
    for j in range(active):
        key = np.uint64(s.state[j]) << _HALF | np.uint64(s.slot[s.at[j] + depth + 1])
        h = mix(key, _ZERO, seed) >> shift
        s.keys[j] = key
        prefetch(c.transition_displacements, first_bucket + np.int64(bucket_of(h, buckets)))
    for j in range(active):
        h = mix(s.keys[j], _ZERO, seed) >> shift
        displacement = np.uint64(c.transition_displacements[first_bucket + np.int64(bucket_of(h, buckets))])
        p = first_slot + np.int64(slot_of(h, displacement, slots))
        s.state[j] = p
        prefetch(c.transitions, TRANSITION_WORDS * p)
    continuing, none = 0, len(c.rest_starts) - 1
    for j in range(active):
        p, i, key = s.state[j], s.at[j], s.keys[j]
        if overflow > 0 and c.transitions[TRANSITION_WORDS * p] != key:
            p = _overflow_slot(key, first_slot + np.int64(slots), overflow, p, c)
        same, ends = c.transitions[TRANSITION_WORDS * p] == key, c.transitions[TRANSITION_WORDS * p + 1]
        entry = ends & _NO_ENTRY
        ids[m], rows[m] = np.int32(entry), s.row[i]
        m += np.int64(same & (entry != _NO_ENTRY))
        following = s.slot[min(i + depth + 2, n - 1)]
        bit = (ends >> transition_bit(np.uint64(following))) & _ONE
        s.at[continuing], s.state[continuing] = i, p
        continuing += np.int64(same) & np.int64(bit) & np.int64(following != none)
    return continuing, m


@kernel
def _overflow_slot(key, start, count, otherwise, c):
    """Return the slot of a key in the overflow, or `otherwise`."""
    for p in range(start, start + count):
        if c.transitions[TRANSITION_WORDS * p] == key:
            return p
    return otherwise
