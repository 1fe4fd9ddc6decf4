"""What a local feature looks like: its main direction and a RootSIFT descriptor of its surroundings.

Orientation histogram and 4x4x8 gradient histogram after Lowe, IJCV 2004, sections 5 and 6; the square root
after Arandjelovic and Zisserman, CVPR 2012. Both sample a fixed grid scaled and turned with the keypoint, so
that every keypoint costs the same and the weights of the grid are constants.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

TURN = np.float32(2.0 * math.pi)

BINS = 36
ORIENTATION_SIDE = 13
ORIENTATION_STEP = np.float32(0.75)
"""Distance of two samples of the orientation grid, in sigmas of the keypoint."""
MOST_ANGLES = 4
SECOND_PEAK = np.float32(0.8)

CELLS = 4
DIRECTIONS = 8
CELL_SIGMAS = 3.0
"""Side of one of the 4x4 cells, in sigmas of the keypoint."""
GRID = 24
"""Samples along the descriptor window, which is one cell wider than the cells: bins are shared with the
neighbours."""
GRID_STEP = np.float32((CELLS + 1) * CELL_SIGMAS / GRID)
"""Distance of two samples of the descriptor window, in sigmas of the keypoint."""
DESCRIPTOR_BYTES = CELLS * CELLS * DIRECTIONS
CLIP = np.float32(0.2)
SCALE = np.float32(512.0)
"""Factor from a unit-norm RootSIFT number to its byte."""


def orientation_weights() -> NDArray[np.float32]:
    """Gaussian of 1.5 sigma over the orientation grid, zero outside its inscribed circle: (SIDE, SIDE)
    float32."""
    offset = (np.arange(ORIENTATION_SIDE) - ORIENTATION_SIDE // 2) * float(ORIENTATION_STEP)
    squared = offset[:, None] ** 2 + offset[None, :] ** 2
    weights = np.exp(-squared / (2.0 * 1.5**2))
    return np.where(squared <= (offset[-1] + 0.01) ** 2, weights, 0.0).astype(np.float32)


def cell_weights() -> NDArray[np.float32]:
    """Share of each grid sample in each cell along one axis, Gaussian window included: (CELLS, GRID)
    float32."""
    position = ((np.arange(GRID) + 0.5) / GRID - 0.5) * (CELLS + 1)
    centre = np.arange(CELLS) - (CELLS - 1) / 2.0
    share = np.maximum(0.0, 1.0 - np.abs(position[None, :] - centre[:, None]))
    return (share * np.exp(-(position**2) / (2.0 * (CELLS / 2.0) ** 2))).astype(np.float32)


def orient(
    layers: NDArray[np.float32],
    sigma: NDArray[np.float32],
    layer: NDArray[np.float32],
    x: NDArray[np.float32],
    y: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Find the main directions of N points of one octave: angles (N, 4) float32 and how many are used (N,)
    int64.

    layers (L, H, W); sigma, x, y in samples of the octave; layer fractional. Angles are radians in [0, 2 pi)
    from +x towards +y (down), in no order; a flat place has none.
    """
    angles = np.zeros((len(x), MOST_ANGLES), dtype=np.float32)
    counts = np.zeros(len(x), dtype=np.int64)
    _orient(layers, sigma, layer, x, y, orientation_weights(), angles, counts)
    return angles, counts


def describe(
    layers: NDArray[np.float32],
    sigma: NDArray[np.float32],
    layer: NDArray[np.float32],
    x: NDArray[np.float32],
    y: NDArray[np.float32],
    angle: NDArray[np.float32],
) -> NDArray[np.uint8]:
    """Describe N points of one octave (as in `orient`), turned by `angle`: RootSIFT bytes (N, 128) uint8.

    Byte order: cell row, cell column, direction. A flat place gives zeros.
    """
    codes = np.empty((len(x), DESCRIPTOR_BYTES), dtype=np.uint8)
    _describe(layers, sigma, layer, x, y, angle, cell_weights(), codes)
    return codes


