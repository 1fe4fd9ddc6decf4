"""Food as photographed for packs: single pieces and heaps of them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from models.train.render import paint, texture
from models.train.render.scene import Pixels

SIDE = 112  # of a stored piece, in pixels
KINDS = 40
# Hue, saturation and lightness of what is eaten: bread, biscuit, chocolate, tomato, berry, leaf, pea, citrus, cheese, milk, salmon, nut, plum.
COLOURS = (
    (0.09, 0.55, 0.9), (0.1, 0.6, 0.8), (0.05, 0.65, 0.35), (0.01, 0.88, 0.85), (0.95, 0.75, 0.6), (0.3, 0.75, 0.6), (0.25, 0.7, 0.75),
    (0.1, 0.95, 0.98), (0.13, 0.65, 1.0), (0.11, 0.12, 0.98), (0.04, 0.6, 0.98), (0.075, 0.55, 0.65), (0.8, 0.5, 0.35),
)  # fmt: skip


@lru_cache(maxsize=KINDS)
def _piece(kind: int) -> npt.NDArray[np.float32]:
    """A lit piece (SIDE, SIDE, 3): light 0..1.4, share of the second colour 0..1, coverage 0..1."""
    rng = np.random.default_rng((5, kind))
    axis = np.linspace(-1.05, 1.05, SIDE, dtype=np.float32)
    x, y = np.meshgrid(axis, axis)
    angle = np.arctan2(y, x)
    edge: npt.NDArray[Any] = np.ones_like(x)
    for order in range(2, 7):
        edge = edge + rng.normal(0, 0.2 / order) * np.cos(order * angle + rng.uniform(0, 6.3))
    radius = np.hypot(x, y) / np.clip(edge * 0.85, 0.4, 1.0)
    form = rng.choice(["ball", "flat", "slice", "bowl"], p=[0.4, 0.3, 0.2, 0.1])
    clouds = texture.clouds(rng, SIDE, SIDE, int(rng.integers(2, 7)))
    second = np.clip(clouds - rng.uniform(0.3, 1.6), 0, 1) * rng.uniform(0.3, 1.0)
    depth = np.sqrt(np.clip(1 - radius**2, 0, 1))
    slope = -0.3 * x - 0.4 * y
    if form == "ball":
        light = (
            0.4
            + 0.6 * depth
            + slope * 0.6
            + rng.uniform(0.1, 0.8) * np.exp(-((x + 0.35) ** 2 + (y + 0.4) ** 2) * 16)
        )
    elif form == "flat":
        light = (
            0.9
            + slope * 0.15
            - 0.45 * np.clip(radius - 0.82, 0, 1) * 5
            + 0.06 * np.cos(angle * int(rng.integers(8, 30))) * (radius > 0.75)
        )
    elif form == "slice":
        spokes = np.abs(np.cos(angle * int(rng.integers(3, 7)))) < 0.14
        second = np.maximum(((radius > 0.82) | (spokes & (radius < 0.8))) * 0.9, second * 0.4)
        light = 0.95 + slope * 0.15 - 0.3 * (radius > 0.93)
    else:
        light = 0.75 - slope * 0.5 + 0.3 * (radius > 0.8)
    light = light + clouds * rng.uniform(0.02, 0.1)
    return np.stack([light, second, np.clip((1 - radius) * SIDE / 3, 0, 1)], 2).astype(np.float32)


def piece(
    rng: np.random.Generator, kind: int, side: int, first: Pixels, second: Pixels, aspect: float
) -> Pixels:
    """One piece (side, side, 4) uint8 RGBA in two colours, turned anyhow."""
    turn = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), float(rng.uniform(-180, 180)), side / SIDE * 0.95)
    squeeze = np.array([[1, 0, 0], [0, aspect, SIDE / 2 * (1 - aspect)], [0, 0, 1]])
    whole = np.vstack([turn, [0, 0, 1]]) @ squeeze
    whole[:2, 2] += (side - SIDE) / 2
    drawn = np.asarray(cv2.warpAffine(_piece(kind), whole[:2], (side, side), flags=cv2.INTER_LINEAR))
    colour = first + (second - first) * drawn[..., 1:2]
    cutout = np.empty((side, side, 4), np.uint8)
    cutout[..., :3] = np.clip(colour * drawn[..., :1], 0, 255)
    cutout[..., 3] = drawn[..., 2] * 255
    return cutout


def colour(rng: np.random.Generator) -> Pixels:
    """A food colour (3,) float32."""
    hue, saturation, value = COLOURS[int(rng.integers(len(COLOURS)))]
    saturation = float(np.clip(saturation * rng.uniform(0.75, 1.1), 0, 1))
    return np.array(
        paint.hsv(hue + rng.normal(0, 0.015), saturation, min(1.0, value * rng.uniform(0.8, 1.1))), np.float32
    )


def heap(rng: np.random.Generator, width: int, height: int) -> Pixels:
    """A heap of one to three kinds of food that fills the picture."""
    kinds = [
        (int(rng.integers(KINDS)), colour(rng), colour(rng), float(rng.uniform(0.45, 1.0)))
        for _ in range(int(rng.choice([1, 2, 3], p=[0.5, 0.3, 0.2])))
    ]
    ground = kinds[0][1] * np.float32(rng.uniform(0.3, 0.6))
    pixels = texture.tinted(
        texture.clouds(rng, width, height, 4), (int(ground[0]), int(ground[1]), int(ground[2])), 0.2
    )
    size = rng.uniform(0.13, 0.5) * min(width, height)
    count = int(min(80, 3.0 * width * height / max(size, 3.0) ** 2))
    for _ in range(count):
        kind, first, second, aspect = kinds[int(rng.integers(len(kinds)))]
        side = max(4, int(size * rng.uniform(0.8, 1.25)))
        cutout = piece(rng, kind, side, first * np.float32(rng.uniform(0.85, 1.1)), second, aspect)
        x = int(rng.uniform(-0.5 * side, width - 0.5 * side))
        y = int(rng.uniform(-0.5 * side, height - 0.5 * side))
        # A dark copy, a little lower, stands for the shadow on the pieces beneath.
        paint.blend(
            pixels, np.ascontiguousarray(cutout[..., 3]), x + side // 24, y + side // 12 + 1, (0, 0, 0), 0.35
        )
        paint.paste(pixels, cutout, x, y)
    return pixels
