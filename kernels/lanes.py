"""One vector instruction numba has no spelling for: a weighted sum of RGB pixels, four lanes at a time.

Three channels keep LLVM from vectorising a horizontal filter. Loading four neighbouring floats (a pixel and
one channel of the next) and ignoring the fourth lane does it, and halves the time of that pass; four taps at a
time, and one store for the three sums, take another third off.
"""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_FLOATS = ir.VectorType(ir.FloatType(), 4)
_UNDEFINED = ir.Constant(_FLOATS, ir.Undefined)
_LANES = ir.VectorType(ir.IntType(32), 4)


def _weigh_pixel(
    typing_context: Any, row: Any, start: Any, weights: Any, first: Any, taps: Any, out: Any, at: Any
) -> Any:
    """Types and LLVM code of `weigh_pixel`."""
    signature = types.void(row, types.intp, weights, types.intp, types.intp, out, types.intp)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        row_value, start_value, weights_value, first_value, taps_value, out_value, at_value = arguments
        row_type, _, weights_type, _, _, out_type, _ = signature.args
        pixels = builder.gep(context.make_array(row_type)(context, builder, row_value).data, [start_value])
        factors = context.make_array(weights_type)(context, builder, weights_value).data
        factors = builder.gep(factors, [first_value])
        target = builder.gep(context.make_array(out_type)(context, builder, out_value).data, [at_value])
        zero = ir.Constant(_FLOATS, [0.0] * 4)
        total = cgutils.alloca_once_value(builder, zero)  # type: ignore[no-untyped-call]
        four = ir.Constant(taps_value.type, 4)
        with cgutils.for_range(builder, builder.sdiv(taps_value, four)) as loop:
            tap = builder.mul(loop.index, four)
            here = builder.gep(pixels, [builder.mul(tap, ir.Constant(tap.type, 3))])
            group = builder.load(builder.bitcast(builder.gep(factors, [tap]), _FLOATS.as_pointer()))
            group.align = 4
            sums = builder.load(total)
            for lane in range(4):
                address = builder.gep(here, [ir.Constant(tap.type, 3 * lane)])
                pixel = builder.load(builder.bitcast(address, _FLOATS.as_pointer()))
                pixel.align = 4
                factor = builder.shuffle_vector(group, _UNDEFINED, ir.Constant(_LANES, [lane] * 4))
                product = builder.fmul(pixel, factor, flags=["contract"])
                sums = builder.fadd(sums, product, flags=["contract"])
            builder.store(sums, total)
        stored = builder.store(builder.load(total), builder.bitcast(target, _FLOATS.as_pointer()))
        stored.align = 4
        return context.get_dummy_value()

    return signature, generate


weigh_pixel = cast("Callable[[Floats, int, Floats, int, int, Floats, int], None]", intrinsic(_weigh_pixel))
"""In a kernel, `weigh_pixel(row, start, weights, first, taps, out, at)`: out[at + channel] becomes the sum of
weights[first + t] * row[start + 3 t + channel] over t < taps, a multiple of 4; out[at + 3] becomes anything.

All contiguous float32, not bounds-checked: row is interleaved RGB with one float to spare behind the last
pixel, also behind those that only zero weights touch, which must be finite.
"""
