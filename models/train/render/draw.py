"""One training scene for a detection task: what is shown, where it lies, and how it was photographed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from models.train.render import back, composition, lens, nutriscore, scene, shelf
from models.train.render.composition import Photos
from models.train.render.front import LOGO_LABEL
from models.train.render.scene import Scene, Sketch

LABELS = {
    "logo": (LOGO_LABEL,),
    "nutrition_table": (back.TABLE_LABEL,),
    "nutriscore": tuple(f"nutriscore-{grade}" for grade in nutriscore.GRADES),
    "price_tag": (composition.TAG_LABEL,),
    "shelf": (shelf.PRODUCT, shelf.TAG, shelf.EDGE, shelf.GAP),
}
PADDING = 114  # the grey with which detectors fill up to a square


# How often a scene is blurred: where small things are looked for, the real camera had more pixels than are left.
SOFTNESS = {"logo": 1.0, "nutrition_table": 0.7, "nutriscore": 0.9, "price_tag": 0.7, "shelf": 0.4}


def draw(task: str, rng: np.random.Generator, size: int, backgrounds: Photos = None) -> Scene:
    """A scene (size, size, 3) for a task (a key of LABELS), with the boxes of that task's labels only.

    The picture is seldom square: it is centred and padded with grey, as at run time. backgrounds are RGB
    photos (H, W, 3) uint8 without any object of the task.
    """
    compose = COMPOSERS[task]
    width, height = _frame(rng, size, task)
    sketch = compose(rng, width, height, backgrounds)
    pixels = lens.photograph(sketch.pixels, rng, softness=SOFTNESS[task])
    wanted = [outline for outline in sketch.outlines if outline.label in LABELS[task]]
    found = scene.boxes(wanted, width, height)
    return _padded(Scene(pixels, found), size)


def _frame(rng: np.random.Generator, size: int, task: str) -> tuple[int, int]:
    """The sides of the photo: phone formats, upright more often; crops of any shape now and then."""
    ratio = float(rng.choice([0.75, 0.5625, 1.0, rng.uniform(0.45, 1.0)], p=[0.55, 0.1, 0.1, 0.25]))
    upright = rng.random() < (0.5 if task in ("shelf", "price_tag") else 0.75)
    return (max(16, int(size * ratio)), size) if upright else (size, max(16, int(size * ratio)))


def _padded(drawn: Scene, size: int) -> Scene:
    height, width = drawn.pixels.shape[:2]
    x, y = (size - width) // 2, (size - height) // 2
    pixels = np.full((size, size, 3), PADDING, np.uint8)
    pixels[y : y + height, x : x + width] = drawn.pixels
    return Scene(
        pixels,
        [
            box._replace(x_min=box.x_min + x, x_max=box.x_max + x, y_min=box.y_min + y, y_max=box.y_max + y)
            for box in drawn.boxes
        ],
    )


COMPOSERS: dict[str, Callable[[np.random.Generator, int, int, Photos], Sketch]] = {
    "logo": composition.logo_scene,
    "nutrition_table": composition.nutrition_table_scene,
    "nutriscore": composition.nutriscore_scene,
    "price_tag": composition.price_tag_scene,
    "shelf": composition.shelf_scene,
}
