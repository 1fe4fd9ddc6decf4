"""Small figures for logos and icons: leaves, stars, suns, waves, crowns, monograms, free shapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from models.train.render import font, paint
from models.train.render.scene import Pixels

SIDE = 128
Curve = npt.NDArray[Any]


def symbol(
    rng: np.random.Generator, width: int, height: int, colour: paint.Colour, accent: paint.Colour
) -> Pixels:
    """A figure (height, width, 4) uint8 RGBA in one or two colours."""
    draw = FIGURES[int(rng.integers(len(FIGURES)))]
    first, second = draw(rng)
    canvas = np.zeros((SIDE, SIDE, 4), np.uint8)
    canvas[..., :3] = colour
    canvas[..., 3] = first
    if second is not None:
        paint.blend(canvas, second, 0, 0, accent)
        canvas[..., 3] = np.maximum(first, second)
    return cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)


Masks = tuple[Pixels, "Pixels | None"]


def _filled(*curves: Curve) -> Pixels:
    """The union of closed curves in unit coordinates (0..1)."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    for curve in curves:
        np.maximum(mask, paint.polygon_mask(curve * SIDE, SIDE, SIDE), out=mask)
    return mask


def _polar(angle: Curve, radius: Curve | float) -> Curve:
    return np.asarray(np.stack([np.cos(angle), np.sin(angle)], 1) * np.reshape(radius, (-1, 1)) + 0.5)


def _circle(x: float, y: float, radius: float) -> Curve:
    angle = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    return np.stack([np.cos(angle) * radius + x, np.sin(angle) * radius + y], 1)


def _leaf_curve(angle: float, x: float, y: float, length: float, width: float) -> Curve:
    t = np.linspace(0, 1, 20)
    half = np.sin(np.pi * t) * width
    along = np.concatenate([t, t[::-1]]) * length
    across = np.concatenate([half, -half[::-1]])
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.stack([x + along * cosine - across * sine, y + along * sine + across * cosine], 1)


def _leaves(rng: np.random.Generator) -> Masks:
    count = int(rng.integers(1, 6))
    spread = np.linspace(-1, 1, count) * rng.uniform(0.4, 1.3) if count > 1 else np.zeros(1)
    curves = [
        _leaf_curve(-np.pi / 2 + s, 0.5, 0.95, rng.uniform(0.6, 0.9), rng.uniform(0.08, 0.22)) for s in spread
    ]
    mask = _filled(*curves)
    if rng.random() < 0.5:
        for s in spread:
            end = (int(64 + np.sin(s) * 90), int(121 - np.cos(s) * 90))
            cv2.line(mask, (64, 121), end, (0,), 3, cv2.LINE_AA)
    return mask, None


def _star(rng: np.random.Generator) -> Masks:
    points = int(rng.integers(4, 13))
    angle = np.linspace(0, 2 * np.pi, points * 2, endpoint=False) - np.pi / 2
    mask = _filled(_polar(angle, np.where(np.arange(points * 2) % 2, rng.uniform(0.18, 0.36), 0.48)))
    return mask, _filled(_circle(0.5, 0.5, 0.15)) if rng.random() < 0.4 else None


def _sun(rng: np.random.Generator) -> Masks:
    rays, start = int(rng.integers(7, 20)), rng.uniform(0.26, 0.34)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    for angle in np.linspace(0, 2 * np.pi, rays, endpoint=False):
        direction = np.array([np.cos(angle), np.sin(angle)])
        a, b = (direction * start + 0.5) * SIDE, (direction * 0.48 + 0.5) * SIDE
        cv2.line(
            mask, (int(a[0]), int(a[1])), (int(b[0]), int(b[1])), (255,), int(rng.integers(3, 9)), cv2.LINE_AA
        )
    return mask, _filled(_circle(0.5, 0.5, start - 0.05))


def _drop(rng: np.random.Generator) -> Masks:
    t = np.linspace(0, 2 * np.pi, 40)
    curve = np.stack([0.5 + 0.36 * np.sin(t) * np.sin(t / 2) ** 1.5, 0.52 - 0.44 * np.cos(t)], 1)
    return _filled(curve), _filled(_circle(0.42, 0.7, 0.08)) if rng.random() < 0.6 else None


def _waves(rng: np.random.Generator) -> Masks:
    mask, x = np.zeros((SIDE, SIDE), np.uint8), np.arange(4, SIDE - 4)
    period, lift = rng.uniform(20, 60), rng.uniform(5, 14)
    for row in range(int(rng.integers(2, 5))):
        y = 30 + row * 24 + np.sin(x / period * 2 * np.pi + row) * lift
        cv2.polylines(
            mask, [np.stack([x, y], 1).astype(np.int32)], False, (255,), int(rng.integers(6, 14)), cv2.LINE_AA
        )
    return mask, None


