"""A whole pack seen from the front: its form, its printed front, and the light on it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from models.train.render import paint, texture
from models.train.render.design import Design, design, picture
from models.train.render.front import front
from models.train.render.scene import Outline, Pixels, Sketch, shifted

Light = npt.NDArray[Any]


def pack(rng: np.random.Generator, identity: int, width: int, height: int) -> Pixels:
    """The product with this identity before a plain ground, (height, width, 3) uint8.

    The design is that of the identity; only ground, light and the place in the frame come from rng.
    """
    grounds = (texture.plain, texture.room, texture.wood, texture.stone)
    pixels = grounds[int(rng.choice(4, p=[0.5, 0.3, 0.1, 0.1]))](rng, width, height)
    product = design(identity)
    fill = rng.uniform(0.82, 0.99)
    body_height = int(min(height * fill, width * fill * product.aspect))
    body_width = max(8, int(body_height / product.aspect))
    drawn = body(rng, product, body_width, max(8, body_height)).pixels
    x, y = (width - drawn.shape[1]) // 2, (height - drawn.shape[0]) // 2
    paint.soft_shadow(pixels, np.ascontiguousarray(drawn[..., 3]), x + 3, y + 4, max(4.0, width * 0.02), 0.45)
    paint.paste(pixels, drawn, x, y)
    return pixels


def body(rng: np.random.Generator, product: Design, width: int, height: int, tilt: float = 0.0) -> Sketch:
    """A pack (height, width, 4) uint8 RGBA with the outlines of its logos; rng gives the light only."""
    painters = {
        "bottle": _bottle,
        "can": _can,
        "jar": _jar,
        "pouch": _pouch,
        "carton": _carton,
        "tray": _tray,
    }
    painter = painters.get(product.form, _box)
    return painter(rng, product, max(8, width), max(8, height))


@lru_cache(maxsize=64)
def _across(width: int, strength: int) -> Light:
    """How light falls over a cylinder, (width,): dark at the sides, bright left of the middle."""
    x = np.linspace(-1, 1, width, dtype=np.float32)
    strength_share = strength / 100
    light = 1.0 - strength_share * np.abs(x) ** 3.5 + 0.22 * np.exp(-(((x + 0.35) / 0.14) ** 2))
    return np.asarray(light * (1.0 - 0.12 * x), np.float32)


def _shade_columns(pixels: Pixels, light: Light) -> None:
    paint.shade(pixels, np.broadcast_to(light[None, :], pixels.shape[:2]))


def _wrapped(sketch: Sketch) -> Sketch:
    """A flat print seen on a cylinder: its sides foreshortened."""
    height, width = sketch.pixels.shape[:2]
    reach = 1.15  # the print shown covers +-66 degrees of the cylinder
    x = (np.arange(width, dtype=np.float32) + 0.5) / width * 2 - 1
    source = (np.arcsin(np.clip(x * np.sin(reach), -1, 1)) / reach + 1) / 2 * width - 0.5
    rows = np.repeat(np.arange(height, dtype=np.float32)[:, None], width, axis=1)
    columns = np.repeat(source[None].astype(np.float32), height, axis=0)
    pixels = cv2.remap(sketch.pixels, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    moved = []
    for label, points in sketch.outlines:
        angle = (points[:, 0] / width * 2 - 1) * reach
        across = (np.sin(angle) / np.sin(reach) + 1) / 2 * width
        moved.append(Outline(label, np.stack([across, points[:, 1]], 1).astype(np.float32)))
    return Sketch(pixels, moved)


def _silhouette(sketch: Sketch, mask: Pixels) -> Sketch:
    return Sketch(np.dstack([sketch.pixels[..., :3], mask]), sketch.outlines)


def _box(rng: np.random.Generator, product: Design, width: int, height: int) -> Sketch:
    sketch = front(product, width, height)
    slope = rng.uniform(-0.12, 0.12, 2)
    y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    paint.shade(sketch.pixels, (1.0 + slope[0] * x + slope[1] * y).astype(np.float32))
    edge = max(1, width // 90)
    sketch.pixels[:, :edge] = sketch.pixels[:, :edge] // 3 * 2
    sketch.pixels[:, -edge:] = sketch.pixels[:, -edge:] // 4 * 3
    return _silhouette(sketch, np.full((height, width), 255, np.uint8))


def _pouch(rng: np.random.Generator, product: Design, width: int, height: int) -> Sketch:
    """A film bag: welded rims, bulging middle, wrinkles that catch the light."""
    sketch = front(product, width, height)
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    wrinkles = texture.clouds(rng, width, height, 2, stretch=rng.uniform(0.5, 2.5))
    light = 1.03 - 0.3 * np.abs(x) ** 4 - 0.2 * np.abs(y) ** 5 + 0.1 * wrinkles - 0.1 * x
    light += 0.3 * np.clip(wrinkles - 1.5, 0, 1)
    rim = max(2, int(height * (0.03 + 0.03 * product.shape)))
    light[:rim] *= 0.85 + 0.15 * (np.arange(rim) % 3 > 0)[:, None]
    light[-rim:] *= 0.85 + 0.15 * (np.arange(rim) % 3 > 0)[:, None]
    light[rim : rim + 2] *= 0.7
    paint.shade(sketch.pixels, light.astype(np.float32))
    waist = 0.02 + 0.03 * product.shape
    rows = np.linspace(-1, 1, 24)
    side = (1 - rows**2) * waist
    points = np.concatenate(
        [np.stack([waist - side, (rows + 1) / 2], 1), np.stack([1 - waist + side, (rows + 1) / 2], 1)[::-1]]
    )
    return _silhouette(sketch, paint.polygon_mask(points * (width, height), width, height))


def _can(rng: np.random.Generator, product: Design, width: int, height: int) -> Sketch:
    sketch = _wrapped(front(product, width, height))
    rim = max(2, int(height * 0.035))
    metal = int(rng.integers(150, 225))
    for part in (sketch.pixels[:rim], sketch.pixels[-rim:]):
        part[:] = metal
        part[rim // 2] = metal // 2
    _shade_columns(sketch.pixels, _across(width, 55))
    bend = max(1, int(width * 0.05))
    mask = np.zeros((height, width), np.uint8)
    mask[bend : height - bend] = 255
    for y in (bend, height - 1 - bend):
        cv2.ellipse(mask, (width // 2, y), (width // 2, bend), 0, 0, 360, (255,), -1, cv2.LINE_AA)
    return _silhouette(sketch, mask)


def _jar(rng: np.random.Generator, product: Design, width: int, height: int) -> Sketch:
    """A glass or plastic jar: lid above, contents visible around the label."""
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[:] = product.glass
    lid, top = int(height * 0.16), int(height * 0.27)
    bottom = int(height * 0.93)
    label = _wrapped(front(product, width, max(4, bottom - top)))
    pixels[top:bottom] = label.pixels
    pixels[:lid] = product.cap
    ridges = np.arange(width) // max(2, width // 40) % 2 == 0
    pixels[lid // 3 : lid, ridges] = pixels[lid // 3 : lid, ridges] // 5 * 4
    _shade_columns(pixels, _across(width, 50))
    mask = np.zeros((height, width), np.uint8)
    inset = int(width * 0.05)
    mask[: lid + 2, inset : width - inset] = 255
    body_mask = paint.rounded_mask(width, height - lid, width * (0.08 + 0.1 * product.shape))
    np.maximum(mask[lid:], body_mask, out=mask[lid:])
    return Sketch(np.dstack([pixels, mask]), shifted(label.outlines, 0, top))


def _bottle(rng: np.random.Generator, product: Design, width: int, height: int) -> Sketch:
    """A bottle: cap, neck, shoulder; liquid and highlights outside the label."""
    neck = 0.28 + 0.16 * product.shape
    shoulder, cap = 0.2 + 0.22 * product.shape, 0.07
    t = np.linspace(0, 1, 14)
    ease = (1 - np.cos(t * np.pi)) / 2
    half = np.concatenate(
        [[neck * 0.55, neck * 0.55], neck * 0.5 + (1 - neck) * 0.5 * ease, [0.5, 0.49, 0.44]]
    )
    level = np.concatenate([[0, cap], cap + 0.05 + shoulder * t, [0.95, 0.985, 1.0]])
    points = np.concatenate([np.stack([0.5 - half, level], 1), np.stack([0.5 + half, level], 1)[::-1]])
    mask = paint.polygon_mask(points * (width, height), width, height)
    pixels = paint.gradient(width, height, product.glass, tuple(part // 2 for part in product.glass), 1.57)
    top, bottom = int(height * (cap + 0.1 + shoulder)), int(height * (0.86 + 0.07 * product.shape))
    label = _wrapped(front(product, width, max(4, bottom - top)))
    pixels[top : top + label.pixels.shape[0]] = label.pixels
    pixels[: int(height * cap)] = product.cap
    _shade_columns(pixels, _across(width, 60))
    glint = np.zeros((height, width), np.uint8)
    x = int(width * rng.uniform(0.24, 0.36))
    cv2.line(
        glint,
        (x, int(height * (cap + shoulder * 0.9))),
        (x, int(height * 0.9)),
        (255,),
        max(1, width // 24),
        cv2.LINE_AA,
    )
    paint.blend(
        pixels, cv2.blur(glint, (max(1, width // 16),) * 2), 0, 0, (255, 255, 255), rng.uniform(0.1, 0.5)
    )
    return Sketch(np.dstack([pixels, mask]), shifted(label.outlines, 0, top))


def _carton(rng: np.random.Generator, product: Design, width: int, height: int) -> Sketch:
    """A drink carton: a gable or flat top, often with a screw cap."""
    sketch = front(product, width, height)
    gable = int(height * 0.13)
    x = np.linspace(-1, 1, width, dtype=np.float32)
    _shade_columns(sketch.pixels, (1 - 0.12 * x).astype(np.float32))
    paint.shade(sketch.pixels[:gable], np.full((gable, width), rng.uniform(0.75, 1.15), np.float32))
    slope = 0.16 if product.shape > 0.4 else 0.03
    corners = np.array([(slope, 0.0), (1 - slope, 0.0), (1, 0.13), (1, 1), (0, 1), (0, 0.13)])
    mask = paint.polygon_mask(corners * (width, height), width, height)
    if product.shape > 0.3:
        radius = max(2, int(width * 0.13))
        centre = (width // 2, int(gable * 0.55))
        cv2.circle(sketch.pixels, centre, radius, product.cap, -1, cv2.LINE_AA)
        cv2.circle(sketch.pixels, centre, radius, tuple(part // 2 for part in product.cap), 1, cv2.LINE_AA)
    return _silhouette(sketch, mask)


def _tray(rng: np.random.Generator, product: Design, width: int, height: int) -> Sketch:
    """A flat tray under film: the food all over, a printed sleeve or sticker on it."""
    pixels = cv2.resize(picture(product.identity), (width, height), interpolation=cv2.INTER_LINEAR)
    band = max(8, int(width * (0.45 + 0.35 * product.shape)))
    tall = max(8, int(height * (1.0 if product.split > 0.5 else 0.62)))
    label = front(product, band, tall)
    x, y = (width - band) // 2, (height - tall) // 2
    pixels[y : y + tall, x : x + band] = label.pixels
    film = texture.clouds(rng, width, height, 2)
    paint.shade(pixels, (0.97 + 0.05 * film + 0.5 * np.clip(film - 1.6, 0, 0.6)).astype(np.float32))
    mask = paint.rounded_mask(width, height, min(width, height) * 0.12)
    return Sketch(np.dstack([pixels, mask]), shifted(label.outlines, x, y))
