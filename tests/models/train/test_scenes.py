"""Boxes stay on their objects through letterbox, cut, mirror and turn."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np
import pytest

from models.train import scenes
from models.train.scenes import FILL, TASKS, Marked, Scenes, Task, batch, join, letterbox, view

PLAIN = Task("logo", ("object",), 128, (0.5, 2.0), turned=0.5, recoloured=0.0)


def scene(x_min: int, y_min: int, x_max: int, y_max: int, side: int = 128) -> Marked:
    """A white object on black."""
    pixels = np.zeros((side, side, 3), np.uint8)
    pixels[y_min:y_max, x_min:x_max] = 255
    return Marked(pixels, np.array([[x_min, y_min, x_max, y_max]], np.float32), np.zeros(1, np.int64))


@pytest.mark.parametrize("seed", range(24))
def test_a_view_keeps_boxes_on_their_objects(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenes, "_worn", lambda pixels, task, rng: pixels)
    seen = view(scene(30, 50, 70, 70), PLAIN, 96, np.random.default_rng(seed))
    assert seen.pixels.shape == (96, 96, 3)
    white = (seen.pixels > 200).all(axis=2)
    if len(seen.boxes) == 0:
        assert not white.any()
        return
    rows, columns = np.flatnonzero(white.any(axis=1)), np.flatnonzero(white.any(axis=0))
    bounds = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    np.testing.assert_allclose(seen.boxes[0], bounds, atol=1.6)


def test_what_is_cut_off_is_painted_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenes, "_worn", lambda pixels, task, rng: pixels)
    whole = PLAIN._replace(least_visible=1.1, scales=(1.0, 1.0), turned=0.0)
    seen = view(scene(30, 50, 70, 70), whole, 128, np.random.default_rng(0))
    assert len(seen.boxes) == 0
    assert set(np.unique(seen.pixels)) == {0, FILL}


def test_views_are_the_same_for_the_same_seed_and_of_every_task() -> None:
    for task in TASKS.values():
        first, second = (view(scene(30, 50, 70, 70), task, 96, np.random.default_rng(5)) for _ in range(2))
        assert np.array_equal(first.pixels, second.pixels) and np.array_equal(first.boxes, second.boxes)


@pytest.mark.parametrize("seed", range(8))
def test_a_view_that_fits_shows_an_object_larger_than_itself_whole(seed: int) -> None:
    task = PLAIN._replace(least_visible=1.0)
    large = scene(4, 4, 124, 100)
    seen = [view(large, task, 64, np.random.default_rng((seed, number)), fits=True) for number in range(8)]
    assert sum(len(each.boxes) for each in seen) >= 5
    for each in seen:
        assert all((box[2:] - box[:2]).max() > 0.5 * 64 for box in each.boxes)


def test_four_joined_pictures_keep_boxes_on_their_objects_and_labels_with_them() -> None:
    four = [scene(2 + number, 4, 10 + 2 * number, 20, side=32) for number in range(4)]
    four = [each._replace(labels=np.array([number])) for number, each in enumerate(four)]
    joined = join(four)
    assert joined.pixels.shape == (64, 64, 3) and joined.labels.tolist() == [0, 1, 2, 3]
    rest = joined.pixels.copy()
    for number, (x_min, y_min, x_max, y_max) in enumerate(joined.boxes.astype(int)):
        assert (y_min >= 32, x_min >= 32) == (number >= 2, number % 2 == 1)
        assert (joined.pixels[y_min:y_max, x_min:x_max] == 255).all()
        rest[y_min:y_max, x_min:x_max] = 0
    assert not rest.any()


def test_a_letterbox_centres_the_picture() -> None:
    pixels = np.zeros((50, 100, 3), np.uint8)
    square, boxes = letterbox(pixels, np.array([[0, 0, 100, 50], [10, 10, 20, 30]], np.float32), 64)
    assert square.shape == (64, 64, 3)
    assert boxes[0].tolist() == [0, 16, 64, 48]
    np.testing.assert_allclose(boxes[1], [6.4, 22.4, 12.8, 35.2], rtol=1e-5)
    assert (square[:16] == FILL).all() and (square[48:] == FILL).all() and (square[16:48] == 0).all()


def test_a_batch_is_what_the_network_takes() -> None:
    one = batch([scene(0, 0, 128, 128)])
    assert one.shape == (1, 3, 128, 128) and one.dtype == np.float32 and float(one.max()) == 1.0


class Box(NamedTuple):
    label: str
    x_min: float
    y_min: float
    x_max: float
    y_max: float


class Drawn(NamedTuple):
    pixels: np.ndarray
    boxes: list[Box]


def test_scenes_are_drawn_once_and_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def draw(task: str, rng: np.random.Generator, size: int) -> Drawn:
        calls.append(task)
        x, y = rng.integers(0, size - 40, 2)
        return Drawn(np.full((size, size, 3), 9, np.uint8), [Box("object", x, y, x + 30, y + 20)])

    stand_in = ModuleType("models.train.render")
    stand_in.draw = draw  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "models.train.render", stand_in)
    monkeypatch.setattr("models.train.render", stand_in, raising=False)
    task = PLAIN._replace(side=64)
    drawn = Scenes(tmp_path, task, "train")
    assert len(drawn) == 0
    drawn.draw(40)
    assert len(drawn) == len(calls) == 2 * scenes.SCENES_PER_SHARD
    again = Scenes(tmp_path, task, "train")
    again.draw(40)
    assert len(again) == len(drawn) == len(calls)
    assert np.array_equal(again[33].boxes, drawn[33].boxes) and again[33].boxes.shape == (1, 4)
    assert len(Scenes(tmp_path, task, "held-out")) == 0
