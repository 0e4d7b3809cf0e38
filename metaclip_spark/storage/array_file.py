"""A file of plain arrays that all processes of a machine map: a header that says what it is, and the arrays.

Kernels read the arrays without a check of bounds. So a file is checked whenever it is opened: its checksum, which
covers the header, and the types and places of its arrays. What the arrays mean is checked by their owner, which says
with `damaged` what is wrong.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
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


class Layout(NamedTuple):
    """The type of an array, as numpy writes it (`<i8`), and the number of its dimensions."""

    dtype: str
    dimensions: int = 1


Layouts = Mapping[str, Layout]


def damaged(path: Path, problem: str) -> MetadataError:
    """Return the error for a file whose content cannot be used."""
    return MetadataError(f"{path}: the content is damaged ({problem}); {_REMEDY}.")


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
    header = sealed(kind.magic, {"format": kind.format, **about, "bytes": size, "arrays": entries}, hashed)
    if len(header) > _HEADER:
        raise ValueError(f"{path}: got a header of {len(header)} bytes, expected at most {_HEADER}")
    with open_atomic(path) as file:
        os.chmod(file.name, 0o644)  # workers may run as another user
        file.write(header)
        for array in arrays.values():
            file.writelines(_padded(array))


def sealed(magic: bytes, header: Mapping[str, Any], hashed: xxhash.xxh3_64) -> bytes:
    """Return the bytes of a header with its checksum.

    Args:
        hashed: the hash of all bytes after the header; the header is added to it.
    """
    hashed.update(_plain(header))
    return (magic + json.dumps({**header, "xxh3": hashed.hexdigest()}).encode()).ljust(_HEADER)


def _plain(header: Mapping[str, Any]) -> bytes:
    """Return the bytes of a header that its checksum covers."""
    return json.dumps({key: value for key, value in header.items() if key != "xxh3"}, sort_keys=True).encode()


def _padded(array: npt.NDArray[Any]) -> tuple[memoryview | bytes, bytes]:
    raw = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data if array.nbytes else b""
    return raw, bytes(-array.nbytes % _ALIGN)


def read_arrays(
    path: Path, kind: Kind, expected: Mapping[str, Any], layouts: Layouts
) -> tuple[dict[str, Any], list[npt.NDArray[Any]]]:
    """Map the arrays of a file into memory. All processes of a machine share one copy.

    Args:
        expected: what the header must say, for example the `metadata_id`.
        layouts: the arrays, in the order in which they are returned.

    Raises:
        MetadataError: the file is not of this kind, is of another list or format, is truncated, or is damaged.
    """
    try:
        mapped = np.memmap(path, np.uint8, mode="r")
    except (OSError, ValueError) as error:
        raise MetadataError(f"{path}: cannot be mapped as {kind.what} ({error}); {_REMEDY}.") from error
    header = _checked_header(path, mapped, kind, expected)
    missing = [name for name in layouts if name not in header["arrays"]]
    if missing:
        raise MetadataError(f"{path}: got no {', '.join(missing)}, expected all arrays of {kind.what}; {_REMEDY}.")
    return header, [_array(path, mapped, name, header["arrays"][name], layout) for name, layout in layouts.items()]


def _array(path: Path, mapped: npt.NDArray[np.uint8], name: str, entry: Any, layout: Layout) -> npt.NDArray[Any]:
    """Return an array of the file, after a check that it is what is expected, and inside the file."""
    if not isinstance(entry, dict):
        raise damaged(path, f"the header describes {name} with {entry!r}")
    shape: Any = entry.get("shape")
    at: Any = entry.get("at")
    dtype = np.dtype(layout.dtype)
    numbers = [*shape, at] if isinstance(shape, list) else [None]
    are_sizes = all(type(number) is int and 0 <= number <= len(mapped) for number in numbers)
    if entry.get("dtype") != layout.dtype or not are_sizes or len(numbers) != layout.dimensions + 1:
        wanted = f"{layout.dtype} in {layout.dimensions} dimensions"
        raise damaged(path, f"the header describes {name} as {entry}, expected {wanted}"[:500])
    size = dtype.itemsize * math.prod(shape)
    if at % _ALIGN or at < _HEADER or at + size > len(mapped):
        raise damaged(path, f"{name} has {size:,} bytes at byte {at:,}, outside of the file's {len(mapped):,}")
    return np.frombuffer(mapped[at : at + size].data, dtype).reshape(shape)


def _checked_header(
    path: Path, mapped: npt.NDArray[np.uint8], kind: Kind, expected: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the header of a file, and check that the content of the file agrees with the header."""
    raw = mapped[:_HEADER].tobytes()
    if not raw.startswith(kind.magic) or len(raw) < _HEADER:
        raise MetadataError(f"{path}: is not {kind.what} (starts with {raw[:16]!r}); {_REMEDY}.")
    try:
        header = json.loads(raw[len(kind.magic) :])
    except (ValueError, RecursionError) as error:
        raise MetadataError(f"{path}: the header is damaged ({error}); {_REMEDY}.") from error
    if not isinstance(header, dict) or not isinstance(header.get("arrays"), dict):
        raise MetadataError(f"{path}: the header is damaged (it describes no arrays); {_REMEDY}.")
    if header.get("format") != kind.format:
        raise MetadataError(f"{path}: got format {header.get('format')}, expected {kind.format}; {_REMEDY}.")
    for name, value in expected.items():
        got = header.get(name)
        if got != value:
            what = f"a compilation of list {str(got)[:16]}" if name == "metadata_id" else f"{name} {str(got)[:200]}"
            wanted = value[:16] if name == "metadata_id" else value
            raise MetadataError(f"{path}: got {what}, expected {wanted}; {_REMEDY}.")
    if header.get("bytes") != len(mapped):
        raise MetadataError(f"{path}: got {len(mapped):,} bytes, expected {header.get('bytes')}; {_REMEDY}.")
    hashed = xxhash.xxh3_64(mapped[_HEADER:].data)
    hashed.update(_plain(header))
    if hashed.hexdigest() != header.get("xxh3"):
        raise damaged(path, "its checksum differs")
    return header
