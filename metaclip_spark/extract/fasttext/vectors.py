"""Instructions for kernels that work on sixteen values at once.

They are written as vectors and not as loops, so LLVM has nothing to find out: it compiles them faster than loops, and
to the same instructions wherever they are inlined. Sums are in a fixed order, so results are equal on all processors.
"""

from __future__ import annotations

from typing import Any

from metaclip_spark.core.jit import intrinsic

LANES = 16
"""Values of a vector. The arrays of these instructions have room for whole vectors."""


def _data(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    """Return the address of an array's first value."""
    from numba.core import cgutils

    proxy: Any = cgutils.create_struct_proxy  # numba is untyped
    return proxy(kind)(context, builder, value).data


def _vector_at(builder: Any, data: Any, at: Any, lanes: int = LANES) -> Any:
    """Return the address of a vector in an array: `at` is the position of its first value."""
    from llvmlite import ir

    address = builder.gep(data, [at])
    return builder.bitcast(address, ir.VectorType(data.type.pointee, lanes).as_pointer())


def _splat(builder: Any, value: Any) -> Any:
    """Return a vector of one value, repeated."""
    from llvmlite import ir

    kind, number = ir.VectorType(value.type, LANES), ir.IntType(32)
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(number, 0))
    zeros = ir.Constant(ir.VectorType(number, LANES), [0] * LANES)
    return builder.shuffle_vector(one, ir.Constant(kind, ir.Undefined), zeros)


@intrinsic
def add_rows(context: Any, out: Any, vectors: Any, rows: Any, first: Any, last: Any, column: Any) -> Any:
    """Add sixteen columns of rows `rows[first:last]` of a float32 matrix to `out[column:]`, in order.

    Args:
        out: float32, (dim,).
        vectors: float32, (n, dim).
        rows: uint32.
        first, last, column: int64.
    """
    from llvmlite import ir
    from numba.core import cgutils, types

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        to, matrix, chosen = (_data(context, builder, signature.args[at], values[at]) for at in range(3))
        proxy: Any = cgutils.create_struct_proxy
        width = builder.extract_value(proxy(signature.args[1])(context, builder, values[1]).shape, 1)
        target = _vector_at(builder, to, values[5])
        alloca: Any = cgutils.alloca_once_value
        total = alloca(builder, builder.load(target, align=4))
        start, stop, wide = values[3], values[4], ir.IntType(64)
        with cgutils.for_range_slice(builder, start, stop, ir.Constant(wide, 1), wide) as (at, _):
            row = builder.zext(builder.load(builder.gep(chosen, [at])), wide)
            place = builder.add(builder.mul(row, width), values[5])
            part = builder.load(_vector_at(builder, matrix, place), align=4)
            builder.store(builder.fadd(builder.load(total), part), total)
        builder.store(builder.load(total), target, align=4)
        return ir.Constant(wide, 0)

    return types.int64(out, vectors, rows, types.int64, types.int64, types.int64), emit


@intrinsic
def dot(context: Any, one: Any, vectors: Any, row: Any, column: Any) -> Any:
    """Return the product of sixteen columns of a vector and of a row of a matrix, from a column on; float32."""
    from llvmlite import ir
    from numba.core import cgutils, types

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        given, matrix = (_data(context, builder, signature.args[at], values[at]) for at in range(2))
        proxy: Any = cgutils.create_struct_proxy
        width = builder.extract_value(proxy(signature.args[1])(context, builder, values[1]).shape, 1)
        place = builder.add(builder.mul(values[2], width), values[3])
        left = builder.load(_vector_at(builder, given, values[3]), align=4)
        right = builder.load(_vector_at(builder, matrix, place), align=4)
        products = builder.fmul(left, right)
        lanes, number = LANES, ir.IntType(32)
        while lanes > 1:
            lanes //= 2
            halves = [
                builder.shuffle_vector(
                    products,
                    ir.Constant(products.type, ir.Undefined),
                    ir.Constant(ir.VectorType(number, lanes), list(range(begin, begin + lanes))),
                )
                for begin in (0, lanes)
            ]
            products = builder.fadd(*halves)
        return builder.extract_element(products, ir.Constant(number, 0))

    return types.float32(one, vectors, types.int64, types.int64), emit


