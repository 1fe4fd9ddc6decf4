"""A warp moves pixels and outlines alike."""

from __future__ import annotations

import numpy as np
import pytest

from models.train.render import camera
from models.train.render.scene import Outline, Pixels, Sketch, boxes, rectangle


def marked(width: int = 160, height: int = 120) -> Sketch:
    """A black picture with one white rectangle, and its outline."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[30:80, 40:110] = 255
    return Sketch(pixels, [rectangle("mark", 40, 30, 70, 50)])


def extent(pixels: Pixels) -> tuple[float, float, float, float]:
    """The bounds of what is lighter than middle grey."""
    rows = np.flatnonzero((pixels[..., 0] > 127).any(axis=1))
    columns = np.flatnonzero((pixels[..., 0] > 127).any(axis=0))
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1


def assert_tight(pixels: Pixels, outlines: list[Outline], tolerance_px: float) -> None:
    (box,) = boxes(outlines, pixels.shape[1], pixels.shape[0])
    assert box[1:] == pytest.approx(extent(pixels), abs=tolerance_px)


def test_a_known_homography_moves_a_box_exactly() -> None:
    twice_and_right = np.array([[2, 0, 10], [0, 2, -20], [0, 0, 1]], np.float64)
    moved = camera.warp(marked(), twice_and_right, 320, 240)
    (box,) = boxes(moved.outlines, 320, 240)
    assert box[1:] == (90.0, 40.0, 230.0, 140.0)
    assert extent(moved.pixels) == (90, 40, 230, 140)


def test_perspective_follows_the_four_corners() -> None:
    homography = np.array([[1.1, 0.2, -5], [0.1, 0.9, 4], [0.0012, -0.0008, 1]], np.float64)
    moved = camera.warp(marked(), homography, 200, 160)
    expected = camera.moved(np.array([(40, 30), (110, 30), (110, 80), (40, 80)], np.float32), homography)
    (box,) = boxes(moved.outlines, 200, 160)
    bounds = (*expected.min(axis=0), *expected.max(axis=0))
    assert box[1:] == pytest.approx(bounds, abs=1e-3)


@pytest.mark.parametrize("seed", range(5))
def test_a_sheet_laid_on_a_canvas_has_tight_boxes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    canvas = np.zeros((300, 300, 3), np.uint8)
    where = camera.corners(rng, 150, 150, 160, 120, float(rng.uniform(-0.5, 0.5)), 1.0)
    outlines = camera.lay(canvas, marked(), where)
    assert_tight(canvas, outlines, 1.5)


@pytest.mark.parametrize(("reach", "arc"), [(0.6, 0.0), (1.1, 0.05), (1.2, -0.06)])
def test_a_rolled_print_has_tight_boxes(reach: float, arc: float) -> None:
    rolled = camera.roll(marked(), reach, arc)
    assert_tight(rolled.pixels, rolled.outlines, 1.5)


def test_a_crumpled_print_has_tight_boxes() -> None:
    crumpled = camera.crumple(marked(), np.random.default_rng(1), 4.0)
    assert_tight(crumpled.pixels, crumpled.outlines, 2.0)


@pytest.mark.parametrize("seed", range(6))
def test_an_enlarged_view_leaves_no_empty_corner(seed: int) -> None:
    sketch = marked()
    tilted = camera.view(np.random.default_rng(seed), 160, 120, 1.0)
    homography = camera.filled(tilted, sketch.pixels, 160, 120)
    frame = np.array([(0, 0), (160, 0), (160, 120), (0, 120)], np.float32)
    source = camera.moved(frame, np.linalg.inv(homography))
    assert (source >= -1.01).all()
    assert (source <= np.array([161.01, 121.01])).all()


def test_a_view_keeps_the_scene_in_sight() -> None:
    homography = camera.view(np.random.default_rng(2), 160, 120, 1.0)
    centre = camera.moved(np.array([(80, 60)], np.float32), homography)[0]
    assert centre == pytest.approx((80, 60), abs=25)
