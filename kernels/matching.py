"""Matches between the features of two pictures, and a cheap test whether they can be one object.

Ratio test: Lowe, IJCV 2004, section 7.1. Agreement in scale, rotation and place: section 7.3, with each match
as its own hypothesis (Philbin et al., CVPR 2007) instead of a binned vote.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

LANES = 16
"""Columns compared side by side; a power of two at least as wide as a vector register."""

MOST_SCALE_OCTAVES = 1.0
MOST_TURN_RAD = math.radians(50.0)
PLACE_SLACK_PX = 8.0
PLACE_SLACK_SHARE = 0.35
"""How far a match may lie from where another one puts it: pixels, plus a share of their distance. Wide,
because one keypoint gives a similarity while a tilted object moves by a perspective."""


def ratio_matches(
    query: NDArray[np.uint8], reference: NDArray[np.uint8], ratio: float = 0.8
) -> NDArray[np.int32]:
    """Match RootSIFT bytes (N, 128) with (M, 128): pairs (K, 2) int32 of query and reference row, query
    ascending.

    A query feature is matched when its nearest reference is closer than `ratio` times the second nearest
    (Euclidean); a single reference has no second and matches nothing. Of several queries on one reference the
    closest stays, of equal ones the first.
    """
    if len(query) == 0 or len(reference) < 2:
        return np.empty((0, 2), dtype=np.int32)
    # Bytes give whole numbers under 2 ** 24: float32 products are exact, whatever the order of the sums.
    queries, references = query.astype(np.float32), reference.astype(np.float32)
    # The server gives BLAS one thread: requests use the cores already, and its threads stall one another.
    products = queries @ references.T
    return _select(products, squared_norms(queries), squared_norms(references), ratio)


def squared_norms(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N,) of (N, D)."""
    norms: NDArray[np.float32] = np.square(rows).sum(axis=1)
    return norms


def ratio_matches_reference(
    query: NDArray[np.uint8], reference: NDArray[np.uint8], ratio: float = 0.8
) -> NDArray[np.int32]:
    """Numpy twin of `ratio_matches`."""
    if len(query) == 0 or len(reference) < 2:
        return np.empty((0, 2), dtype=np.int32)
    difference = query[:, None, :].astype(np.int64) - reference[None, :, :].astype(np.int64)
    squared = np.square(difference).sum(axis=2)
    nearest = squared.argmin(axis=1)
    first, second = np.sort(squared, axis=1)[:, :2].T
    is_match = first < ratio**2 * second
    pairs = []
    for row in range(len(reference)):
        rivals = np.flatnonzero(is_match & (nearest == row))
        if len(rivals):
            pairs.append((rivals[first[rivals].argmin()], row))
    return np.array(sorted(pairs), dtype=np.int32).reshape(-1, 2)


def consistent(
    query: NDArray[np.float32], reference: NDArray[np.float32], pairs: NDArray[np.int32]
) -> NDArray[np.int32]:
    """Keep the largest set of pairs that agree with one of them on scale, rotation and place.

    query, reference: keypoints (N, 4) and (M, 4) float32 of x, y, sigma, angle; pairs (K, 2) int32. Returns a
    part of the pairs, in order; few of them mean that there is no common object, many still want a robust
    homography.
    """
    if len(pairs) == 0:
        return pairs
    members = _largest_agreement(query[pairs[:, 0]], reference[pairs[:, 1]])
    return pairs[members]


def warm_up() -> None:
    """Compile the kernels of this module for the arrays the server uses."""
    codes = np.eye(2, 128, dtype=np.uint8)
    points = np.ones((2, 4), dtype=np.float32)
    consistent(points, points, ratio_matches(codes, codes))


@njit(nogil=True, cache=True, error_model="numpy")
def _select(
    products: NDArray[np.float32],
    query_norms: NDArray[np.float32],
    reference_norms: NDArray[np.float32],
    ratio: float,
) -> NDArray[np.int32]:
    """Ratio test and one-to-one choice from squared norms (N,), (M,) and inner products (at least N, M)."""
    queries, references = query_norms.size, reference_norms.size
    width = (references + LANES - 1) // LANES * LANES
    far = np.float32(np.inf)
    # Squared distance less the query's own norm: enough to order one row.
    row = np.empty(width, np.float32)
    row[:] = far
    best = np.empty(LANES, np.float32)
    runner_up = np.empty(LANES, np.float32)
    owner = np.empty(references, np.int32)
    owner[:] = -1
    owner_distance = np.empty(references, np.float32)
    for n in range(queries):
        product = products[n]
        for m in range(references):
            row[m] = reference_norms[m] - np.float32(2.0) * product[m]
        best[:] = far
        runner_up[:] = far
        for start in range(0, width, LANES):
            block = row[start : start + LANES]
            for lane in range(LANES):
                runner_up[lane] = min(runner_up[lane], max(best[lane], block[lane]))
                best[lane] = min(best[lane], block[lane])
        first = far
        second = far
        for lane in range(LANES):
            second = min(second, runner_up[lane], max(first, best[lane]))
            first = min(first, best[lane])
        distance = first + query_norms[n]
        if not distance < ratio * ratio * (second + query_norms[n]):
            continue
        m = 0
        while row[m] != first:
            m += 1
        if owner[m] < 0 or distance < owner_distance[m]:
            owner[m] = n
            owner_distance[m] = distance
    count = 0
    for m in range(references):
        if owner[m] >= 0:
            count += 1
    pairs = np.empty((count, 2), np.int32)
    by_query = np.empty(queries, np.int32)
    by_query[:] = -1
    for m in range(references):
        if owner[m] >= 0:
            by_query[owner[m]] = m
    count = 0
    for n in range(queries):
        if by_query[n] >= 0:
            pairs[count, 0] = n
            pairs[count, 1] = by_query[n]
            count += 1
    return pairs


@njit(nogil=True, cache=True, error_model="numpy")
def _largest_agreement(query: NDArray[np.float32], reference: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Members of the largest group of matches that one match explains; query and reference (K, 4), row by
    row."""
    count = query.shape[0]
    octaves = np.empty(count, np.float32)
    turns = np.empty(count, np.float32)
    for n in range(count):
        octaves[n] = math.log2(query[n, 2] / reference[n, 2])
        turns[n] = query[n, 3] - reference[n, 3]
    members = np.zeros(count, np.bool_)
    trial = np.zeros(count, np.bool_)
    most = 0
    full_turn = 2.0 * math.pi
    for n in range(count):
        scale = query[n, 2] / reference[n, 2]
        cosine = scale * math.cos(turns[n])
        sine = scale * math.sin(turns[n])
        agreeing = 0
        for m in range(count):
            across = reference[m, 0] - reference[n, 0]
            down = reference[m, 1] - reference[n, 1]
            off_x = query[m, 0] - query[n, 0] - (cosine * across - sine * down)
            off_y = query[m, 1] - query[n, 1] - (sine * across + cosine * down)
            slack = PLACE_SLACK_PX + PLACE_SLACK_SHARE * scale * math.sqrt(across * across + down * down)
            turn = turns[m] - turns[n]
            turn -= full_turn * math.floor(turn / full_turn + 0.5)
            trial[m] = (
                off_x * off_x + off_y * off_y <= slack * slack
                and abs(octaves[m] - octaves[n]) <= MOST_SCALE_OCTAVES
                and abs(turn) <= MOST_TURN_RAD
            )
            agreeing += trial[m]
        if agreeing > most:
            most = agreeing
            members, trial = trial, members
    return members
