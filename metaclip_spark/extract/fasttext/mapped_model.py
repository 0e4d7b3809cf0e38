"""Keep a small model's arrays in a file that all processes of a machine map, as they map a compiled list.

The file is written once, by the first process that loads the model, atomically, and checked whenever it is read. It
lies where compiled kernels lie. Its name has hashes of the model and of the code that laid it out, so another model or
another version of the package has another file.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from metaclip_spark.core.hashing.digest import sha256_of
from metaclip_spark.core.jit import cache_folders
from metaclip_spark.errors import MetadataError
from metaclip_spark.extract.fasttext.model_file import read_model, unusable
from metaclip_spark.extract.fasttext.tables import ARRAYS, Arrays, Numbers, lay_out, problem_of
from metaclip_spark.storage.array_file import Kind, Layout, damaged, read_arrays, write_arrays

KIND = Kind(b"metaclip-spark language model\n", "the tables of a language model", 2)
"""The kind of the file."""
SMALL = 64 << 20
"""Bytes of the largest model file that is kept so. Of a larger one, the matrices are mapped from its own file."""
_LAYOUTS = {
    **{name: Layout(*layout) for name, layout in ARRAYS.items()},
    "label_offsets": Layout("<i8"),
    "label_data": Layout("|u1"),
}


def load_layout(path: Path) -> tuple[list[str], Numbers, Arrays]:
    """Return the labels, the numbers and the arrays of a model; see `tables.lay_out`.

    Raises:
        ConfigError: the file is no such model.
    """
    if not path.is_file() or path.stat().st_size > SMALL:
        return _read(path)
    # Lower case and letters are Arrow's, and may change with it.
    expected = {"model": sha256_of(path), "arrow": pa.__version__, "code": _code()}
    name = f"model-{expected['model'][:24]}-{expected['code']}-arrow-{pa.__version__}.arrays"
    for folder in cache_folders():
        with contextlib.suppress(MetadataError):
            return _mapped(folder / name, expected)
    labels, numbers, arrays = _read(path)
    joined = [label.encode() for label in labels]
    offsets = np.zeros(len(joined) + 1, np.int64)
    np.cumsum([len(label) for label in joined], out=offsets[1:])
    kept = {**arrays, "label_offsets": offsets, "label_data": np.frombuffer(b"".join(joined) or b"\0", np.uint8)}
    for folder in cache_folders():
        # Where no folder is writable, each process has its own copy.
        with contextlib.suppress(OSError, MetadataError):
            write_arrays(folder / name, KIND, {**expected, "numbers": numbers}, kept)
            return _mapped(folder / name, expected)
    return labels, numbers, arrays


@cache
def _code() -> str:
    """Return a hash of the modules that lay a model out: a change of any makes the files of others obsolete."""
    digest = hashlib.blake2b(digest_size=8)
    for module in sorted(resources.files(__package__).iterdir(), key=lambda item: item.name):
        if module.name.endswith(".py"):
            digest.update(module.name.encode() + b"\0" + module.read_bytes())
    return digest.hexdigest()


def _read(path: Path) -> tuple[list[str], Numbers, Arrays]:
    model = read_model(path)
    try:
        return model.labels, *lay_out(model)
    except ValueError as error:
        raise unusable(path, f"{error}.") from None


def _mapped(path: Path, expected: dict[str, str]) -> tuple[list[str], Numbers, Arrays]:
    header, found = read_arrays(path, KIND, expected, _LAYOUTS)
    *given, offsets, data = found
    numbers: Any = header.get("numbers")
    arrays = dict(zip(ARRAYS, given, strict=True))
    problem = problem_of(numbers, arrays)
    if problem is not None:
        raise damaged(path, problem)
    is_inside = len(offsets) == len(arrays["output"]) + 1 and offsets[0] >= 0 and offsets[-1] <= len(data)
    if not is_inside or (np.diff(offsets) < 0).any():
        raise damaged(path, f"{len(arrays['output'])} labels have other names")
    try:
        return list(_labels(offsets.tolist(), data.tobytes())), numbers, arrays
    except UnicodeDecodeError as error:
        raise damaged(path, f"a label is not UTF-8: {error}") from None


def _labels(offsets: list[int], data: bytes) -> Iterator[str]:
    for start, stop in zip(offsets, offsets[1:], strict=False):
        yield data[start:stop].decode()