def describe_reference(
    layer: NDArray[np.float32], sigma: float, x: float, y: float, angle: float
) -> NDArray[np.uint8]:
    """Numpy twin of `describe` for one point of one layer (H, W), in double precision."""
    offset = ((np.arange(GRID + 2) - 0.5) / GRID - 0.5) * (CELLS + 1) * CELL_SIGMAS * sigma
    across, down = np.meshgrid(offset, offset)
    at_x = np.clip(x + math.cos(angle) * across - math.sin(angle) * down, 0, layer.shape[1] - 1)
    at_y = np.clip(y + math.sin(angle) * across + math.cos(angle) * down, 0, layer.shape[0] - 1)
    left, top = np.floor(at_x).astype(int), np.floor(at_y).astype(int)
    right, bottom = np.minimum(left + 1, layer.shape[1] - 1), np.minimum(top + 1, layer.shape[0] - 1)
    u, v = at_x - left, at_y - top
    upper = layer[top, left] * (1 - u) + layer[top, right] * u
    lower = layer[bottom, left] * (1 - u) + layer[bottom, right] * u
    patch = upper * (1 - v) + lower * v
    gradient = (patch[1:-1, 2:] - patch[1:-1, :-2]) + 1j * (patch[2:, 1:-1] - patch[:-2, 1:-1])
    turn = np.angle(gradient[None] * np.exp(-2j * np.pi * np.arange(DIRECTIONS) / DIRECTIONS)[:, None, None])
    share = np.where(np.abs(turn) < np.pi / 4, np.cos(2 * turn) ** 2, 0.0) * np.abs(gradient)
    weights = cell_weights().astype(np.float64)
    histogram = np.einsum("rj,ci,dji->rcd", weights, weights, share).ravel()
    histogram = np.minimum(histogram, CLIP * np.sqrt(np.square(histogram).sum()))
    if histogram.sum() <= 1e-6:
        return np.zeros(DESCRIPTOR_BYTES, dtype=np.uint8)
    root: NDArray[np.float64] = SCALE * np.sqrt(histogram / histogram.sum())
    return np.minimum(root + 0.5, 255.0).astype(np.uint8)


def warm_up() -> None:
    """Compile the kernels of this module for the arrays the server uses."""
    layers = np.zeros((1, 8, 8), dtype=np.float32)
    one = np.ones(1, dtype=np.float32)
    orient(layers, one, 0 * one, one, one)
    describe(layers, one, 0 * one, one, one, one)


@njit(nogil=True, cache=True, error_model="numpy")
def _orient(
    layers: NDArray[np.float32],
    sigma: NDArray[np.float32],
    layer: NDArray[np.float32],
    x: NDArray[np.float32],
    y: NDArray[np.float32],
    weights: NDArray[np.float32],
    angles: NDArray[np.float32],
    counts: NDArray[np.int64],
) -> None:
    histogram = np.empty(BINS, np.float32)
    peaks = np.empty(BINS, np.float32)
    patch = np.empty((ORIENTATION_SIDE + 2, ORIENTATION_SIDE + 2), np.float32)
    for n in range(x.size):
        _sample(layers[round(layer[n])], x[n], y[n], ORIENTATION_STEP * sigma[n], np.float32(0.0), patch)
        _orientation_histogram(patch, weights, histogram)
        count = min(_orientation_peaks(histogram, peaks), MOST_ANGLES)
        for peak in range(count):
            angles[n, peak] = peaks[peak]
        counts[n] = count


@njit(nogil=True, cache=True, error_model="numpy")
def _describe(
    layers: NDArray[np.float32],
    sigma: NDArray[np.float32],
    layer: NDArray[np.float32],
    x: NDArray[np.float32],
    y: NDArray[np.float32],
    angle: NDArray[np.float32],
    weights: NDArray[np.float32],
    codes: NDArray[np.uint8],
) -> None:
    patch = np.empty((GRID + 2, GRID + 2), np.float32)
    maps = np.empty((GRID, DIRECTIONS, GRID), np.float32)
    histogram = np.empty(DESCRIPTOR_BYTES, np.float32)
    for n in range(x.size):
        step = GRID_STEP * sigma[n]
        step_x = step * np.float32(math.cos(angle[n]))
        step_y = step * np.float32(math.sin(angle[n]))
        _sample(layers[round(layer[n])], x[n], y[n], step_x, step_y, patch)
        _split_directions(patch, maps)
        _pool(maps, weights, histogram)
        _root_bytes(histogram, codes[n])


