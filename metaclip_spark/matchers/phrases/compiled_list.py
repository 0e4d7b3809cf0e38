"""The compiled list: the tables of the phrase matcher as plain arrays.

There are two kinds of tables. Both are perfect hash tables (`slots`):

- *tokens*: the bytes of a token -> the entry that is this one token, and a filter of the tokens that follow it in
  entries;
- *transitions*, one table per depth: (state, slot of the next token) -> the entry that ends here, and a filter of the
  tokens that follow. A state is the slot of the tokens that were read before. Keys are compared in full, so hash
  collisions cannot change a result.

So a phrase is found token by token, and each token of a text is compared with the list's bytes once.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from metaclip_spark.core.jit import part
from metaclip_spark.matchers.phrases.tokens import SHORT
from metaclip_spark.storage.array_file import Kind, Layout, damaged, read_arrays, write_arrays

NO_ENTRY = 0xFFFFFFFF
MAX_ENTRIES = (1 << 31) - 1
"""Maximum number of entries of a list: ids are int32."""
TOKEN_WORDS = 4
"""uint64 words per slot of the token table: two words of the token; filter of following tokens; size << 32 | entry."""
TRANSITION_WORDS = 2
"""uint64 words per slot of a transition table: the key; filter << 32 | entry."""


class Compiled(NamedTuple):
    """The arrays of a compiled list.

    Attributes:
        head: (HEAD,) int64, sizes and parameters; see the names below.
        tokens: (TOKEN_WORDS * (slots + overflow + 1),) uint64; the last slot means a token of no entry.
        rest_starts: (slots + overflow + 1,) uint32, the start of a long token's further bytes in `rest`.
        rest: (bytes,) uint8, the bytes of tokens beyond the first sixteen.
        token_displacements: (buckets,) uint16.
        transitions: (TRANSITION_WORDS * (slots + overflow of all depths),) uint64.
        transition_displacements: (buckets of all depths,) uint16.
        depths: (tokens of the longest entry - 1, DEPTH) int64; see the names below.
    """

    head: npt.NDArray[np.int64]
    tokens: npt.NDArray[np.uint64]
    rest_starts: npt.NDArray[np.uint32]
    rest: npt.NDArray[np.uint8]
    token_displacements: npt.NDArray[np.uint16]
    transitions: npt.NDArray[np.uint64]
    transition_displacements: npt.NDArray[np.uint16]
    depths: npt.NDArray[np.int64]


SLOTS, BUCKETS, OVERFLOW, SEED, HASH_BITS, HEAD = range(6)
"""Indices of `head`: sizes of the token table; the seed of hashes; the used bits of a hash; the length of `head`."""
DEPTH_SLOTS, DEPTH_BUCKETS, DEPTH_OVERFLOW, FIRST_SLOT, FIRST_BUCKET, DEPTH = range(6)
"""Indices of a row of `depths`: the sizes of its table; the start of the table in `transitions`, and of its buckets in
`transition_displacements`; the length of a row."""

_SPREAD, _TOP = np.uint64(0x9E3779B97F4A7C15), np.uint64(40)
_TOKEN_BITS, _TRANSITION_BITS, _FIRST_BIT = np.uint64(63), np.uint64(31), np.uint64(32)


@part
def token_bit(following: np.uint64) -> np.uint64:
    """Return the bit of a following token in the filter of a token, by the slot of the following token; both uint64."""
    return (following * _SPREAD) >> _TOP & _TOKEN_BITS


@part
def transition_bit(following: np.uint64) -> np.uint64:
    """Return the bit of a following token in a transition's second word, by the slot of the token; both uint64."""
    return ((following * _SPREAD) >> _TOP & _TRANSITION_BITS) + _FIRST_BIT


