from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from server.search import geometry
from server.search.geometry import Size

Likeness = Callable[[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.bool_]], float]

REFERENCE = Size(400, 300)
FRAME = Size(480, 640)


def similarity(scale: float, turn_deg: float, x: float, y: float) -> geometry.Floats:
    turn = np.deg2rad(turn_deg)
    cosine, sine = scale * np.cos(turn), scale * np.sin(turn)
    return np.array([[cosine, -sine, x], [sine, cosine, y], [0, 0, 1]])


def keypoints(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    low, high = (0, 0, 2, 0), (*REFERENCE, 6, 2 * np.pi)
    return rng.uniform(low, high, (count, 4)).astype(np.float32)


def test_homography_of_finds_the_warp_through_wrong_matches() -> None:
    truth = similarity(0.8, 30, 150, 60)
    known = keypoints(60)
    seen = geometry.carried(truth, known).astype(np.float32)
    seen[::3, :2] = np.random.default_rng(1).uniform(0, 480, (20, 2))
    found = geometry.homography_of(known, seen)
    assert found is not None
    corners = geometry.corners(truth, REFERENCE)
    np.testing.assert_allclose(geometry.corners(found, REFERENCE), corners, atol=2)
    assert set(geometry.inliers(found, known, seen)) >= set(range(60)) - set(range(0, 60, 3))


def test_too_few_matches_give_no_homography() -> None:
    assert geometry.homography_of(keypoints(4), keypoints(4)) is None


@pytest.mark.parametrize(("column", "change"), [(0, 5.0), (3, 1.0), (2, 9.0)])
def test_a_match_off_in_place_direction_or_size_is_no_inlier(column: int, change: float) -> None:
    known = keypoints(10)
    seen = geometry.carried(np.eye(3), known).astype(np.float32)
    seen[4, column] += change * (seen[4, 2] if column == 2 else 1)
    assert list(geometry.inliers(np.eye(3), known, seen)) == [0, 1, 2, 3, 5, 6, 7, 8, 9]


def test_neighbours_pairs_what_the_homography_brings_together() -> None:
    truth = similarity(0.5, 90, 300, 100)
    known = keypoints(30)
    seen = geometry.carried(truth, known).astype(np.float32)[::-1].copy()
    pairs = {tuple(pair) for pair in geometry.neighbours(truth, known, seen, 3.0).tolist()}
    assert {(29 - row, row) for row in range(30)} <= pairs


def test_neighbours_outside_the_frame_are_none() -> None:
    assert geometry.neighbours(similarity(1, 0, 9_000, 0), keypoints(5), keypoints(5), 3.0).shape == (0, 2)


@pytest.mark.parametrize("turn_deg", [0, 45, 180, 300])
def test_turned_pictures_are_plausible(turn_deg: float) -> None:
    assert geometry.is_plausible(similarity(0.5, turn_deg, 200, 300), REFERENCE, FRAME)


@pytest.mark.parametrize(
    ("why", "homography"),
    [
        ("mirrored", np.diag([-1.0, 1.0, 1.0])),
        ("too small", similarity(0.1, 0, 100, 100)),
        ("too large", similarity(9.0, 0, -1000, -1000)),
        ("stretched", np.diag([3.0, 0.3, 1.0])),
        ("behind the camera", np.array([[1, 0, 0], [0, 1, 0], [-0.004, 0, 1.0]])),
        ("not convex", np.array([[0.3, 0.0, 0], [0.0, 0.3, 0], [-0.002, -0.0017, 1.0]])),
    ],
)
def test_what_no_camera_sees_is_implausible(why: str, homography: geometry.Floats) -> None:
    assert not geometry.is_plausible(homography, REFERENCE, FRAME), why


def test_bbox_is_row_major_in_fractions_and_may_leave_the_frame() -> None:
    box = geometry.bbox(similarity(1, 0, 240, 64), REFERENCE, FRAME)
    expected = [[0.5, 0.1], [640 / 480, 0.1], [0.5, 364 / 640], [640 / 480, 364 / 640]]
    np.testing.assert_allclose(box, expected)


def test_area_of_a_mirrored_quad_is_negative() -> None:
    assert geometry.area(geometry.corners(np.eye(3), REFERENCE)) == pytest.approx(120_000)
    assert geometry.area(geometry.corners(np.diag([-1.0, 1, 1]), REFERENCE)) == pytest.approx(-120_000)


def test_coverage_and_spread_tell_a_line_from_a_field() -> None:
    line = np.column_stack([np.linspace(0, 400, 20), np.linspace(0, 300, 20)]).astype(np.float32)
    field = keypoints(200)[:, :2]
    assert geometry.coverage(line, REFERENCE) == pytest.approx(0, abs=1e-6)
    assert geometry.spread(line, REFERENCE) == pytest.approx(0, abs=1e-3)
    assert geometry.coverage(field, REFERENCE) > 0.8
    assert geometry.spread(field, REFERENCE) > 0.1


def test_overlap_is_one_for_the_same_and_nought_for_separate_outlines() -> None:
    here = geometry.outline(np.eye(3), REFERENCE)
    assert geometry.overlap(here, here) == pytest.approx(1)
    assert geometry.overlap(here, here + 500) == 0
    assert geometry.overlap(here, here + np.array([200, 0])) == pytest.approx(1 / 3, abs=0.02)


def test_inside_takes_only_points_the_outline_contains() -> None:
    ring = geometry.outline(similarity(1, 90, 300, 0), REFERENCE)
    points = np.array([[10, 10], [290, 390], [310, 10], [10, 410]], np.float32)
    assert list(geometry.inside(points, ring)) == [True, True, False, False]


@pytest.fixture(scope="module")
def thumb() -> NDArray[np.uint8]:
    tiles = np.random.default_rng(0).integers(0, 256, (12, 16))
    return np.kron(tiles, np.ones((8, 8))).astype(np.uint8)


@pytest.fixture(scope="module")
def seen(thumb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The thumb's picture, 256 x 192, in a frame at (50, 100)."""
    frame = np.full((640, 480), 90, np.uint8)
    frame[100:292, 50:306] = np.kron(thumb, np.ones((2, 2))).astype(np.uint8)
    return frame


@pytest.mark.parametrize("measure", [geometry.correlation, geometry.agreement])
def test_likeness_is_high_only_where_the_picture_lies(
    measure: Likeness, thumb: NDArray[np.uint8], seen: NDArray[np.uint8]
) -> None:
    def at(x: float, y: float) -> float:
        pulled = geometry.pull_back(similarity(1, 0, x, y), thumb, Size(256, 192), seen)
        return measure(thumb, *pulled)

    assert at(50, 100) > 0.95
    assert abs(at(150, 350)) < 0.3
    assert at(470, 0) == 0


def test_agreement_is_of_the_blocks_that_are_not_hidden(thumb: NDArray[np.uint8]) -> None:
    everywhere = np.ones(thumb.shape, bool)
    hidden = thumb.copy()
    hidden[:, :64] = 255 - hidden[:, 64:]
    assert geometry.agreement(thumb, hidden, everywhere) == pytest.approx(0.5, abs=0.15)
    darker = (thumb * np.linspace(0.2, 1, 128)).astype(np.uint8)
    assert geometry.agreement(thumb, darker, everywhere) > 0.95
    assert geometry.agreement(thumb, thumb, ~everywhere) == 0


def test_flatness_falls_with_tilt() -> None:
    tilted = np.array([[1, 0, 0], [0, 1, 0], [0.001, 0, 1.0]])
    assert geometry.flatness(similarity(0.4, 70, 0, 0), REFERENCE) == pytest.approx(1)
    assert 0.2 < geometry.flatness(tilted, REFERENCE) < 0.9
