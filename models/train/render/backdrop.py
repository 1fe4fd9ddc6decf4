"""What stands around the object: tables, rooms, other packs, hands, or the caller's own photos."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from models.train.render import camera, scene, texture
from models.train.render.design import design
from models.train.render.pack import body
from models.train.render.scene import Outline, Pixels, Sketch


def backdrop(
    rng: np.random.Generator, width: int, height: int, photos: Sequence[Pixels] | None = None
) -> Pixels:
    """A ground (height, width, 3) uint8 without any object to be found on it."""
    if photos and rng.random() < 0.5:
        return _cut(rng, photos[int(rng.integers(len(photos)))], width, height)
    kind = rng.random()
    surfaces = (texture.wood, texture.stone, texture.cloth, texture.plain)
    surface = surfaces[int(rng.choice(4, p=[0.28, 0.24, 0.18, 0.3]))]
    if kind < 0.5:
        pixels = surface(rng, width, height)
    elif kind < 0.72:
        pixels = texture.room(rng, width, height)
    else:
        # A table top that ends at a wall or a room.
        pixels = texture.room(rng, width, height) if rng.random() < 0.6 else texture.plain(rng, width, height)
        edge = int(height * rng.uniform(0.1, 0.65))
        pixels[edge:] = surface(rng, width, height - edge)
        if rng.random() < 0.5:
            soft = cv2.GaussianBlur(pixels[max(0, edge - 12) : edge + 12], (0, 0), 3)
            pixels[max(0, edge - 12) : edge + 12] = soft
    if rng.random() < 0.3:
        pixels = cv2.GaussianBlur(pixels, (0, 0), float(rng.uniform(1, 5)))
    return pixels


def _cut(rng: np.random.Generator, photo: Pixels, width: int, height: int) -> Pixels:
    share = rng.uniform(0.4, 1.0)
    cut_width = max(8, int(min(photo.shape[1], photo.shape[0] * width / height) * share))
    cut_height = max(8, min(photo.shape[0], int(cut_width * height / width)))
    x = int(rng.integers(0, photo.shape[1] - cut_width + 1))
    y = int(rng.integers(0, photo.shape[0] - cut_height + 1))
    return np.asarray(
        cv2.resize(
            photo[y : y + cut_height, x : x + cut_width, :3], (width, height), interpolation=cv2.INTER_AREA
        ),
        np.uint8,
    )


def clutter(pixels: Pixels, rng: np.random.Generator, count: int) -> list[Outline]:
    """Other packs, out of focus or cut off, around the edges; the outlines of the logos still to be seen on them."""
    height, width = pixels.shape[:2]
    outlines: list[Outline] = []
    for _ in range(count):
        product = design(int(rng.integers(1 << 30)))
        tall = int(height * rng.uniform(0.15, 0.45))
        wide = int(np.clip(tall / product.aspect, 10, width * 0.5))
        drawn, logos = body(rng, product, wide, tall)
        if rng.random() < 0.6:
            drawn, logos = cv2.GaussianBlur(drawn, (0, 0), float(rng.uniform(2.5, 6))), []
        angle = float(rng.choice([rng.normal(0, 0.1), rng.uniform(0, 6.3)]))
        x, y = (
            rng.choice([rng.uniform(-0.05, 0.2), rng.uniform(0.8, 1.05)]) * width,
            rng.uniform(0, 1) * height,
        )
        where = camera.corners(rng, float(x), float(y), wide, tall, angle, 0.4)
        outlines = scene.uncovered(outlines, where) + camera.lay(
            pixels, Sketch(drawn, logos), where, shadow=0.3
        )
    return outlines
