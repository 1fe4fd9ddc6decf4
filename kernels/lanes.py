"""One vector instruction numba has no spelling for: a weighted sum of RGB pixels, four lanes at a time.

Three channels keep LLVM from vectorising a horizontal filter. Loading four neighbouring floats (a pixel and
one channel of the next) and ignoring the fourth lane does it, and halves the time of that pass.
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
_FIRST = ir.Constant(ir.IntType(32), 0)
_ALL_FIRST = ir.Constant(ir.VectorType(ir.IntType(32), 4), [0] * 4)


def _weighted_pixel(typing_context: Any, row: Any, start: Any, weights: Any, taps: Any) -> Any:
    """Types and LLVM code of `weighted_pixel`."""
    pixel_type = types.UniTuple(types.float32, 3)  # type: ignore[no-untyped-call]
    signature = pixel_type(row, types.intp, weights, types.intp)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        row_type, _, weights_type, _ = signature.args
        row_value, start_value, weights_value, taps_value = arguments
        pixels = builder.gep(context.make_array(row_type)(context, builder, row_value).data, [start_value])
        factors = context.make_array(weights_type)(context, builder, weights_value).data
        zero = ir.Constant(_FLOATS, [0.0] * 4)
        total = cgutils.alloca_once_value(builder, zero)  # type: ignore[no-untyped-call]
        with cgutils.for_range(builder, taps_value) as loop:
            address = builder.gep(pixels, [builder.mul(loop.index, ir.Constant(loop.index.type, 3))])
            pixel = builder.load(builder.bitcast(address, _FLOATS.as_pointer()))
            pixel.align = 4
            factor = builder.load(builder.gep(factors, [loop.index]))
            factor = builder.insert_element(_UNDEFINED, factor, _FIRST)
            factor = builder.shuffle_vector(factor, _UNDEFINED, _ALL_FIRST)
            product = builder.fmul(pixel, factor, flags=["contract"])
            builder.store(builder.fadd(builder.load(total), product, flags=["contract"]), total)
        sums = builder.load(total)
        channels = [builder.extract_element(sums, ir.Constant(ir.IntType(32), lane)) for lane in range(3)]
        return context.make_tuple(builder, signature.return_type, channels)

    return signature, generate


weighted_pixel = cast(
    "Callable[[Floats, int, Floats, int], tuple[float, float, float]]", intrinsic(_weighted_pixel)
)
"""In a kernel, `weighted_pixel(row, start, weights, taps)`: sum of weights[t] * row[start + 3 t + channel].

row: contiguous float32, interleaved RGB, with one float to spare behind the last pixel. weights: contiguous
float32, at least `taps`. Neither is bounds-checked.
"""
