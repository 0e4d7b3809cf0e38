"""Inflate many small gzip members in one compiled call, by libdeflate's functions for C.

The wheel of `deflate` contains libdeflate and exports its functions. Where one does not, members are inflated one by
one.
"""

from __future__ import annotations

import ctypes
import functools
import weakref
from typing import Any, NamedTuple

import deflate

from metaclip_spark.core.jit import intrinsic


class Functions(NamedTuple):
    """The functions of libdeflate.

    Attributes:
        inflate: address of `libdeflate_gzip_decompress_ex`.
        allocate, free: make and free a decompressor, which one thread may use at a time.
    """

    inflate: int
    allocate: Any
    free: Any


@functools.cache
def functions() -> Functions | None:
    """Return the functions of libdeflate, or None if the library does not export them."""
    try:
        library = ctypes.CDLL(deflate._deflate.__file__)
        inflate = library.libdeflate_gzip_decompress_ex
        allocate, free = library.libdeflate_alloc_decompressor, library.libdeflate_free_decompressor
    except (OSError, AttributeError):
        return None
    allocate.restype, allocate.argtypes = ctypes.c_void_p, ()
    free.restype, free.argtypes = None, (ctypes.c_void_p,)
    return Functions(ctypes.cast(inflate, ctypes.c_void_p).value or 0, allocate, free)


class Decompressor:
    """A decompressor of libdeflate, freed with this object.

    Attributes:
        address: its address; 0 if the library's functions are not exported, or there is no memory.
        inflate: the address of the function that uses it.
    """

    def __init__(self) -> None:
        found = functions()
        self.address = (found.allocate() or 0) if found else 0
        self.inflate = found.inflate if found else 0
        if found and self.address:
            weakref.finalize(self, found.free, self.address)


@intrinsic
def inflate_member(
    context: Any, function: Any, decompressor: Any, data: Any, at: Any, out: Any, to: Any, room: Any, sizes: Any
) -> Any:
    """Inflate the gzip member that begins at `data[at]`, and check its checksum and size.

    Args:
        function, decompressor: int64, the attributes of a `Decompressor`.
        data: (n,) uint8; `at <= n` is not checked.
        out: (m,) uint8, written from `to` on, `room` bytes at most; `to + room <= m` is not checked.
        sizes: (2,) int64, written on success: the member's bytes, and the bytes that were written.

    Returns:
        0; any other number if it is no intact member, or has more than `room` bytes.
    """
    from llvmlite import ir
    from numba.core import cgutils, types

    byte, word = ir.IntType(8).as_pointer(), ir.IntType(64)
    kind = ir.FunctionType(ir.IntType(32), [byte, byte, word, byte, word, word.as_pointer(), word.as_pointer()])

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        proxy: Any = cgutils.create_struct_proxy  # numba is untyped

        def pointer(index: int, offset: Any, kind: Any) -> Any:
            array = proxy(signature.args[index])(context, builder, values[index])
            return builder.bitcast(builder.gep(array.data, [offset]), kind)

        source = proxy(signature.args[2])(context, builder, values[2])
        size = builder.sub(source.nitems, values[3])
        zero, one = (ir.Constant(word, number) for number in (0, 1))
        result = builder.call(
            builder.inttoptr(values[0], kind.as_pointer()),
            [
                builder.inttoptr(values[1], byte),
                pointer(2, values[3], byte),
                size,
                pointer(4, values[5], byte),
                values[6],
                pointer(7, zero, word.as_pointer()),
                pointer(7, one, word.as_pointer()),
            ],
        )
        return builder.sext(result, word)

    number = types.int64
    return number(number, number, data, number, out, number, number, sizes), emit
