"""A network with no weights: a deterministic tiny embedder for tests, documentation and benchmarks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.manifest import NetworkSpec

_FREQUENCIES = 6


class StubNetwork:
    """Describes a picture by the lowest frequencies of its colours, as a colour-layout descriptor does.

    Pictures that look alike at a glance get vectors that are close, so that search over stub
    embeddings is meaningful. 63 coefficients (21 per channel) and one constant, unit norm. A row
    depends on nothing but its own picture: not on the batch, not on its place in it.
    """

    provider = "numpy"
    exclusive = False
    lanes = 1

    def __init__(self, spec: NetworkSpec) -> None:
        if spec.input is None or spec.input.dtype != "float32" or spec.dimension != 64:
            raise ValueError("the stub network takes float32 pictures and gives 64 numbers")
        self.spec = spec
        self.batch_buckets = spec.batch_buckets
        size = spec.input.size
        position = (np.arange(size) + 0.5) * np.pi / size
        basis = np.cos(np.outer(position, np.arange(_FREQUENCIES))) / size
        self._basis = basis.astype(np.float32)
        down, across = np.indices((_FREQUENCIES, _FREQUENCIES))
        self._low = np.flatnonzero((down + across < _FREQUENCIES).ravel())

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, 3, S, S) float32 to (N, 64) float32, unit norm."""
        # Stacked products: one small product per channel of each picture, whatever N is.
        coefficients = self._basis.T @ batch @ self._basis
        low = coefficients.reshape(len(batch), 3, -1)[:, :, self._low].reshape(len(batch), -1)
        # The constant keeps a uniform grey picture away from the zero vector.
        vectors: NDArray[np.float32] = np.concatenate(
            [low, np.full((len(batch), 1), 0.05, np.float32)], axis=1
        )
        norms: NDArray[np.float32] = np.sqrt(np.sum(vectors * vectors, axis=1, keepdims=True))
        unit: NDArray[np.float32] = np.divide(vectors, norms)
        return unit

    def warm(self) -> None:
        """Runs every bucket once."""
        assert self.spec.input is not None
        for count in self.batch_buckets:
            self.run(np.zeros((count, 3, self.spec.input.size, self.spec.input.size), np.float32))
