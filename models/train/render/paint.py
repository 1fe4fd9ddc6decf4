"""Marks on a picture: masks, cut-outs, rounded shapes, gradients and soft shadows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np

from models.train.render.scene import Pixels

Colour = tuple[int, int, int]


def blend(pixels: Pixels, mask: Pixels, x: int, y: int, colour: Sequence[int], opacity: float = 1.0) -> None:
    """Lay a colour on pixels (H, W, 3+) where the mask (h, w) uint8, placed at x, y, covers it."""
    height, width = pixels.shape[:2]
    top, left = max(0, -y), max(0, -x)
    bottom, right = min(mask.shape[0], height - y), min(mask.shape[1], width - x)
    if top >= bottom or left >= right:
        return
    cover = mask[top:bottom, left:right]
    if opacity < 1.0:
        cover = cv2.convertScaleAbs(cover, alpha=opacity)
    _mix(
        pixels[y + top : y + bottom, x + left : x + right, :3],
        cover,
        _ramp((int(colour[0]), int(colour[1]), int(colour[2]))),
    )


@lru_cache(maxsize=256)
def _ramp(colour: Colour) -> Pixels:
    """What a colour adds at each coverage, (1, 256, 3) uint8."""
    return np.asarray(np.arange(256)[None, :, None] * np.asarray(colour) / 255 + 0.5, np.uint8)


def _mix(region: Pixels, cover: Pixels, ramp: Pixels) -> None:
    """region * (1 - cover) + what the ramp adds, in 8 bits throughout (five times as fast as in floats)."""
    covers = cv2.merge([cover, cover, cover])
    kept = cv2.multiply(np.ascontiguousarray(region), cv2.bitwise_not(covers), scale=1 / 255)
    region[...] = cv2.add(kept, cv2.LUT(covers, ramp))


def paste(pixels: Pixels, cutout: Pixels, x: int, y: int, opacity: float = 1.0) -> None:
    """Lay a cut-out (h, w, 4) uint8 RGBA, or an opaque (h, w, 3), on pixels (H, W, 3+) at x, y."""
    height, width = pixels.shape[:2]
    top, left = max(0, -y), max(0, -x)
    bottom, right = min(cutout.shape[0], height - y), min(cutout.shape[1], width - x)
    if top >= bottom or left >= right:
        return
    region = pixels[y + top : y + bottom, x + left : x + right, :3]
    source = cutout[top:bottom, left:right, :3]
    if cutout.shape[2] == 3 and opacity == 1.0:
        region[...] = source
        return
    cover = (
        np.ascontiguousarray(cutout[top:bottom, left:right, 3])
        if cutout.shape[2] == 4
        else np.full(source.shape[:2], 255, np.uint8)
    )
    if opacity < 1.0:
        cover = cv2.convertScaleAbs(cover, alpha=opacity)
    covers = cv2.merge([cover, cover, cover])
    kept = cv2.multiply(np.ascontiguousarray(region), cv2.bitwise_not(covers), scale=1 / 255)
    region[...] = cv2.add(kept, cv2.multiply(np.ascontiguousarray(source), covers, scale=1 / 255))


def fill(pixels: Pixels, x: float, y: float, width: float, height: float, colour: Sequence[int]) -> None:
    """A filled upright rectangle; parts outside the picture are ignored."""
    x0, y0, x1, y1 = round(x), round(y), round(x + width), round(y + height)
    pixels[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1), :3] = colour


def frame(
    pixels: Pixels, x: float, y: float, width: float, height: float, colour: Sequence[int], line_px: int = 1
) -> None:
    """The border of an upright rectangle, drawn inside it."""
    line_px = max(1, line_px)
    fill(pixels, x, y, width, line_px, colour)
    fill(pixels, x, round(y + height) - line_px, width, line_px, colour)
    fill(pixels, x, y, line_px, height, colour)
    fill(pixels, round(x + width) - line_px, y, line_px, height, colour)


def rounded_mask(width: int, height: int, radius: float) -> Pixels:
    """Coverage (height, width) of a rectangle with round corners."""
    mask = np.zeros((height, width), np.uint8)
    r = int(min(radius, (width - 1) / 2, (height - 1) / 2))
    if r < 1:
        mask[:] = 255
        return mask
    mask[r : height - r, :] = 255
    mask[:, r : width - r] = 255
    for cx, cy in ((r, r), (width - 1 - r, r), (r, height - 1 - r), (width - 1 - r, height - 1 - r)):
        cv2.circle(mask, (cx, cy), r, (255,), -1, cv2.LINE_AA)
    return mask


def rounded(
    pixels: Pixels,
    x: float,
    y: float,
    width: float,
    height: float,
    radius: float,
    colour: Sequence[int],
    opacity: float = 1.0,
) -> None:
    """A filled rectangle with round corners."""
    if width >= 2 and height >= 2:
        blend(pixels, rounded_mask(round(width), round(height), radius), round(x), round(y), colour, opacity)


def polygon_mask(points: np.ndarray, width: int, height: int) -> Pixels:
    """Coverage (height, width) of a filled polygon with points (K, 2) in pixels, smooth at the border."""
    mask = np.zeros((height, width), np.uint8)
    shift = 4
    fixed = np.round((np.asarray(points, np.float64) - 0.5) * (1 << shift)).astype(np.int32)
    cv2.fillPoly(mask, [fixed], (255,), cv2.LINE_AA, shift)
    return mask


def gradient(width: int, height: int, start: Sequence[int], end: Sequence[int], angle: float) -> Pixels:
    """A linear gradient (height, width, 3) between two colours; angle in radians, 0 runs left to right."""
    across = np.linspace(-0.5, 0.5, 16, dtype=np.float32)
    ramp = across[None, :] * np.cos(angle) + across[:, None] * np.sin(angle)
    ramp = (ramp - ramp.min()) / max(1e-6, float(ramp.max() - ramp.min()))
    small = np.asarray(start, np.float32) + ramp[..., None] * (
        np.asarray(end, np.float32) - np.asarray(start, np.float32)
    )
    large = cv2.resize(small.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(large).astype(np.uint8)


def shade(pixels: Pixels, factor: np.ndarray) -> None:
    """Multiply pixels (H, W, 3+) by a factor (H, W) float, e.g. light on a curved surface."""
    region = pixels[..., :3]
    grey = np.repeat(factor[..., None].astype(np.float32), 3, axis=2)
    region[...] = cv2.multiply(np.ascontiguousarray(region), grey, dtype=cv2.CV_8U)


def soft_shadow(pixels: Pixels, mask: Pixels, x: int, y: int, blur_px: float, opacity: float) -> None:
    """Darken under a blurred copy of a mask (h, w) placed at x, y."""
    pad = int(blur_px * 2)
    # The blur is done at a quarter of the size: a shadow has no detail to lose.
    scale = 4
    wide = cv2.copyMakeBorder(mask, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=(0,))
    small = cv2.resize(
        wide, (max(1, wide.shape[1] // scale), max(1, wide.shape[0] // scale)), interpolation=cv2.INTER_AREA
    )
    small = cv2.GaussianBlur(small, (0, 0), max(0.6, blur_px / scale))
    soft = cv2.resize(small, (wide.shape[1], wide.shape[0]), interpolation=cv2.INTER_LINEAR)
    blend(pixels, soft, x - pad, y - pad, (0, 0, 0), opacity)


def luminance(colour: Sequence[int]) -> float:
    """Perceived lightness of a colour, 0..1."""
    return (0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]) / 255


def ink_on(colour: Sequence[int], dark: Colour = (25, 22, 20), light: Colour = (252, 251, 247)) -> Colour:
    """The ink, dark or light, that can be read on a colour."""
    return dark if luminance(colour) > 0.55 else light


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """A colour from hue, saturation and value, each 0..1 (the hue wraps)."""
    sector, part = divmod((hue % 1.0) * 6, 1.0)
    p, q, t = value * (1 - saturation), value * (1 - part * saturation), value * (1 - (1 - part) * saturation)
    red, green, blue = (
        (value, t, p),
        (q, value, p),
        (p, value, t),
        (p, q, value),
        (t, p, value),
        (value, p, q),
    )[int(sector) % 6]
    return int(red * 255), int(green * 255), int(blue * 255)


# Hues of print as one meets them in a shop: (middle, spread, share).
PRINT_HUES = (
    (0.99, 0.02, 0.22),
    (0.06, 0.02, 0.12),
    (0.125, 0.02, 0.17),
    (0.27, 0.04, 0.1),
    (0.36, 0.04, 0.12),
    (0.58, 0.04, 0.15),
    (0.5, 0.05, 0.04),
    (0.78, 0.05, 0.04),
    (0.91, 0.03, 0.04),
)


def ink(hue: float, saturation: float, value: float) -> Colour:
    """A colour that print can reach: no glowing greens or cyans, nothing quite pure."""
    dull = float(np.exp(-((((hue % 1.0) - 0.42) / 0.13) ** 2)))
    return hsv(hue, saturation * (0.93 - 0.12 * dull), value * (1 - 0.3 * dull * saturation))


def print_hue(rng: np.random.Generator) -> float:
    """A hue as packs have it: reds, yellows, greens and blues far more often than the rest."""
    middle, spread, _ = PRINT_HUES[int(rng.choice(len(PRINT_HUES), p=[share for _, _, share in PRINT_HUES]))]
    return float(rng.normal(middle, spread)) % 1.0


def room_colour(rng: np.random.Generator, low: float = 0.15, high: float = 1.0) -> Colour:
    """A colour of walls, tables and furniture: mostly greys, whites and browns, sometimes a stronger one."""
    kind = rng.random()
    if kind < 0.55:
        return hsv(
            rng.choice([0.08, 0.1, 0.6]) + rng.normal(0, 0.03), rng.uniform(0, 0.15), rng.uniform(low, high)
        )
    if kind < 0.8:
        return hsv(rng.normal(0.085, 0.02), rng.uniform(0.15, 0.6), rng.uniform(low, high * 0.9))
    return hsv(print_hue(rng), rng.uniform(0.2, 0.8), rng.uniform(low, high))
