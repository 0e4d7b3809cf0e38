"""Compiled functions work where nothing can be kept on disk, and see buffers without copying them."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from metaclip_spark import kernels


def test_without_a_place_for_the_cache_a_kernel_is_compiled_all_the_same(monkeypatch):
    """numba refuses to cache where it can write nowhere; that costs time, and nothing else."""
    njit = numba.njit

    def refuse(*args, **options):
        if options.pop("cache", False):
            raise RuntimeError("cannot cache function: no locator available")
        return njit(*args, **options)

    monkeypatch.setattr(kernels.numba, "njit", refuse)
    with pytest.warns(UserWarning, match=r"^doubled is compiled anew in every process: cannot cache function"):

        @kernels.kernel
        def doubled(value):
            return 2 * value

    assert doubled(21) == 42


@pytest.mark.parametrize("make", [bytes, bytearray, lambda raw: memoryview(bytearray(raw))])
def test_bytes_of_any_buffer_are_one_type(make):
    """Not a copy, and not writable."""
    buffer = make(b"abc")
    found = kernels.bytes_of(buffer)
    assert found.tobytes() == b"abc"
    assert not found.flags.writeable
    assert np.shares_memory(found, np.frombuffer(buffer, np.uint8))
    assert kernels.bytes_of(make(b"")).shape == (0,)