@njit(nogil=True, cache=True, fastmath={"contract"}, error_model="numpy")
def _sample(
    layer: NDArray[np.float32],
    x: np.float32,
    y: np.float32,
    step_x: np.float32,
    step_y: np.float32,
    patch: NDArray[np.float32],
) -> None:
    """Fill a square patch with bilinear samples centred on (x, y); (step_x, step_y) leads one patch column
    on.

    Outside the layer its edge is repeated.
    """
    height, width = layer.shape
    side = patch.shape[0]
    flat = layer.ravel()
    middle = np.float32(0.5) * np.float32(side - 1)
    right = np.float32(width - 1)
    bottom = np.float32(height - 1)
    last_left = np.int32(width - 2)
    last_top = np.int32(height - 2)
    zero = np.float32(0.0)
    corners = np.empty(side, np.int64)
    across = np.empty(side, np.float32)
    along = np.empty(side, np.float32)
    for j in range(side):
        down = np.float32(j) - middle
        row_x = x - step_y * down - step_x * middle
        row_y = y + step_x * down - step_y * middle
        for i in range(side):
            at_x = min(max(row_x + step_x * np.float32(i), zero), right)
            at_y = min(max(row_y + step_y * np.float32(i), zero), bottom)
            left = min(np.int32(at_x), last_left)
            top = min(np.int32(at_y), last_top)
            across[i] = at_x - np.float32(left)
            along[i] = at_y - np.float32(top)
            corners[i] = top * width + left
        for i in range(side):
            # Unsigned, so that numba does not look for indices counted from the end.
            corner = np.uintp(corners[i])
            below = corner + np.uintp(width)
            u = across[i]
            upper = flat[corner] + u * (flat[corner + np.uintp(1)] - flat[corner])
            lower = flat[below] + u * (flat[below + np.uintp(1)] - flat[below])
            patch[j, i] = upper + along[i] * (lower - upper)


@njit(nogil=True, cache=True, error_model="numpy")
def _orientation_histogram(
    patch: NDArray[np.float32], weights: NDArray[np.float32], histogram: NDArray[np.float32]
) -> None:
    """Smoothed histogram (36,) of the gradient directions of a patch; bin 0 points along +x, turning to
    +y."""
    side = weights.shape[0]
    positions = np.empty((side, side), np.float32)
    votes = np.empty((side, side), np.float32)
    for j in range(side):
        _directions(
            patch[j + 1, :side],
            patch[j + 1, 2:],
            patch[j, 1 : side + 1],
            patch[j + 2, 1 : side + 1],
            weights[j],
            positions[j],
            votes[j],
        )
    raw = np.zeros(BINS, np.float32)
    for j in range(side):
        for i in range(side):
            # Shared by two bins: with so few samples, whole votes would move the peak by some degrees.
            position = positions[j, i]
            lower = int(position)
            upper_vote = (position - np.float32(lower)) * votes[j, i]
            raw[lower % BINS] += votes[j, i] - upper_vote
            raw[(lower + 1) % BINS] += upper_vote
    for index in range(BINS):
        histogram[index] = (
            np.float32(6.0) * raw[index]
            + np.float32(4.0) * (raw[index - 1] + raw[(index + 1) % BINS])
            + raw[index - 2]
            + raw[(index + 2) % BINS]
        ) * np.float32(1.0 / 16.0)


@njit(nogil=True, cache=True, fastmath={"contract"}, error_model="numpy")
def _directions(
    left: NDArray[np.float32],
    right: NDArray[np.float32],
    up: NDArray[np.float32],
    down: NDArray[np.float32],
    weights: NDArray[np.float32],
    positions: NDArray[np.float32],
    votes: NDArray[np.float32],
) -> None:
    """Direction in bins, 0..36, and weighted length of a row of gradients; branchless, so that it vectorises.

    The arc tangent is Abramowitz and Stegun 4.4.49, good to 1e-5 radians.
    """
    zero = np.float32(0.0)
    quarter = np.float32(BINS / 4)
    half = np.float32(BINS / 2)
    whole = np.float32(BINS)
    for i in range(weights.size):
        gx = right[i] - left[i]
        gy = down[i] - up[i]
        wide = abs(gx)
        tall = abs(gy)
        t = min(wide, tall) / (max(wide, tall) + np.float32(1e-30))
        s = t * t
        polynomial = np.float32(-0.0851330) + s * np.float32(0.0208351)
        polynomial = np.float32(-0.3302995) + s * (np.float32(0.1801410) + s * polynomial)
        position = t * (np.float32(0.9998660) + s * polynomial) * (whole / TURN)
        position = quarter - position if tall > wide else position
        position = half - position if gx < zero else position
        position = whole - position if gy < zero else position
        positions[i] = position
        votes[i] = weights[i] * math.sqrt(gx * gx + gy * gy)


