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


def part(function: Callable[..., Any]) -> Callable[..., Any]:
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
