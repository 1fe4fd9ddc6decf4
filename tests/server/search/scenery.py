"""Described prints, a replica of a few of them, and photos of several prints in one frame."""

from collections.abc import Iterable
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from server.search import features
from server.search.features import Described
from server.search.replica import Replica
from tests.server.search.pictures import print_of

Gray = NDArray[np.uint8]
FRAME = (480, 640)


@cache
def gray_print(seed: int) -> Gray:
    """(270, 360) uint8."""
    return cv2.cvtColor(print_of(seed), cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)


@cache
def described(seed: int) -> Described:
    return features.describe(gray_print(seed))


def replica_of(seeds: Iterable[int]) -> Replica:
    """Image and item of print 7 are called image(7) and item(7)."""
    replica = Replica()
    for seed in seeds:
        replica.add_image(image(seed), item(seed), described(seed))
    return replica


def image(seed: int) -> str:
    return f"{seed:031x}a"


def item(seed: int) -> str:
    return f"{seed:031x}b"


def frame(*placed: tuple[Gray, list[list[float]]]) -> Gray:
    """A noisy gray frame (640, 480) with pictures warped onto corners TL, TR, BL, BR in pixels."""
    rng = np.random.default_rng(0)
    pixels = np.full((FRAME[1], FRAME[0]), 120, np.uint8)
    for picture, corners in placed:
        height, width = picture.shape
        outline = np.array([[0, 0], [width, 0], [0, height], [width, height]], np.float32)
        homography = cv2.getPerspectiveTransform(outline, np.array(corners, np.float32))
        cv2.warpPerspective(picture, homography, FRAME, dst=pixels, borderMode=cv2.BORDER_TRANSPARENT)
    return (pixels + rng.normal(0, 3, pixels.shape)).clip(0, 255).astype(np.uint8)


def query(pixels: Gray) -> Described:
    return features.describe(pixels, limit=features.QUERY_FEATURES)


def rectangle(left: float, top: float, width: float, height: float) -> list[list[float]]:
    right, bottom = left + width, top + height
    return [[left, top], [right, top], [left, bottom], [right, bottom]]
