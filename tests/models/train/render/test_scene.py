"""Outlines become boxes: clipped to the frame, dropped when too little is left."""

from __future__ import annotations

import numpy as np
import pytest

from models.train.render.scene import Box, boxes, ellipse, rectangle, shifted, uncovered, unmasked


def test_a_box_inside_the_frame_is_kept_as_it_is() -> None:
    assert boxes([rectangle("a", 10, 20, 30, 40)], 100, 100) == [Box("a", 10.0, 20.0, 40.0, 60.0)]


def test_a_box_over_the_border_is_clipped() -> None:
    assert boxes([rectangle("a", -10, 20, 30, 40)], 100, 100) == [Box("a", 0.0, 20.0, 20.0, 60.0)]


@pytest.mark.parametrize(("x", "kept"), [(-64, True), (-66, False), (99, False), (200, False)])
def test_a_box_is_dropped_below_35_percent(x: int, kept: bool) -> None:
    assert bool(boxes([rectangle("a", x, 0, 100, 50)], 100, 100)) is kept


def test_an_ellipse_fills_its_bounds() -> None:
    (box,) = boxes([ellipse("a", 10, 20, 30, 40)], 100, 100)
    assert box[1:] == pytest.approx((10, 20, 40, 60), abs=0.2)


def test_shifted_scales_before_it_moves() -> None:
    (outline,) = shifted([rectangle("a", 1, 2, 3, 4)], 10, 20, scale=2)
    assert outline.points.min(axis=0).tolist() == [12.0, 24.0]
    assert outline.points.max(axis=0).tolist() == [18.0, 32.0]


def test_what_lies_under_a_sheet_is_no_longer_called_visible() -> None:
    sheet = np.array([(0, 0), (50, 0), (50, 100), (0, 100)], np.float32)
    under, half, beside = (rectangle(name, x, 10, 20, 20) for name, x in (("u", 5), ("h", 40), ("b", 60)))
    assert [outline.label for outline in uncovered([under, half, beside], sheet)] == ["b"]
    assert [outline.label for outline in uncovered([under, half, beside], sheet[::-1])] == ["b"]


def test_what_lies_under_a_mask_is_no_longer_called_visible() -> None:
    mask = np.zeros((100, 100), np.uint8)
    mask[:, :50] = 255
    outlines = [rectangle("under", 5, 10, 20, 20), rectangle("beside", 60, 10, 20, 20)]
    assert [outline.label for outline in unmasked(outlines, mask)] == ["beside"]
