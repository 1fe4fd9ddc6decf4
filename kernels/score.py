"""Rankings and votes: the best of several partial results, and what the neighbours of a vector say.

Each kernel has a numpy twin named `..._reference`.
"""

from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Scores = NDArray[np.float32]


def top_k_merge(parts: Sequence[tuple[Ids, Scores]], k: int) -> tuple[Ids, Scores]:
    """The best k of all parts, ids (<= k,) and scores (<= k,), best first; equal scores by smaller id.

    parts: (ids (N,), scores (N,)) each, in any order. An id that comes more than once counts with its best
    score. Negative ids (padding of a search) and NaN scores are dropped.
    """
    if not parts:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
    ids, scores = _top_k_merge(*_joined(parts), int(k))
    return ids, scores


def top_k_merge_reference(parts: Sequence[tuple[Ids, Scores]], k: int) -> tuple[Ids, Scores]:
    """The numpy twin of `top_k_merge`."""
    best: dict[int, np.float32] = {}
    for ids, scores in parts:
        for id, score in zip(ids.ravel().tolist(), scores.ravel(), strict=True):
            if id >= 0 and not np.isnan(score) and score >= best.get(id, -np.inf):
                best[id] = score
    ranked = sorted(best.items(), key=lambda pair: (-pair[1], pair[0]))[: max(k, 0)]
    return (
        np.array([id for id, _ in ranked], dtype=np.int64),
        np.array([score for _, score in ranked], dtype=np.float32),
    )


def vote_weights(distances: NDArray[np.float32]) -> NDArray[np.float64]:
    """Weights (N,) of the neighbours at these distances (N,), inverse to them and adding up to one.

    Neighbours at distance zero (or below, by rounding) share all the weight; NaN and infinity get none. All
    zeros when no distance is finite. Source: contract robotoff 2.7.
    """
    weights: NDArray[np.float64] = _vote_weights(np.array(distances, dtype=np.float64, order="C"))
    return weights


def vote_weights_reference(distances: NDArray[np.float32]) -> NDArray[np.float64]:
    """The numpy twin of `vote_weights`."""
    distances = np.asarray(distances, dtype=np.float64)
    weights = np.zeros(distances.shape)
    finite = np.isfinite(distances)
    nearest = np.maximum(distances[finite], 0.0).min(initial=np.inf)
    if nearest == 0.0:
        weights[finite] = distances[finite] <= 0.0
    else:
        weights[finite] = nearest / distances[finite]
    normalised: NDArray[np.float64] = weights / max(weights.sum(), np.finfo(np.float64).tiny)
    return normalised


def label_votes(labels: Ids, weights: NDArray[np.float64], label_count: int) -> NDArray[np.float64]:
    """Probability (label_count,) of each label: the summed weights of the neighbours that carry it.

    labels: (N,), -1 for a neighbour without one: its weight goes to no label, so the sum may stay below one.
    """
    known = labels >= 0
    votes = np.zeros(label_count)
    np.add.at(votes, labels[known], weights[known])
    return votes


def warm_up() -> None:
    """Compile the kernels of this module for the arrays the server uses."""
    top_k_merge([(np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.float32))], 1)
    vote_weights(np.ones(1, dtype=np.float32))


def _joined(parts: Sequence[tuple[Ids, Scores]]) -> tuple[Ids, Scores]:
    ids = np.concatenate([part.ravel() for part, _ in parts]).astype(np.int64, copy=False)
    scores = np.concatenate([part.ravel() for _, part in parts]).astype(np.float32, copy=False)
    if len(ids) != len(scores):
        raise ValueError(f"{len(ids)} ids but {len(scores)} scores")
    return ids, scores


@njit(nogil=True, cache=True)
def _top_k_merge(ids: Ids, scores: Scores, k: int) -> tuple[Ids, Scores]:
    by_id = np.argsort(ids, kind="mergesort")
    best_ids = np.empty(ids.shape[0], dtype=np.int64)
    best_scores = np.empty(ids.shape[0], dtype=np.float32)
    count = 0
    for index in by_id:
        if ids[index] < 0 or np.isnan(scores[index]):
            continue
        if count > 0 and best_ids[count - 1] == ids[index]:
            best_scores[count - 1] = max(best_scores[count - 1], scores[index])
        else:
            best_ids[count], best_scores[count] = ids[index], scores[index]
            count += 1
    # Stable, and the ids ascend: equal scores come by id.
    order = np.argsort(-best_scores[:count], kind="mergesort")[: max(k, 0)]
    return best_ids[order], best_scores[order]


@njit(nogil=True, cache=True)
def _vote_weights(distances: NDArray[np.float64]) -> NDArray[np.float64]:
    nearest = np.inf
    for distance in distances:
        if np.isfinite(distance):
            nearest = min(nearest, max(distance, 0.0))
    weights = np.zeros(distances.shape[0], dtype=np.float64)
    total = 0.0
    for index in range(distances.shape[0]):
        distance = distances[index]
        if np.isfinite(distance):
            if nearest == 0.0:
                weights[index] = 1.0 if distance <= 0.0 else 0.0
            else:
                weights[index] = nearest / distance  # the common factor keeps tiny distances finite
            total += weights[index]
    if total > 0.0:
        for index in range(distances.shape[0]):
            weights[index] /= total
    return weights