def _rings(rng: np.random.Generator) -> Masks:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    for _ in range(int(rng.integers(1, 4))):
        centre = (int(rng.integers(40, 88)), int(rng.integers(40, 88)))
        start = float(rng.uniform(0, 360))
        radius = int(rng.integers(16, 40))
        cv2.ellipse(
            mask,
            centre,
            (radius, radius),
            start,
            0,
            float(rng.choice([360, 270, 200])),
            (255,),
            int(rng.integers(6, 16)),
            cv2.LINE_AA,
        )
    return mask, None


def _monogram(rng: np.random.Generator) -> Masks:
    letters = "".join(rng.choice(list("ABCDEFGHIJKLMNOPQRSTUVWXYZ&"), int(rng.integers(1, 3))))
    text = font.trimmed(font.line(letters, str(rng.choice(font.faces_for("latin"))), 96))
    text = cv2.resize(text, (84, 84), interpolation=cv2.INTER_AREA)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[22:106, 22:106] = text
    if rng.random() < 0.5:
        plate = _filled(_circle(0.5, 0.5, 0.49))
        return np.where(mask > 0, plate - np.minimum(mask, plate), plate).astype(np.uint8), None
    return mask, None


def _animal(rng: np.random.Generator) -> Masks:
    """A body, a head, ears and legs: enough of an animal for a label."""
    curves = [
        _circle(0.45, 0.55, 0.22) * (1.0, 1.0),
        _circle(rng.uniform(0.65, 0.75), rng.uniform(0.25, 0.5), rng.uniform(0.1, 0.16)),
    ]
    for x in (0.3, 0.38, 0.52, 0.6):
        curves.append(np.array([(x, 0.6), (x + 0.06, 0.6), (x + 0.05, 0.94), (x, 0.94)]))
    curves.append(_leaf_curve(rng.uniform(-2.2, -0.8), 0.7, 0.3, rng.uniform(0.15, 0.3), 0.05))
    curves.append(_leaf_curve(rng.uniform(2.3, 3.6), 0.28, 0.5, rng.uniform(0.15, 0.3), 0.04))
    return _filled(*curves), None


def _grain(rng: np.random.Generator) -> Masks:
    curves = [np.array([(0.485, 0.15), (0.515, 0.15), (0.53, 0.98), (0.47, 0.98)])]
    for row in range(int(rng.integers(3, 6))):
        for side in (-1, 1):
            curves.append(_leaf_curve(-np.pi / 2 + side * 0.6, 0.5, 0.75 - row * 0.14, 0.24, 0.055))
    return _filled(*curves), None


def _crown(rng: np.random.Generator) -> Masks:
    points = int(rng.integers(3, 6))
    top = [(0.1 + 0.8 * i / (2 * points), 0.25 if i % 2 == 0 else 0.55) for i in range(2 * points + 1)]
    balls = [_circle(x, 0.22, 0.05) for x, y in top if y < 0.3]
    return _filled(np.array([*top, (0.85, 0.85), (0.15, 0.85)])), _filled(*balls)


def _heart(rng: np.random.Generator) -> Masks:
    t = np.linspace(0, 2 * np.pi, 50)
    x = 0.5 + 0.028 * 16 * np.sin(t) ** 3
    y = 0.46 - 0.028 * (13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t))
    return _filled(np.stack([x, y], 1)), None


def _free(rng: np.random.Generator) -> Masks:
    """Overlapping triangles, bars and discs, often with a symmetry."""
    curves = []
    for _ in range(int(rng.integers(2, 5))):
        if rng.random() < 0.4:
            curves.append(_circle(rng.uniform(0.2, 0.8), rng.uniform(0.2, 0.8), rng.uniform(0.08, 0.2)))
        else:
            curves.append(rng.uniform(0.02, 0.98, (int(rng.integers(3, 5)), 2)))
    mask = _filled(*curves)
    if rng.random() < 0.6:
        mask = np.maximum(mask, mask[:, ::-1])
    second = _filled(rng.uniform(0.1, 0.9, (3, 2))) if rng.random() < 0.6 else None
    return mask, second


FIGURES: tuple[Callable[[np.random.Generator], Masks], ...] = (
    _leaves,
    _star,
    _sun,
    _drop,
    _waves,
    _rings,
    _monogram,
    _animal,
    _grain,
    _crown,
    _heart,
    _free,
)
