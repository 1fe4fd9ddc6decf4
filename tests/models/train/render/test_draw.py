"""Scenes of every task: the same for the same seed, with boxes that belong to them."""

from __future__ import annotations

import numpy as np
import pytest

from models.train.render import draw
from models.train.render.draw import LABELS
from models.train.render.scene import SHORTEST_SIDE_PX, Scene

SIZE = 160
SCENES = {"logo": 6, "nutrition_table": 6, "nutriscore": 22, "price_tag": 6, "shelf": 4}


@pytest.fixture(scope="module")
def scenes() -> dict[str, list[Scene]]:
    return {
        task: [draw(task, np.random.default_rng((7, seed)), SIZE) for seed in range(count)]
        for task, count in SCENES.items()
    }


@pytest.mark.parametrize("task", LABELS)
def test_a_seed_gives_the_same_scene_again(task: str, scenes: dict[str, list[Scene]]) -> None:
    first = scenes[task][3]
    again = draw(task, np.random.default_rng((7, 3)), SIZE)
    assert np.array_equal(first.pixels, again.pixels)
    assert first.boxes == again.boxes
    assert not np.array_equal(first.pixels, scenes[task][2].pixels)


@pytest.mark.parametrize("task", LABELS)
def test_pixels_and_boxes_are_well_formed(task: str, scenes: dict[str, list[Scene]]) -> None:
    for scene in scenes[task]:
        assert scene.pixels.shape == (SIZE, SIZE, 3)
        assert scene.pixels.dtype == np.uint8
        for box in scene.boxes:
            assert box.label in LABELS[task]
            assert 0 <= box.x_min < box.x_max <= SIZE
            assert 0 <= box.y_min < box.y_max <= SIZE
            assert min(box.x_max - box.x_min, box.y_max - box.y_min) >= SHORTEST_SIDE_PX


@pytest.mark.parametrize("task", LABELS)
def test_every_label_occurs(task: str, scenes: dict[str, list[Scene]]) -> None:
    seen = {box.label for scene in scenes[task] for box in scene.boxes}
    assert seen == set(LABELS[task])


def test_some_scenes_are_empty_and_most_are_not(scenes: dict[str, list[Scene]]) -> None:
    empty = [not scene.boxes for scene in scenes["nutriscore"]]
    assert 0 < sum(empty) < len(empty) / 3


def test_the_callers_photos_become_grounds() -> None:
    photo = np.zeros((64, 80, 3), np.uint8)
    photo[..., 1] = 200
    drawn = [
        draw("nutriscore", np.random.default_rng(seed), 96, backgrounds=[photo]).pixels for seed in range(8)
    ]
    green = [np.mean(pixels[..., 1].astype(int) - pixels[..., 0] > 50) for pixels in drawn]
    assert max(green) > 0.2


def test_an_unknown_task_is_an_error() -> None:
    with pytest.raises(KeyError):
        draw("cats", np.random.default_rng(0), 64)
