"""Pillow's bicubic resize in one pass over the picture, level for level: what CLIP and its kin were trained with.

Unlike the triangle this filter overshoots, and Pillow rounds and cuts what leaves 0..255 after each axis, the
horizontal one first. To give the same levels the order and the cuts are kept: each source row is filtered
sideways once, into a ring of as many rows as the vertical filter spans. Sums are made in float32, which is
fast; the few that come so close to a half that float32 cannot tell are made again as Pillow makes them, in
whole numbers.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from kernels.filters import taps
from kernels.lanes import weigh_pixel

FIXED_BITS = 22
"""Bits behind the point of Pillow's weights."""

_DOUBT = np.float32(2e-4)
"""Float32 sums of levels are off by less; nearer to a half than this they say nothing."""


@njit(nogil=True, cache=True, fastmath={"contract"})
def resample(
    pixels: NDArray[np.uint8],
    down: tuple[float, float, int],
    across: tuple[float, float, int],
    out: NDArray[np.float32] | NDArray[np.uint8],
    start: int,
    y_step: int,
    plane: int,
    gain: NDArray[np.float32],
    bias: NDArray[np.float32],
) -> None:
    """Filters pixels (H, 3 W) uint8, contiguous, into `out`, from `start` on, rows `y_step` apart.

    down, across: (low, high, length) of the span of each axis.
    """
    rows, columns = pixels.shape[0], pixels.shape[1] // 3
    y_first, y_exact, y_taps = taps(rows, down[0], down[1], down[2], True)
    x_first, x_exact, x_taps = taps(columns, across[0], across[1], across[2], True)
    y_weights, x_weights = y_exact.astype(np.float32), x_exact.astype(np.float32)
    y_fixed, x_fixed = _fixed(y_exact), _fixed(x_exact)
    left, width = x_first.min(), x_weights.shape[1]
    factors = x_weights.reshape(-1)
    length = 3 * (x_first.max() + x_taps - left)
    # Zeros where only the padding of the weights reaches, and one to spare for the fourth lane.
    line = np.zeros(3 * (x_first.max() + width - left) + 1, dtype=np.float32)
    ring = np.zeros((y_taps, 3 * across[2] + 1), dtype=np.float32)
    sums = np.zeros(3 * across[2], dtype=np.float32)
    row = y_first[0]
    for y in range(down[2]):
        while row < y_first[y] + y_taps:
            source = pixels[row, 3 * left : 3 * left + length]
            for index in range(length):
                line[index] = np.float32(source[index])
            fresh = ring[row % y_taps]
            for x in range(across[2]):
                weigh_pixel(line, 3 * (x_first[x] - left), factors, x * width, width, fresh, 3 * x)
            filtered = fresh[: 3 * across[2]]
            if _is_doubtful(filtered):
                for index in range(3 * across[2]):
                    if _is_near_half(filtered[index]):
                        at = 3 * (x_first[index // 3] - left) + index % 3
                        filtered[index] = _exact(source[at::3], x_fixed[index // 3], x_taps)
            _cut(filtered)
            row += 1
        sums[:] = np.float32(0.0)
        for tap in range(y_taps):
            _add(sums, ring[(y_first[y] + tap) % y_taps, : 3 * across[2]], y_weights[y, tap])
        if _is_doubtful(sums):
            for index in range(3 * across[2]):
                if _is_near_half(sums[index]):
                    total = np.int64(1 << (FIXED_BITS - 1))
                    for tap in range(y_taps):
                        total += y_fixed[y, tap] * np.int64(ring[(y_first[y] + tap) % y_taps, index])
                    sums[index] = np.float32(total >> FIXED_BITS)
        _cut(sums)
        at = start + y * y_step
        for x in range(across[2]):
            out[at] = sums[3 * x] * gain[0] + bias[0]
            out[at + plane] = sums[3 * x + 1] * gain[1] + bias[1]
            out[at + 2 * plane] = sums[3 * x + 2] * gain[2] + bias[2]
            at += 1


def warm_up() -> None:
    """Compile the kernels of this module for the arrays the server uses."""
    pixels = np.zeros((4, 12), dtype=np.uint8)
    pixels.flags.writeable = False
    gain, span = np.ones(3, dtype=np.float32), (0.0, 4.0, 2)
    for out in (np.empty(12, dtype=np.float32), np.empty(12, dtype=np.uint8)):
        resample(pixels, span, span, out, 0, 2, 4, gain, gain)


def reference(
    pixels: NDArray[np.uint8], rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> NDArray[np.int64]:
    """The numpy twin, levels (3, I, J): pixels (H, W, 3) times dense filters (I, H) and (J, W)."""
    levels = pixels.astype(np.int64).transpose(2, 0, 1)
    for weights, axis in ((columns, 2), (rows, 1)):
        away = np.where(weights >= 0, 0.5, -0.5)
        fixed = np.trunc(weights * (1 << FIXED_BITS) + away).astype(np.int64)
        sums = np.moveaxis(np.tensordot(levels, fixed, axes=(axis, 1)), -1, axis)
        levels = np.clip((sums + (1 << (FIXED_BITS - 1))) >> FIXED_BITS, 0, 255)
    return levels


@njit(nogil=True, cache=True)
def _fixed(weights: NDArray[np.float64]) -> NDArray[np.int64]:
    """Weights with the point after `FIXED_BITS` bits, halves away from zero."""
    fixed = np.empty(weights.shape, dtype=np.int64)
    for row in range(weights.shape[0]):
        for column in range(weights.shape[1]):
            half = 0.5 if weights[row, column] >= 0.0 else -0.5
            fixed[row, column] = int(half + weights[row, column] * (1 << FIXED_BITS))
    return fixed


@njit(nogil=True, cache=True)
def _exact(levels: NDArray[np.uint8], fixed: NDArray[np.int64], count: int) -> Any:
    """One sum as Pillow makes it, not yet cut."""
    total = np.int64(1 << (FIXED_BITS - 1))
    for tap in range(count):
        total += fixed[tap] * np.int64(levels[tap])
    return np.float32(total >> FIXED_BITS)


@njit(nogil=True, cache=True)
def _is_near_half(level: Any) -> bool:
    is_near: bool = abs(level - np.floor(level) - np.float32(0.5)) < _DOUBT
    return is_near


@njit(nogil=True, cache=True)
def _is_doubtful(levels: NDArray[np.float32]) -> bool:
    """Whether any is; without a branch, so that the loop is vectorised."""
    count = 0
    for index in range(levels.shape[0]):
        count += int(abs(levels[index] - np.floor(levels[index]) - np.float32(0.5)) < _DOUBT)
    return count > 0


@njit(nogil=True, cache=True, fastmath={"contract"})
def _add(sums: NDArray[np.float32], row: NDArray[np.float32], weight: float) -> None:
    """sums += weight * row."""
    for index in range(sums.shape[0]):
        sums[index] += weight * row[index]


@njit(nogil=True, cache=True)
def _cut(levels: NDArray[np.float32]) -> None:
    """Whole levels from 0 to 255, in place."""
    for index in range(levels.shape[0]):
        level = np.floor(levels[index] + np.float32(0.5))
        levels[index] = min(max(level, np.float32(0.0)), np.float32(255.0))
