"""Rankings and votes agree with their twins and do not depend on the order of what goes in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kernels import score

Part = tuple[NDArray[np.int64], NDArray[np.float32]]
SCORE = st.sampled_from([0.25, 0.5, 0.75, float("nan"), float("-inf")]) | st.floats(-1, 1, width=32)
PARTS = st.lists(st.lists(st.tuples(st.integers(-1, 8), SCORE), max_size=8), max_size=4)


def arrays(part: list[tuple[int, float]]) -> Part:
    return (
        np.array([id for id, _ in part], dtype=np.int64),
        np.array([value for _, value in part], dtype=np.float32),
    )


@settings(deadline=None)
@given(PARTS, st.integers(0, 12))
def test_top_k_merge_is_that_of_its_twin(lists: list[list[tuple[int, float]]], k: int) -> None:
    parts = [arrays(part) for part in lists]
    ids, scores = score.top_k_merge(parts, k)
    expected_ids, expected_scores = score.top_k_merge_reference(parts, k)
    assert ids.tolist() == expected_ids.tolist() and scores.tolist() == expected_scores.tolist()
    assert ids.dtype == np.int64 and scores.dtype == np.float32


@settings(deadline=None)
@given(PARTS, st.randoms(use_true_random=False))
def test_the_order_of_parts_and_entries_does_not_matter(
    lists: list[list[tuple[int, float]]], random: object
) -> None:
    ranked = score.top_k_merge([arrays(part) for part in lists], 5)
    for part in lists:
        random.shuffle(part)  # type: ignore[attr-defined]
    random.shuffle(lists)  # type: ignore[attr-defined]
    again = score.top_k_merge([arrays(part) for part in lists], 5)
    assert ranked[0].tolist() == again[0].tolist() and ranked[1].tolist() == again[1].tolist()


def test_an_id_counts_once_with_its_best_score_and_ties_go_to_the_smaller_id() -> None:
    parts = [arrays([(7, 0.5), (3, 0.9)]), arrays([(7, 0.9), (-1, 5.0), (1, 0.2)])]
    ids, scores = score.top_k_merge(parts, 2)
    assert ids.tolist() == [3, 7]
    assert scores == pytest.approx([0.9, 0.9])


def test_rows_of_a_search_may_be_merged_as_they_are() -> None:
    ids = np.array([[4, 5], [5, -1]])
    scores = np.array([[0.4, 0.3], [0.8, 0.0]], dtype=np.float32)
    assert score.top_k_merge([(ids, scores)], 10)[0].tolist() == [5, 4]


def test_ids_without_their_scores_are_an_error() -> None:
    with pytest.raises(ValueError, match="2 ids but 1 scores"):
        score.top_k_merge([(np.array([1, 2]), np.ones(1, dtype=np.float32))], 1)


def test_weights_are_inverse_to_the_distance() -> None:
    assert score.vote_weights(np.array([0.1, 0.2, 0.4], dtype=np.float32)) == pytest.approx(
        [4 / 7, 2 / 7, 1 / 7]
    )


def test_a_zero_distance_takes_all_the_weight() -> None:
    assert score.vote_weights(np.array([0.1, 0.0, -1e-8], dtype=np.float32)).tolist() == [0.0, 0.5, 0.5]


def test_what_is_no_distance_has_no_weight() -> None:
    assert score.vote_weights(np.array([np.nan, 0.5, np.inf], dtype=np.float32)).tolist() == [0.0, 1.0, 0.0]
    assert score.vote_weights(np.array([np.nan], dtype=np.float32)).tolist() == [0.0]
    assert score.vote_weights(np.empty(0, dtype=np.float32)).tolist() == []


@settings(deadline=None)
@given(
    st.lists(
        st.floats(-1, 1, width=32) | st.sampled_from([0.0, 1e-38, float("nan"), float("inf")]), max_size=9
    )
)
def test_vote_weights_are_those_of_their_twin(values: list[float]) -> None:
    distances = np.array(values, dtype=np.float32)
    weights = score.vote_weights(distances)
    np.testing.assert_allclose(weights, score.vote_weights_reference(distances), rtol=1e-12)
    assert weights.sum() == pytest.approx(1.0 if np.isfinite(distances).any() else 0.0)


def test_votes_add_up_per_label_and_the_unknown_keep_theirs() -> None:
    labels = np.array([2, -1, 0, 2])
    votes = score.label_votes(labels, np.array([0.1, 0.4, 0.2, 0.3]), 4)
    assert votes == pytest.approx([0.2, 0.0, 0.4, 0.0])
    assert score.label_votes(np.empty(0, dtype=np.int64), np.empty(0), 2).tolist() == [0.0, 0.0]