KIND = Kind(b"metaclip-spark compiled list\n", "a compiled list", 2)
"""The kind of the file. A change of the tables or of the hashes needs another format."""
LAYOUTS = {
    "head": Layout("<i8"),
    "tokens": Layout("<u8"),
    "rest_at": Layout("<u4"),
    "rest": Layout("|u1"),
    "token_moves": Layout("<u2"),
    "steps": Layout("<u8"),
    "step_moves": Layout("<u2"),
    "levels": Layout("<i8", 2),
}
"""The names of the arrays in the file, in the order of `Compiled`."""
NAMES = tuple(LAYOUTS)


def write(path: Path, compiled: Compiled, metadata_id: str) -> None:
    """Write a compiled list to a file, atomically."""
    write_arrays(path, KIND, {"metadata_id": metadata_id}, dict(zip(NAMES, compiled, strict=True)))


def read(path: Path, metadata_id: str) -> Compiled:
    """Map a compiled list into memory. All processes of a machine share one copy.

    Raises:
        MetadataError: the file is not a compiled list, is of another list or format, is truncated, or is damaged.
    """
    compiled = Compiled(*read_arrays(path, KIND, {"metadata_id": metadata_id}, LAYOUTS)[1])
    problem = problem_of(compiled)
    if problem is not None:
        raise damaged(path, problem)
    return compiled


def problem_of(c: Compiled, n_entries: int = MAX_ENTRIES, hashed: bool = True) -> str | None:
    """Return why kernels would read outside of the tables of a compiled list; None if they would not.

    Args:
        n_entries: the number of entries of the list.
        hashed: whether tokens are looked up by their hashes. The characters of edge entries are not.
    """
    if len(c.head) != HEAD or c.depths.shape[1] != DEPTH:
        return "the sizes of the tables are not there"
    slots, buckets, overflow, _, hash_bits = c.head.tolist()
    none = len(c.rest_starts) - 1
    if not (1 <= hash_bits <= 64 and min(slots, buckets, overflow) >= 0 and slots + overflow == none < NO_ENTRY):
        return f"a table of {slots} slots and {overflow} more has {none}"
    if hashed and not (slots and buckets):
        return "the table of tokens is empty"
    if len(c.tokens) != TOKEN_WORDS * (none + 1) or len(c.token_displacements) != buckets:
        return f"a table of {none} tokens and {buckets} buckets has {len(c.tokens)} and {len(c.token_displacements)}"
    halves = c.tokens.view(np.uint32).reshape(-1, 2 * TOKEN_WORDS)
    entries, sizes = halves[:, -2], halves[:, -1]
    long = np.flatnonzero((sizes > SHORT) & (sizes != NO_ENTRY)) if hashed else np.zeros(0, np.int64)
    if (c.rest_starts[long] + sizes[long].astype(np.int64) - SHORT > len(c.rest)).any():
        return "a long token lies outside of the bytes of all tokens"
    firsts = c.depths[:, [FIRST_SLOT, FIRST_BUCKET]]
    sizes_of = c.depths[:, [DEPTH_SLOTS, DEPTH_BUCKETS, DEPTH_OVERFLOW]]
    if (sizes_of < [1, 1, 0]).any() or (firsts < 0).any() or (c.depths > NO_ENTRY).any():
        return "a table of transitions has a size that is none"
    slot_ends = firsts[:, 0] + sizes_of[:, 0] + sizes_of[:, 2]
    bucket_ends = firsts[:, 1] + sizes_of[:, 1]
    if len(c.transitions) % TRANSITION_WORDS or slot_ends.max(initial=0) > len(c.transitions) // TRANSITION_WORDS:
        return "a table of transitions lies outside of all tables"
    if bucket_ends.max(initial=0) > len(c.transition_displacements):
        return "the buckets of a table of transitions lie outside of all buckets"
    ends = c.transitions.view(np.uint32).reshape(-1, 2 * TRANSITION_WORDS)[:, -2]
    # No entry becomes 0, and each entry its id plus one.
    highest = max(int((some + np.uint32(1)).max(initial=0)) for some in (entries, ends))
    if highest > n_entries:
        return f"it names entry {highest - 1} of {n_entries:,}"
    return None