@intrinsic
def hash_step(context: Any, hashes: Any, at: Any, parts: Any, factors: Any, place: Any) -> Any:
    """Go on with sixteen FNV-1a hashes: `hashes[at:] = (hashes[at:] ^ parts[place:]) * factors[place:]`; all uint32."""
    from llvmlite import ir
    from numba.core import types

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        data, chars, times = (_data(context, builder, signature.args[at], values[at]) for at in (0, 2, 3))
        target = _vector_at(builder, data, values[1])
        value = builder.load(target, align=4)
        value = builder.xor(value, builder.load(_vector_at(builder, chars, values[4]), align=4))
        value = builder.mul(value, builder.load(_vector_at(builder, times, values[4]), align=4))
        builder.store(value, target, align=4)
        return ir.Constant(ir.IntType(64), 0)

    return types.int64(hashes, types.int64, parts, factors, types.int64), emit


@intrinsic
def write_buckets(
    context: Any,
    hashes: Any,
    at: Any,
    left: Any,
    size: Any,
    bucket: Any,
    magic: Any,
    shift: Any,
    out: Any,
    place: Any,
) -> Any:
    """Write the buckets of sixteen hashes to `out[place:]`: their remainders by `bucket`, or `bucket` for no n-gram.

    The remainder is found by multiplication. The quotient is at most one too high.

    Args:
        hashes: uint32; from `at` on.
        left: uint8, from `at` on: the number of characters from each to the end of its word.
        size: int64, the number of characters of the n-grams: where fewer are left, there is no n-gram.
        bucket, magic, shift: int64; a hash times `magic`, shifted, is its quotient. The first two have 32 bits.
        out: uint32.
    """
    from llvmlite import ir
    from numba.core import types

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        number, wide = ir.IntType(32), ir.IntType(64)
        data, rest_of_word, to = (_data(context, builder, signature.args[at], values[at]) for at in (0, 2, 7))
        value = builder.load(_vector_at(builder, data, values[1]), align=4)
        many = _splat(builder, builder.trunc(values[4], number))
        # LLVM sees that both factors have 32 bits, so one instruction multiplies them.
        magics = _splat(builder, builder.zext(builder.trunc(values[5], number), wide))
        product = builder.mul(builder.zext(value, ir.VectorType(wide, LANES)), magics)
        quotient = builder.trunc(builder.lshr(product, _splat(builder, values[6])), value.type)
        rest = builder.sub(value, builder.mul(quotient, many))
        corrected = builder.add(rest, many)
        rest = builder.select(builder.icmp_unsigned("<", rest, corrected), rest, corrected)
        chars = builder.load(_vector_at(builder, rest_of_word, values[1]), align=1)
        sizes = _splat(builder, builder.trunc(values[3], ir.IntType(8)))
        rest = builder.select(builder.icmp_unsigned(">=", chars, sizes), rest, many)
        builder.store(rest, _vector_at(builder, to, values[8]), align=4)
        return ir.Constant(wide, 0)

    number = types.int64
    return number(hashes, number, left, number, number, number, number, out, number), emit


@intrinsic
def widen(context: Any, data: Any, at: Any, out: Any, place: Any) -> Any:
    """Write sixteen bytes of `data[at:]` to `out[place:]`, extended by their sign; uint8 and uint32."""
    from llvmlite import ir
    from numba.core import types

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        given, to = (_data(context, builder, signature.args[at], values[at]) for at in (0, 2))
        target = _vector_at(builder, to, values[3])
        chars = builder.load(_vector_at(builder, given, values[1]), align=1)
        builder.store(builder.sext(chars, target.type.pointee), target, align=4)
        return ir.Constant(ir.IntType(64), 0)

    return types.int64(data, types.int64, out, types.int64), emit


@intrinsic
def store_word(context: Any, out: Any, at: Any, word: Any) -> Any:
    """Store a uint64 as eight little-endian bytes in a uint8 array; `at + 8 <= len(out)` is not checked."""
    from llvmlite import ir
    from numba.core import types

    def emit(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        data = _data(context, builder, signature.args[0], values[0])
        address = builder.bitcast(builder.gep(data, [values[1]]), ir.IntType(64).as_pointer())
        builder.store(values[2], address, align=1)
        return ir.Constant(ir.IntType(64), 0)

    return types.int64(out, types.int64, types.uint64), emit
