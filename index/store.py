"""Nearest neighbours of embeddings by inner product: the one index class for vectors with ids."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from index import choose, exact, fresh, segment
from index.arrays import id_array, unit_rows
from index.choose import Plan
from index.exact import Found
from index.fresh import Fresh
from index.segment import SAMPLE, SAMPLE_K, Part, Segment

FRESH_ROWS = 2048
"""Fresh vectors after which `compact` is due: scanning this many takes about a tenth of a millisecond."""
GROWTH = 4
"""A segment joins a merge when the others are at least a quarter as large: few rewrites, few segments."""
WORN = 0.3
"""Share of dead vectors after which a segment is rebuilt."""

Planner = Callable[[int, int], Plan]


class SpaceMismatch(ValueError):
    """Vectors of one embedding space were offered to a store of another."""


class State(NamedTuple):
    """Everything a search needs, as of one moment; each id is alive in at most one place."""

    parts: tuple[Part, ...]
    fresh: Fresh


class Store:
    """Unit-norm embeddings of one space, found by inner product; safe to use from many threads.

    Searches take the current state once and never wait. Writers take turns; a change is seen by every search
    that starts after the call returned. `compact` builds new segments beside the old and holds up writers
    only for the swap, so it belongs in a thread of its own.

    Vectors are kept as float16 values, as the database keeps them; scores are exact for those values.

    Args:
        dimension: Numbers per vector.
        space: Id of the embedding space; vectors of another must not be mixed in.
        plan: (count, dimension) -> how to build a segment of that many.
        parts: What `parts()` of another store returned.
    """

    def __init__(
        self,
        dimension: int,
        *,
        space: str,
        plan: Planner = choose.for_embeddings,
        parts: tuple[Part, ...] = (),
    ) -> None:
        self.dimension = dimension
        self.space = space
        self.last_recall: float | None = None
        """Share of the true ten nearest that a sample of searches found after the last compaction."""
        self._plan = plan
        self._writing = threading.Lock()
        self._compacting = threading.Lock()
        self._state = State(parts, fresh.empty(dimension))
        self._fresh_rows: dict[int, int] = {}  # id -> row of the fresh part; the writer's alone

    def __len__(self) -> int:
        state = self._state
        return sum(part.size for part in state.parts) + state.fresh.size

    def __contains__(self, wanted: int) -> bool:
        state, ids = self._state, np.array([wanted], dtype=np.int64)
        return any(part.has(ids) for part in state.parts) or bool(state.fresh.open_rows(ids).any())

    @property
    def compact_due(self) -> bool:
        """Whether enough has changed for `compact` to be worth its time."""
        state = self._state
        return len(state.fresh.alive) >= FRESH_ROWS or any(is_worn(part) for part in state.parts)

    def upsert(self, ids: ArrayLike, vectors: ArrayLike, *, space: str | None = None) -> None:
        """Insert vectors or replace those with the same ids; of an id given twice the last counts.

        Args:
            ids: (N,) whole numbers, not negative.
            vectors: (N, dimension), unit norm.
            space: Embedding space of the vectors; refused when it is not the store's.

        Raises:
            SpaceMismatch: Another embedding space.
            ValueError: Shapes, numbers or norms that cannot be right; nothing is changed then.
        """
        self._check_space(space)
        given = id_array(ids)
        if not len(given):
            return
        rows = unit_rows(vectors, self.dimension)
        if len(given) != len(rows):
            raise ValueError(f"{len(given)} ids for {len(rows)} vectors")
        # np.unique keeps the first of equals, so it is shown the list from behind.
        unique, last = np.unique(given[::-1], return_index=True)
        rows = rows[::-1][last].astype(np.float16).astype(np.float32)
        with self._writing:
            state = self._without(unique)
            start = len(state.fresh.alive)
            self._state = State(state.parts, state.fresh.appended(unique, rows))
            self._fresh_rows.update(zip(unique.tolist(), range(start, start + len(unique)), strict=True))

    def remove(self, ids: ArrayLike) -> None:
        """Forget these ids; unknown ones are ignored. No search that starts afterwards finds them."""
        given = id_array(ids)
        with self._writing:
            self._state = self._without(given)

    def search(
        self, queries: ArrayLike, k: int, allow: ArrayLike | None = None, *, space: str | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The k nearest of each query, best first, ties by lower id.

        Args:
            queries: (Q, dimension), unit norm.
            k: At least 1.
            allow: Ids that may be found; None means all.
            space: Embedding space of the queries; refused when it is not the store's.

        Returns:
            Scores (Q, k) float32 and ids (Q, k) int64, padded with -inf and -1.

        Raises:
            SpaceMismatch: Another embedding space.
            ValueError: Shapes, numbers or norms that cannot be right.
        """
        self._check_space(space)
        if k < 1:
            raise ValueError(f"k must be at least 1, got {k}")
        rows = unit_rows(queries, self.dimension, name="queries")
        wanted = None if allow is None else np.unique(id_array(allow, name="allow"))
        return exact.best(candidates(self._state, rows, k, wanted), len(rows), k)

    def parts(self) -> tuple[Part, ...]:
        """Everything stored, as of now, in a form that never changes: for snapshots."""
        return frozen(self._state).parts

    def compact(self, *, threads: int = 1) -> None:
        """Sort fresh vectors into segments, merge small segments, drop the dead, measure `last_recall`.

        Searches and writers go on meanwhile.

        Args:
            threads: OpenMP threads for building a graph.
        """
        with self._compacting:
            with self._writing:
                self._state = state = frozen(self._state)
                self._fresh_rows.clear()
            taken = sorted(self._mergeable(state.parts))
            if taken:
                sources = [state.parts[i] for i in taken]
                plan = self._plan(sum(part.size for part in sources), self.dimension)
                built, origin = segment.merged(sources, plan, threads=threads)
                with self._writing:
                    # Writers leave the parts in place; what died in them meanwhile is dead in the new one.
                    parts = self._state.parts
                    alive = np.concatenate([parts[i].alive for i in taken])[origin]
                    kept = tuple(part for i, part in enumerate(parts) if i not in taken)
                    new = (Part(built, alive),) if len(origin) else ()
                    self._state = State(kept + new, self._state.fresh)
            self.last_recall = self._measured_recall()

    def _mergeable(self, parts: tuple[Part, ...]) -> set[int]:
        """Which parts to make one of: small ones together, the worn, those whose kind no longer fits."""
        small: set[int] = set()
        rows = 0
        for i in sorted(range(len(parts)), key=lambda i: parts[i].size):
            if small and parts[i].size > GROWTH * rows:
                break
            small.add(i)
            rows += parts[i].size
        changed = {i for i, part in enumerate(parts) if is_worn(part) or self._outgrew(part)}
        return changed | (small if len(small) > 1 else set())

    def _outgrew(self, part: Part) -> bool:
        return part.segment.graph is None and self._plan(part.size, self.dimension).kind == "graph"

    def _without(self, ids: NDArray[np.int64]) -> State:
        """The state with these ids dead; to be called by the writer."""
        state = self._state
        rows = [row for id_ in ids.tolist() if (row := self._fresh_rows.pop(id_, None)) is not None]
        return State(
            tuple(part.without(ids) for part in state.parts),
            state.fresh.without(rows) if rows else state.fresh,
        )

    def _measured_recall(self) -> float:
        """Recall of searches for stored vectors; only graphs can miss, so only they are sampled."""
        state = self._state
        graphs = [part.segment for part in state.parts if part.segment.graph is not None]
        if not graphs:
            return 1.0
        queries = np.concatenate([each.sample(SAMPLE // len(graphs) + 1) for each in graphs])
        scanned = tuple(part._replace(segment=part.segment._replace(graph=None)) for part in state.parts)
        k = SAMPLE_K + 1
        _, truth = exact.best(candidates(State(scanned, state.fresh), queries, k, None), len(queries), k)
        _, found = exact.best(candidates(state, queries, k, None), len(queries), k)
        return exact.recall(found, truth)

    def _check_space(self, space: str | None) -> None:
        if space is not None and space != self.space:
            raise SpaceMismatch(f"this index holds vectors of {self.space}, not of {space}")


def candidates(state: State, queries: NDArray[np.float32], k: int, wanted: NDArray[np.int64] | None) -> Found:
    """Whatever can be among the k best of each query, from every part."""
    found = [part.segment.candidates(queries, k, part.open_rows(wanted)) for part in state.parts]
    return exact.joined([*found, state.fresh.candidates(queries, k, state.fresh.open_rows(wanted))])


def frozen(state: State) -> State:
    """The same with the fresh vectors as one more part."""
    if not state.fresh.size:
        return State(state.parts, fresh.empty(state.fresh.vectors.shape[1]))
    ids, vectors = state.fresh.sorted()
    part = Part(Segment(ids, vectors, None), np.ones(len(ids), dtype=np.bool_))
    return State((*state.parts, part), fresh.empty(vectors.shape[1]))


def is_worn(part: Part) -> bool:
    """Whether so much of a part is dead that it should be rebuilt."""
    return part.size < (1.0 - WORN) * len(part.alive)
