"""Boxes on pictures: (y_min, x_min, y_max, x_max), as shares of the sides or in pixels (contract 2.4)."""

from __future__ import annotations

import math
from typing import TypeAlias

Box: TypeAlias = tuple[float, float, float, float]
Size: TypeAlias = tuple[int, int]  # width, height in pixels

ANGLES = (0, 90, 180, 270)


def relative(value: object) -> Box | None:
    """Four numbers within 0..1, the first corner before the second; None for anything else."""
    if not isinstance(value, list | tuple) or len(value) != 4:
        return None
    if not all(isinstance(side, int | float) and not isinstance(side, bool) for side in value):
        return None
    y_min, x_min, y_max, x_max = value
    if not (0 <= y_min < y_max <= 1 and 0 <= x_min < x_max <= 1):
        return None
    return float(y_min), float(x_min), float(y_max), float(x_max)


def turned(box: Box, size: Size, angle: int) -> Box:
    """Where a pixel box of a picture of that size is after the picture was turned clockwise by `angle` degrees."""
    y0, x0, y1, x1 = box
    width, height = size
    match angle % 360:
        case 0:
            return box
        case 90:
            return x0, height - y1, x1, height - y0
        case 180:
            return height - y1, width - x1, height - y0, width - x0
        case 270:
            return width - x1, y0, width - x0, y1
    raise ValueError(f"{angle} is no quarter turn")


def turned_size(size: Size, angle: int) -> Size:
    """Width and height after the turn."""
    return size if angle % 180 == 0 else (size[1], size[0])


def crop(box: Box, size: Size, angle: int) -> tuple[float, float, float, float]:
    """x1, y1, x2, y2 in pixels of the turned picture, of a box in shares of the picture as it is."""
    width, height = size
    y_min, x_min, y_max, x_max = box
    y0, x0, y1, x1 = turned((y_min * height, x_min * width, y_max * height, x_max * width), size, angle)
    return x0, y0, x1, y1


def angle_of(value: object) -> int | None:
    """A quarter turn in degrees clockwise, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value in (math.inf, -math.inf):
        return None
    return int(value % 360) if value % 90 == 0 else None
