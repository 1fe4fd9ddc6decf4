"""A bag of hashed features as a vector, and the training step of its table, one core each."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


class Bags(NamedTuple):
    """N bags one after another; bag i is the features from offsets[i] to offsets[i + 1]."""

    ids: NDArray[np.int64]
    weights: NDArray[np.float32]
    offsets: NDArray[np.int64]  # (N + 1,)

    def take(self, rows: NDArray[np.int64]) -> Bags:
        """The bags of these rows, in this order."""
        lengths = np.diff(self.offsets)[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
        at = np.repeat(self.offsets[:-1][rows], lengths) + within
        return Bags(self.ids[at], self.weights[at], offsets)


@numba.njit(fastmath=True, error_model="numpy", cache=True)
def pool(table: Vectors, ids: NDArray[np.int64], weights: Vectors, offsets: NDArray[np.int64]) -> Vectors:
    """(N, D): the weighted sum of the table's rows of each bag."""
    width = table.shape[1]
    pooled = np.zeros((len(offsets) - 1, width), np.float32)
    for bag in range(len(offsets) - 1):
        for at in range(offsets[bag], offsets[bag + 1]):
            row, weight = ids[at], weights[at]
            for column in range(width):
                pooled[bag, column] += weight * table[row, column]
    return pooled


@numba.njit(fastmath=True, error_model="numpy", cache=True)
def learn(
    table: Vectors,
    squares: Vectors,
    ids: NDArray[np.int64],
    weights: Vectors,
    offsets: NDArray[np.int64],
    gradient: Vectors,
    rate: float,
) -> None:
    """One AdaGrad step with one rate per row; `squares` (rows,) is what the rows have been through."""
    width = table.shape[1]
    for bag in range(len(offsets) - 1):
        square = np.float32(0.0)
        for column in range(width):
            square += gradient[bag, column] * gradient[bag, column]
        square /= width
        for at in range(offsets[bag], offsets[bag + 1]):
            row, weight = ids[at], weights[at]
            if weight == 0.0:
                continue
            squares[row] += weight * weight * square
            step = np.float32(rate) * weight / np.sqrt(squares[row] + np.float32(1e-10))
            for column in range(width):
                table[row, column] -= step * gradient[bag, column]


def softmax_gradient(logits: Vectors, targets: NDArray[np.int64]) -> float:
    """Turns logits (N, C) into the gradient of the mean cross entropy, in place; gives that mean."""
    rows = np.arange(len(logits))
    logits -= logits.max(1, keepdims=True)
    right = logits[rows, targets]
    np.exp(logits, out=logits)
    total = logits.sum(1)
    logits /= total[:, None] * np.float32(len(logits))
    logits[rows, targets] -= np.float32(1.0 / len(logits))
    return float(np.mean(np.log(total) - right))


@numba.njit(fastmath=True, error_model="numpy", cache=True)
def add_rows(into: Vectors, into_rows: NDArray[np.int64], source: Vectors, rows: NDArray[np.int64]) -> None:
    """into[into_rows[i]] += source[rows[i]], for every i."""
    for at in range(len(rows)):
        for column in range(source.shape[1]):
            into[into_rows[at], column] += source[rows[at], column]


@numba.njit(fastmath=True, error_model="numpy", cache=True)
def adam(
    values: Vectors, first: Vectors, second: Vectors, gradient: Vectors, rate: float, step: int, decay: float
) -> None:
    """One AdamW step in place; all arrays of one shape, `step` counts from 1."""
    bias_first = 1.0 - 0.9**step
    bias_second = 1.0 - 0.999**step
    scale = np.float32(rate / bias_first)
    unbias = np.float32(1.0 / bias_second)
    shrink = np.float32(1.0 - rate * decay)
    one, two, slopes, flat = first.ravel(), second.ravel(), gradient.ravel(), values.ravel()
    for at in range(len(flat)):
        slope = slopes[at]
        one[at] += np.float32(0.1) * (slope - one[at])
        two[at] += np.float32(0.001) * (slope * slope - two[at])
        flat[at] = flat[at] * shrink - scale * one[at] / (np.sqrt(two[at] * unbias) + np.float32(1e-8))
