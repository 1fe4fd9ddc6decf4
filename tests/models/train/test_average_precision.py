"""Average precision against cases counted by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.train.average_precision import (
    Found,
    Truth,
    average_precision,
    iou,
    mean_average_precision,
    precision_and_recall,
    suppress,
)

FAR, NEAR, ELSEWHERE = (0, 0, 10, 10), (20, 20, 30, 30), (50, 50, 60, 60)


def found(*rows: tuple[tuple[int, int, int, int], float, int]) -> Found:
    return Found(
        np.array([row[0] for row in rows], np.float32).reshape(-1, 4),
        np.array([row[1] for row in rows], np.float32),
        np.array([row[2] for row in rows], np.int64),
    )


def truth(*rows: tuple[tuple[int, int, int, int], int]) -> Truth:
    return Truth(
        np.array([row[0] for row in rows], np.float32).reshape(-1, 4),
        np.array([row[1] for row in rows], np.int64),
    )


def test_all_found_and_nothing_else_is_one() -> None:
    assert average_precision([found((FAR, 0.9, 0), (NEAR, 0.2, 0))], [truth((FAR, 0), (NEAR, 0))], 0) == 1.0


def test_nothing_found_is_zero() -> None:
    assert average_precision([found()], [truth((FAR, 0))], 0) == 0.0


def test_a_class_that_does_not_occur_has_no_average_precision() -> None:
    assert math.isnan(average_precision([found((FAR, 0.9, 0))], [truth((FAR, 1))], 0))


def test_a_false_box_counts_only_where_it_outscores_a_true_one() -> None:
    objects = [truth((FAR, 0), (NEAR, 0))]
    behind = [found((FAR, 0.9, 0), (NEAR, 0.8, 0), (ELSEWHERE, 0.1, 0))]
    between = [found((FAR, 0.9, 0), (NEAR, 0.8, 0), (ELSEWHERE, 0.85, 0))]
    ahead = [found((FAR, 0.9, 0), (NEAR, 0.8, 0), (ELSEWHERE, 0.95, 0))]
    assert average_precision(behind, objects, 0) == 1.0
    # Precision 1 up to recall 1/2, then 2/3.
    assert average_precision(between, objects, 0) == pytest.approx((1 + 2 / 3) / 2)
    # 1/2 and then 2/3, made falling: 2/3 all along.
    assert average_precision(ahead, objects, 0) == pytest.approx(2 / 3)


def test_a_second_box_on_the_same_object_is_false() -> None:
    twice = [found((FAR, 0.9, 0), (FAR, 0.8, 0), (NEAR, 0.7, 0))]
    assert average_precision(twice, [truth((FAR, 0), (NEAR, 0))], 0) == pytest.approx((1 + 2 / 3) / 2)


def test_objects_are_matched_within_their_own_picture_and_class() -> None:
    crossed = [found((NEAR, 0.9, 0)), found((FAR, 0.9, 0))]
    assert average_precision(crossed, [truth((FAR, 0)), truth((NEAR, 0))], 0) == 0.0
    assert average_precision([found((FAR, 0.9, 1))], [truth((FAR, 0))], 0) == 0.0


def test_half_an_overlap_is_enough_and_less_is_not() -> None:
    half, less = (0, 0, 10, 5), (0, 0, 10, 4)
    assert average_precision([found((half, 0.9, 0))], [truth((FAR, 0))], 0) == 1.0
    assert average_precision([found((less, 0.9, 0))], [truth((FAR, 0))], 0) == 0.0
    assert average_precision([found((less, 0.9, 0))], [truth((FAR, 0))], 0, least_iou=0.4) == 1.0


def test_the_mean_is_over_the_classes_that_occur() -> None:
    seen = [found((FAR, 0.9, 0), (ELSEWHERE, 0.9, 2))]
    assert mean_average_precision(seen, [truth((FAR, 0), (NEAR, 1))], 3) == 0.5
    assert math.isnan(mean_average_precision(seen, [truth()], 3))


def test_precision_and_recall_at_a_score() -> None:
    seen = [found((FAR, 0.9, 0), (ELSEWHERE, 0.6, 0), (NEAR, 0.2, 0))]
    objects = [truth((FAR, 0), (NEAR, 0))]
    assert precision_and_recall(seen, objects, 0, 0.5) == (0.5, 0.5)
    assert precision_and_recall(seen, objects, 0, 0.1) == (pytest.approx(2 / 3), 1.0)
    precision, recall = precision_and_recall(seen, objects, 0, 0.95)
    assert math.isnan(precision) and recall == 0.0


def test_of_overlapping_boxes_the_best_stays() -> None:
    seen = found((FAR, 0.3, 0), ((0, 0, 10, 9), 0.9, 1), (NEAR, 0.5, 0))
    kept = suppress(seen, 0.5)
    assert kept.scores.tolist() == pytest.approx([0.9, 0.5])
    assert kept.labels.tolist() == [1, 0]
    assert len(suppress(found(), 0.5).scores) == 0


def test_boxes_without_area_overlap_nothing() -> None:
    boxes = np.array([FAR, (5, 5, 5, 5), (5, 5, 2, 2)], np.float32)
    assert iou(boxes, boxes).tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 0]]
