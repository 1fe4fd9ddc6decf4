"""Surfaces that look photographed: cloud noise, wood, stone, cloth, plain walls, rooms out of focus."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from models.train.render import paint
from models.train.render.scene import Pixels

NOISE_SIDE = 512
GRAIN_SIDE = 1024


@lru_cache(maxsize=32)
def _cloud_tile(roughness: int, variant: int) -> npt.NDArray[np.float32]:
    """A tile (NOISE_SIDE, NOISE_SIDE) of fractal noise, mean 0, deviation 1; the seed is fixed on purpose."""
    rng = np.random.default_rng((roughness, variant))
    total = np.zeros((NOISE_SIDE, NOISE_SIDE), np.float32)
    cells, weight = 4, 1.0
    while cells <= NOISE_SIDE:
        octave = rng.standard_normal((cells, cells)).astype(np.float32)
        total += np.float32(weight) * cv2.resize(
            octave, (NOISE_SIDE, NOISE_SIDE), interpolation=cv2.INTER_CUBIC
        )
        cells *= 2
        weight *= 0.3 + 0.1 * roughness
    return np.asarray((total - total.mean()) / total.std(), np.float32)


@lru_cache(maxsize=4)
def _grain_tile(variant: int) -> npt.NDArray[np.int8]:
    rng = np.random.default_rng((77, variant))
    return np.clip(rng.standard_normal((GRAIN_SIDE, GRAIN_SIDE, 3)) * 32, -127, 127).astype(np.int8)


def clouds(
    rng: np.random.Generator, width: int, height: int, roughness: int = 3, stretch: float = 1.0
) -> npt.NDArray[np.float32]:
    """Fractal noise (height, width) float32, mean about 0, deviation about 1; roughness 0 (smooth) to 6."""
    tile = _cloud_tile(roughness, int(rng.integers(4)))
    side = int(rng.integers(NOISE_SIDE // 3, NOISE_SIDE))
    cut_width, cut_height = side, max(8, min(NOISE_SIDE, int(side / stretch)))
    x, y = int(rng.integers(0, NOISE_SIDE - cut_width + 1)), int(rng.integers(0, NOISE_SIDE - cut_height + 1))
    cut = tile[y : y + cut_height, x : x + cut_width]
    if rng.random() < 0.5:
        cut = cut[:, ::-1]
    return np.asarray(cv2.resize(np.ascontiguousarray(cut), (width, height)), np.float32)


def grain(rng: np.random.Generator, width: int, height: int) -> npt.NDArray[np.int8]:
    """White noise (height, width, 3) int8 with deviation 32, cut from a stored tile (drawing it anew is slow)."""
    tile = _grain_tile(int(rng.integers(3)))
    y, x = int(rng.integers(0, GRAIN_SIDE)), int(rng.integers(0, GRAIN_SIDE))
    if height <= GRAIN_SIDE and width <= GRAIN_SIDE:
        y, x = int(rng.integers(0, GRAIN_SIDE - height + 1)), int(rng.integers(0, GRAIN_SIDE - width + 1))
        return tile[y : y + height, x : x + width]
    return np.tile(tile, (height // GRAIN_SIDE + 2, width // GRAIN_SIDE + 2, 1))[
        y : y + height, x : x + width
    ]


def tinted(noise: npt.NDArray[Any], colour: tuple[int, int, int], contrast: float) -> Pixels:
    """A colour (H, W, 3) whose lightness follows noise (H, W)."""
    table_in = np.clip(noise * 32 + 128, 0, 255).astype(np.uint8)
    steps = (np.arange(256, dtype=np.float32) - 128) / 32
    table = np.clip(np.asarray(colour, np.float32) * (1 + contrast * steps[:, None]), 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(cv2.merge([table_in, table_in, table_in]), table[None]), np.uint8)


def wood(rng: np.random.Generator, width: int, height: int) -> Pixels:
    """Planks with a grain along one side."""
    colour = paint.hsv(rng.uniform(0.05, 0.11), rng.uniform(0.2, 0.65), rng.uniform(0.3, 0.85))
    pixels = tinted(
        clouds(rng, width, height, 4, stretch=rng.uniform(6, 16)), colour, rng.uniform(0.05, 0.14)
    )
    if rng.random() < 0.5:
        step = max(20, int(height * rng.uniform(0.12, 0.4)))
        for y in range(int(rng.integers(step)), height, step):
            pixels[y : y + 2] = pixels[y : y + 2] // 2
    return np.ascontiguousarray(np.rot90(pixels)) if rng.random() < 0.5 and width == height else pixels


def stone(rng: np.random.Generator, width: int, height: int) -> Pixels:
    """Speckled granite or veined marble."""
    colour = paint.hsv(rng.choice([0.08, 0.6]), rng.uniform(0, 0.14), rng.uniform(0.25, 0.92))
    noise = clouds(rng, width, height, 6)
    if rng.random() < 0.5:
        veins = np.minimum(1.2 - np.abs(clouds(rng, width, height, 3)) * 3, 0.3)
        return tinted(veins, colour, rng.uniform(0.04, 0.1))
    speckle = grain(rng, width, height)[..., 0].astype(np.float32) / 32
    soft = cv2.GaussianBlur(speckle, (0, 0), float(rng.uniform(0.7, 1.6)))
    return tinted(noise * 0.5 + np.asarray(soft) * 2.0, colour, rng.uniform(0.1, 0.3))


def cloth(rng: np.random.Generator, width: int, height: int) -> Pixels:
    """A plain, striped or checked fabric with soft folds."""
    colour = np.array(paint.room_colour(rng, 0.3), np.float32)
    noise = clouds(rng, width, height, 1) * 0.8 + grain(rng, width, height)[..., 0] / 90
    pixels = tinted(noise, (int(colour[0]), int(colour[1]), int(colour[2])), 0.09)
    if rng.random() < 0.5:
        step = int(rng.integers(12, 60))
        other = paint.room_colour(rng)
        mask = np.zeros((height, width), np.uint8)
        mask[:, (np.arange(width) // step) % 2 == 0] = 120
        if rng.random() < 0.5:
            mask[(np.arange(height) // step) % 2 == 0] += 100
        paint.blend(pixels, mask, 0, 0, other)
    return pixels


def plain(rng: np.random.Generator, width: int, height: int) -> Pixels:
    """A nearly even wall, table or sheet with a slow change of light."""
    colour = paint.room_colour(rng)
    return tinted(clouds(rng, width, height, 1), colour, rng.uniform(0.01, 0.08))


def room(rng: np.random.Generator, width: int, height: int) -> Pixels:
    """A room far out of focus: large soft patches, edges of furniture, discs of light."""
    scale = 8
    w, h = max(8, width // scale), max(8, height // scale)
    pixels = paint.gradient(
        w,
        h,
        paint.room_colour(rng, 0.3),
        paint.room_colour(rng, 0.15, 0.8),
        rng.uniform(0, 6.3),
    )
    for _ in range(int(rng.integers(4, 22))):
        colour = paint.room_colour(rng, 0.05)
        x, y = rng.uniform(-0.1, 1) * w, rng.uniform(-0.1, 1) * h
        if rng.random() < 0.25:
            radius = max(1, int(rng.uniform(0.01, 0.08) * w))
            cv2.circle(
                pixels, (int(x), int(y)), radius, paint.hsv(rng.uniform(0, 0.2), 0.2, 1.0), -1, cv2.LINE_AA
            )
        else:
            side = rng.uniform(0.05, 0.5, 2) * (w, h)
            corners = cv2.boxPoints(((x, y), (float(side[0]), float(side[1])), float(rng.normal(0, 12))))
            cv2.fillConvexPoly(pixels, corners.astype(np.int32), colour, cv2.LINE_AA)
    pixels = cv2.GaussianBlur(pixels, (0, 0), float(rng.uniform(0.5, 3.0)))
    return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_CUBIC)
