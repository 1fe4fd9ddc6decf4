"""The loops of the image index, compiled at their first call; their numpy twins are beside their tests.

Distances are squared and whole numbers: descriptors are bytes, so nothing is rounded and ties are real.
"""

from collections.abc import Callable

import numpy as np
from numba import njit
from numpy.typing import NDArray

DIMENSION = 128
FOUND = 5
"""Neighbours kept per query descriptor: four vote, the fifth tells how far chance reaches."""
FAR = np.int32(1 << 20)
"""Farther than any two descriptors: 2 * 512 squared is the most between unit vectors times 512."""


def _nearest_cells(
    queries: NDArray[np.float32],
    parent_scores: NDArray[np.float32],
    parent_norms: NDArray[np.float32],
    cells: NDArray[np.float32],
    cell_norms: NDArray[np.float32],
    wide: int,
    found: NDArray[np.int64],
) -> None:
    """Fill `found` (Q, P) with the nearest cells of each query below its `wide` nearest parents.

    Args:
        queries: (Q, 128).
        parent_scores: (Q, parents), inner products.
        parent_norms: (parents,), squared.
        cells: (C, 128), children of one parent side by side.
        cell_norms: (C,), squared.
        wide: At least found.shape[1] / children per parent.
        found: (Q, P), written.
    """
    parents = parent_scores.shape[1]
    children = cells.shape[0] // parents
    probes = found.shape[1]
    branch_at = np.empty(wide, np.float32)
    branch = np.empty(wide, np.int64)
    cell_at = np.empty(probes, np.float32)
    for row in range(queries.shape[0]):
        branch_at[:] = np.inf
        for parent in range(parents):
            at = parent_norms[parent] - np.float32(2.0) * parent_scores[row, parent]
            if at < branch_at[wide - 1]:
                place = wide - 1
                while place > 0 and branch_at[place - 1] > at:
                    branch_at[place] = branch_at[place - 1]
                    branch[place] = branch[place - 1]
                    place -= 1
                branch_at[place] = at
                branch[place] = parent
        cell_at[:] = np.inf
        for way in range(wide):
            for cell in range(branch[way] * children, (branch[way] + 1) * children):
                here, there = np.uint64(row), np.uint64(cell)
                score = np.float32(0.0)
                for i in range(DIMENSION):
                    score += queries[here, np.uint64(i)] * cells[there, np.uint64(i)]
                at = cell_norms[cell] - np.float32(2.0) * score
                if at < cell_at[probes - 1]:
                    place = probes - 1
                    while place > 0 and cell_at[place - 1] > at:
                        cell_at[place] = cell_at[place - 1]
                        found[row, place] = found[row, place - 1]
                        place -= 1
                    cell_at[place] = at
                    found[row, place] = cell


def _squared_distance(some: NDArray[np.uint8], one: int, others: NDArray[np.uint8], other: int) -> np.int32:
    """Squared distance of some[one] and others[other]."""
    # Unsigned, so that no index is asked whether it counts from the end: that would double the time.
    here, there = np.uint64(one), np.uint64(other)
    distance = np.int32(0)
    for i in range(DIMENSION):
        step = np.int32(some[here, np.uint64(i)]) - np.int32(others[there, np.uint64(i)])
        distance += step * step
    return distance


def _insert(
    distances: NDArray[np.int32], rows: NDArray[np.int64], query: int, distance: np.int32, row: int
) -> None:
    """Insert into a query's ascending list if near enough; ties by lower row, in whatever order they come."""
    to = distances.shape[1]
    while to > 0 and (
        distances[query, to - 1] > distance
        or (distances[query, to - 1] == distance and rows[query, to - 1] > row)
    ):
        to -= 1
    for place in range(distances.shape[1] - 1, to, -1):
        distances[query, place] = distances[query, place - 1]
        rows[query, place] = rows[query, place - 1]
    if to < distances.shape[1]:
        distances[query, to] = distance
        rows[query, to] = row


# Inlined before compilation: a call that passes arrays costs more than the distance itself.
squared_distance: Callable[..., np.int32] = njit(inline="always")(_squared_distance)
insert: Callable[..., None] = njit(inline="always")(_insert)


