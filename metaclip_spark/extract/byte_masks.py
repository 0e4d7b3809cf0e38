"""Compare 64 bytes at once, for kernels that look for the next byte of a kind.

Each function returns a uint64 whose lowest bit is that of the first byte. LLVM makes vector instructions of them.
"""

from __future__ import annotations

from typing import Any

from metaclip_spark.core.jit import intrinsic

BLOCK = 64
"""Bytes that a mask describes. An array needs as many from the position on; this is not checked."""


def _masked(raw: Any, compare: Any) -> Any:
    """Return the signature and the code of a function (raw, at) that compares a block of bytes.

    Args:
        raw: numba's type of the array.
        compare: takes the builder, the block, and a function that fills a block with one byte; returns 64 bits.
    """
    from llvmlite import ir
    from numba.core import cgutils, types

    block_type = ir.VectorType(ir.IntType(8), BLOCK)

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        proxy: Any = cgutils.create_struct_proxy  # numba is untyped
        array = proxy(signature.args[0])(context, builder, values[0])
        address = builder.bitcast(builder.gep(array.data, [values[1]]), block_type.as_pointer())
        block = builder.load(address, align=1)
        found = compare(builder, block, lambda byte: ir.Constant(block_type, [byte] * BLOCK))
        return builder.bitcast(found, ir.IntType(BLOCK))

    return types.uint64(raw, types.int64), emit


@intrinsic
def string_ends(context: Any, raw: Any, at: Any) -> Any:
    """Return which bytes from `at` on are a quote, a backslash or a control: those that can end a JSON string."""

    def compare(builder: Any, block: Any, filled: Any) -> Any:
        quote = builder.icmp_unsigned("==", block, filled(34))
        backslash = builder.icmp_unsigned("==", block, filled(92))
        control = builder.icmp_unsigned("<", block, filled(32))
        return builder.or_(builder.or_(quote, backslash), control)

    return _masked(raw, compare)


@intrinsic
def backslashes(context: Any, raw: Any, at: Any) -> Any:
    """Return which bytes from `at` on are a backslash."""
    return _masked(raw, lambda builder, block, filled: builder.icmp_unsigned("==", block, filled(92)))


@intrinsic
def ampersands(context: Any, raw: Any, at: Any) -> Any:
    """Return which bytes from `at` on are an ampersand."""
    return _masked(raw, lambda builder, block, filled: builder.icmp_unsigned("==", block, filled(38)))


@intrinsic
def not_ascii(context: Any, raw: Any, at: Any) -> Any:
    """Return which bytes from `at` on are not ASCII."""
    return _masked(raw, lambda builder, block, filled: builder.icmp_unsigned(">=", block, filled(128)))


@intrinsic
def unclean(context: Any, raw: Any, at: Any) -> Any:
    """Return which bytes from `at` on are a backslash, a control or not ASCII."""

    def compare(builder: Any, block: Any, filled: Any) -> Any:
        backslash = builder.icmp_unsigned("==", block, filled(92))
        return builder.or_(backslash, builder.icmp_unsigned(">=", builder.sub(block, filled(32)), filled(127 - 32)))

    return _masked(raw, compare)


@intrinsic
def copy_block(context: Any, raw: Any, at: Any, out: Any, to: Any) -> Any:
    """Copy a block of bytes from `raw[at]` to `out[to]`; the bounds of both are not checked. Return 0."""
    from llvmlite import ir
    from numba.core import cgutils, types

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        proxy: Any = cgutils.create_struct_proxy  # numba is untyped
        block = ir.VectorType(ir.IntType(8), BLOCK).as_pointer()
        source, target = (proxy(signature.args[index])(context, builder, values[index]).data for index in (0, 2))
        read = builder.load(builder.bitcast(builder.gep(source, [values[1]]), block), align=1)
        builder.store(read, builder.bitcast(builder.gep(target, [values[3]]), block), align=1)
        return ir.Constant(ir.IntType(64), 0)

    return types.int64(raw, types.int64, out, types.int64), emit
