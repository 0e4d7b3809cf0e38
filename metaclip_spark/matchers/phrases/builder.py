"""Compile a list: tokens and phrases of its entries into the tables of `compiled`."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from metaclip_spark.core.jit import bytes_of, inline, kernel
from metaclip_spark.core.text import PADDED
from metaclip_spark.matchers.phrases.compiled_list import (
    BUCKETS,
    FIRST_PLACE,
    HASH_BITS,
    HEAD,
    LEFT_OVER,
    LEVEL,
    NO_ENTRY,
    PLACES,
    SEED,
    STEP,
    TOKEN,
    Compiled,
    step_bit,
    token_bit,
)
from metaclip_spark.matchers.phrases.slots import find_places, mixed, room_for
from metaclip_spark.matchers.phrases.tokens import SHORT, hash_of, same_bytes, words_anywhere
from metaclip_spark.metadata import Metadata

_SPACE, _NEVER, _PADDED = 1, 2, 3
_KINDS = np.zeros(256, np.uint8)
_KINDS[ord(" ")] = _SPACE
_KINDS[[9, 10, 13]] = _NEVER
_KINDS[[ord(char) for char in PADDED]] = _PADDED
_NO_ENTRY = np.uint64(NO_ENTRY)
_NO_KEY = np.iinfo(np.uint64).max
_HALF = np.uint64(32)
_ONE = np.uint64(1)
_SEEDS = 4


def build(metadata: Metadata, hash_bits: int = 64) -> Compiled:
    """Compile a list.

    Args:
        hash_bits: how many bits of a hash are used; fewer make keys collide, which costs time and nothing else.
    """
    _, offsets, data = pa.array(metadata.entries, pa.large_string()).buffers()
    raw = bytes_of(data)
    firsts, starts, sizes = split_entries(raw, np.frombuffer(offsets, np.int64))
    for seed in range(_SEEDS):
        tables, place_of_token, left_over = _tokens(raw, starts, sizes, seed, hash_bits)
        if not left_over:
            break
    tokens, rest_at, rest, moves = tables
    set_single_entries(tokens, firsts, place_of_token)
    steps, step_moves, levels = _steps(tokens, firsts, place_of_token, seed, hash_bits)
    head = np.zeros(HEAD, np.int64)
    head[[PLACES, BUCKETS, LEFT_OVER]] = len(rest_at) - 1 - left_over, len(moves), left_over
    head[[SEED, HASH_BITS]] = seed, hash_bits
    return Compiled(head, tokens, rest_at, rest, moves, steps, step_moves, levels)


def _tokens(
    raw: np.ndarray, starts: np.ndarray, sizes: np.ndarray, seed: int, hash_bits: int
) -> tuple[tuple[np.ndarray, ...], np.ndarray, int]:
    """Return the tables of tokens; each token's place, by where it stands in the entries; how many are left over."""
    hashes = token_hashes(raw, starts, sizes, seed, hash_bits)
    different, which = distinct_tokens(raw, starts, sizes, hashes)
    found, moves, places, left_over = _placed(hashes[different])
    tables = fill_tokens(raw, starts[different], sizes[different], found, places + left_over + 1)
    return (*tables, moves), found[which], left_over


