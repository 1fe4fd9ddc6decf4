"""Graphs: how much they find against brute force, and that filters hold."""

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.embeddings import GENERATORS, Generator
from index import choose, exact
from index.choose import Plan
from index.store import Store

COUNT, DIMENSION, K = 4000, 32, 10


def graph_plan(count: int, dimension: int) -> Plan:
    return Plan("graph", links=16, build_effort=40, search_effort=16, scan_below=200)


@pytest.fixture(scope="module", params=GENERATORS, ids=lambda generator: str(generator.__name__))
def generator(request: pytest.FixtureRequest) -> Generator:
    found: Generator = request.param
    return found


@pytest.fixture(scope="module")
def rows(generator: Generator) -> NDArray[np.float32]:
    """What the store holds, then fifty queries of the same kind."""
    return generator(COUNT + 50, DIMENSION, 3).astype(np.float16).astype(np.float32)


@pytest.fixture
def store(rows: NDArray[np.float32]) -> Store:
    made = Store(DIMENSION, space="test", plan=graph_plan)
    made.upsert(np.arange(COUNT), rows[:COUNT])
    made.compact()
    assert made.parts()[0].segment.graph is not None
    return made


def recall(store: Store, rows: NDArray[np.float32], open_rows: NDArray[np.bool_] | None = None) -> float:
    allow = None if open_rows is None else np.flatnonzero(open_rows)
    truth = exact.search(rows[COUNT:], K, rows[:COUNT], np.arange(COUNT), open_rows)
    scores, ids = store.search(rows[COUNT:], K, allow)
    same = ids == truth[1]
    assert np.array_equal(scores[same], truth[0][same]), "re-ranking must give exact scores"
    return exact.recall(ids, truth[1])


def test_a_graph_finds_nearly_all_neighbours(store: Store, rows: NDArray[np.float32]) -> None:
    assert recall(store, rows) >= 0.95


@pytest.mark.parametrize("share", [0.5, 0.1])
def test_an_allow_list_loses_no_recall(store: Store, rows: NDArray[np.float32], share: float) -> None:
    open_rows = np.random.default_rng(1).random(COUNT) < share
    assert recall(store, rows, open_rows) >= 0.95


def test_a_short_allow_list_is_answered_exactly(store: Store, rows: NDArray[np.float32]) -> None:
    open_rows = np.zeros(COUNT, dtype=np.bool_)
    open_rows[::37] = True
    assert recall(store, rows, open_rows) == 1.0


def test_removed_vectors_are_never_found(store: Store, rows: NDArray[np.float32]) -> None:
    _, near = store.search(rows[COUNT:], 3)
    store.remove(np.unique(near))
    open_rows = np.ones(COUNT, dtype=np.bool_)
    open_rows[np.unique(near)] = False
    _, ids = store.search(rows[COUNT:], K)
    assert not np.isin(ids, near).any()
    assert recall(store, rows, open_rows) >= 0.95


def test_a_walk_that_ends_too_early_is_answered_in_full(store: Store, rows: NDArray[np.float32]) -> None:
    # No walk of a few steps finds a thousand vectors.
    part = store.parts()[0].segment._replace(effort=1)
    found = part.candidates(rows[COUNT:], 1500, None)
    assert (np.bincount(found.rows, minlength=50) >= 1500).all()


def test_the_store_measures_its_own_recall(store: Store, rows: NDArray[np.float32]) -> None:
    assert store.last_recall is not None and store.last_recall >= 0.95
    blunt = Store(
        DIMENSION,
        space="test",
        plan=lambda count, dimension: Plan(
            "graph", links=2, build_effort=2, search_effort=1, most_effort=1, scan_below=0, recall=0.99
        ),
    )
    blunt.upsert(np.arange(COUNT), rows[:COUNT])
    blunt.compact()
    assert blunt.last_recall is not None and blunt.last_recall < store.last_recall


def test_effort_rises_until_the_sample_is_found(rows: NDArray[np.float32]) -> None:
    def plan(recall: float) -> Store:
        made = Store(
            DIMENSION,
            space="test",
            plan=lambda count, dimension: Plan(
                "graph", links=8, build_effort=20, search_effort=1, scan_below=0, recall=recall
            ),
        )
        made.upsert(np.arange(COUNT), rows[:COUNT])
        made.compact()
        return made

    easy, hard = plan(0.1), plan(0.999)
    assert hard.parts()[0].segment.effort > easy.parts()[0].segment.effort


def test_small_sets_are_searched_exactly_and_large_ones_through_a_graph() -> None:
    assert choose.for_embeddings(1_000, 512).kind == "exact"
    assert choose.for_embeddings(1_000_000, 512).kind == "graph"
