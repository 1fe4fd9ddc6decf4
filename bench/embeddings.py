"""Two kinds of made embeddings, because which index is best depends on their geometry. Neither is a real set.

`many_small`: clusters of about fifty points, so all near neighbours share one. `few_uneven`: four
hundred clusters of Zipf sizes whose spread falls off by a power law, as principal components of real ones do.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Generator = Callable[[int, int, int], NDArray[np.float32]]


def many_small(count: int, dimension: int, seed: int = 0) -> NDArray[np.float32]:
    """Unit rows (count, dimension) in clusters of about fifty, in no order."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((max(1, count // 50), dimension), dtype=np.float32)
    rows = centres[rng.integers(0, len(centres), count)]
    rows += 0.7 * rng.standard_normal((count, dimension), dtype=np.float32)
    return unit(rows)


def few_uneven(count: int, dimension: int, seed: int = 0) -> NDArray[np.float32]:
    """Unit rows (count, dimension) in four hundred clusters of uneven size and shape, in no order."""
    rng = np.random.default_rng(seed)
    spectrum = (np.arange(1, dimension + 1) ** -0.5).astype(np.float32)
    turn = np.linalg.qr(rng.standard_normal((dimension, dimension)))[0].astype(np.float32)
    centres = rng.standard_normal((400, dimension), dtype=np.float32) * spectrum
    sizes = 1.0 / np.arange(1, 401)
    rows = centres[rng.choice(400, count, p=sizes / sizes.sum())]
    rows += 0.7 * rng.standard_normal((count, dimension), dtype=np.float32) * spectrum
    return unit(rows @ turn)


def unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows scaled to length one."""
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


GENERATORS: tuple[Generator, ...] = (many_small, few_uneven)
