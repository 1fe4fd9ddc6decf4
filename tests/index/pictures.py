"""Made local features of made images: descriptors around a few hundred common ones, as in real pictures."""

import numpy as np
from numpy.typing import NDArray


class Features:
    """Draws images' descriptors and, from them, those of a bad photo of the image."""

    def __init__(self, seed: int = 0) -> None:
        self._rng = np.random.default_rng(seed)
        # Histograms of gradients: a few large numbers, many small ones.
        self._common = self._rng.gamma(0.6, size=(400, 128))

    def image(self, rows: int = 300) -> NDArray[np.uint8]:
        """Descriptors (rows, 128) uint8, RootSIFT times 512."""
        return self._rooted(
            self._common[self._rng.integers(0, 400, rows)] * self._rng.gamma(1.5, 1 / 1.5, (rows, 128))
        )

    def photo(self, image: NDArray[np.uint8], share: float = 0.4, clutter: int = 100) -> NDArray[np.uint8]:
        """A share of an image's descriptors, disturbed, among others."""
        seen = self._rng.choice(len(image), max(1, int(share * len(image))), replace=False)
        disturbed = np.maximum(image[seen] + self._rng.normal(0, 9, (len(seen), 128)), 0.0)
        return np.concatenate([self._rooted(disturbed**2), self.image(clutter)])

    @staticmethod
    def _rooted(histograms: NDArray[np.float64]) -> NDArray[np.uint8]:
        shares = histograms / histograms.sum(axis=1, keepdims=True)
        return np.clip(np.rint(512 * np.sqrt(shares)), 0, 255).astype(np.uint8)
