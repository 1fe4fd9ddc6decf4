"""Gaussian scale space of a gray picture, the ground the local features stand on.

Lowe's scale space (IJCV 2004, section 3) starts from the picture enlarged twice, where four fifths of the
work then go. Only small pictures are enlarged here. The first octave of the others keeps the picture's own
grid and spans two
doublings of the blur instead of one: the same scales from about one pixel up, for a quarter of the samples.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

INTERVALS = 3
"""Layers per doubling of the blur; three repeat best (Lowe, figure 3)."""

CAMERA_SIGMA_PX = 0.5
"""Blur a picture is taken to have already."""

FIRST_SIGMA = 0.8
"""Blur of the lowest layer of a picture on its own grid, samples."""

OCTAVE_SIGMA = 1.6
"""Blur of the lowest layer of every other octave, the first of an enlarged picture included, samples."""

ENLARGE_UP_TO_PX = 400
"""Longest side of a picture that is enlarged: it then still costs less than a phone photo of 640 x 480."""

SMALLEST_SIDE = 12
"""Shortest side of an octave, samples: below it no layer has an inside to search."""


class Octave(NamedTuple):
    """Layers of one grid, and how the grid lies in the picture.

    layers: (L, H, W) float32, gray levels 0..255; layer i is blurred to `first_sigma * 2 ** (i / INTERVALS)`
    samples.
    step_px: picture pixels between two samples; sample (0, 0) is pixel (0, 0).
    """

    layers: NDArray[np.float32]
    first_sigma: float
    step_px: float


def octaves(gray: NDArray[np.uint8]) -> Sequence[Octave]:
    """Blur a gray picture (H, W) uint8 of any strides into octaves, finest first; too small a one has
    none."""
    source = np.ascontiguousarray(gray, dtype=np.float32)
    first_sigma, step_px, variance = FIRST_SIGMA, 1.0, CAMERA_SIGMA_PX**2
    if min(source.shape) > 0 and max(source.shape) <= ENLARGE_UP_TO_PX:
        source = enlarge(source)
        # The camera's blur on twice the samples, and that of the (1/2, 1, 1/2) the enlargement amounts to.
        first_sigma, step_px, variance = OCTAVE_SIGMA, 0.5, 4.0 * CAMERA_SIGMA_PX**2 + 0.5
    if min(source.shape) < SMALLEST_SIDE:
        return ()
    lowest = blur(source, math.sqrt(first_sigma**2 - variance))
    stack = [Octave(_layers(lowest, first_sigma), first_sigma, step_px)]
    while True:
        finer = stack[-1]
        # The third layer from the top: on every second sample its blur is the next octave's first.
        lowest = finer.layers[-3, ::2, ::2]
        if min(lowest.shape) < SMALLEST_SIDE:
            return stack
        stack.append(Octave(_layers(lowest, OCTAVE_SIGMA), OCTAVE_SIGMA, 2.0 * finer.step_px))


def enlarge(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Linear enlargement of (H, W) to (2 H - 1, 2 W - 1): every second sample is a pixel, the rest lie
    between."""
    height, width = pixels.shape
    large = np.empty((2 * height - 1, 2 * width - 1), dtype=np.float32)
    large[::2, ::2] = pixels
    large[::2, 1::2] = 0.5 * (pixels[:, 1:] + pixels[:, :-1])
    large[1::2] = 0.5 * (large[2::2] + large[:-2:2])
    return large


