"""The store against a plain dict and a full sort, whatever is done to it, and what it refuses."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bench.embeddings import few_uneven, unit
from index import segment
from index.choose import Plan
from index.store import SpaceMismatch, Store

DIMENSION = 3
# A coarse grid gives many equal vectors, so that ties matter.
GRID = unit(np.array([(x, y, z) for x in (-1, 0, 1) for y in (0, 1) for z in (0.5, 1)], dtype=np.float32))
IDS = st.lists(st.integers(0, 25), max_size=12)
STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("upsert"),
            st.lists(st.tuples(st.integers(0, 25), st.integers(0, len(GRID) - 1)), max_size=12),
        ),
        st.tuples(st.just("remove"), IDS),
        st.tuples(st.just("compact"), st.none()),
    ),
    max_size=14,
)


def exact_plan(count: int, dimension: int) -> Plan:
    return Plan("exact")


def expected(truth: dict[int, NDArray[np.float32]], query: NDArray[np.float32], k: int) -> list[int]:
    def score(id_: int) -> np.float32:
        return np.float32(truth[id_].astype(np.float64) @ query.astype(np.float64))

    return sorted(truth, key=lambda id_: (-score(id_), id_))[:k]


@settings(max_examples=150, deadline=None)
@given(steps=STEPS, allow=st.one_of(st.none(), IDS), k=st.integers(1, 30))
def test_after_any_history_it_answers_like_a_dict(
    steps: list[tuple[str, Any]], allow: list[int] | None, k: int
) -> None:
    store, truth = Store(DIMENSION, space="test", plan=exact_plan), {}
    for name, argument in steps:
        if name == "upsert":
            store.upsert([id_ for id_, _ in argument], GRID[[row for _, row in argument]])
            truth.update({id_: GRID[row].astype(np.float16).astype(np.float32) for id_, row in argument})
        elif name == "remove":
            store.remove(argument)
            truth = {id_: row for id_, row in truth.items() if id_ not in argument}
        else:
            store.compact()
    assert len(store) == len(truth)
    assert [id_ for id_ in range(26) if id_ in store] == sorted(truth)
    queries = GRID[:4]
    scores, ids = store.search(queries, k, allow)
    allowed = {id_: row for id_, row in truth.items() if allow is None or id_ in allow}
    for row, query in enumerate(queries):
        wanted = expected(allowed, query, k)
        assert ids[row].tolist() == wanted + [-1] * (k - len(wanted))
        assert np.isneginf(scores[row, len(wanted) :]).all()
        assert (np.diff(scores[row, : len(wanted)]) <= 0).all()


def test_a_score_does_not_change_when_a_vector_is_compacted() -> None:
    store = Store(24, space="test", plan=exact_plan)
    store.upsert(np.arange(300), few_uneven(300, 24))
    before = store.search(few_uneven(5, 24, seed=1), 300)
    store.compact()
    store.upsert([900], few_uneven(1, 24, seed=2))
    store.remove([900])
    after = store.search(few_uneven(5, 24, seed=1), 300)
    assert np.array_equal(before[0], after[0]) and np.array_equal(before[1], after[1])


def test_an_id_given_twice_keeps_its_last_vector() -> None:
    store = Store(DIMENSION, space="test")
    store.upsert([7, 7], GRID[:2])
    assert len(store) == 1
    assert store.search(GRID[1], 1)[0][0, 0] > store.search(GRID[0], 1)[0][0, 0]


def test_any_layout_of_numbers_is_taken() -> None:
    store = Store(DIMENSION, space="test")
    wide = np.zeros((4, 2 * DIMENSION))
    wide[:, ::2] = GRID[:4]
    store.upsert(np.array([0, 1, 2, 3], dtype=np.uint8), wide[:, ::2])
    store.upsert([4], GRID[4].astype(np.float16))
    store.upsert([5], [1, 0, 0])
    store.upsert([], [])
    assert len(store) == 6
    assert store.search(GRID[:4].tolist(), 1)[1].shape == (4, 1)


@pytest.mark.parametrize(
    ("ids", "vectors"),
    [
        ([1], GRID[:2]),
        ([1, 2], GRID[:1]),
        ([-1], GRID[:1]),
        ([1.5], GRID[:1]),
        ([[1]], GRID[:1]),
        ([2**63], GRID[:1]),
        ([1], GRID[:1, :2]),
        ([1], GRID[None, :1]),
        ([1], [[np.nan, 0, 1]]),
        ([1], [[np.inf, 0, 0]]),
        ([1], [[1e30, 0, 0]]),
        ([1], [[2.0, 0, 0]]),
        ([1], [[0.0, 0, 0]]),
        ([1], [["a", "b", "c"]]),
    ],
)
def test_what_cannot_be_right_is_refused_and_changes_nothing(ids: Any, vectors: Any) -> None:
    store = Store(DIMENSION, space="test")
    store.upsert([1], GRID[:1])
    with pytest.raises(ValueError):
        store.upsert(ids, vectors)
    assert len(store) == 1 and store.search(GRID[:1], 1)[1].tolist() == [[1]]


def test_searches_that_cannot_be_right_are_refused() -> None:
    store = Store(DIMENSION, space="test")
    with pytest.raises(ValueError, match="k must be"):
        store.search(GRID[:1], 0)
    with pytest.raises(ValueError, match="queries must be"):
        store.search(GRID[:1, :2], 1)
    with pytest.raises(ValueError, match="allow must"):
        store.search(GRID[:1], 1, [-4])


def test_another_embedding_space_is_refused() -> None:
    store = Store(DIMENSION, space="one")
    with pytest.raises(SpaceMismatch, match="one"):
        store.upsert([1], GRID[:1], space="two")
    with pytest.raises(SpaceMismatch):
        store.search(GRID[:1], 1, space="two")
    store.upsert([1], GRID[:1], space="one")
    assert len(store) == 1


def test_an_empty_store_answers() -> None:
    scores, ids = Store(DIMENSION, space="test").search(GRID[:2], 3)
    assert ids.tolist() == [[-1] * 3] * 2 and np.isneginf(scores).all()


def test_a_store_of_removed_vectors_is_empty_after_compaction() -> None:
    store = Store(24, space="test", plan=exact_plan)
    store.upsert(np.arange(100), few_uneven(100, 24))
    store.compact()
    store.remove(np.arange(100))
    assert store.compact_due
    store.compact()
    assert len(store) == 0 and store.parts() == () and not store.compact_due


def test_compaction_is_due_after_many_changes_and_leaves_few_parts() -> None:
    store = Store(8, space="test", plan=exact_plan)
    for start in range(0, 6000, 1000):
        store.upsert(np.arange(start, start + 1000), few_uneven(1000, 8, seed=start))
        if store.compact_due:
            store.compact()
    assert len(store) == 6000
    assert 1 <= len(store.parts()) <= 3


@contextmanager
def held_build(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[threading.Event, threading.Event]]:
    """Holds up compaction in the middle: (it has begun, it may go on)."""
    begun, go_on, build = threading.Event(), threading.Event(), segment.build

    def slow(*args: Any, **kwargs: Any) -> segment.Segment:
        begun.set()
        assert go_on.wait(20)
        return build(*args, **kwargs)

    monkeypatch.setattr(segment, "build", slow)
    yield begun, go_on
    go_on.set()


def test_changes_during_compaction_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(24, space="test", plan=exact_plan)
    rows = few_uneven(40, 24)
    store.upsert(np.arange(20), rows[:20])
    store.compact()
    store.upsert(np.arange(20, 30), rows[20:30])
    with held_build(monkeypatch) as (begun, go_on):
        compaction = threading.Thread(target=store.compact)
        compaction.start()
        assert begun.wait(20)
        store.remove([0, 25])
        store.upsert([1, 26, 50], rows[[31, 32, 33]])
        during = store.search(rows, 40)
        go_on.set()
        compaction.join(20)
    after = store.search(rows, 40)
    assert len(store) == 29
    assert 0 not in store and 25 not in store and 50 in store
    assert np.array_equal(during[0], after[0]) and np.array_equal(during[1], after[1])
    assert store.search(rows[31], 1)[1].tolist() == [[1]]


def run_together(*works: Callable[[], None]) -> None:
    """Run each in a thread of its own; the first failure is raised here."""
    failures: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    if failures:
        raise failures[0]


@pytest.mark.parametrize("kind", ["exact", "graph"])
def test_readers_never_see_half_a_change(kind: Any) -> None:
    def plan(count: int, dimension: int) -> Plan:
        return Plan(kind if count > 200 else "exact", links=8, build_effort=20, scan_below=50)

    store = Store(16, space="test", plan=plan)
    rows = few_uneven(600, 16)
    still = np.arange(300)
    store.upsert(still, rows[:300])
    done = threading.Event()

    def write() -> None:
        try:
            for turn in range(12):
                # The same ids alternate between two vectors, always all of them at once.
                store.upsert(np.arange(300, 450), rows[300:450] if turn % 2 else rows[450:])
                store.remove([1000 + turn - 1])
                store.upsert([1000 + turn], rows[:1])
                store.compact()
        finally:
            done.set()

    def read() -> None:
        seed = 0
        while not done.is_set():
            seed += 1
            wanted = (seed * 7) % 300
            _, ids = store.search(rows[[wanted, 300 + wanted % 150]], 20, np.arange(0, 450))
            assert ids[0, 0] == wanted
            assert all(len(set(line)) == 20 for line in ids.tolist())
            _, together = store.search(rows[:1], 450, np.arange(300, 450))
            assert set(together[0].tolist()) == {-1, *range(300, 450)}

    store.upsert(np.arange(300, 450), rows[300:450])
    run_together(write, read, read)
    assert len(store) == 451
