"""The category network while it learns: a bag of features, squeezed to a ball, against one vector per category."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.product_features import BUCKETS
from models.train import bag
from models.train.bag import Bags, Vectors

# A bag of this length is half way to the surface of the ball: fewer known words, less certain scores.
SOFTNESS = 1.0
_WEIGHT_DECAY = 1e-4
# Of Adam: first and second of `own`, first and second of `bias`.
_MOMENTS = ("moment_0", "moment_1", "moment_2", "moment_3")


class CategoryModel:
    """C categories and, as class C, none of them; the vector of a category is its own plus its ancestors'.

    `closure` (L, 2) pairs each category with itself and its ancestors, ordered by category.
    """

    def __init__(
        self, rng: np.random.Generator, closure: NDArray[np.int64], count: int, dimension: int
    ) -> None:
        # Class after class, the rows of `own` that make its vector; the last class has only its own.
        self._line = np.append(closure[:, 1], count)
        self._starts = np.append(np.searchsorted(closure[:, 0], np.arange(count + 1)), len(self._line))
        # Zero: a feature never met says nothing.
        self.table = np.zeros((BUCKETS, dimension), np.float32)
        self._squares = np.zeros(BUCKETS, np.float32)
        self.own = rng.normal(0.0, 2.0 / np.sqrt(dimension), (count + 1, dimension)).astype(np.float32)
        self.bias = np.zeros(count + 1, np.float32)
        self._moments = [np.zeros_like(array) for array in (self.own, self.own, self.bias, self.bias)]
        self._steps = 0

    def classes(self, chosen: NDArray[np.int64] | None = None) -> Vectors:
        """(K, D): what a bag is compared with, per chosen class; all C + 1 unless some are chosen."""
        rows, lines = self._lines(np.arange(len(self.own)) if chosen is None else chosen)
        vectors = np.zeros((len(self.own) if chosen is None else len(chosen), self.own.shape[1]), np.float32)
        bag.add_rows(vectors, rows, self.own, lines)
        return vectors

    def step(
        self, bags: Bags, targets: NDArray[np.int64], rate: float, sampled: NDArray[np.int64] | None = None
    ) -> float:
        """Learns one batch; the mean cross entropy before it did.

        With `sampled` classes, drawn evenly from all, only these and the targets are looked at: each then
        stands for its share of the others, so that the sum over all classes stays right on average.
        """
        count = len(self.own)
        chosen = np.arange(count) if sampled is None else np.union1d(targets, sampled)
        classes = self.classes(chosen)
        pooled = bag.pool(self.table, *bags)
        inner = np.sqrt(np.square(pooled).sum(1, keepdims=True) + SOFTNESS**2)
        hidden = pooled / inner
        logits = hidden @ classes.T + self.bias[chosen]
        if sampled is not None:
            share = len(sampled) / count
            logits -= np.where(np.isin(chosen, targets), 0.0, np.log(share)).astype(np.float32)
        loss = bag.softmax_gradient(logits, np.searchsorted(chosen, targets))
        to_hidden = logits @ classes
        to_pooled = (to_hidden - hidden * (hidden * to_hidden).sum(1, keepdims=True)) / inner
        rows, lines = self._lines(chosen)
        to_own = np.zeros_like(self.own)
        bag.add_rows(to_own, lines, logits.T @ hidden, rows)
        to_bias = np.zeros_like(self.bias)
        to_bias[chosen] = logits.sum(0)
        self._steps += 1
        bag.learn(self.table, self._squares, *bags, to_pooled, 10.0 * rate)
        own_first, own_second, bias_first, bias_second = self._moments
        bag.adam(self.own, own_first, own_second, to_own, rate, self._steps, _WEIGHT_DECAY)
        bag.adam(self.bias, bias_first, bias_second, to_bias, rate, self._steps, 0.0)
        return loss

    def logits(self, bags: Bags) -> Vectors:
        """(N, C + 1) for bags that are only asked about."""
        pooled = bag.pool(self.table, *bags)
        hidden = pooled / np.sqrt(np.square(pooled).sum(1, keepdims=True) + SOFTNESS**2)
        scores: Vectors = hidden @ self.classes().T + self.bias
        return scores

    def save(self, path: Path, epochs: int) -> None:
        """Writes everything that learning needs to go on after so many epochs."""
        aside = path.with_suffix(".tmp.npz")
        moments = dict(zip(_MOMENTS, self._moments, strict=True))
        arrays = {
            "table": self.table,
            "squares": self._squares,
            "own": self.own,
            "bias": self.bias,
            **moments,
        }
        numbers = {"steps": np.array(self._steps), "epochs": np.array(epochs)}
        np.savez(aside, allow_pickle=False, **arrays, **numbers)
        aside.replace(path)

    def restore(self, path: Path) -> int:
        """Goes back to what `save` wrote; the epochs it had learned for."""
        with np.load(path) as kept:
            self.table, self._squares = kept["table"], kept["squares"]
            self.own, self.bias = kept["own"], kept["bias"]
            self._moments = [kept[name] for name in _MOMENTS]
            self._steps = int(kept["steps"])
            return int(kept["epochs"])

    def _lines(self, chosen: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Pairs of a place in `chosen` and a row of `own` that is part of that class."""
        lengths = np.diff(self._starts)[chosen]
        first = np.repeat(self._starts[chosen] - np.concatenate([[0], np.cumsum(lengths)[:-1]]), lengths)
        return np.repeat(np.arange(len(chosen)), lengths), self._line[first + np.arange(lengths.sum())]