def blur(pixels: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Gaussian blur of (H, W) float32 by `sigma` > 0 samples, edges repeated."""
    source = np.ascontiguousarray(pixels, dtype=np.float32)
    target = np.empty_like(source)
    _blur(source, target, half_kernel(sigma))
    return target


def blur_reference(pixels: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Numpy twin of `blur`, in double precision."""
    half = half_kernel(sigma).astype(np.float64)
    kernel = np.concatenate([half[:0:-1], half])
    radius = half.size - 1
    padded = np.pad(pixels.astype(np.float64), radius, mode="edge")
    rows = np.apply_along_axis(np.convolve, 0, padded, kernel, mode="valid")
    return np.apply_along_axis(np.convolve, 1, rows, kernel, mode="valid").astype(np.float32)


def half_kernel(sigma: float) -> NDArray[np.float32]:
    """Weights of a Gaussian at distance 0, 1, ... out to three sigma; the whole mirrored kernel sums to
    one."""
    radius = max(1, math.ceil(3.0 * sigma))
    weights = np.exp(-0.5 * np.square(np.arange(radius + 1) / sigma))
    whole: NDArray[np.float64] = weights / (2.0 * weights.sum() - weights[0])
    return whole.astype(np.float32)


def warm_up() -> None:
    """Compile the kernels of this module for the arrays the server uses."""
    octaves(np.zeros((SMALLEST_SIDE, SMALLEST_SIDE), dtype=np.uint8))


def _layers(lowest: NDArray[np.float32], first_sigma: float) -> NDArray[np.float32]:
    """Blur the lowest layer on, layer by layer, to two above the one that the next octave starts from."""
    doublings = round(math.log2(2.0 * OCTAVE_SIGMA / first_sigma))
    layers = np.empty((doublings * INTERVALS + 3, *lowest.shape), dtype=np.float32)
    layers[0] = lowest
    for index in range(len(layers) - 1):
        below = first_sigma * 2.0 ** (index / INTERVALS)
        added = below * math.sqrt(2.0 ** (2.0 / INTERVALS) - 1.0)
        _blur(layers[index], layers[index + 1], half_kernel(added))
    return layers


@njit(nogil=True, cache=True, fastmath={"contract"})
def _blur(source: NDArray[np.float32], target: NDArray[np.float32], weights: NDArray[np.float32]) -> None:
    # Two mirrored pairs of taps per sweep: the accumulating row is read and written half as often.
    height, width = source.shape
    radius = weights.size - 1
    padded = np.empty(width + 2 * radius, np.float32)
    centre = padded[radius : radius + width]
    for y in range(height):
        row = source[y]
        target_row = target[y]
        middle = weights[0]
        odd = radius % 2
        if odd:
            up = source[max(y - 1, 0)]
            down = source[min(y + 1, height - 1)]
            weight = weights[1]
            for x in range(width):
                centre[x] = middle * row[x] + weight * (up[x] + down[x])
        else:
            for x in range(width):
                centre[x] = middle * row[x]
        for k in range(1 + odd, radius, 2):
            up = source[max(y - k, 0)]
            down = source[min(y + k, height - 1)]
            weight = weights[k]
            far_up = source[max(y - k - 1, 0)]
            far_down = source[min(y + k + 1, height - 1)]
            far_weight = weights[k + 1]
            for x in range(width):
                centre[x] += weight * (up[x] + down[x]) + far_weight * (far_up[x] + far_down[x])

        for k in range(radius):
            padded[k] = centre[0]
            padded[radius + width + k] = centre[width - 1]
        if odd:
            left = padded[radius - 1 : radius - 1 + width]
            right = padded[radius + 1 : radius + 1 + width]
            weight = weights[1]
            for x in range(width):
                target_row[x] = middle * centre[x] + weight * (left[x] + right[x])
        else:
            for x in range(width):
                target_row[x] = middle * centre[x]
        for k in range(1 + odd, radius, 2):
            left = padded[radius - k : radius - k + width]
            right = padded[radius + k : radius + k + width]
            weight = weights[k]
            far_left = padded[radius - k - 1 : radius - k - 1 + width]
            far_right = padded[radius + k + 1 : radius + k + 1 + width]
            far_weight = weights[k + 1]
            for x in range(width):
                target_row[x] += weight * (left[x] + right[x]) + far_weight * (far_left[x] + far_right[x])
