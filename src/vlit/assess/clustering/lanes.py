"""What numba's compiler lacks, in terms of the one below it: float16, and comparing 64 numbers at once."""

from __future__ import annotations

from typing import Any, TypeAlias

import numba
import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types
from numba.extending import intrinsic as untyped_intrinsic

A: TypeAlias = Any  # numba derives the types of arrays
LANES = 64  # numbers compared together, a bit of a word for each
intrinsic: A = untyped_intrinsic  # its annotations know nothing of what it makes


def _reader(kind: A) -> A:
    """A compiled function that gives a value as ``kind``; ``uint16`` are the bits of a finite float16."""

    def read(typing: A, value: A) -> A:
        def code(context: A, builder: A, signature: A, args: A) -> A:
            (number,), source = args, value
            if value == types.uint16:
                word = ir.IntType(32)
                bits = builder.zext(number, word)
                magnitude = builder.shl(builder.and_(bits, word(0x7FFF)), word(13))
                # exponents start at 2^-14, in float32 at 2^-126: a product sets right subnormal numbers too
                scaled = builder.fmul(builder.bitcast(magnitude, ir.FloatType()), ir.FloatType()(2.0**112))
                sign = builder.shl(builder.and_(bits, word(0x8000)), word(16))
                number = builder.bitcast(builder.or_(builder.bitcast(scaled, word), sign), ir.FloatType())
                source = types.float32
            return context.cast(builder, number, source, kind)

        return kind(value), code

    return intrinsic(read)


double = _reader(types.float64)
single = _reader(types.float32)


def _turned(builder: A, values: A, kind: A, shape: A) -> A:
    """Code of numbers that order like ``values``: float32 as they are, ``int16`` as the bits of bfloat16.

    Negative floats are ordered by magnitude, negative integers by two's complement: all bits but the sign turn.
    """
    if kind != types.int16:
        return values
    many = isinstance(shape, ir.VectorType)
    ones, most = (ir.Constant(shape, [c] * LANES if many else c) for c in (15, 0x7FFF))
    return builder.xor(values, builder.and_(builder.ashr(values, ones), most))


def _reaching_code(typing: A, row: A, start: A, limit: A) -> A:
    """Which of 64 numbers from ``start`` on, once ``turned``, reach the limit, as the bits of a word."""

    def code(context: A, builder: A, signature: A, args: A) -> A:
        array = context.make_array(row)(context, builder, args[0])
        shape, word = ir.VectorType(context.get_value_type(row.dtype), LANES), ir.IntType(32)
        place = builder.bitcast(builder.gep(array.data, [args[1]]), shape.as_pointer())
        values = builder.load(place, align=row.dtype.bitwidth // 8)
        nothing = ir.Constant(shape, ir.Undefined)
        first = builder.insert_element(nothing, args[2], word(0))
        same = builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(word, LANES), [0] * LANES))
        values = _turned(builder, values, row.dtype, shape)
        reached = builder.icmp_signed if row.dtype == types.int16 else builder.fcmp_ordered
        return builder.bitcast(reached(">=", values, same), ir.IntType(LANES))

    return types.uint64(row, types.intp, row.dtype), code


_reaching: A = intrinsic(_reaching_code)


def _turned_code(typing: A, value: A) -> A:
    """A product as a number that orders like it."""

    def code(context: A, builder: A, signature: A, args: A) -> A:
        return _turned(builder, args[0], value, context.get_value_type(value))

    return value(value), code


turned: A = intrinsic(_turned_code)


def _lowest_bit_code(typing: A, bits: A) -> A:
    """The place of the lowest bit that is set; one has to be."""

    def code(context: A, builder: A, signature: A, args: A) -> A:
        return builder.cttz(args[0], ir.IntType(1)(1))

    return types.int64(types.uint64), code


lowest_bit: A = intrinsic(_lowest_bit_code)


@numba.njit(cache=True, nogil=True)
def reaching(row: A, start: A, stop: A, limit: A) -> A:
    """Which of the numbers ``start`` to ``stop``, 64 at most, reach the limit, as the bits of a word."""
    if start + LANES <= stop:
        return _reaching(row, start, limit)
    bits = np.uint64(0)
    for c in range(start, stop):
        if turned(row[c]) >= limit:
            bits |= np.uint64(1) << np.uint64(c - start)
    return bits