def _steps(
    tokens: np.ndarray, firsts: np.ndarray, place_of_token: np.ndarray, seed: int, hash_bits: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return `steps`, `step_moves` and `levels`, and set the filters: level by level, as keys hold places."""
    lengths = np.diff(firsts)
    entries = np.flatnonzero(lengths > 1)
    so_far = place_of_token[firsts[entries]]
    tables, moves_of = [np.zeros(0, np.uint64)], [np.zeros(0, np.uint16)]
    levels: list[list[int]] = []
    first_place = first_bucket = 0
    while len(entries):
        level = len(levels) + 1
        following = place_of_token[firsts[entries] + level]
        keys, which = np.unique(so_far.astype(np.uint64) << _HALF | following.astype(np.uint64), return_inverse=True)
        if level == 1:
            set_token_filters(tokens, keys)
        else:
            set_step_filters(tables[-1], keys, levels[-1][FIRST_PLACE])
        found, moves, places, left_over = _placed(key_hashes(keys, seed, hash_bits))
        ends = np.full(len(keys), NO_ENTRY, np.uint64)
        final = lengths[entries] == level + 1
        ends[which[final]] = entries[final]
        tables.append(_step_table(keys, ends, found, places + left_over))
        moves_of.append(moves)
        levels.append([places, len(moves), left_over, first_place, first_bucket])
        so_far, entries = (first_place + found[which])[~final], entries[~final]
        first_place, first_bucket = first_place + places + left_over, first_bucket + len(moves)
    return np.concatenate(tables), np.concatenate(moves_of), np.array(levels, np.int64).reshape(-1, LEVEL)


def _placed(hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray, int, int]:
    """Return keys' places, those left over behind the others; the moves; how many places, and how many left over."""
    places, buckets = room_for(len(hashes))
    moves, found = find_places(hashes, places, buckets)
    left_over = np.flatnonzero(found < 0)
    found[left_over] = places + np.arange(len(left_over))
    return found, moves, places, len(left_over)


def _step_table(keys: np.ndarray, ends: np.ndarray, found: np.ndarray, rows: int) -> np.ndarray:
    table = np.zeros((rows, STEP), np.uint64)
    table[:] = _NO_KEY, NO_ENTRY
    table[found, 0], table[found, 1] = keys, ends
    return table.reshape(-1)


@kernel
def split_entries(raw: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the tokens of the entries that can match.

    Returns:
        Where each entry's tokens start, (entries + 1,) int64, none for an entry that can never match; starts in `raw`
        and sizes in bytes, (tokens,) int64.
    """
    count = len(offsets) - 1
    for at in range(offsets[0], offsets[count]):
        count += _KINDS[raw[at]] == _SPACE
    firsts = np.zeros(len(offsets), np.int64)
    starts, sizes = np.empty(count, np.int64), np.empty(count, np.int64)
    n = 0
    for entry in range(len(offsets) - 1):
        n = _split_entry(raw, offsets[entry], offsets[entry + 1], starts, sizes, n)
        firsts[entry + 1] = n
    return firsts, starts[:n], sizes[:n]


@inline
def _split_entry(raw, start, stop, starts, sizes, n):
    """Append an entry's tokens and return how many there are now; as many as before if it can never match."""
    first, begin, padded = n, start, False
    for at in range(start, stop + 1):
        kind = _KINDS[raw[at]] if at < stop else np.uint8(_SPACE)
        if kind == _NEVER:
            return first
        padded |= kind == _PADDED
        if kind == _SPACE:
            # A text's token with one of these characters is this character alone.
            if padded and at - begin > 1:
                return first
            starts[n], sizes[n] = begin, at - begin
            n, begin, padded = n + 1, at + 1, False
    return n


@kernel
def token_hashes(raw, starts, sizes, seed, hash_bits):
    """Return the tokens' hashes, (tokens,) uint64."""
    hashes = np.empty(len(starts), np.uint64)
    shift = np.uint64(64 - hash_bits)
    for n in range(len(starts)):
        hashes[n] = hash_of(raw, starts[n], sizes[n], seed) >> shift
    return hashes


@kernel
def key_hashes(keys, seed, hash_bits):
    """Return the hashes of steps' keys, (n,) uint64."""
    hashes = np.empty(len(keys), np.uint64)
    for n in range(len(keys)):
        hashes[n] = mixed(keys[n], np.uint64(0), np.uint64(seed)) >> np.uint64(64 - hash_bits)
    return hashes


@kernel
def distinct_tokens(raw, starts, sizes, hashes):
    """Return one of each token, and for each token the number of its one; int64."""
    size = 16
    while size < 2 * len(starts):
        size *= 2
    table = np.full(size, -1, np.int64)
    different, which = np.empty(len(starts), np.int64), np.empty(len(starts), np.int64)
    n, mask = 0, size - 1
    for token in range(len(starts)):
        at = np.int64(hashes[token] & np.uint64(mask))
        while table[at] >= 0:
            other = different[table[at]]
            if (
                hashes[other] == hashes[token]
                and sizes[other] == sizes[token]
                and same_bytes(raw, starts[other], raw, starts[token], sizes[token])
            ):
                break
            at = (at + 1) & mask
        if table[at] < 0:
            table[at] = n
            different[n] = token
            n += 1
        which[token] = table[at]
    return different[:n].copy(), which


@kernel
def fill_tokens(raw, starts, sizes, places, rows):
    """Return the table of tokens, none of which is an entry yet, and the later bytes of long ones."""
    tokens = np.zeros(TOKEN * rows, np.uint64)
    rest_at = np.zeros(rows, np.uint32)
    total = 0
    for n in range(len(starts)):
        total += max(sizes[n] - SHORT, 0)
    rest = np.empty(total, np.uint8)
    for row in range(rows):
        tokens[TOKEN * row + 3] = _NO_ENTRY | (_NO_ENTRY << _HALF)  # a size that no token has
    total = 0
    for n in range(len(starts)):
        place, start, size = places[n], starts[n], sizes[n]
        tokens[TOKEN * place], tokens[TOKEN * place + 1] = words_anywhere(raw, start, size)
        tokens[TOKEN * place + 3] = _NO_ENTRY | (np.uint64(size) << _HALF)
        rest_at[place] = total
        for at in range(start + SHORT, start + size):
            rest[total] = raw[at]
            total += 1
    return tokens, rest_at, rest


@kernel
def set_single_entries(tokens, firsts, place_of_token):
    """Write entries of one token to their tokens' places."""
    for entry in range(len(firsts) - 1):
        if firsts[entry + 1] - firsts[entry] == 1:
            at = TOKEN * place_of_token[firsts[entry]] + 3
            tokens[at] = (tokens[at] >> _HALF) << _HALF | np.uint64(entry)


@kernel
def set_token_filters(tokens, keys):
    """Set, for each key, the bit of its second part in the filter of its first."""
    for key in keys:
        tokens[TOKEN * np.int64(key >> _HALF) + 2] |= _ONE << token_bit(key & _NO_ENTRY)


@kernel
def set_step_filters(steps, keys, base):
    """The same, where what was read so far is a step of the level before, whose table starts at `base`."""
    for key in keys:
        steps[STEP * (np.int64(key >> _HALF) - base) + 1] |= _ONE << step_bit(key & _NO_ENTRY)
