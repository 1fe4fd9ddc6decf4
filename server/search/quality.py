"""How well a reference picture can be recognised: rating and reasons (contract image-search 3.5)."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.features import Features

MIN_KEYPOINTS = 20
SATURATED_FEATURES = 400
CELLS = 8
# What a good print has.
SATURATED_CONTRAST_STD = 60.0

# Twins: at least this far apart, with descriptors this near (squared, of RootSIFT x 512).
MIN_SHIFT_PX = 12.0
MAX_TWIN_DISTANCE = 60_000.0
# A shift counts when this many features make it, give or take this much.
SAME_SHIFT_PX = 3.0
MIN_SHARED = 8

Status = Literal["OK", "ER"]
Reason = Literal["few_features", "uneven", "low_contrast", "repetitive"]


class Quality(NamedTuple):
    """value 0..1; status ER when the picture is unusable; reasons name what is weak, worst first."""

    value: float
    status: Status
    reasons: tuple[Reason, ...]


def rate(gray: NDArray[np.uint8], features: Features) -> Quality:
    """0.35 number of features + 0.3 their spread + 0.2 contrast + 0.15 absence of repetition.

    gray (H, W) uint8 at the size the features were taken from.
    """
    count = len(features.keypoints)
    number = min(1.0, count / SATURATED_FEATURES)
    even = evenness(features.keypoints, gray.shape[1], gray.shape[0])
    contrast = min(1.0, float(gray.std()) / SATURATED_CONTRAST_STD)
    unlike = 1.0 - repetition(features)
    value = 0.35 * number + 0.3 * even + 0.2 * contrast + 0.15 * unlike
    weak: list[tuple[float, Reason]] = [
        (number / 0.4, "few_features"),
        (even / 0.6, "uneven"),
        (contrast / 0.4, "low_contrast"),
        (unlike / 0.6, "repetitive"),
    ]
    reasons = tuple(reason for share, reason in sorted(weak) if share < 1)
    return Quality(round(value, 2), "OK" if count >= MIN_KEYPOINTS else "ER", reasons)


def evenness(keypoints: NDArray[np.float32], width: int, height: int) -> float:
    """Entropy of the keypoints over an 8 x 8 grid, 0 (one cell) to 1 (all cells alike)."""
    if not len(keypoints):
        return 0.0
    column = (keypoints[:, 0] * CELLS / width).astype(int).clip(0, CELLS - 1)
    row = (keypoints[:, 1] * CELLS / height).astype(int).clip(0, CELLS - 1)
    share = np.bincount(row * CELLS + column, minlength=CELLS * CELLS) / len(keypoints)
    used = share[share > 0]
    return float(-(used * np.log(used)).sum() / np.log(CELLS * CELLS))


def repetition(features: Features) -> float:
    """Share of features, 0..1, whose nearest twin in the same picture lies one common shift away.

    Corners of letters have twins too, but each in its own direction; those of a pattern share a few shifts.
    """
    points, codes = features.keypoints, features.descriptors.astype(np.float32)
    if len(codes) < 2:
        return 0.0
    norms = np.square(codes).sum(axis=1)
    squared = norms[:, None] + norms[None, :] - 2 * (codes @ codes.T)
    shift = points[:, None, :2] - points[None, :, :2]
    turn = np.abs((points[:, None, 3] - points[None, :, 3] + np.pi) % (2 * np.pi) - np.pi)
    growth = np.abs(np.log(points[:, None, 2] / points[None, :, 2]))
    own = np.hypot(shift[..., 0], shift[..., 1]) < MIN_SHIFT_PX
    # One corner seen at two scales, or in two directions, is not a repetition.
    squared[own | (turn > 0.3) | (growth > 0.3)] = np.inf
    twin = squared.argmin(axis=1)
    rows = np.arange(len(codes))
    alike = rows[squared[rows, twin] < MAX_TWIN_DISTANCE]
    if not len(alike):
        return 0.0
    # There and back are one shift.
    step = shift[alike, twin[alike]]
    step *= np.where((step[:, :1] < 0) | ((step[:, :1] == 0) & (step[:, 1:] < 0)), -1, 1)
    near = np.abs(step[:, None, :] - step[None, :, :]).max(axis=2) < SAME_SHIFT_PX
    shared = near.sum(axis=1) >= MIN_SHARED
    return float(shared.sum() / len(codes))
