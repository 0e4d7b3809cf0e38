"""A file of plain arrays that all processes of a machine map: a header that says what it is, and the arrays."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import xxhash

from metaclip_spark.errors import MetadataError
from metaclip_spark.storage.write import open_atomic

_ALIGN = 64
_HEADER = 4096
_REMEDY = "delete it, and it is recompiled"


class Kind(NamedTuple):
    """A kind of file.

    Attributes:
        magic: the first bytes.
        what: the name of the kind in errors.
        format: the number of the format. A change of the arrays needs another.
    """

    magic: bytes
    what: str
    format: int


def write_arrays(path: Path, kind: Kind, about: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write arrays to a file, atomically.

    Args:
        about: what else the header says, `metadata_id` at least.
    """
    entries: dict[str, dict[str, Any]] = {}
    size = _HEADER
    hashed = xxhash.xxh3_64()
    for name, array in arrays.items():
        entries[name] = {"dtype": array.dtype.str, "shape": list(array.shape), "at": size}
        for piece in _padded(array):
            hashed.update(piece)
            size += len(piece)
    summary = {"format": kind.format, **about, "bytes": size, "xxh3": hashed.hexdigest()}
    header = (kind.magic + json.dumps({**summary, "arrays": entries}).encode()).ljust(_HEADER)
    if len(header) > _HEADER:
        raise ValueError(f"{path}: got a header of {len(header)} bytes, expected at most {_HEADER}")
    with open_atomic(path) as file:
        os.chmod(file.name, 0o644)  # workers may run as another user
        file.write(header)
        for array in arrays.values():
            file.writelines(_padded(array))


def _padded(array: npt.NDArray[Any]) -> tuple[memoryview | bytes, bytes]:
    raw = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data if array.nbytes else b""
    return raw, bytes(-array.nbytes % _ALIGN)


def read_arrays(
    path: Path, kind: Kind, expected: Mapping[str, Any], names: Iterable[str]
) -> tuple[dict[str, Any], list[npt.NDArray[Any]]]:
    """Map the arrays of a file into memory. All processes of a machine share one copy.

    Args:
        expected: what the header must say, for example the `metadata_id`.
        names: the arrays, in the order in which they are returned.

    Raises:
        MetadataError: the file is not of this kind, is of another list or format, is truncated, or is damaged.
    """
    try:
        mapped = np.memmap(path, np.uint8, mode="r")
    except (OSError, ValueError) as error:
        raise MetadataError(f"{path}: cannot be mapped as {kind.what} ({error}); {_REMEDY}.") from error
    header = _checked_header(path, mapped, kind, expected)
    missing = [name for name in names if name not in header["arrays"]]
    if missing:
        raise MetadataError(f"{path}: got no {', '.join(missing)}, expected all arrays of {kind.what}; {_REMEDY}.")
    return header, [_array(mapped, header["arrays"][name]) for name in names]


def _array(mapped: npt.NDArray[np.uint8], entry: dict[str, Any]) -> npt.NDArray[Any]:
    dtype, shape = np.dtype(entry["dtype"]), entry["shape"]
    size = dtype.itemsize * int(np.prod(shape))
    return np.frombuffer(mapped[entry["at"] : entry["at"] + size].data, dtype).reshape(shape)


def _checked_header(
    path: Path, mapped: npt.NDArray[np.uint8], kind: Kind, expected: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the header of a file, and check that the content of the file agrees with the header."""
    raw = mapped[:_HEADER].tobytes()
    if not raw.startswith(kind.magic) or len(raw) < _HEADER:
        raise MetadataError(f"{path}: is not {kind.what} (starts with {raw[:16]!r}); {_REMEDY}.")
    try:
        header: dict[str, Any] = json.loads(raw[len(kind.magic) :])
    except ValueError as error:
        raise MetadataError(f"{path}: the header is damaged ({error}); {_REMEDY}.") from error
    if header["format"] != kind.format:
        raise MetadataError(f"{path}: got format {header['format']}, expected {kind.format}; {_REMEDY}.")
    for name, value in expected.items():
        if header[name] != value:
            what = f"a compilation of list {header[name][:16]}" if name == "metadata_id" else f"{name} {header[name]}"
            wanted = value[:16] if name == "metadata_id" else value
            raise MetadataError(f"{path}: got {what}, expected {wanted}; {_REMEDY}.")
    if header["bytes"] != len(mapped):
        raise MetadataError(f"{path}: got {len(mapped):,} bytes, expected {header['bytes']:,}; {_REMEDY}.")
    if xxhash.xxh3_64_hexdigest(mapped[_HEADER:].data) != header["xxh3"]:
        raise MetadataError(f"{path}: the content is damaged (its checksum differs); {_REMEDY}.")
    return header
