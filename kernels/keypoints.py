"""Where the local features lie: extrema of the difference of Gaussians, refined, filtered and chosen.

Lowe, IJCV 2004, sections 3.1 (extrema), 4 (sub-sample position, contrast) and 4.1 (edges).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from kernels.scale_space import INTERVALS, Octave, octaves

CONTRAST = np.float32(0.02 * 255.0 / INTERVALS)
"""Least refined response, gray levels."""

EDGE_RATIO = np.float32(10.0)
"""Greatest ratio of principal curvatures; beyond it the point slides along an edge."""

BORDER = 5
"""Samples at each side of an octave that hold no keypoint: their neighbourhood is made up."""

CELLS_ALONG = 12
"""Squares along the longer side that share out the features."""

REFINE_STEPS = 5
ROW_ALIGNMENT = 8


class Points(NamedTuple):
    """Refined extrema, one row each.

    octave: (N,) int32, index into the scale space. layer: (N,) float32, refined layer of that octave.
    x, y, sigma: (N,) float32, samples of that octave. response: (N,) float32, contrast in gray levels,
    positive.
    """

    octave: NDArray[np.int32]
    layer: NDArray[np.float32]
    x: NDArray[np.float32]
    y: NDArray[np.float32]
    sigma: NDArray[np.float32]
    response: NDArray[np.float32]

    def take(self, rows: NDArray[np.intp]) -> "Points":
        """The points at `rows`, in that order."""
        return Points(
            self.octave[rows],
            self.layer[rows],
            self.x[rows],
            self.y[rows],
            self.sigma[rows],
            self.response[rows],
        )


def detect(space: Sequence[Octave]) -> Points:
    """Find every stable extremum of a scale space, octave by octave, in scan order."""
    found = [_find(octave.layers, CONTRAST, EDGE_RATIO) for octave in space]
    counts = [len(points) for points in found]
    rows = np.concatenate([np.empty((0, 4), dtype=np.float32), *found])
    layer, y, x, response = np.ascontiguousarray(rows.T)
    octave = np.repeat(np.arange(len(space), dtype=np.int32), counts)
    first_sigma = np.repeat(np.array([octave.first_sigma for octave in space], dtype=np.float32), counts)
    return Points(octave, layer, x, y, first_sigma * np.exp2(layer / np.float32(INTERVALS)), response)


def strongest(points: Points, space: Sequence[Octave], limit: int) -> Points:
    """Keep at most `limit` points, strongest first, without letting one busy area take them all.

    Strength is contrast times sigma: fine points are the most and the least lasting under blur, noise and
    distance, and would crowd out the coarse ones. The picture is cut into squares, `CELLS_ALONG` along its
    longer side. First each square may keep its even part of the limit; what squares leave over goes to the
    strongest of the rest.
    """
    if len(points.x) == 0:
        return points
    step = np.array([octave.step_px for octave in space], dtype=np.float32)[points.octave]
    strength = points.response * points.sigma * step
    order = np.argsort(-strength, kind="stable")
    if len(order) > limit:
        height, width = (samples * space[0].step_px for samples in space[0].layers.shape[1:])
        side = max(height, width) / CELLS_ALONG
        columns, rows = math.ceil(width / side), math.ceil(height / side)
        cell = (points.y * step / side).astype(np.int64) * columns + (points.x * step / side).astype(np.int64)
        first = _rank_in_cell(cell[order], columns * rows) < math.ceil(limit / (columns * rows))
        order = np.concatenate([order[first], order[~first]])[:limit]
        order = order[np.argsort(-strength[order], kind="stable")]
    return points.take(order)


def warm_up() -> None:
    """Compile the kernels of this module for the arrays the server uses."""
    gray = np.zeros((32, 32), dtype=np.uint8)
    gray[12:18, 12:18] = 255
    space = octaves(gray)
    strongest(detect(space), space, 1)


def _rank_in_cell(cell: NDArray[np.int64], cells: int) -> NDArray[np.int64]:
    """Rank of each point among those of its cell, in the given order."""
    grouped = np.argsort(cell, kind="stable")
    counts = np.bincount(cell, minlength=cells)
    starts = np.cumsum(counts) - counts
    rank = np.empty(len(cell), dtype=np.int64)
    rank[grouped] = np.arange(len(cell)) - starts[cell[grouped]]
    return rank


@njit(nogil=True, cache=True, fastmath={"contract"}, error_model="numpy")
def _find(layers: NDArray[np.float32], contrast: np.float32, edge_ratio: np.float32) -> NDArray[np.float32]:
    """Refined extrema of one octave: rows of layer, y, x, response."""
    height, width = layers.shape[1:]
    planes = layers.shape[0] - 1
    threshold = np.float32(0.8) * contrast
    inside = width - 2
    flags = np.zeros((inside + ROW_ALIGNMENT - 1) // ROW_ALIGNMENT * ROW_ALIGNMENT, np.uint8)
    words = flags.view(np.uint64)
    # The last three rows of each difference plane: all that a 3x3x3 neighbourhood needs.
    rows = np.empty((3, planes, width), np.float32)
    found = np.empty((256, 4), np.float32)
    cube = np.empty((3, 3, 3), np.float32)
    count = 0
    for y in range(BORDER - 1, height - BORDER + 1):
        for plane in range(planes):
            row = rows[y % 3, plane]
            above = layers[plane + 1, y]
            below = layers[plane, y]
            for x in range(width):
                row[x] = above[x] - below[x]
        if y < BORDER + 1:
            continue
        for plane in range(1, planes - 1):
            middle = rows[(y - 1) % 3, plane]
            _flag_row(
                middle[:inside],
                middle[1 : inside + 1],
                middle[2 : inside + 2],
                rows[(y - 2) % 3, plane, 1 : inside + 1],
                rows[y % 3, plane, 1 : inside + 1],
                rows[(y - 1) % 3, plane - 1, 1 : inside + 1],
                rows[(y - 1) % 3, plane + 1, 1 : inside + 1],
                threshold,
                flags,
            )
            for word in range(words.size):
                if words[word] == 0:
                    continue
                for x in range(word * ROW_ALIGNMENT + 1, word * ROW_ALIGNMENT + ROW_ALIGNMENT + 1):
                    if flags[x - 1] == 0 or x < BORDER or x >= width - BORDER:
                        continue
                    if not _is_extremum(rows, y - 1, x, plane):
                        continue
                    if count == len(found):
                        grown = np.empty((2 * count, 4), np.float32)
                        # Row by row: numba takes seconds to compile an array assigned to a slice.
                        for row_number in range(count):
                            for column in range(4):
                                grown[row_number, column] = found[row_number, column]
                        found = grown
                    if _refine(layers, plane, y - 1, x, contrast, edge_ratio, cube, found[count]):
                        count += 1
    return found[:count].copy()


@njit(nogil=True, cache=True, error_model="numpy")
def _flag_row(
    left: NDArray[np.float32],
    middle: NDArray[np.float32],
    right: NDArray[np.float32],
    up: NDArray[np.float32],
    down: NDArray[np.float32],
    finer: NDArray[np.float32],
    coarser: NDArray[np.float32],
    threshold: np.float32,
    flags: NDArray[np.uint8],
) -> None:
    """Mark the samples beyond the threshold that beat their six nearest; without branches, so that it
    vectorises."""
    for x in range(middle.size):
        value = middle[x]
        highest = max(max(left[x], right[x]), max(max(up[x], down[x]), max(finer[x], coarser[x])))
        lowest = min(min(left[x], right[x]), min(min(up[x], down[x]), min(finer[x], coarser[x])))
        is_top = (value > threshold) & (value >= highest)
        is_bottom = (value < -threshold) & (value <= lowest)
        flags[x] = np.uint8(is_top | is_bottom)


@njit(nogil=True, cache=True, error_model="numpy")
def _is_extremum(rows: NDArray[np.float32], y: int, x: int, plane: int) -> bool:
    """Whether a sample beats its 26 neighbours; of equal ones the first in scan order wins."""
    value = rows[y % 3, plane, x]
    sign = np.float32(1.0) if value > 0 else np.float32(-1.0)
    value *= sign
    for p in range(plane - 1, plane + 2):
        for j in range(y - 1, y + 2):
            for i in range(x - 1, x + 2):
                other = sign * rows[j % 3, p, i]
                if other > value:
                    return False
                is_before = p < plane or (p == plane and (j < y or (j == y and i < x)))
                if other == value and is_before:
                    return False
    return True


@njit(nogil=True, cache=True, error_model="numpy")
def _refine(
    layers: NDArray[np.float32],
    plane: int,
    y: int,
    x: int,
    contrast: np.float32,
    edge_ratio: np.float32,
    cube: NDArray[np.float32],
    point: NDArray[np.float32],
) -> bool:
    """Fit a quadratic around an extremum, walk to its peak, and write layer, y, x, response when it is
    stable."""
    planes = layers.shape[0] - 1
    height, width = layers.shape[1:]
    half = np.float32(0.5)
    quarter = np.float32(0.25)
    for _ in range(REFINE_STEPS):
        for p in range(3):
            for j in range(3):
                for i in range(3):
                    cube[p, j, i] = (
                        layers[plane + p, y + j - 1, x + i - 1] - layers[plane + p - 1, y + j - 1, x + i - 1]
                    )
        value = cube[1, 1, 1]
        gx = half * (cube[1, 1, 2] - cube[1, 1, 0])
        gy = half * (cube[1, 2, 1] - cube[1, 0, 1])
        gp = half * (cube[2, 1, 1] - cube[0, 1, 1])
        hxx = cube[1, 1, 2] + cube[1, 1, 0] - value - value
        hyy = cube[1, 2, 1] + cube[1, 0, 1] - value - value
        hpp = cube[2, 1, 1] + cube[0, 1, 1] - value - value
        hxy = quarter * (cube[1, 2, 2] - cube[1, 2, 0] - cube[1, 0, 2] + cube[1, 0, 0])
        hxp = quarter * (cube[2, 1, 2] - cube[2, 1, 0] - cube[0, 1, 2] + cube[0, 1, 0])
        hyp = quarter * (cube[2, 2, 1] - cube[2, 0, 1] - cube[0, 2, 1] + cube[0, 0, 1])
        # Cramer's rule on the symmetric 3x3 Hessian.
        cxx = hyy * hpp - hyp * hyp
        cxy = hyp * hxp - hxy * hpp
        cxp = hxy * hyp - hyy * hxp
        determinant = hxx * cxx + hxy * cxy + hxp * cxp
        if determinant == 0:
            return False
        cyy = hxx * hpp - hxp * hxp
        cyp = hxy * hxp - hxx * hyp
        cpp = hxx * hyy - hxy * hxy
        dx = -(cxx * gx + cxy * gy + cxp * gp) / determinant
        dy = -(cxy * gx + cyy * gy + cyp * gp) / determinant
        dp = -(cxp * gx + cyp * gy + cpp * gp) / determinant
        if abs(dx) <= half and abs(dy) <= half and abs(dp) <= half:
            response = abs(value + half * (gx * dx + gy * dy + gp * dp))
            trace = hxx + hyy
            if response < contrast or cpp <= 0:
                return False
            if trace * trace * edge_ratio >= (edge_ratio + 1) * (edge_ratio + 1) * cpp:
                return False
            point[0] = plane + dp
            point[1] = y + dy
            point[2] = x + dx
            point[3] = response
            return True
        # A step of more than the picture is no step: compare before rounding, so that huge offsets cannot
        # overflow.
        if not (abs(dx) < width and abs(dy) < height and abs(dp) < planes):
            return False
        x += round(dx)
        y += round(dy)
        plane += round(dp)
        if plane < 1 or plane > planes - 2:
            return False
        if x < BORDER or x >= width - BORDER or y < BORDER or y >= height - BORDER:
            return False
    return False