@njit(nogil=True, cache=True, error_model="numpy")
def _orientation_peaks(histogram: NDArray[np.float32], angles: NDArray[np.float32]) -> int:
    """Write the angles, radians in [0, 2 pi), of the peaks within 0.8 of the highest; returns how many."""
    highest = np.float32(0.0)
    for index in range(BINS):
        highest = max(highest, histogram[index])
    least = SECOND_PEAK * highest
    count = 0
    for index in range(BINS):
        before = histogram[index - 1]
        here = histogram[index]
        after = histogram[(index + 1) % BINS]
        # Strictly above one neighbour only: a flat pair of bins is one peak, a flat histogram none.
        if here >= least and here > before and here >= after:
            offset = np.float32(0.5) * (before - after) / (before - here - here + after)
            angle = (np.float32(index) + offset) * (TURN / np.float32(BINS))
            if angle < 0:
                angle += TURN
            angles[count] = angle if angle < TURN else np.float32(0.0)
            count += 1
    return count


@njit(nogil=True, cache=True, fastmath={"contract"}, error_model="numpy")
def _split_directions(patch: NDArray[np.float32], maps: NDArray[np.float32]) -> None:
    """Share each gradient's length between its two nearest of eight directions, by squared cosine of twice
    the angle.

    The shares add up to one like the usual linear ones, and need no arc tangent.
    """
    side = patch.shape[0] - 2
    gradient_x = np.empty(side, np.float32)
    gradient_y = np.empty(side, np.float32)
    zero = np.float32(0.0)
    one = np.float32(1.0)
    tiny = np.float32(1e-12)
    diagonal = np.float32(math.sqrt(0.5))
    for j in range(side):
        for i in range(side):
            gradient_x[i] = patch[j + 1, i + 2] - patch[j + 1, i]
            gradient_y[i] = patch[j + 2, i + 1] - patch[j, i + 1]
        for direction in range(DIRECTIONS // 2):
            cosine = (one, diagonal, zero, -diagonal)[direction]
            sine = (zero, diagonal, one, diagonal)[direction]
            ahead = maps[j, direction]
            behind = maps[j, direction + DIRECTIONS // 2]
            for i in range(side):
                gx = gradient_x[i]
                gy = gradient_y[i]
                squared = gx * gx + gy * gy + tiny
                along = gx * cosine + gy * sine
                double_cosine = max((along * along + along * along) / squared - one, zero)
                share = math.sqrt(squared) * double_cosine * double_cosine
                ahead[i] = share if along > zero else zero
                behind[i] = zero if along > zero else share


@njit(nogil=True, cache=True, fastmath={"contract", "reassoc"}, error_model="numpy")
def _pool(maps: NDArray[np.float32], weights: NDArray[np.float32], histogram: NDArray[np.float32]) -> None:
    """Sum maps (row, direction, column) into the 4x4 cells: whole rows of all directions first, then
    columns."""
    side = maps.shape[0]
    flat = maps.reshape(side, -1)
    pooled = np.empty(flat.shape[1], np.float32)
    for cell_row in range(CELLS):
        pooled[:] = np.float32(0.0)
        for j in range(side):
            weight = weights[cell_row, j]
            if weight == 0:
                continue
            row = flat[j]
            for n in range(row.size):
                pooled[n] += weight * row[n]
        for direction in range(DIRECTIONS):
            column = pooled[direction * side : (direction + 1) * side]
            for cell_column in range(CELLS):
                shares = weights[cell_column]
                total = np.float32(0.0)
                for i in range(side):
                    total += shares[i] * column[i]
                histogram[(cell_row * CELLS + cell_column) * DIRECTIONS + direction] = total


@njit(nogil=True, cache=True, error_model="numpy")
def _root_bytes(histogram: NDArray[np.float32], descriptor: NDArray[np.uint8]) -> None:
    """Clip a gradient histogram (128,) at 0.2 of its length and write the roots of its shares as bytes;
    spoils it."""
    squared = np.float32(0.0)
    for n in range(histogram.size):
        squared += histogram[n] * histogram[n]
    limit = CLIP * math.sqrt(squared)
    total = np.float32(0.0)
    for n in range(histogram.size):
        histogram[n] = min(histogram[n], np.float32(limit))
        total += histogram[n]
    if total <= np.float32(1e-6):
        descriptor[:] = 0
        return
    for n in range(histogram.size):
        root = SCALE * math.sqrt(histogram[n] / total)
        descriptor[n] = np.uint8(min(root + np.float32(0.5), np.float32(255.0)))
