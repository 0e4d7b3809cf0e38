"""Compile functions over bytes and arrays to machine code, and cache the code."""

from __future__ import annotations

import functools
import hashlib
import os
import tempfile
import warnings
from collections.abc import Callable
from importlib import resources
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numba.misc.appdirs import AppDirs


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function at its first call. The compiled code runs without the interpreter's lock.

    The code is cached next to the package or in the user's cache folder, for all processes of a machine. Where neither
    folder is writable, every process compiles the function, which takes some seconds. A change of any kernel's module
    makes the cache obsolete. numba itself checks only the function's own file, but a kernel contains the kernels that
    it calls.
    """
    if not os.path.exists(function.__code__.co_filename) and not _cache_is_writable():
        return numba.njit(nogil=True)(function)
    try:
        compiled: Any = numba.njit(cache=True, nogil=True)(function)
        # numba compares this version before it reads the rest of a cached file.
        compiled._cache._cache_file._version += f" {_sources_digest()}"
        return compiled  # type: ignore[no-any-return]
    except (RuntimeError, AttributeError) as error:
        # There is no folder for the cache, or this version of numba caches in another way.
        warnings.warn(f"{function.__name__} is recompiled in every process: {error}", stacklevel=2)
        return numba.njit(nogil=True)(function)


def inline(function: Callable[..., Any]) -> Callable[..., Any]:
    """Inline a function into every kernel that calls it, with the constants of the call.

    Where the constants show that reads and writes do not overlap, the function's loops become vector instructions.
    """
    return numba.njit(nogil=True, inline="always")(function)


@functools.cache
def _sources_digest() -> str:
    """Return a hash of the modules that have kernels, the same wherever the package is installed."""
    found: dict[str, bytes] = {}

    def walk(folder: Any, name: str) -> None:
        for item in folder.iterdir():
            if item.is_dir():
                walk(item, f"{name}/{item.name}")
            elif item.name.endswith(".py") and b"jit" in (source := item.read_bytes()):
                found[f"{name}/{item.name}"] = source

    walk(resources.files(__name__.partition(".")[0]), "")
    digest = hashlib.blake2b(digest_size=16)
    for name, source in sorted(found.items()):
        digest.update(f"{name}\0{len(source)}\0".encode() + source)
    return digest.hexdigest()


@functools.cache
def _cache_is_writable() -> bool:
    """Return whether the user's cache folder is writable.

    numba checks this itself, but not for modules in a zip (--py-files). numba can cache the modules of a zip only in
    that folder, and without this check the first call would fail.
    """
    dirs: Any = AppDirs  # numba is untyped
    folder = dirs(appname="numba", appauthor=False).user_cache_dir
    try:
        os.makedirs(folder, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        warnings.warn(f"functions are recompiled in every process: {error}", stacklevel=3)
        return False
    return True


def bytes_of(data: Any) -> npt.NDArray[np.uint8]:
    """Return the bytes of a buffer for a kernel: uint8, shape (n,), read-only, without a copy.

    The array is read-only even where the buffer is writable. A writable array is another type to a kernel, and numba
    compiles a kernel once per type.
    """
    return np.frombuffer(memoryview(data).toreadonly(), np.uint8)


def buffers_of(strings: pa.Array) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int32]]:
    """Return the bytes and the offsets of a string array without nulls.

    Returns:
        uint8, shape (bytes,); and int32, shape (n + 1,): the start of each string, and the end of the last.
    """
    if strings.null_count:
        raise ValueError(f"expected no nulls, got {strings.null_count}")
    strings = strings.cast(pa.string())
    if not len(strings):
        return bytes_of(b""), bytes_of(bytes(4)).view(np.int32)
    _, offsets, data = strings.buffers()
    ends = bytes_of(offsets).view(np.int32)[strings.offset : strings.offset + len(strings) + 1]
    return bytes_of(data or b""), ends


@intrinsic
def load_word(context: Any, raw: Any, at: Any) -> Any:
    """Load eight bytes of a (n,) uint8 array as a little-endian uint64; `at + 8 <= n` is not checked."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        proxy: Any = cgutils.create_struct_proxy  # numba is untyped
        array = proxy(signature.args[0])(context, builder, values[0])
        address = builder.bitcast(builder.gep(array.data, [values[1]]), ir.IntType(64).as_pointer())
        return builder.load(address, align=1)

    return types.uint64(raw, types.int64), emit


@intrinsic
def count_trailing_zeros(context: Any, word: Any) -> Any:
    """Count the trailing zeros of a uint64: the position of its lowest set bit, 0 to 63; 64 for 0."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.cttz(values[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), emit


@intrinsic
def prefetch(context: Any, array: Any, at: Any) -> Any:
    """Prefetch an element of an array into the processor's cache, without waiting for it; return 0."""

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        proxy: Any = cgutils.create_struct_proxy  # numba is untyped
        data = proxy(signature.args[0])(context, builder, values[0]).data
        address = builder.bitcast(builder.gep(data, [values[1]]), ir.IntType(8).as_pointer())
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [address.type, number, number, number])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", [address.type], kind)
        read, keep, of_data = ir.Constant(number, 0), ir.Constant(number, 3), ir.Constant(number, 1)
        builder.call(prefetch, [address, read, keep, of_data])
        return ir.Constant(ir.IntType(64), 0)

    return types.int64(array, types.int64), emit


@kernel
def copy_bytes(text: npt.NDArray[np.uint8], out: npt.NDArray[np.uint8], to: int) -> int:
    """Copy bytes to `out[to:]`, front to back, and return the position after them.

    `text` may be a later part of `out` itself.
    """
    for char in text:
        out[to] = char
        to += 1
    return to
