import math

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from kernels import matching


def codes(rows: int, seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 100, (rows, 128), dtype=np.uint8)


def keypoints(count: int, seed: int) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    return np.stack(
        [
            rng.uniform(0, 400, count),
            rng.uniform(0, 500, count),
            2 ** rng.uniform(0.3, 4, count),
            rng.uniform(0, 2 * math.pi, count),
        ],
        axis=1,
    ).astype(np.float32)


def seen_through(points: NDArray[np.float32], homography: NDArray[np.float64]) -> NDArray[np.float32]:
    """Keypoints after a homography: its local scale and turn change theirs."""
    steps = np.stack([np.cos(points[:, 3]), np.sin(points[:, 3])], axis=1)
    here = cv2.perspectiveTransform(points[None, :, :2].astype(np.float64), homography)[0]
    ahead = cv2.perspectiveTransform(points[None, :, :2] + 0.01 * steps[None], homography)[0]
    aside = cv2.perspectiveTransform(points[None, :, :2] + 0.01 * steps[None, :, ::-1] * [-1, 1], homography)[
        0
    ]
    first, second = (ahead - here) / 0.01, (aside - here) / 0.01
    area = np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0])
    angle = np.arctan2(first[:, 1], first[:, 0]) % (2 * math.pi)
    return np.column_stack([here, points[:, 2] * np.sqrt(area), angle]).astype(np.float32)


def diagonal(count: int) -> NDArray[np.int32]:
    return np.repeat(np.arange(count, dtype=np.int32)[:, None], 2, axis=1)


@settings(deadline=None)
@given(
    query=arrays(np.uint8, st.tuples(st.integers(0, 12), st.just(128)), elements=st.integers(0, 3)),
    reference=arrays(np.uint8, st.tuples(st.integers(0, 20), st.just(128)), elements=st.integers(0, 3)),
    ratio=st.sampled_from([0.6, 0.8, 1.0]),
)
def test_matches_agree_with_the_twin_even_on_ties(
    query: NDArray[np.uint8], reference: NDArray[np.uint8], ratio: float
) -> None:
    seen = matching.ratio_matches(query, reference, ratio)
    np.testing.assert_array_equal(seen, matching.ratio_matches_reference(query, reference, ratio))


def test_noisy_copies_find_their_originals_as_the_twin_does() -> None:
    reference = codes(150, 1)
    noise = np.random.default_rng(2).integers(0, 60, (100, 128))
    query = (reference[40:140] + noise).clip(0, 255).astype(np.uint8)
    seen = matching.ratio_matches(query, reference)
    np.testing.assert_array_equal(seen, matching.ratio_matches_reference(query, reference))
    assert len(seen) > 90
    np.testing.assert_array_equal(seen[:, 1] - seen[:, 0], 40)


def test_extreme_bytes_are_summed_exactly() -> None:
    reference = np.full((3, 128), 255, dtype=np.uint8)
    reference[1, 0] = 254
    reference[2] = 0
    query = reference[:1]
    seen = matching.ratio_matches(query, reference)
    np.testing.assert_array_equal(seen, [[0, 0]])


def test_a_reference_point_keeps_only_its_closest_query() -> None:
    reference = codes(30, 3)
    query = np.repeat(reference[:1], 4, axis=0)
    query[:, 0] += np.array([3, 1, 2, 1], dtype=np.uint8)
    np.testing.assert_array_equal(matching.ratio_matches(query, reference), [[1, 0]])


def test_nothing_matches_against_fewer_than_two() -> None:
    for query, reference in (
        (codes(5, 0), codes(1, 1)),
        (codes(5, 0), codes(0, 1)),
        (codes(0, 0), codes(5, 1)),
    ):
        assert matching.ratio_matches(query, reference).shape == (0, 2)


def test_matches_of_one_object_survive_a_strong_tilt_and_strangers_do_not() -> None:
    reference = keypoints(80, 4)
    outline = np.array([[0, 0], [400, 0], [400, 500], [0, 500]], dtype=np.float32)
    tilted = np.array([[100, 100], [310, 170], [310, 390], [100, 490]], dtype=np.float32)
    query = seen_through(reference, cv2.getPerspectiveTransform(outline, tilted))
    query[50:] = keypoints(30, 5)
    kept = matching.consistent(query, reference, diagonal(80))
    assert (kept[:, 0] < 50).sum() >= 45
    assert (kept[:, 0] >= 50).sum() <= 6
    assert (np.diff(kept[:, 0]) > 0).all()


@settings(deadline=None)
@given(turn=st.floats(0, 2 * math.pi), scale=st.floats(0.2, 4), seed=st.integers(0, 50))
def test_a_similarity_keeps_every_match(turn: float, scale: float, seed: int) -> None:
    reference = keypoints(20, seed)
    cosine, sine = scale * math.cos(turn), scale * math.sin(turn)
    matrix = np.array([[cosine, -sine, 30], [sine, cosine, 70], [0, 0, 1]], dtype=np.float64)
    query = seen_through(reference, matrix)
    assert len(matching.consistent(query, reference, diagonal(20))) == 20


@settings(deadline=None)
@given(seed=st.integers(0, 200))
def test_chance_matches_hardly_agree(seed: int) -> None:
    agreed = matching.consistent(keypoints(40, 2 * seed), keypoints(40, 2 * seed + 1), diagonal(40))
    assert 1 <= len(agreed) <= 9


def test_no_pairs_agree_on_nothing() -> None:
    none = np.empty((0, 2), dtype=np.int32)
    assert matching.consistent(keypoints(3, 1), keypoints(3, 2), none).shape == (0, 2)
