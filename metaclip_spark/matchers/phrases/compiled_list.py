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

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import xxhash

from metaclip_spark.core.jit import inline
from metaclip_spark.errors import MetadataError
from metaclip_spark.storage.write import open_atomic

NO_ENTRY = 0xFFFFFFFF
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


@inline
def token_bit(following: np.uint64) -> np.uint64:
    """Return the bit of a following token in the filter of a token, by the slot of the following token; both uint64."""
    return (following * _SPREAD) >> _TOP & _TOKEN_BITS


@inline
def transition_bit(following: np.uint64) -> np.uint64:
    """Return the bit of a following token in a transition's second word, by the slot of the token; both uint64."""
    return ((following * _SPREAD) >> _TOP & _TRANSITION_BITS) + _FIRST_BIT


FORMAT = 1
"""The format of the file. A change of the tables or of the hashes needs another format."""
_NAMES = ("head", "tokens", "rest_at", "rest", "token_moves", "steps", "step_moves", "levels")
"""The names of the arrays in the file, in the order of `Compiled`."""
_MAGIC = b"metaclip-spark compiled list\n"
_ALIGN = 64
_HEADER = 4096
_REMEDY = "delete it, and it is recompiled"


def write(path: Path, compiled: Compiled, metadata_id: str) -> None:
    """Write a compiled list to a file, atomically."""
    entries: dict[str, dict[str, Any]] = {}
    body = bytearray()
    arrays: list[npt.NDArray[Any]] = [getattr(compiled, field) for field in Compiled._fields]
    for name, array in zip(_NAMES, arrays, strict=True):
        entries[name] = {"dtype": array.dtype.str, "shape": list(array.shape), "at": _HEADER + len(body)}
        body += array.tobytes()
        body += bytes(-array.nbytes % _ALIGN)
    size = _HEADER + len(body)
    summary = {"format": FORMAT, "metadata_id": metadata_id, "bytes": size, "xxh3": xxhash.xxh3_64_hexdigest(body)}
    header = (_MAGIC + json.dumps({**summary, "arrays": entries}).encode()).ljust(_HEADER)
    with open_atomic(path) as file:
        os.chmod(file.name, 0o644)  # workers may run as another user
        file.write(header)
        file.write(body)


def read(path: Path, metadata_id: str) -> Compiled:
    """Map a compiled list into memory. All processes of a machine share one copy.

    Raises:
        MetadataError: the file is not a compiled list, is of another list or format, is truncated, or is damaged.
    """
    try:
        mapped = np.memmap(path, np.uint8, mode="r")
    except (OSError, ValueError) as error:
        raise MetadataError(f"{path}: cannot be mapped as a compiled list ({error}); {_REMEDY}.") from error
    arrays = _checked_header(path, mapped, metadata_id)["arrays"]
    return Compiled(*(_array(mapped, arrays[name]) for name in _NAMES))


def _array(mapped: npt.NDArray[np.uint8], entry: dict[str, Any]) -> npt.NDArray[Any]:
    dtype, shape = np.dtype(entry["dtype"]), entry["shape"]
    size = dtype.itemsize * int(np.prod(shape))
    return np.frombuffer(mapped[entry["at"] : entry["at"] + size].data, dtype).reshape(shape)


def _checked_header(path: Path, mapped: npt.NDArray[np.uint8], metadata_id: str) -> dict[str, Any]:
    """Return the header of a file, and check that the content of the file agrees with the header."""
    raw = mapped[:_HEADER].tobytes()
    if not raw.startswith(_MAGIC) or len(raw) < _HEADER:
        raise MetadataError(f"{path}: is not a compiled list (starts with {raw[:16]!r}); {_REMEDY}.")
    try:
        header: dict[str, Any] = json.loads(raw[len(_MAGIC) :])
    except ValueError as error:
        raise MetadataError(f"{path}: the header is damaged ({error}); {_REMEDY}.") from error
    if header["format"] != FORMAT:
        raise MetadataError(f"{path}: got format {header['format']}, expected {FORMAT}; {_REMEDY}.")
    if header["metadata_id"] != metadata_id:
        raise MetadataError(
            f"{path}: got a compilation of list {header['metadata_id'][:16]}, expected {metadata_id[:16]}; {_REMEDY}."
        )
    if header["bytes"] != len(mapped):
        raise MetadataError(f"{path}: got {len(mapped):,} bytes, expected {header['bytes']:,}; {_REMEDY}.")
    if xxhash.xxh3_64_hexdigest(mapped[_HEADER:].data) != header["xxh3"]:
        raise MetadataError(f"{path}: the content is damaged (its checksum differs); {_REMEDY}.")
    return header