def _scan_cells(
    queries: NDArray[np.uint8],
    probes: NDArray[np.int64],
    pairs: NDArray[np.int64],
    starts: NDArray[np.int32],
    members: NDArray[np.int32],
    descriptors: NDArray[np.uint8],
    base: int,
    is_open: NDArray[np.uint8],
    distances: NDArray[np.int32],
    rows: NDArray[np.int64],
) -> None:
    """Insert the nearest of one block's descriptors in the probed cells into the best found so far.

    Args:
        queries: (Q, 128).
        probes: (Q, P) cells to look into.
        pairs: (Q * P,) all places of `probes` laid flat, in order of their cells: so rows are in the cache still
            when the next query wants them, which saves a third of the time.
        starts: (C + 1,), where each cell's share of `members` begins.
        members: (N,) places in the block, by cell.
        descriptors: (at least N, 128), the block.
        base: Row number of the block's first place.
        is_open: Bit per row, lowest first: which may be found.
        distances: (Q, FOUND) ascending, changed.
        rows: (Q, FOUND) row numbers, changed.
    """
    last = distances.shape[1] - 1
    for pair in pairs:
        query = pair // probes.shape[1]
        cell = probes[query, pair - query * probes.shape[1]]
        far = distances[query, last]
        for member in range(starts[cell], starts[cell + 1]):
            place = members[member]
            distance = squared_distance(queries, query, descriptors, place)
            row = base + place
            if distance <= far and (is_open[row >> 3] >> (row & 7)) & 1:
                insert(distances, rows, query, distance, row)
                far = distances[query, last]


def _refine(
    queries: NDArray[np.uint8],
    candidates: NDArray[np.int64],
    block: int,
    block_bits: int,
    descriptors: NDArray[np.uint8],
    distances: NDArray[np.int32],
    rows: NDArray[np.int64],
) -> None:
    """Insert those candidates that lie in one block into the best found so far, by their true distance.

    Args:
        queries: (Q, 128).
        candidates: (Q, K) row numbers, -1 for none.
        block: Which block's turn it is.
        block_bits: A row number is block << block_bits | place.
        descriptors: (N, 128), the block.
        distances: (Q, FOUND) ascending, changed.
        rows: (Q, FOUND) row numbers, changed.
    """
    last = distances.shape[1] - 1
    for query in range(queries.shape[0]):
        far = distances[query, last]
        for candidate in range(candidates.shape[1]):
            row = candidates[query, candidate]
            if row < 0 or row >> block_bits != block:
                continue
            place = row - (block << block_bits)
            distance = squared_distance(queries, query, descriptors, place)
            if distance <= far:
                insert(distances, rows, query, distance, row)
                far = distances[query, last]


def _open_rows(
    first: NDArray[np.int64], counts: NDArray[np.int64], chosen: NDArray[np.bool_], bits: NDArray[np.uint8]
) -> None:
    """Set the bits of the rows of the chosen images; image i has counts[i] rows from first[i] on."""
    for image in range(first.shape[0]):
        if not chosen[image]:
            continue
        row = first[image]
        end = row + counts[image]
        while row < end:
            if row & 7 == 0 and row + 8 <= end:
                bits[row >> 3] = 255
                row += 8
            else:
                bits[row >> 3] |= np.uint8(1 << (row & 7))
                row += 1


# Only the first may reorder sums: its numbers are finite, and the others have whole numbers.
nearest_cells: Callable[..., None] = njit(nogil=True, cache=True, fastmath=True)(_nearest_cells)
scan_cells: Callable[..., None] = njit(nogil=True, cache=True)(_scan_cells)
refine: Callable[..., None] = njit(nogil=True, cache=True)(_refine)
open_rows: Callable[..., None] = njit(nogil=True, cache=True)(_open_rows)


def warm_up() -> None:
    """Compile every loop for the types the image index uses."""
    queries = np.zeros((1, 128), dtype=np.uint8)
    ones = np.ones(1, dtype=np.float32)
    numbers = queries.astype(np.float32)
    probes = np.zeros((1, 1), dtype=np.int64)
    nearest_cells(numbers, ones[:, None], ones, numbers, ones, 1, probes)
    distances = np.full((1, FOUND), FAR, dtype=np.int32)
    rows = np.full((1, FOUND), -1, dtype=np.int64)
    bits = np.zeros(1, dtype=np.uint8)
    one = np.ones(1, dtype=np.int64)
    open_rows(np.zeros(1, dtype=np.int64), one, one.astype(np.bool_), bits)
    starts = np.array([0, 1], dtype=np.int32)
    scan_cells(
        queries, probes, probes[0], starts, np.zeros(1, dtype=np.int32), queries, 0, bits, distances, rows
    )
    refine(queries, probes, 0, 16, queries, distances, rows)
