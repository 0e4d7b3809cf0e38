"""The compiled list: what the phrase matcher looks texts up in, as plain arrays.

Two kinds of tables, both with a place of its own for each key (`places`):

- *tokens*: a token's bytes -> the entry that is this one token, and a filter of the tokens that follow it in entries;
- *steps*, one table a length: (the place of what was read so far, the place of the next token) -> the entry that ends
  here, and a filter of the tokens that follow. A key is a pair of places, compared as such: nothing is left to luck.

So a phrase is found token by token, and each token of a text is compared with the list's bytes once.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xxhash

from metaclip_spark.core.jit import inline
from metaclip_spark.errors import MetadataError

NO_ENTRY = 0xFFFFFFFF
TOKEN = 4
"""uint64 words of a token's place: its two words; the filter of what follows; size << 32 | entry."""
STEP = 2
"""uint64 words of a step's place: its key; filter << 32 | entry."""


class Compiled(NamedTuple):
    """The arrays of a compiled list.

    Attributes:
        head: (HEAD,) int64, sizes; see the names below.
        tokens: (TOKEN * (places + left over + 1),) uint64; the last place is that of tokens of no entry.
        rest_at: (places + left over + 1,) uint32, where a long token's later bytes stand in `rest`.
        rest: (.,) uint8, bytes of tokens beyond the first sixteen.
        token_moves: (buckets,) uint16.
        steps: (STEP * (places + left over of all levels),) uint64.
        step_moves: (buckets of all levels,) uint16.
        levels: (longest entry's tokens - 1, LEVEL) int64; see the names below.
    """

    head: np.ndarray
    tokens: np.ndarray
    rest_at: np.ndarray
    rest: np.ndarray
    token_moves: np.ndarray
    steps: np.ndarray
    step_moves: np.ndarray
    levels: np.ndarray


PLACES, BUCKETS, LEFT_OVER, SEED, HASH_BITS, HEAD = range(6)
"""Of `head`: the table of tokens; the seed of hashes; how many of a hash's bits are used; its length."""
LEVEL_PLACES, LEVEL_BUCKETS, LEVEL_LEFT_OVER, FIRST_PLACE, FIRST_BUCKET, LEVEL = range(6)
"""Of a row of `levels`: the table's size; where it starts in `steps` and `step_moves`; its length."""

_SPREAD, _TOP = np.uint64(0x9E3779B97F4A7C15), np.uint64(40)
_OF_TOKEN, _OF_STEP, _BEHIND_ENTRY = np.uint64(63), np.uint64(31), np.uint64(32)


@inline
def token_bit(following: int) -> int:
    """Return the bit of a token's filter that a following token has, by its place; both uint64."""
    return (following * _SPREAD) >> _TOP & _OF_TOKEN


@inline
def step_bit(following: int) -> int:
    """Return the bit of a step's second word that a following token has, by its place; both uint64."""
    return ((following * _SPREAD) >> _TOP & _OF_STEP) + _BEHIND_ENTRY


FORMAT = 1
"""Of the file; a change of the tables or of the hashes is another format."""
_MAGIC = b"metaclip-spark compiled list\n"
_ALIGN = 64
_HEADER = 4096
_AGAIN = "it is made anew where it is deleted"


def write(path: Path, compiled: Compiled, metadata_id: str) -> None:
    """Write a compiled list to a file that appears whole or not at all."""
    arrays, at = {}, _HEADER
    for name, array in zip(Compiled._fields, compiled, strict=True):
        arrays[name] = {"dtype": array.dtype.str, "shape": list(array.shape), "at": at}
        at += -(-array.nbytes // _ALIGN) * _ALIGN
    body = bytearray(at - _HEADER)
    for array, place in zip(compiled, arrays.values(), strict=True):
        start = place["at"] - _HEADER
        body[start : start + array.nbytes] = array.tobytes()
    told = {"format": FORMAT, "metadata_id": metadata_id, "bytes": at, "xxh3": xxhash.xxh3_64_hexdigest(body)}
    header = (_MAGIC + json.dumps({**told, "arrays": arrays}).encode()).ljust(_HEADER)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(descriptor, "wb") as file:
            file.write(header)
            file.write(body)
        os.chmod(temporary, 0o644)  # workers may run as another user
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def read(path: Path, metadata_id: str) -> Compiled:
    """Map a compiled list into memory: all processes of a machine that do share one copy.

    Raises:
        MetadataError: the file is no compiled list, of another list or format, cut short, or damaged.
    """
    try:
        mapped = np.memmap(path, np.uint8, mode="r")
    except (OSError, ValueError) as error:
        raise MetadataError(f"{path}: cannot be mapped as a compiled list ({error}); {_AGAIN}.") from error
    told = _checked(path, mapped, metadata_id)
    arrays = {}
    for name, place in told["arrays"].items():
        dtype, shape = np.dtype(place["dtype"]), place["shape"]
        size = dtype.itemsize * int(np.prod(shape))
        arrays[name] = np.frombuffer(mapped[place["at"] : place["at"] + size].data, dtype).reshape(shape)
    return Compiled(**arrays)


def _checked(path: Path, mapped: np.ndarray, metadata_id: str) -> dict:
    """Return what the header says, of a file that is as its header says."""
    header = mapped[:_HEADER].tobytes()
    if not header.startswith(_MAGIC) or len(header) < _HEADER:
        raise MetadataError(f"{path}: is no compiled list (starts with {header[:16]!r}); {_AGAIN}.")
    try:
        told = json.loads(header[len(_MAGIC) :])
    except ValueError as error:
        raise MetadataError(f"{path}: the header is damaged ({error}); {_AGAIN}.") from error
    if told["format"] != FORMAT:
        raise MetadataError(f"{path}: got format {told['format']}, expected {FORMAT}; {_AGAIN}.")
    if told["metadata_id"] != metadata_id:
        raise MetadataError(
            f"{path}: is compiled of list {told['metadata_id'][:16]}, expected {metadata_id[:16]}; {_AGAIN}."
        )
    if told["bytes"] != len(mapped):
        raise MetadataError(f"{path}: got {len(mapped):,} bytes, expected {told['bytes']:,}; {_AGAIN}.")
    if xxhash.xxh3_64_hexdigest(mapped[_HEADER:]) != told["xxh3"]:
        raise MetadataError(f"{path}: the content is damaged (its checksum differs); {_AGAIN}.")
    return told
