"""What a drawn picture is: pixels, and the exact outline of every object in it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[Any]  # uint8; OpenCV's own hints promise no more than numbers of some kind
Points = npt.NDArray[np.float32]

KEPT_SHARE = 0.35  # an object of which less remains inside the frame is no longer called visible
UNCOVERED_SHARE = 0.6  # the same for what lies under something else: a box cannot say which part is hidden
SHORTEST_SIDE_PX = 3.0


class Box(NamedTuple):
    """An object's bounds in pixels: 0 is the outer edge of the first pixel, width that of the last."""

    label: str
    x_min: float
    y_min: float
    x_max: float
    y_max: float


class Outline(NamedTuple):
    """An object's border as points (K, 2) float32 in pixels, so that a warp can move it without growing it."""

    label: str
    points: Points


class Scene(NamedTuple):
    """A picture (H, W, 3) uint8 RGB and the boxes of its objects."""

    pixels: Pixels
    boxes: list[Box]


class Sketch(NamedTuple):
    """A picture being composed: pixels (H, W, 3 or 4) uint8 and the outlines of its objects."""

    pixels: Pixels
    outlines: list[Outline]


def rectangle(
    label: str, x: float, y: float, width: float, height: float, points_per_side: int = 6
) -> Outline:
    """The outline of an upright rectangle; points along the sides keep it exact when the surface bends."""
    return Outline(label, (_unit_square(points_per_side) * (width, height) + (x, y)).astype(np.float32))


@lru_cache(maxsize=8)
def _unit_square(points_per_side: int) -> Points:
    steps = np.linspace(0.0, 1.0, points_per_side, endpoint=False, dtype=np.float32)
    zeros, ones = np.zeros_like(steps), np.ones_like(steps)
    sides = [(steps, zeros), (ones, steps), (1 - steps, ones), (zeros, 1 - steps)]
    return np.concatenate([np.stack(side, 1) for side in sides])


def ellipse(label: str, x: float, y: float, width: float, height: float) -> Outline:
    """The outline of an upright ellipse given by its bounds."""
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    unit = np.stack([np.cos(angle), np.sin(angle)], 1) / 2 + 0.5
    return Outline(label, (unit * (width, height) + (x, y)).astype(np.float32))


def shifted(outlines: Iterable[Outline], x: float, y: float, scale: float = 1.0) -> list[Outline]:
    """The outlines scaled, then moved."""
    offset = np.array([x, y], np.float32)
    return [Outline(outline.label, outline.points * np.float32(scale) + offset) for outline in outlines]


def _grid(points: Points) -> Points:
    """A 6 x 6 grid of points over the bounds of an outline."""
    low, high = points.min(axis=0), points.max(axis=0)
    steps = (np.arange(6, dtype=np.float32) + 0.5) / 6
    return np.asarray(np.stack(np.meshgrid(steps, steps), 2).reshape(-1, 2) * (high - low) + low, np.float32)


def uncovered(outlines: Iterable[Outline], corners: Points) -> list[Outline]:
    """The outlines of which enough remains when a convex sheet with these corners (4, 2) is laid over them."""
    kept = []
    for outline in outlines:
        grid = _grid(outline.points)
        sides = [
            (b[0] - a[0]) * (grid[:, 1] - a[1]) - (b[1] - a[1]) * (grid[:, 0] - a[0])
            for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True)
        ]
        inside = np.all(np.stack(sides) > 0, axis=0) | np.all(np.stack(sides) < 0, axis=0)
        if 1 - float(inside.mean()) >= UNCOVERED_SHARE:
            kept.append(outline)
    return kept


def unmasked(outlines: Iterable[Outline], mask: Pixels) -> list[Outline]:
    """The outlines of which enough remains outside a mask (H, W) uint8 that covers the picture."""
    height, width = mask.shape
    kept = []
    for outline in outlines:
        x, y = _grid(outline.points).astype(int).T
        seen = (x >= 0) & (y >= 0) & (x < width) & (y < height)
        covered = mask[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)] > 127
        if not seen.any() or 1 - float(covered[seen].mean()) >= UNCOVERED_SHARE:
            kept.append(outline)
    return kept


def clipped(outline: Outline, width: int, height: int) -> Outline | None:
    """An outline cut at the border of a frame; None where too little of it is inside."""
    kept = boxes([outline], width, height)
    if not kept:
        return None
    label, x_min, y_min, x_max, y_max = kept[0]
    points = np.clip(outline.points, (x_min, y_min), (x_max, y_max))
    return Outline(label, np.asarray(points, np.float32))


def boxes(outlines: Iterable[Outline], width: int, height: int) -> list[Box]:
    """The boxes of outlines inside a frame; an object of which too little remains visible is left out."""
    found = []
    for label, points in outlines:
        x_min, y_min = points.min(axis=0)
        x_max, y_max = points.max(axis=0)
        inside = Box(
            label,
            float(max(x_min, 0.0)),
            float(max(y_min, 0.0)),
            float(min(x_max, width)),
            float(min(y_max, height)),
        )
        box_width, box_height = inside.x_max - inside.x_min, inside.y_max - inside.y_min
        if min(box_width, box_height) < SHORTEST_SIDE_PX:
            continue
        if box_width * box_height >= KEPT_SHARE * float((x_max - x_min) * (y_max - y_min)):
            found.append(inside)
    return found
