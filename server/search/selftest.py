"""Would this picture be found again? Six made-up photos of it, searched (contract image-search 3.5)."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from server.search import features
from server.search.features import Described
from server.search.geometry import Size
from server.search.replica import Entry
from server.search.verify import verify

FRAME = Size(480, 640)
NOISE_STD = 4.0


class Warp(NamedTuple):
    """How one photo shows the picture: share of the frame, turn, far side by near side, blur."""

    area: float
    turn_deg: float = 0.0
    far_side: float = 1.0
    blur_px: float = 0.0


WARPS = (
    Warp(0.5, 10.0),
    Warp(0.15, -15.0),
    Warp(0.3, 90.0),
    Warp(0.4, 5.0, 0.7),
    Warp(0.3, 45.0, 0.8, 1.0),
    Warp(0.5, 0.0, 1.0, 3.0),
)


def self_test(picture: Described) -> float:
    """Share of the six warps in which the picture is accepted, 0..1."""
    height, width = picture.gray.shape
    keypoints, descriptors = picture.features
    entry = Entry(0, 0, "", "", Size(width, height), keypoints, descriptors, picture.thumb)
    rng = np.random.default_rng(0)
    found = 0
    for warp in WARPS:
        try:
            query = features.describe(photo(picture.gray, warp, rng), limit=features.QUERY_FEATURES)
        except features.NoDetails:
            continue
        found += verify(query, entry) is not None
    return found / len(WARPS)


def photo(gray: NDArray[np.uint8], warp: Warp, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The picture (H, W) uint8 in the middle of a cluttered frame (640, 480) uint8."""
    height, width = gray.shape
    half = np.array([width, height]) / 2
    corners = np.array([[-1, -1], [1, -warp.far_side], [1, warp.far_side], [-1, 1]]) * half
    turn = np.deg2rad(warp.turn_deg)
    corners = corners @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    corners *= np.sqrt(warp.area * FRAME.width * FRAME.height / cv2.contourArea(corners.astype(np.float32)))
    corners += np.array(FRAME) / 2
    outline = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    homography = cv2.getPerspectiveTransform(outline, corners.astype(np.float32))
    frame = _clutter(rng)
    cv2.warpPerspective(gray, homography, FRAME, dst=frame, borderMode=cv2.BORDER_TRANSPARENT)
    if warp.blur_px:
        frame = cv2.GaussianBlur(frame, (0, 0), warp.blur_px).astype(np.uint8, copy=False)
    noisy = frame + rng.normal(0, NOISE_STD, frame.shape)
    result: NDArray[np.uint8] = noisy.clip(0, 255).astype(np.uint8)
    return result


def _clutter(rng: np.random.Generator) -> NDArray[np.uint8]:
    """A frame full of rectangles of any gray: plenty of corners, none of them the picture's."""
    frame = np.full((FRAME.height, FRAME.width), 128, np.uint8)
    for _ in range(250):
        x, y = int(rng.integers(0, FRAME.width)), int(rng.integers(0, FRAME.height))
        w, h = (int(side) for side in rng.integers(8, 70, 2))
        frame[y : y + h, x : x + w] = rng.integers(0, 256)
    return frame
