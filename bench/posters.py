"""Draws distinct posters, packs, text pages and plain pictures from a seed, where no photo is at hand.

Nothing here is random between runs: the same seed gives the same pixels.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

SYLLABLES = (
    "ba",
    "co",
    "di",
    "fu",
    "ga",
    "ho",
    "ka",
    "li",
    "mo",
    "ne",
    "pi",
    "ra",
    "su",
    "ta",
    "ve",
    "wo",
    "bri",
    "cla",
    "dro",
    "fle",
    "gna",
    "plo",
    "sti",
)
HERSHEY = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
)

Pixels = NDArray[np.uint8]


def poster(rng: np.random.Generator, width: int = 400, height: int = 512) -> Pixels:
    """One poster (height, width, 3) uint8: ground, cloud pictures, shapes, brand, small print, often bars."""
    ground = _ground(rng, width, height)
    for _ in range(int(rng.integers(1, 3))):
        _paste_cloud(ground, rng)
    for _ in range(int(rng.integers(8, 40))):
        _shape(ground, rng)
    page = Image.fromarray(ground)
    draw = ImageDraw.Draw(page)
    ink = _colour(rng)
    size = int(rng.integers(40, 90))
    draw.text(
        (width * rng.uniform(0.05, 0.3), height * rng.uniform(0.05, 0.7)),
        word(rng).upper() if rng.random() < 0.5 else word(rng).title(),
        font=ImageFont.load_default(size),
        fill=ink,
        stroke_width=int(rng.integers(0, 3)),
        stroke_fill=_colour(rng),
    )
    _small_print(draw, rng, width, height)
    pixels = np.asarray(page).copy()
    for _ in range(int(rng.integers(0, 3))):
        position = (int(rng.integers(0, width // 2)), int(rng.integers(40, height)))
        font = HERSHEY[int(rng.integers(len(HERSHEY)))]
        cv2.putText(pixels, word(rng), position, font, rng.uniform(0.8, 2.0), _colour(rng), 2, cv2.LINE_AA)
    if rng.random() < 0.4:
        _bars(pixels, rng)
    return pixels


def text_page(rng: np.random.Generator, width: int = 480, height: int = 640) -> Pixels:
    """One dense page of words on a light ground: the hard negative of every local feature."""
    page = Image.new("RGB", (width, height), tuple(int(v) for v in rng.integers(215, 256, 3)))
    draw = ImageDraw.Draw(page)
    top = 12.0
    while top < height - 20:
        size = int(rng.choice([11, 13, 15, 18, 26], p=[0.3, 0.3, 0.2, 0.15, 0.05]))
        line = " ".join(word(rng) for _ in range(12))
        draw.text((12, top), line, font=ImageFont.load_default(size), fill=(20, 20, 24))
        top += size * 1.45
    return np.asarray(page).copy()


def plain(rng: np.random.Generator, width: int = 480, height: int = 640) -> Pixels:
    """One covered lens or white table: a level, a slow gradient, sensor noise of sigma 0..3."""
    across = np.linspace(-1, 1, width) * rng.uniform(0, 20)
    down = np.linspace(-1, 1, height) * rng.uniform(0, 20)
    level = rng.uniform(10, 245) + across[None, :] + down[:, None]
    noise = rng.normal(0, rng.uniform(0, 3), (height, width, 3))
    return (level[..., None] + noise).clip(0, 255).astype(np.uint8)


def cloud(rng: np.random.Generator, width: int, height: int, roughness: float | None = None) -> Pixels:
    """A fractal picture (height, width, 3) uint8, which stands in for a photo printed on a pack."""
    share = rng.uniform(0.55, 0.85) if roughness is None else roughness
    total = np.zeros((height, width, 3), np.float32)
    weight, cells = 1.0, 2
    while cells < max(width, height) // 2:
        coarse = rng.normal(size=(cells + 1, cells + 1, 3)).astype(np.float32)
        total += weight * cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        weight, cells = weight * share, cells * 2
    total = total * 45 / max(float(total.std()), 1e-6) + rng.uniform(60, 190, 3).astype(np.float32)
    return total.clip(0, 255).astype(np.uint8)


def word(rng: np.random.Generator) -> str:
    return "".join(SYLLABLES[i] for i in rng.integers(0, len(SYLLABLES), int(rng.integers(2, 5))))


def _ground(rng: np.random.Generator, width: int, height: int) -> Pixels:
    kind = rng.integers(4)
    if kind == 0:
        return cloud(rng, width, height, 0.45)
    first, second = rng.uniform(0, 255, (2, 1, 1, 3))
    if kind == 1:
        mix = np.linspace(0, 1, height)[:, None, None]
    elif kind == 2:
        period = rng.uniform(20, 90)
        angle = rng.uniform(0, np.pi)
        across = np.arange(width)[None, :] * np.cos(angle) + np.arange(height)[:, None] * np.sin(angle)
        mix = (np.mod(across, period) < period / 2)[..., None].astype(np.float64)
    else:
        mix = rng.uniform(0, 0.35, (height, width, 1))
    return np.broadcast_to(first * (1 - mix) + second * mix, (height, width, 3)).astype(np.uint8).copy()


def _paste_cloud(pixels: Pixels, rng: np.random.Generator) -> None:
    height, width = pixels.shape[:2]
    w, h = (int(side * rng.uniform(0.3, 0.8)) for side in (width, height))
    x, y = int(rng.integers(0, width - w)), int(rng.integers(0, height - h))
    pixels[y : y + h, x : x + w] = cloud(rng, w, h)


def _shape(pixels: Pixels, rng: np.random.Generator) -> None:
    height, width = pixels.shape[:2]
    centre = (int(rng.integers(0, width)), int(rng.integers(0, height)))
    radius = int(rng.integers(4, 60))
    filled = -1 if rng.random() < 0.7 else int(rng.integers(1, 5))
    kind = rng.integers(4)
    if kind == 0:
        cv2.circle(pixels, centre, radius, _colour(rng), filled, cv2.LINE_AA)
    elif kind == 1:
        corner = (centre[0] + int(rng.integers(5, 90)), centre[1] + int(rng.integers(5, 90)))
        cv2.rectangle(pixels, centre, corner, _colour(rng), filled)
    elif kind == 2:
        axes = (radius, max(2, radius // 3))
        cv2.ellipse(pixels, centre, axes, rng.uniform(0, 180), 0, 360, _colour(rng), filled, cv2.LINE_AA)
    else:
        points = np.asarray(centre) + rng.integers(-radius, radius + 1, (int(rng.integers(3, 7)), 2))
        cv2.fillPoly(pixels, [points.astype(np.int32)], _colour(rng), cv2.LINE_AA)


def _small_print(draw: ImageDraw.ImageDraw, rng: np.random.Generator, width: int, height: int) -> None:
    left, top = width * rng.uniform(0, 0.5), height * rng.uniform(0.3, 0.8)
    size = int(rng.integers(10, 22))
    ink = _colour(rng)
    for line in range(int(rng.integers(2, 8))):
        text = " ".join(word(rng) for _ in range(int(rng.integers(2, 6))))
        draw.text((left, top + line * size * 1.4), text, font=ImageFont.load_default(size), fill=ink)


def _bars(pixels: Pixels, rng: np.random.Generator) -> None:
    height, width = pixels.shape[:2]
    x, y = int(rng.integers(0, width - 110)), int(rng.integers(0, height - 60))
    pixels[y : y + 56, x : x + 106] = 250
    columns = np.repeat(rng.integers(0, 2, 48), 2).astype(bool)
    pixels[y + 4 : y + 48, x + 5 : x + 101][:, columns] = 10


def _colour(rng: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = (int(v) for v in rng.integers(0, 256, 3))
    return red, green, blue
