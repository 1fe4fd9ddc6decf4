"""An immutable stretch of vectors, searched exactly or through a graph with exact re-ranking."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from index import exact
from index.choose import Plan
from index.exact import Found, Vectors
from index.native import faiss, openmp

SAMPLE = 64
SAMPLE_K = 10
TRAINING_ROWS = 100_000


class Segment(NamedTuple):
    """Vectors in ascending order of id, so that a position is found by bisection; nothing in it ever changes.

    Attributes:
        ids: (N,) int64, ascending.
        vectors: (N, D): float32 where it is scanned, float16 beside a graph. Both hold float16 values, so a
            score does not change when a vector moves from one to the other.
        graph: faiss.IndexHNSWSQ over 8-bit codes, label = position; None means exact.
        effort: efSearch, chosen by `tuned` so that the sample reaches the wanted recall.
        scan_below: When no more vectors than this may be found, they are scanned.
    """

    ids: NDArray[np.int64]
    vectors: Vectors
    graph: Any | None
    effort: int = 0
    scan_below: int = 0

    def positions(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where each id is, -1 where it is not here."""
        if not len(self.ids):
            return np.full(len(ids), -1, dtype=np.int64)
        place = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        return np.where(self.ids[place] == ids, place, -1)

    def candidates(self, queries: NDArray[np.float32], k: int, open_rows: NDArray[np.bool_] | None) -> Found:
        """Whatever can be among the k best of each query, scored exactly; exhaustive unless there is a graph.

        Args:
            queries: (Q, D) float32, unit norm.
            k: How many are wanted.
            open_rows: (N,) which positions may be found; None means all.
        """
        open_count = len(self.ids) if open_rows is None else int(np.count_nonzero(open_rows))
        if self.graph is None or open_count <= max(self.scan_below, 4 * k):
            return exact.candidates(queries, k, self.vectors, self.ids, open_rows)
        # A walk collects only what may be found, so it must go on for longer the rarer that is.
        effort = int(max(self.effort, 2 * k) * len(self.ids) / open_count)
        labels = self._walk(queries, k + max(16, k // 2), effort, open_rows)
        rows, columns = np.nonzero(labels >= 0)
        where = labels[rows, columns]
        found = Found(rows, self.ids[where], exact.pair_scores(queries, rows, self.vectors, where))
        short = np.flatnonzero((labels >= 0).sum(axis=1) < k)
        if not len(short):
            return found
        # The walk ended in a corner without enough open vectors: answer these queries in full.
        whole = exact.candidates(queries[short], k, self.vectors, self.ids, open_rows)
        kept = ~np.isin(found.rows, short)
        return exact.joined(
            [
                Found(found.rows[kept], found.ids[kept], found.scores[kept]),
                Found(short[whole.rows], whole.ids, whole.scores),
            ]
        )

    def sample(self, count: int) -> NDArray[np.float32]:
        """Vectors spread evenly over the ids: (at most `count`, D) float32."""
        places = np.unique(np.linspace(0, len(self.ids) - 1, count).astype(np.int64))
        return self.vectors[places].astype(np.float32)

    def _walk(
        self, queries: NDArray[np.float32], fetch: int, effort: int, open_rows: NDArray[np.bool_] | None
    ) -> NDArray[np.int64]:
        assert self.graph is not None
        options = faiss.SearchParametersHNSW(efSearch=min(effort, len(self.ids)))
        if open_rows is not None:
            bits = np.packbits(open_rows, bitorder="little")
            selector = faiss.IDSelectorBitmap(bits)
            options.sel = selector
        # One thread per call: the server answers several requests at once instead.
        with openmp(1):
            _, labels = self.graph.search(queries, min(fetch, len(self.ids)), params=options)
        found: NDArray[np.int64] = labels
        return found


class Part(NamedTuple):
    """A segment and which of its positions still count: `alive` (N,) bool, replaced (never written to)."""

    segment: Segment
    alive: NDArray[np.bool_]

    @property
    def size(self) -> int:
        """Positions that still count."""
        return int(np.count_nonzero(self.alive))

    def has(self, ids: NDArray[np.int64]) -> bool:
        """Whether any of these ids is here and counts."""
        places = self.segment.positions(ids)
        return bool(self.alive[places[places >= 0]].any())

    def without(self, ids: NDArray[np.int64]) -> Part:
        """This with some ids dead; itself when it has none of them."""
        places = self.segment.positions(ids)
        places = places[(places >= 0) & self.alive[places]]
        if not len(places):
            return self
        alive = self.alive.copy()
        alive[places] = False
        return Part(self.segment, alive)

    def open_rows(self, wanted: NDArray[np.int64] | None) -> NDArray[np.bool_] | None:
        """Which positions may be found when only the wanted ids (None: all) may; None means all of them."""
        if wanted is None:
            return None if self.alive.all() else self.alive
        places = self.segment.positions(wanted)
        places = places[places >= 0]
        chosen = np.zeros_like(self.alive)
        chosen[places] = self.alive[places]
        return chosen


def merged(parts: Sequence[Part], plan: Plan, *, threads: int) -> tuple[Segment, NDArray[np.int64]]:
    """One segment of what is alive in the parts, and where in them, laid end to end, each position was."""
    alive = np.concatenate([part.alive for part in parts])
    ids = np.concatenate([part.segment.ids for part in parts])
    origin = np.flatnonzero(alive)
    origin = origin[np.argsort(ids[origin])]
    # float16 loses nothing: both kinds of segment hold float16 values.
    vectors = np.concatenate([part.segment.vectors.astype(np.float16, copy=False) for part in parts])
    return build(ids[origin], vectors[origin], plan, threads=threads), origin


def build(ids: NDArray[np.int64], vectors: Vectors, plan: Plan, *, threads: int) -> Segment:
    """A segment of the kind the plan names.

    Args:
        ids: (N,) int64, ascending, no duplicates.
        vectors: (N, D) holding float16 values.
        plan: Kind and parameters for this many.
        threads: OpenMP threads for a graph.
    """
    if plan.kind == "exact":
        return Segment(ids, vectors.astype(np.float32, copy=False), None)
    graph = faiss.IndexHNSWSQ(
        vectors.shape[1], faiss.ScalarQuantizer.QT_8bit, plan.links, faiss.METRIC_INNER_PRODUCT
    )
    graph.hnsw.efConstruction = plan.build_effort
    rows = vectors.astype(np.float32, copy=False)
    with openmp(threads):
        graph.train(rows[:: max(1, len(rows) // TRAINING_ROWS)])
        graph.add(rows)
    halves = vectors.astype(np.float16, copy=False)
    return tuned(Segment(ids, halves, graph, plan.search_effort, plan.scan_below), plan)


def tuned(segment: Segment, plan: Plan) -> Segment:
    """The segment with the least effort (doubling) whose sample reaches the plan's recall, within its limit.

    How far a walk must go depends on the geometry of the embeddings far more than on their number, so it is
    measured on the vectors themselves: SAMPLE of them are searched and compared with brute force.
    """
    queries = segment.sample(SAMPLE)
    _, truth = exact.search(queries, SAMPLE_K + 1, segment.vectors, segment.ids)
    while segment.effort < plan.most_effort:
        _, found = exact.best(segment.candidates(queries, SAMPLE_K + 1, None), len(queries), SAMPLE_K + 1)
        if exact.recall(found, truth) >= plan.recall:
            break
        segment = segment._replace(effort=min(2 * segment.effort, plan.most_effort))
    return segment
