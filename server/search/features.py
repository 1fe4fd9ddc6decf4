"""The local features of one picture: gray at the working size, contrast repaired only where it is missing."""

from __future__ import annotations

import time
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from kernels import features as kernel

LONG_SIDE = 640
# Up to this many per picture; a query keeps more, since clutter takes its share of them.
REFERENCE_FEATURES = 600
QUERY_FEATURES = 800
MIN_KEYPOINTS = 10
FLAT_STD = 20.0
THUMB_LONG_SIDE = 128
MAX_GAIN = 4.0
# Sensor noise on a plain table must not turn into keypoints. Up to this many gray levels none are found
# (measured with sigma 0.5 to 4, before and after JPEG); CLAHE multiplies noise by about three.
MAX_NOISE = 3.0


class NoDetails(ValueError):
    """The picture is plain: fewer than 10 keypoints even after its contrast was stretched."""


class Described(NamedTuple):
    """A picture ready to be searched or stored.

    gray: (H, W) uint8, long side at most 640, contrast as sent. thumb: (h, w) uint8, long side at most 128.
    features: keypoints in pixels of `gray`. elapsed_ms: time spent here.
    """

    gray: NDArray[np.uint8]
    thumb: NDArray[np.uint8]
    features: kernel.Features
    elapsed_ms: float


def describe(gray: NDArray[np.uint8], *, limit: int = REFERENCE_FEATURES) -> Described:
    """Shrink to the working size and extract at most `limit` features, best first.

    Contract image-search 3.3, stages 0 and 1. gray (H, W) uint8, upright. Raises `NoDetails`.
    """
    started = time.perf_counter()
    sized = shrink(gray, LONG_SIDE)
    found = kernel.extract(_repaired(sized), limit)
    if len(found.keypoints) < MIN_KEYPOINTS:
        found = kernel.extract(_stretched(sized), limit)
    if len(found.keypoints) < MIN_KEYPOINTS:
        raise NoDetails("Image has no details")
    thumb = shrink(sized, THUMB_LONG_SIDE)
    return Described(sized, thumb, found, (time.perf_counter() - started) * 1e3)


def shrink(gray: NDArray[np.uint8], long_side: int) -> NDArray[np.uint8]:
    """Same picture with its long side at most `long_side`, area-averaged; never enlarged."""
    height, width = gray.shape
    scale = long_side / max(height, width)
    if scale >= 1:
        return np.ascontiguousarray(gray)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(gray, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _repaired(gray: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """CLAHE where the spread of gray levels is under 20, unless it would bring out the noise."""
    if float(gray.std()) >= FLAT_STD or _noise(gray) * 3 > MAX_NOISE:
        return gray
    equalised: NDArray[np.uint8] = cv2.createCLAHE(2.0, (4, 4)).apply(gray).astype(np.uint8, copy=False)
    return equalised


def _stretched(gray: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Gray levels spread over the whole range, as far as the noise allows."""
    low, high = np.percentile(gray, (1, 99))
    gain = min(MAX_GAIN, 255.0 / max(float(high - low), 1.0), max(1.0, MAX_NOISE / max(_noise(gray), 0.1)))
    stretched: NDArray[np.uint8] = ((gray - low) * gain).clip(0, 255).astype(np.uint8)
    return stretched


def _noise(gray: NDArray[np.uint8]) -> float:
    """Standard deviation, in gray levels, of what is left of most pixels without their surroundings."""
    pixels = gray.astype(np.float32)
    rest = np.abs(pixels - cv2.GaussianBlur(pixels, (0, 0), 1.5))
    return 1.5 * float(np.median(rest))
