"""Functions over bytes and arrays that are compiled to machine code, and the cache of what was compiled."""

from __future__ import annotations

import functools
import os
import tempfile
import warnings
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import pyarrow as pa
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numba.misc.appdirs import AppDirs


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function at its first call, without the interpreter's lock.

    What was compiled is kept beside the package or in the user's cache folder, for all processes of a machine. Where
    neither can be written to, every process compiles for itself, which takes some seconds.
    """
    if not os.path.exists(function.__code__.co_filename) and not _home_keeps():
        return numba.njit(nogil=True)(function)
    try:
        return numba.njit(cache=True, nogil=True)(function)
    except RuntimeError as error:
        warnings.warn(f"{function.__name__} is compiled anew in every process: {error}", stacklevel=2)
        return numba.njit(nogil=True)(function)


def inline(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function part of every kernel that calls it, with the constants that it is given there.

    Where these say that what is written and what is read do not overlap, its loops become vector instructions.
    """
    return numba.njit(nogil=True, inline="always")(function)


@functools.cache
def _home_keeps() -> bool:
    """Return whether the user's cache folder can be written to.

    numba asks that itself, but not for modules in a zip (--py-files), of which it can keep nothing elsewhere: there
    the first call would fail.
    """
    folder = AppDirs(appname="numba", appauthor=False).user_cache_dir
    try:
        os.makedirs(folder, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        warnings.warn(f"functions are compiled anew in every process: {error}", stacklevel=3)
        return False
    return True


def bytes_of(data: Any) -> np.ndarray:
    """Return the bytes of a buffer as (n,) uint8, without a copy, for kernels.

    Never writable, whatever the buffer is: to a kernel a writable array is another type, and it is compiled for each.
    """
    return np.frombuffer(memoryview(data).toreadonly(), np.uint8)


def buffers_of(strings: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Return the bytes of an array's strings, and where each starts, with the end of the last, (n + 1,) int32."""
    if strings.null_count:
        raise ValueError(f"no nulls are expected, got {strings.null_count}")
    strings = strings.cast(pa.string())
    if not len(strings):
        return bytes_of(b""), bytes_of(bytes(4)).view(np.int32)
    _, ends, data = strings.buffers()
    ends = bytes_of(ends).view(np.int32)[strings.offset : strings.offset + len(strings) + 1]
    return bytes_of(data or b""), ends


@intrinsic
def load_word(context, raw, at):
    """Return eight bytes of a (n,) uint8 array as a uint64, the first the lowest; `at + 8 <= n` is not checked."""

    def emit(context, builder, signature, values):
        array = cgutils.create_struct_proxy(signature.args[0])(context, builder, values[0])
        place = builder.bitcast(builder.gep(array.data, [values[1]]), ir.IntType(64).as_pointer())
        return builder.load(place, align=1)

    return types.uint64(raw, types.int64), emit


@intrinsic
def count_trailing_zeros(context, word):
    """Return the place of the lowest bit that is set in a uint64, 0 to 63; 64 for 0."""

    def emit(context, builder, signature, values):
        return builder.cttz(values[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), emit


@intrinsic
def prefetch(context, array, at):
    """Have the processor fetch what stands at a place of an array, without waiting for it; 0 is returned."""

    def emit(context, builder, signature, values):
        data = cgutils.create_struct_proxy(signature.args[0])(context, builder, values[0]).data
        place = builder.bitcast(builder.gep(data, [values[1]]), ir.IntType(8).as_pointer())
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [place.type, number, number, number])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", [place.type], kind)
        read, keep, of_data = ir.Constant(number, 0), ir.Constant(number, 3), ir.Constant(number, 1)
        builder.call(prefetch, [place, read, keep, of_data])
        return ir.Constant(ir.IntType(64), 0)

    return types.int64(array, types.int64), emit


@kernel
def copied(text: np.ndarray, out: np.ndarray, to: int) -> int:
    """Write bytes, maybe from further on in the same array; returns the place behind them."""
    for char in text:
        out[to] = char
        to += 1
    return to
