"""Compile a list: build the tables of `compiled_list` from the tokens and phrases of its entries."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from metaclip_spark.core.jit import bytes_of, kernel, part
from metaclip_spark.core.text import PADDED
from metaclip_spark.matchers.phrases.compiled_list import (
    BUCKETS,
    DEPTH,
    FIRST_SLOT,
    HASH_BITS,
    HEAD,
    NO_ENTRY,
    OVERFLOW,
    SEED,
    SLOTS,
    TOKEN_WORDS,
    TRANSITION_WORDS,
    Compiled,
    token_bit,
    transition_bit,
)
from metaclip_spark.matchers.phrases.slots import find_slots, mix, table_size
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
    """Compile an entry list.

    Args:
        metadata: the entry list.
        hash_bits: the number of bits of a hash that are used. With fewer bits keys collide, which only costs time.
    """
    _, offsets, data = pa.array(metadata.entries, pa.large_string()).buffers()
    raw = bytes_of(data)
    firsts, starts, sizes = split_entries(raw, np.frombuffer(offsets, np.int64))
    for seed in range(_SEEDS):
        tables, slot_of_token, overflow = _token_tables(raw, starts, sizes, seed, hash_bits)
        if not overflow:
            break
    tokens, rest_starts, rest, displacements = tables
    set_single_entries(tokens, firsts, slot_of_token)
    transitions, transition_displacements, depths = transition_tables(tokens, firsts, slot_of_token, seed, hash_bits)
    head = np.zeros(HEAD, np.int64)
    head[[SLOTS, BUCKETS, OVERFLOW]] = len(rest_starts) - 1 - overflow, len(displacements), overflow
    head[[SEED, HASH_BITS]] = seed, hash_bits
    return Compiled(head, tokens, rest_starts, rest, displacements, transitions, transition_displacements, depths)


def _token_tables(
    raw: npt.NDArray[np.uint8],
    starts: npt.NDArray[np.int64],
    sizes: npt.NDArray[np.int64],
    seed: int,
    hash_bits: int,
) -> tuple[tuple[npt.NDArray[Any], ...], npt.NDArray[np.int64], int]:
    """Build the token table.

    Returns:
        The arrays `tokens`, `rest_starts`, `rest` and `token_displacements`; the slot of each token of the entries,
        (tokens,) int64; and the number of tokens in the overflow.
    """
    hashes = token_hashes(raw, starts, sizes, seed, hash_bits)
    distinct, inverse = distinct_tokens(raw, starts, sizes, hashes)
    slot_of_key, displacements, n_slots, overflow = _assign_slots(hashes[distinct])
    tables = fill_tokens(raw, starts[distinct], sizes[distinct], slot_of_key, n_slots + overflow + 1)
    return (*tables, displacements), slot_of_key[inverse], overflow


def transition_tables(
    tokens: npt.NDArray[np.uint64],
    firsts: npt.NDArray[np.int64],
    slot_of_token: npt.NDArray[np.int64],
    seed: int,
    hash_bits: int,
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint16], npt.NDArray[np.int64]]:
    """Build the transition tables and set the filters, depth by depth: a key contains slots of the depth before.

    Returns:
        The arrays `transitions`, `transition_displacements` and `depths`.
    """
    lengths = np.diff(firsts)
    entries = np.flatnonzero(lengths > 1)
    states = slot_of_token[firsts[entries]]
    tables, displacements_of = [np.zeros(0, np.uint64)], [np.zeros(0, np.uint16)]
    depths: list[list[int]] = []
    first_slot = first_bucket = 0
    while len(entries):
        depth = len(depths) + 1
        following = slot_of_token[firsts[entries] + depth]
        keys, inverse = np.unique(states.astype(np.uint64) << _HALF | following.astype(np.uint64), return_inverse=True)
        if depth == 1:
            set_token_filters(tokens, keys)
        else:
            set_transition_filters(tables[-1], keys, depths[-1][FIRST_SLOT])
        slot_of_key, displacements, n_slots, overflow = _assign_slots(key_hashes(keys, seed, hash_bits))
        ends = np.full(len(keys), NO_ENTRY, np.uint64)
        final = lengths[entries] == depth + 1
        ends[inverse[final]] = entries[final]
        tables.append(_transition_table(keys, ends, slot_of_key, n_slots + overflow))
        displacements_of.append(displacements)
        depths.append([n_slots, len(displacements), overflow, first_slot, first_bucket])
        states, entries = (first_slot + slot_of_key[inverse])[~final], entries[~final]
        first_slot, first_bucket = first_slot + n_slots + overflow, first_bucket + len(displacements)
    return np.concatenate(tables), np.concatenate(displacements_of), np.array(depths, np.int64).reshape(-1, DEPTH)


def _assign_slots(
    hashes: npt.NDArray[np.uint64],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint16], int, int]:
    """Assign a slot to each key; the overflow gets slots after the table.

    Returns:
        The slot of each key; the displacement of each bucket; the number of slots; and the number of overflow slots.
    """
    n_slots, buckets = table_size(len(hashes))
    displacements, slot_of_key = find_slots(hashes, n_slots, buckets)
    overflow = np.flatnonzero(slot_of_key < 0)
    slot_of_key[overflow] = n_slots + np.arange(len(overflow))
    return slot_of_key, displacements, n_slots, len(overflow)


def _transition_table(
    keys: npt.NDArray[np.uint64], ends: npt.NDArray[np.uint64], slot_of_key: npt.NDArray[np.int64], n_slots: int
) -> npt.NDArray[np.uint64]:
    table = np.zeros((n_slots, TRANSITION_WORDS), np.uint64)
    table[:] = _NO_KEY, NO_ENTRY
    table[slot_of_key, 0], table[slot_of_key, 1] = keys, ends
    return table.reshape(-1)


@kernel
def split_entries(
    raw: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the tokens of the entries that can match.

    Returns:
        The first token of each entry, (entries + 1,) int64, where an entry that can never match has no tokens; and the
        starts in `raw` and sizes of the tokens in bytes, (tokens,) int64.
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


@part
def _split_entry(raw, start, stop, starts, sizes, n):
    """Append the tokens of an entry and return the new number of tokens; an entry that can never match adds none."""
    first, begin, padded = n, start, False
    for at in range(start, stop + 1):
        kind = _KINDS[raw[at]] if at < stop else np.uint8(_SPACE)
        if kind == _NEVER:
            return first
        padded |= kind == _PADDED
        if kind == _SPACE:
            # In a spaced text, a padded character is a token by itself.
            if padded and at - begin > 1:
                return first
            starts[n], sizes[n] = begin, at - begin
            n, begin, padded = n + 1, at + 1, False
    return n


@kernel
def token_hashes(raw, starts, sizes, seed, hash_bits):
    """Return the hash of each token, (tokens,) uint64."""
    hashes = np.empty(len(starts), np.uint64)
    shift = np.uint64(64 - hash_bits)
    for n in range(len(starts)):
        hashes[n] = hash_of(raw, starts[n], sizes[n], seed) >> shift
    return hashes


@kernel
def key_hashes(keys, seed, hash_bits):
    """Return the hash of each key of a transition, (n,) uint64."""
    hashes = np.empty(len(keys), np.uint64)
    for n in range(len(keys)):
        hashes[n] = mix(keys[n], np.uint64(0), np.uint64(seed)) >> np.uint64(64 - hash_bits)
    return hashes


@kernel
def distinct_tokens(raw, starts, sizes, hashes):
    """Find the distinct tokens.

    Returns:
        The first occurrence of each distinct token, (distinct,) int64; and for each token, the index of its distinct
        token, (tokens,) int64.
    """
    size = 16
    while size < 2 * len(starts):
        size *= 2
    table = np.full(size, -1, np.int64)
    distinct, inverse = np.empty(len(starts), np.int64), np.empty(len(starts), np.int64)
    n, mask = 0, size - 1
    for token in range(len(starts)):
        at = np.int64(hashes[token] & np.uint64(mask))
        while table[at] >= 0:
            other = distinct[table[at]]
            if (
                hashes[other] == hashes[token]
                and sizes[other] == sizes[token]
                and same_bytes(raw, starts[other], raw, starts[token], sizes[token])
            ):
                break
            at = (at + 1) & mask
        if table[at] < 0:
            table[at] = n
            distinct[n] = token
            n += 1
        inverse[token] = table[at]
    return distinct[:n].copy(), inverse


@kernel
def fill_tokens(raw, starts, sizes, slots, rows):
    """Return the arrays `tokens` (no token is an entry yet), `rest_starts` and `rest`."""
    tokens = np.zeros(TOKEN_WORDS * rows, np.uint64)
    rest_starts = np.zeros(rows, np.uint32)
    total = 0
    for n in range(len(starts)):
        total += max(sizes[n] - SHORT, 0)
    rest = np.empty(total, np.uint8)
    for row in range(rows):
        tokens[TOKEN_WORDS * row + 3] = _NO_ENTRY | (_NO_ENTRY << _HALF)  # a size that no token has
    total = 0
    for n in range(len(starts)):
        slot, start, size = slots[n], starts[n], sizes[n]
        tokens[TOKEN_WORDS * slot], tokens[TOKEN_WORDS * slot + 1] = words_anywhere(raw, start, size)
        tokens[TOKEN_WORDS * slot + 3] = _NO_ENTRY | (np.uint64(size) << _HALF)
        rest_starts[slot] = total
        for at in range(start + SHORT, start + size):
            rest[total] = raw[at]
            total += 1
    return tokens, rest_starts, rest


@kernel
def set_single_entries(tokens, firsts, slot_of_token):
    """Write each entry of one token to the slot of its token."""
    for entry in range(len(firsts) - 1):
        if firsts[entry + 1] - firsts[entry] == 1:
            at = TOKEN_WORDS * slot_of_token[firsts[entry]] + 3
            tokens[at] = (tokens[at] >> _HALF) << _HALF | np.uint64(entry)


@kernel
def set_token_filters(tokens, keys):
    """Set the bit of each key's second token in the filter of its first token."""
    for key in keys:
        tokens[TOKEN_WORDS * np.int64(key >> _HALF) + 2] |= _ONE << token_bit(key & _NO_ENTRY)


@kernel
def set_transition_filters(transitions, keys, base):
    """Set the bit of each key's token in the filter of its state, a slot of the table that starts at `base`."""
    for key in keys:
        transitions[TRANSITION_WORDS * (np.int64(key >> _HALF) - base) + 1] |= _ONE << transition_bit(key & _NO_ENTRY)
