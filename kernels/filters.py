"""The two resampling filters, as Pillow defines them: their support grows with the scale when a picture shrinks.

"bilinear" is the triangle of half-width 1, "bicubic" the cubic convolution with a = -1/2 of half-width 2.
"""

from typing import Literal

import numpy as np
from numba import njit
from numpy.typing import NDArray

from kernels.placement import Span

Filter = Literal["bilinear", "bicubic"]

PADDING = 4
"""Weights are padded with zeros to a multiple of this, so that kernels can take several at once."""


def matrix(size: int, span: Span, kind: Filter) -> NDArray[np.float64]:
    """The filter of one axis as a matrix (span.length, size) whose rows add up to one."""
    scale = (span.high - span.low) / span.length
    centres = span.low + (np.arange(span.length) + 0.5) * scale
    distances = np.abs(np.arange(size) + 0.5 - centres[:, None]) / max(scale, 1.0)
    if kind == "bilinear":
        weights = np.maximum(0.0, 1.0 - distances)
    else:
        near = (1.5 * distances - 2.5) * distances**2 + 1.0
        far = ((-0.5 * distances + 2.5) * distances - 4.0) * distances + 2.0
        weights = np.where(distances < 1.0, near, np.where(distances < 2.0, far, 0.0))
    total: NDArray[np.float64] = weights.sum(axis=1, keepdims=True)
    return weights / total


def warm_up() -> None:
    """Compile the kernels of this module."""
    taps(4, 0.0, 4.0, 2, False)


@njit(nogil=True, cache=True)
def taps(
    size: int, low: float, high: float, length: int, is_cubic: bool
) -> tuple[NDArray[np.int64], NDArray[np.float64], int]:
    """The same filter as (first source pixel (length,), weights (length, taps + padding), taps).

    first + taps <= size; the padding makes the width a multiple of `PADDING` and is zero.
    """
    scale = (high - low) / length
    stretch = max(scale, 1.0)
    support = 2.0 * stretch if is_cubic else stretch
    count = 1
    first = np.empty(length, dtype=np.int64)
    for index in range(length):
        centre = low + (index + 0.5) * scale
        start, stop = max(int(centre - support + 0.5), 0), min(int(centre + support + 0.5), size)
        first[index] = start
        count = max(count, stop - start)
    weights = np.zeros((length, -(-count // PADDING) * PADDING))
    for index in range(length):
        centre = low + (index + 0.5) * scale
        first[index] = min(first[index], size - count)
        total = 0.0
        for tap in range(count):
            weight = _weight(abs(first[index] + tap + 0.5 - centre) / stretch, is_cubic)
            weights[index, tap] = weight
            total += weight
        for tap in range(count):
            weights[index, tap] /= total
    return first, weights, count


@njit(nogil=True, cache=True)
def _weight(distance: float, is_cubic: bool) -> float:
    if not is_cubic:
        return max(0.0, 1.0 - distance)
    if distance < 1.0:
        return (1.5 * distance - 2.5) * distance * distance + 1.0
    if distance < 2.0:
        return ((-0.5 * distance + 2.5) * distance - 4.0) * distance + 2.0
    return 0.0
