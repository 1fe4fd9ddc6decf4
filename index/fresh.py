"""The vectors since the last compaction: few enough to be scanned, never sorted, cheap to append to."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from index import exact
from index.exact import Found

LEAST_ROWS = 256


class Fresh(NamedTuple):
    """Vectors in order of arrival, as of one moment.

    The buffers may be longer than `alive`: the one writer fills rows past the end and then publishes a new
    `Fresh` over the same buffers; readers of an older one never look there.

    Attributes:
        ids: (capacity,) int64.
        vectors: (capacity, D) float32.
        alive: (N,) bool, replaced (never written to) on change.
    """

    ids: NDArray[np.int64]
    vectors: NDArray[np.float32]
    alive: NDArray[np.bool_]

    @property
    def size(self) -> int:
        """Rows that still count."""
        return int(np.count_nonzero(self.alive))

    def appended(self, ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> Fresh:
        """This and more rows after it; to be called on the newest state only, by one writer at a time."""
        start, end = len(self.alive), len(self.alive) + len(ids)
        all_ids, all_vectors = self.ids, self.vectors
        if end > len(all_ids):
            capacity = max(LEAST_ROWS, 2 * len(all_ids), end)
            all_ids = np.empty(capacity, dtype=np.int64)
            all_vectors = np.empty((capacity, self.vectors.shape[1]), dtype=np.float32)
            all_ids[:start] = self.ids[:start]
            all_vectors[:start] = self.vectors[:start]
        all_ids[start:end] = ids
        all_vectors[start:end] = vectors
        return Fresh(all_ids, all_vectors, np.concatenate([self.alive, np.ones(len(ids), dtype=np.bool_)]))

    def without(self, rows: list[int]) -> Fresh:
        """This with some rows dead."""
        alive = self.alive.copy()
        alive[rows] = False
        return self._replace(alive=alive)

    def open_rows(self, wanted: NDArray[np.int64] | None) -> NDArray[np.bool_]:
        """Which rows may be found when only the wanted ids (None: all) may."""
        if wanted is None:
            return self.alive
        return np.isin(self.ids[: len(self.alive)], wanted) & self.alive

    def candidates(self, queries: NDArray[np.float32], k: int, open_rows: NDArray[np.bool_]) -> Found:
        """Whatever can be among the k best of each query."""
        return exact.candidates(queries, k, self.vectors[: len(self.alive)], self.ids, open_rows)

    def sorted(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Ids, ascending, and vectors of the rows that still count, copied."""
        rows = np.flatnonzero(self.alive)
        rows = rows[np.argsort(self.ids[rows])]
        return self.ids[rows], self.vectors[rows]


def empty(dimension: int) -> Fresh:
    """No rows."""
    return Fresh(
        np.empty(0, dtype=np.int64), np.empty((0, dimension), dtype=np.float32), np.empty(0, dtype=np.bool_)
    )
