"""How the space of RootSIFT descriptors is divided: a tree of cells, and 16-byte codes inside them.

The codebook is shipped, not trained on a collection: an image is searchable with no training first, every
worker and every machine has the same cells, and codes never have to be made again. It is trained on the
descriptors of drawn pictures (`bench/codebook.py`): with 300 photos of known things among 1,106 images a
codebook of those very images led to the same hits, and looked at a quarter fewer rows.

Cells form a tree of two levels (after Nister and Stewenius, CVPR 2006), so that finding the nearest of 8,192
cells costs the comparison with 512 + 96 centres.
"""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from index import neighbours
from index.native import faiss
from index.neighbours import DIMENSION

SHIPPED = Path(__file__).parent / "codebook.npz"
CODE_BYTES = 16
WIDE = 6
"""Branches of the tree followed to the end, at least; one for every two cells that are asked for."""


class Codebook(NamedTuple):
    """Cells and codes; immutable.

    Attributes:
        parents: (128, P) float32, centres of the first level, one per column.
        parent_norms: (P,) float32, their squared lengths.
        cells: (C, 128) float32, centres of the second level; those of parent p start at p * C / P.
        cell_norms: (C,) float32.
        quantizer: faiss.ProductQuantizer of 32 parts, 4 bits each.
        name: Names the kind of descriptor and this division of it; cells and codes of another mean nothing
        here.
    """

    parents: NDArray[np.float32]
    parent_norms: NDArray[np.float32]
    cells: NDArray[np.float32]
    cell_norms: NDArray[np.float32]
    quantizer: Any
    name: str

    @classmethod
    def of(cls, parents: NDArray[np.uint8], cells: NDArray[np.uint8], parts: NDArray[np.float32]) -> Codebook:
        """A codebook from parents (P, 128), cells (C, 128) and the centres of the codes (32, 16, 4)."""
        first, second = parents.astype(np.float32), cells.astype(np.float32)
        quantizer = faiss.ProductQuantizer(DIMENSION, 2 * CODE_BYTES, 4)
        faiss.copy_array_to_vector(np.ascontiguousarray(parts, np.float32).reshape(-1), quantizer.centroids)
        content = b"".join(np.ascontiguousarray(each).tobytes() for each in (parents, cells, parts))
        return cls(
            np.ascontiguousarray(first.T),
            np.einsum("nd,nd->n", first, first),
            second,
            np.einsum("nd,nd->n", second, second),
            quantizer,
            f"rootsift-{hashlib.sha256(content).hexdigest()[:16]}",
        )

    def save(self, path: Path) -> None:
        """Write the codebook to a file."""
        parts = faiss.vector_to_array(self.quantizer.centroids).reshape(-1, 16, 4)
        np.savez_compressed(
            path, parents=self.parents.T.astype(np.uint8), cells=self.cells.astype(np.uint8), parts=parts
        )

    def nearest(self, descriptors: NDArray[np.uint8], count: int) -> NDArray[np.int64]:
        """The nearest cells of each descriptor (N, 128), nearest first: (N, count)."""
        rows = descriptors.astype(np.float32)
        found = np.empty((len(rows), count), dtype=np.int64)
        scores = rows @ self.parents
        neighbours.nearest_cells(
            rows, scores, self.parent_norms, self.cells, self.cell_norms, max(WIDE, count // 2), found
        )
        return found

    def codes(self, descriptors: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The code of each descriptor (N, 128): (N, 16) uint8."""
        codes: NDArray[np.uint8] = self.quantizer.compute_codes(descriptors.astype(np.float32))
        return codes


@functools.cache
def shipped() -> Codebook:
    """The codebook in the package, read at the first call: a constant too large for a source file."""
    with np.load(SHIPPED, allow_pickle=False) as saved:
        return Codebook.of(saved["parents"], saved["cells"], saved["parts"])
