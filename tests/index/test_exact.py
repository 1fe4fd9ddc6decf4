"""Brute force: the truth the other tests and the recall figures rest on."""

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.embeddings import few_uneven
from index import exact


def sorted_by_hand(
    queries: NDArray[np.float32], k: int, vectors: NDArray[np.float32], ids: NDArray[np.int64]
) -> list[list[int]]:
    found = []
    for query in queries:
        scores = (vectors.astype(np.float64) @ query.astype(np.float64)).astype(np.float32)
        found.append([id_ for _, id_ in sorted(zip(-scores, ids.tolist(), strict=True))][:k])
    return found


@pytest.fixture(params=[np.float32, np.float16])
def vectors(request: pytest.FixtureRequest) -> NDArray[np.float32]:
    rows: NDArray[np.float32] = few_uneven(3000, 24).astype(request.param)
    return rows


IDS = np.arange(3000, dtype=np.int64) * 7


def test_it_finds_the_same_as_sorting_every_score(vectors: NDArray[np.float32]) -> None:
    queries = few_uneven(9, 24, seed=1)
    _, ids = exact.search(queries, 12, vectors, IDS)
    assert ids.tolist() == sorted_by_hand(queries, 12, vectors, IDS)


def test_blocks_do_not_change_the_answer(
    vectors: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    queries = few_uneven(9, 24, seed=1)
    whole = exact.search(queries, 12, vectors, IDS)
    monkeypatch.setattr(exact, "BLOCK_SCORES", 9)
    monkeypatch.setattr(exact, "BLOCK_PAIRS", 5)
    parts = exact.search(queries, 12, vectors, IDS)
    assert np.array_equal(whole[0], parts[0]) and np.array_equal(whole[1], parts[1])


def test_equal_vectors_come_in_order_of_id_wherever_they_lie() -> None:
    one = few_uneven(1, 24)
    rng = np.random.default_rng(0)
    vectors = few_uneven(2500, 24, seed=2)
    same = rng.choice(2500, 700, replace=False)
    vectors[same] = one
    ids = rng.permutation(2500).astype(np.int64)
    scores, found = exact.search(one, 500, vectors, ids)
    assert found[0].tolist() == sorted(ids[same].tolist())[:500]
    assert len(set(scores[0].tolist())) == 1


@pytest.mark.parametrize("share", [0.5, 0.05, 0.0])
def test_only_open_rows_are_found(vectors: NDArray[np.float32], share: float) -> None:
    open_rows = np.random.default_rng(3).random(3000) < share
    queries = few_uneven(4, 24, seed=1)
    _, ids = exact.search(queries, 20, vectors, IDS, open_rows)
    assert ids[:, : open_rows.sum()].tolist() == sorted_by_hand(
        queries, 20, vectors[open_rows], IDS[open_rows]
    )


def test_too_few_neighbours_are_padded() -> None:
    scores, ids = exact.search(few_uneven(2, 24), 5, few_uneven(3, 24), IDS[:3])
    assert (ids[:, 3:] == -1).all() and np.isneginf(scores[:, 3:]).all()
    assert (ids[:, :3] >= 0).all() and np.isfinite(scores[:, :3]).all()


def test_recall_counts_true_neighbours_only() -> None:
    truth = np.array([[1, 2, 3, -1], [4, -1, -1, -1]])
    found = np.array([[3, 9, 1, -1], [-1, -1, 5, 4]])
    assert exact.recall(found, truth) == pytest.approx(3 / 4)
    assert exact.recall(found, np.full((2, 4), -1)) == 1.0
