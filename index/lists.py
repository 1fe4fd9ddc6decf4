"""The descriptors of finished blocks as short codes in lists by cell, scanned by FAISS's fast-scan kernels.

Facts about FAISS 1.15 that shape this file: `IndexIVFPQFastScan.merge_from` corrupts the heap (seen with
200,000 rows) and `clone_index` leaves a pointer into the original, so lists are always built anew from kept
codes, which takes 30 ms plus 0.25 s per million rows. `search_preassigned` takes search parameters only in
its C++ form. A search honours `IDSelector`; it never looks at the coarse quantizer when the cells are given,
so there is none inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from index.blocks import BLOCK_BITS, Block
from index.codebook import CODE_BYTES, Codebook
from index.native import faiss, openmp
from index.neighbours import DIMENSION


class Lists(NamedTuple):
    """Codes of some blocks by cell; nothing in it ever changes.

    Attributes:
        index: faiss.IndexIVFPQFastScan, labels are row numbers.
        blocks: Ids of the blocks whose rows are in it, ascending.
        size: Rows in it.
    """

    index: Any
    blocks: tuple[int, ...]
    size: int

    def search(
        self,
        queries: NDArray[np.float32],
        probes: NDArray[np.int64],
        count: int,
        is_open: NDArray[np.uint8] | None,
    ) -> NDArray[np.int64]:
        """Row numbers of about the nearest of each query by code, -1 for none: (Q, count).

        Args:
            queries: (Q, 128) float32.
            probes: (Q, P) cells to look into.
            count: How many per query.
            is_open: Bit per row number, lowest first: which may be found; None means all.
        """
        options = faiss.SearchParametersIVF(nprobe=probes.shape[1])
        if is_open is not None:
            selector = faiss.IDSelectorBitmap(is_open)
            options.sel = selector
        # Distances to the centres matter only to codes of residuals.
        ignored = np.zeros(probes.shape, dtype=np.float32)
        distances = np.empty((len(queries), count), dtype=np.float32)
        found = np.empty((len(queries), count), dtype=np.int64)
        # One thread per call: the server answers several requests at once instead.
        with openmp(1):
            self.index.search_preassigned_c(
                len(queries),
                faiss.swig_ptr(queries),
                count,
                faiss.swig_ptr(probes),
                faiss.swig_ptr(ignored),
                faiss.swig_ptr(distances),
                faiss.swig_ptr(found),
                False,
                options,
            )
        return found


def build(
    codebook: Codebook,
    blocks: Sequence[tuple[int, Block]],
    is_open: NDArray[np.uint8],
) -> Lists:
    """Lists of the open rows of some blocks (ids ascending, with the block of each)."""
    rows = np.concatenate(
        [np.arange(block.used, dtype=np.int64) + (id_ << BLOCK_BITS) for id_, block in blocks]
    )
    open_here = (is_open[rows >> 3] >> (rows & 7).astype(np.uint8)) & 1 == 1
    rows = rows[open_here]
    cells = np.concatenate([block.cells[: block.used] for _, block in blocks])[open_here]
    codes = np.concatenate([block.codes[: block.used] for _, block in blocks])[open_here]
    order = np.argsort(cells, kind="stable")
    cells, codes, rows = cells[order], codes[order], rows[order]

    lists = len(codebook.cells)
    plain = faiss.IndexIVFPQ(faiss.IndexFlatL2(DIMENSION), DIMENSION, lists, 2 * CODE_BYTES, 4)
    plain.by_residual = False
    plain.pq = codebook.quantizer
    plain.is_trained = True
    filled, starts = np.unique(cells, return_index=True)
    ends = np.append(starts[1:], len(cells))
    for cell, start, end in zip(filled.tolist(), starts.tolist(), ends.tolist(), strict=True):
        plain.invlists.add_entries(
            cell, end - start, faiss.swig_ptr(rows[start:end]), faiss.swig_ptr(codes[start:end])
        )
    plain.ntotal = len(rows)
    return Lists(faiss.IndexIVFPQFastScan(plain), tuple(id_ for id_, _ in blocks), len(rows))
