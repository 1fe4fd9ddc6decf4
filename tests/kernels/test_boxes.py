"""Overlap, suppression and YOLO output agree with their twins, and with OpenCV where it does the same."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kernels import boxes
from kernels.placement import plan

Array = NDArray[np.float32]
ODD = st.sampled_from([np.nan, np.inf, -np.inf])
SIDE = st.integers(-20, 20).map(float) | st.floats(-1000, 1000, width=32)


@st.composite
def some_boxes(draw: st.DrawFn, odd: bool = True) -> Array:
    """(N, 4), N from 0; some inverted, some flat, some with a side that is no number."""
    side = SIDE | ODD if odd else SIDE
    rows = draw(st.lists(st.tuples(side, side, side, side), max_size=12))
    return np.array(rows, dtype=np.float32).reshape(-1, 4)


def crowd(count: int, seed: int = 0) -> Array:
    random = np.random.default_rng(seed)
    corners = random.uniform(0, 80, (count, 2))
    return np.hstack([corners, corners + random.uniform(5, 40, (count, 2))]).astype(np.float32)


def test_iou_of_known_boxes() -> None:
    first = np.array([[0, 0, 10, 10]], dtype=np.float32)
    second = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [10, 0, 20, 10], [3, 3, 3, 9]], dtype=np.float32)
    assert boxes.iou(first, second).tolist() == [[1.0, pytest.approx(1 / 3), 0.0, 0.0]]


@settings(deadline=None)
@given(some_boxes(), some_boxes())
def test_iou_is_that_of_its_twin(first: Array, second: Array) -> None:
    overlaps = boxes.iou(first, second)
    assert overlaps.shape == (len(first), len(second)) and overlaps.dtype == np.float32
    assert ((overlaps >= 0) & (overlaps <= 1 + 1e-6)).all()
    np.testing.assert_allclose(overlaps, boxes.iou_reference(first, second), rtol=1e-5)


@settings(deadline=None)
@given(some_boxes(), st.data(), st.floats(0, 1), st.sampled_from([1.0, 0.9, 0.5]))
def test_nms_is_that_of_its_twin(some: Array, data: st.DataObject, threshold: float, eta: float) -> None:
    score = st.sampled_from([0.1, 0.5, 0.9, float("nan")]) | st.floats(0, 1, width=32)
    scores = np.array(data.draw(st.lists(score, min_size=len(some), max_size=len(some))), dtype=np.float32)
    kept = boxes.nms(some, scores, threshold, eta)
    assert kept.tolist() == boxes.nms_reference(some, scores, threshold, eta).tolist()
    assert np.isfinite(some[kept]).all() and not np.isnan(scores[kept]).any()
    assert (np.diff(scores[kept]) <= 0).all()


@pytest.mark.parametrize("eta", [1.0, 0.95, 0.7])
@pytest.mark.parametrize("threshold", [0.3, 0.6, 0.9])
def test_nms_is_that_of_opencv(threshold: float, eta: float) -> None:
    some = crowd(300)
    scores = np.random.default_rng(1).permutation(300).astype(np.float32) / 300 + 0.01
    as_rectangles = np.hstack([some[:, :2], some[:, 2:] - some[:, :2]]).tolist()
    expected = cv2.dnn.NMSBoxes(as_rectangles, scores.tolist(), 0.0, threshold, eta=eta)
    assert boxes.nms(some, scores, threshold, eta).tolist() == np.ravel(expected).tolist()


def test_equal_scores_keep_their_order() -> None:
    some = np.array([[0, 0, 9, 9], [0, 0, 9, 9], [50, 50, 60, 60]], dtype=np.float32)
    assert boxes.nms(some, np.ones(3, dtype=np.float32), 0.5).tolist() == [0, 2]


def test_overlap_at_the_threshold_is_kept() -> None:
    some = np.array([[0, 0, 10, 10], [0, 0, 10, 5]], dtype=np.float32)
    assert boxes.nms(some, np.array([0.9, 0.8], dtype=np.float32), 0.5).tolist() == [0, 1]


def test_no_boxes_are_no_problem() -> None:
    none = np.empty((0, 4), dtype=np.float32)
    assert boxes.iou(none, crowd(3)).shape == (0, 3)
    assert boxes.nms(none, np.empty(0, dtype=np.float32), 0.5).shape == (0,)
    found, scores, labels = boxes.yolo_decode(np.empty((6, 0), dtype=np.float32), 0.5)
    assert (found.shape, scores.shape, labels.shape) == ((0, 4), (0,), (0,))
    placement = plan((10, 10), (20, 20), "letterbox", None)[2]
    assert boxes.unletterbox(none, placement, 10, 10).shape == (0, 4)


@pytest.mark.parametrize("size", [(640, 480), (333, 1000), (50, 50), (1, 7)])
@pytest.mark.parametrize("crop", [None, (0.25, 0.1, 0.75, 0.9)])
def test_unletterbox_undoes_the_placement(size: tuple[int, int], crop: tuple[float, ...] | None) -> None:
    width, height = size
    box = None if crop is None else (crop[0] * width, crop[1] * height, crop[2] * width, crop[3] * height)
    across, down, placement = plan(size, (320, 320), "letterbox", box)
    corners = [across.first, down.first, across.first + across.length, down.first + down.length]
    back = boxes.unletterbox(np.array([corners], dtype=np.float32), placement, width, height)
    # Exact but for what truncation took: less than one slot pixel on one axis (contract robotoff 5).
    lost = 0 if across.length == down.length == 320 else 1 / placement.scale_x
    assert back[0] == pytest.approx(box or (0, 0, width, height), abs=1e-3 + lost)


def test_unletterbox_clips_to_the_picture() -> None:
    placement = plan((100, 50), (100, 100), "letterbox", None)[2]
    back = boxes.unletterbox(np.array([[-5, 0, 105, 100]], dtype=np.float32), placement, 100, 50)
    assert back.tolist() == [[0, 0, 100, 50]]


def test_yolo_output_becomes_corners_scores_and_labels() -> None:
    output = np.array(
        [[10, 20, 30], [10, 20, 30], [4, 6, 8], [2, 4, 6], [0.1, 0.9, 0.5], [0.7, 0.2, 0.5]], dtype=np.float32
    )
    found, scores, labels = boxes.yolo_decode(output, 0.5)
    assert found.tolist() == [[8, 9, 12, 11], [17, 18, 23, 22], [26, 27, 34, 33]]
    assert scores == pytest.approx([0.7, 0.9, 0.5])
    assert labels.tolist() == [1, 0, 0]
    assert boxes.yolo_decode(output, 0.8)[2].tolist() == [0]


@settings(deadline=None)
@given(st.integers(1, 4), st.integers(0, 9), st.data())
def test_yolo_decode_is_that_of_its_twin(classes: int, count: int, data: st.DataObject) -> None:
    number = st.floats(-100, 100, width=32) | st.sampled_from([0.25, 0.5]) | ODD
    size = (4 + classes) * count
    values = data.draw(st.lists(number, min_size=size, max_size=size))
    output = np.array(values, dtype=np.float32).reshape(4 + classes, count)
    for mine, twin in zip(
        boxes.yolo_decode(output, 0.25), boxes.yolo_decode_reference(output, 0.25), strict=True
    ):
        assert mine.dtype == twin.dtype and mine.tolist() == twin.tolist()


def test_yolo_output_may_have_any_layout() -> None:
    output = np.random.default_rng(0).uniform(0, 1, (20, 6)).astype(np.float32).T
    assert boxes.yolo_decode(output, 0.5)[1].tolist() == boxes.yolo_decode_reference(output, 0.5)[1].tolist()


@pytest.mark.parametrize("shape", [(4, 10), (10,), (1, 5, 10)])
def test_output_without_scores_is_an_error(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected"):
        boxes.yolo_decode(np.zeros(shape, dtype=np.float32), 0.5)
