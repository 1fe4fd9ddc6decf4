"""A hand that holds a pack: a palm behind it, finger tips or a thumb over its edge."""

from __future__ import annotations

import cv2
import numpy as np

from models.train.render import paint, texture
from models.train.render.scene import Pixels, Points


class Hand:
    """One hand at one edge of a sheet; draw what is behind first, then the sheet, then what is in front."""

    def __init__(self, rng: np.random.Generator, where: Points) -> None:
        """Take hold of the sheet with corners `where` (4, 2), most often at its left, right or lower edge."""
        self._rng = rng
        edge = int(rng.choice([1, 2, 3, 0], p=[0.34, 0.27, 0.34, 0.05]))
        first, second = where[edge], where[(edge + 1) % 4]
        self._along = (second - first) / max(1e-6, float(np.hypot(*(second - first))))
        self._outward = np.array([self._along[1], -self._along[0]], np.float32)
        if float(np.dot(self._outward, where.mean(axis=0) - first)) > 0:
            self._outward = -self._outward
        self._grip = first + (second - first) * np.float32(rng.uniform(0.25, 0.75))
        size = float(np.sqrt(abs(cv2.contourArea(where))))
        self._thick = float(size * rng.uniform(0.11, 0.2))
        # Where the arm comes from: outward, at a slant.
        self._arm = self._outward + self._along * np.float32(rng.normal(0, 0.45))
        self._skin = np.array(
            paint.hsv(rng.uniform(0.03, 0.08), rng.uniform(0.28, 0.6), rng.uniform(0.3, 0.98)), np.float32
        )

    def behind(self, pixels: Pixels) -> Pixels:
        """The palm and the wrist, which come out from under the sheet; returns what they cover, (H, W) uint8."""
        cover = np.zeros(pixels.shape[:2], np.uint8)
        rng, thick = self._rng, self._thick
        palm = self._grip - self._outward * np.float32(thick * 0.5)
        wrist = self._grip + self._arm * np.float32(thick * 9)
        _limb(pixels, rng, self._skin, palm, wrist, thick * rng.uniform(2.2, 3.2), cover, has_nail=False)
        return cover

    def before(self, pixels: Pixels) -> Pixels:
        """A thumb or finger tips over the edge; returns what they cover, (H, W) uint8."""
        rng, thick = self._rng, self._thick
        cover = np.zeros(pixels.shape[:2], np.uint8)
        count = 1 if rng.random() < 0.6 else int(rng.integers(2, 5))
        for place in range(count):
            root = self._grip + self._along * np.float32(thick * 1.0 * (place - count / 2))
            lean = self._along * np.float32(rng.normal(0, 0.25))
            reach = thick * rng.uniform(0.6, 2.2 if count == 1 else 1.3)
            tip = root - (self._outward + lean) * np.float32(reach)
            # A thumb grows out of the palm beside the sheet; fingers come around its edge.
            start = root + (
                self._arm * np.float32(thick * 2.2) if count == 1 else self._outward * np.float32(thick * 0.3)
            )
            _limb(pixels, rng, self._skin, start, tip, thick, cover)
        return cover


def _limb(
    pixels: Pixels,
    rng: np.random.Generator,
    skin: Points,
    start: Points,
    end: Points,
    thick: float,
    cover: Pixels,
    has_nail: bool = True,
) -> None:
    """A round limb between two points, lit from one side, with folds of skin; adds to what is covered."""
    height, width = pixels.shape[:2]
    low = np.maximum(np.minimum(start, end) - thick, 0).astype(int)
    high = np.minimum(np.maximum(start, end) + thick, (width, height)).astype(int)
    if low[0] >= high[0] - 4 or low[1] >= high[1] - 4:
        return
    # Half the resolution will do: skin has no hard edges of its own.
    y, x = np.mgrid[low[1] : high[1] : 2, low[0] : high[0] : 2].astype(np.float32)
    length = max(1.0, float(np.hypot(*(end - start))))
    direction = (end - start) / length
    along = (x - start[0]) * direction[0] + (y - start[1]) * direction[1]
    across = (x - start[0]) * -direction[1] + (y - start[1]) * direction[0]
    over = np.maximum(along - length, 0) + np.maximum(-along, 0)
    # A finger is a little thicker at its joints and narrows to the tip.
    half = thick / 2 * (1 - 0.18 * np.clip(along / length, 0, 1) + 0.05 * np.cos(along / thick * 2.8))
    distance = np.hypot(across, over) / half
    light = 0.42 + 0.6 * np.sqrt(np.clip(1 - distance**2, 0, 1)) + 0.14 * across / half
    light += 0.035 * texture.clouds(rng, x.shape[1], x.shape[0], 4)
    light -= 0.1 * np.exp(-(((along - length * 0.55) / (thick * 0.05)) ** 2)) * (distance < 0.8)
    colour = np.clip(light[..., None] * skin, 0, 255)
    if has_nail and rng.random() < 0.6:
        nail = np.hypot(across / (thick * 0.27), (along - length - thick * 0.02) / (thick * 0.33))
        colour += np.clip((1 - nail) * 4, 0, 1)[..., None] * np.array([22, 26, 28], np.float32)
    mask = (np.clip((1 - distance) * half / 2, 0, 1) * 255).astype(np.uint8)
    cutout = np.dstack([np.clip(colour, 0, 255).astype(np.uint8), mask])
    cutout = cv2.resize(
        cutout, (int(high[0] - low[0]), int(high[1] - low[1])), interpolation=cv2.INTER_LINEAR
    )
    alpha = np.ascontiguousarray(cutout[..., 3])
    paint.soft_shadow(pixels, alpha, int(low[0]) + 2, int(low[1]) + 3, max(2.0, thick * 0.15), 0.4)
    paint.paste(pixels, cutout, int(low[0]), int(low[1]))
    region = cover[low[1] : high[1], low[0] : high[0]]
    np.maximum(region, alpha, out=region)
