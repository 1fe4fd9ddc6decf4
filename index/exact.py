"""Brute-force search by inner product: the small parts of the index, and the truth for recall measurements.

Whole blocks go through numpy's matrix product, not `faiss.IndexFlatIP`: for fewer than 128,000 numbers in
a call (`faiss.cvar.distance_compute_blas_threshold`) FAISS scans query by query, and 64 queries of 512
numbers take six times as long. Lowering that threshold would change every other FAISS index of the process.

A matrix product rounds a row differently when its neighbours differ, so its scores only choose candidates.
The scores that are returned come from `pair_scores`, which depends on the two vectors alone: equal vectors
score equal wherever they are stored, and ties go to the lower id.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MARGIN = np.float32(1e-5)
"""More than float32 rounding moves a product of unit vectors: what is this close to the last place stays."""
BLOCK_SCORES = 4_000_000
"""Scores held at once (16 MB): near the caches, yet enough for a fast matrix product."""
BLOCK_PAIRS = 4096

Vectors = NDArray[np.float32] | NDArray[np.float16]


class Found(NamedTuple):
    """Candidates of many queries as flat columns: query row, id and score of each, in no particular order."""

    rows: NDArray[np.int64]
    ids: NDArray[np.int64]
    scores: NDArray[np.float32]


def pair_scores(
    queries: NDArray[np.float32], rows: NDArray[np.int64], vectors: Vectors, positions: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Inner product of `queries[rows[i]]` and `vectors[positions[i]]` for each i, summed in float64."""
    scores = np.empty(len(rows), dtype=np.float32)
    for start in range(0, len(rows), BLOCK_PAIRS):
        part = slice(start, start + BLOCK_PAIRS)
        left = queries[rows[part]].astype(np.float64)
        scores[part] = np.einsum("nd,nd->n", left, vectors[positions[part]].astype(np.float64))
    return scores


def candidates(
    queries: NDArray[np.float32],
    k: int,
    vectors: Vectors,
    ids: NDArray[np.int64],
    open_rows: NDArray[np.bool_] | None,
) -> Found:
    """Everything that can be among the k best of each query, with exact scores.

    Args:
        queries: (Q, D) float32.
        k: How many are wanted.
        vectors: (N, D) float32 or float16.
        ids: (N,) the id of each vector.
        open_rows: (N,) which vectors may be found; None means all.
    """
    found = []
    block = max(1024, BLOCK_SCORES // max(1, len(queries)))
    for start in range(0, len(vectors), block):
        part = slice(start, start + block)
        allowed = None if open_rows is None else open_rows[part]
        if allowed is not None and not allowed.any():
            continue
        positions = np.arange(start, start + len(vectors[part]), dtype=np.int64)
        chosen = vectors[part]
        if allowed is not None and np.count_nonzero(allowed) < len(allowed) // 4:
            # Few of the block: gathering them costs less than multiplying all.
            positions, chosen, allowed = positions[allowed], chosen[allowed], None
        scores = queries @ chosen.astype(np.float32, copy=False).T
        if allowed is not None:
            scores[:, ~allowed] = -np.inf
        rows, columns = near_top(scores, k)
        where = positions[columns]
        found.append(Found(rows, ids[where], pair_scores(queries, rows, vectors, where)))
    return joined(found)


def near_top(scores: NDArray[np.float32], k: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and column of every finite score that is at most MARGIN below the k-th best of its row."""
    chosen = scores > -np.inf
    if scores.shape[1] > k:
        # Where fewer than k are allowed the k-th best is -inf: then every finite score is in.
        last = np.partition(scores, scores.shape[1] - k, axis=1)[:, -k]
        chosen &= scores >= (last - MARGIN)[:, None]
    rows, columns = np.nonzero(chosen)
    return rows.astype(np.int64, copy=False), columns.astype(np.int64, copy=False)


def joined(found: list[Found]) -> Found:
    """Candidates of several parts in one."""
    if len(found) == 1:
        return found[0]
    if not found:
        none = np.empty(0, dtype=np.int64)
        return Found(none, none, np.empty(0, dtype=np.float32))
    return Found(*(np.concatenate(columns) for columns in zip(*found, strict=True)))


def best(found: Found, query_count: int, k: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The k best of each query, best first, ties by lower id: (Q, k) scores and ids; padding -inf and -1."""
    order = np.lexsort((found.ids, -found.scores, found.rows))
    rows = found.rows[order]
    place = np.arange(len(rows)) - np.searchsorted(rows, rows, side="left")
    kept = place < k
    scores = np.full((query_count, k), -np.inf, dtype=np.float32)
    ids = np.full((query_count, k), -1, dtype=np.int64)
    scores[rows[kept], place[kept]] = found.scores[order][kept]
    ids[rows[kept], place[kept]] = found.ids[order][kept]
    return scores, ids


def search(
    queries: NDArray[np.float32],
    k: int,
    vectors: Vectors,
    ids: NDArray[np.int64],
    open_rows: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The k nearest of each query by brute force: (Q, k) scores and ids, padded with -inf and -1."""
    return best(candidates(queries, k, vectors, ids, open_rows), len(queries), k)


def recall(found: NDArray[np.int64], truth: NDArray[np.int64]) -> float:
    """Share of the true neighbours (Q, k) among the found (Q, k); -1 is padding. 1.0 where there are none."""
    wanted = truth >= 0
    hits = (found[:, :, None] == truth[:, None, :]).any(axis=1) & wanted
    return float(hits.sum() / max(1, wanted.sum())) if wanted.any() else 1.0
