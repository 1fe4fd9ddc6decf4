"""Where a reference lies in a query: a homography from matched keypoints, and whether it can be real.

Keypoints are rows x, y, sigma, angle in pixels of the picture they were taken from. Corners are always
top-left, top-right, bottom-left, bottom-right of the reference.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

TOLERANCE_PX = 4.0
MIN_MATCHES = 5
# A real match also agrees in size and direction with what the homography does at its place.
MAX_TURN_RAD = 0.6
MAX_LOG_SCALE = 0.85
MIN_AREA, MAX_AREA = 0.005, 20.0
MAX_STRETCH = 6.0
MAX_DEPTH = 60.0
PAINT_SIDE = 256
# Blocks of a thumb of 128 pixels, their least contrast in gray levels, and when two look alike.
BLOCK_PX = 12
MIN_BLOCK_STD = 4.0
MIN_OTHER_STD = 1.0
MIN_BLOCK_CORRELATION = 0.5
# A picture with fewer textured blocks cannot show full agreement.
MIN_BLOCKS = 8


class Size(NamedTuple):
    width: int
    height: int


def homography_of(known: NDArray[np.float32], seen: NDArray[np.float32]) -> Floats | None:
    """Robust homography (3, 3) (MAGSAC, 4 px) between matched keypoints (K, 4); None when there is none."""
    if len(known) < MIN_MATCHES:
        return None
    found, _ = cv2.findHomography(
        known[:, :2], seen[:, :2], cv2.USAC_MAGSAC, TOLERANCE_PX, maxIters=2000, confidence=0.999
    )
    if found is None or not np.isfinite(found).all():
        return None
    return found.astype(np.float64)


def inliers(homography: Floats, known: NDArray[np.float32], seen: NDArray[np.float32]) -> NDArray[np.int64]:
    """Rows of matched keypoints (K, 4) that follow the homography: within 4 px, turned and sized alike."""
    moved = carried(homography, known)
    fits = _agrees(moved, seen) & (np.hypot(*(moved[:, :2] - seen[:, :2]).T) < TOLERANCE_PX)
    return np.flatnonzero(fits)


def neighbours(
    homography: Floats, known: NDArray[np.float32], seen: NDArray[np.float32], reach_px: float
) -> NDArray[np.int64]:
    """Pairs (K, 2) of rows (seen, known) that the homography brings within `reach_px` on both axes."""
    moved = carried(homography, known)
    # A window of the features sorted by x, instead of all against all.
    sorted_rows = np.argsort(seen[:, 0], kind="stable")
    across = seen[sorted_rows, 0]
    start = np.searchsorted(across, moved[:, 0] - reach_px, side="right")
    counts = np.searchsorted(across, moved[:, 0] + reach_px) - start
    counts = np.maximum(counts, 0)
    from_known = np.repeat(np.arange(len(moved)), counts)
    within = np.arange(len(from_known)) - np.repeat(np.cumsum(counts) - counts, counts)
    to_seen = sorted_rows[start[from_known] + within]
    close = np.abs(moved[from_known, 1] - seen[to_seen, 1]) < reach_px
    from_known, to_seen = from_known[close], to_seen[close]
    agreeing = _agrees(moved[from_known], seen[to_seen])
    return np.stack([to_seen[agreeing], from_known[agreeing]], axis=1)


def carried(homography: Floats, keypoints: NDArray[np.float32]) -> Floats:
    """Keypoints (N, 4) as they look through the homography, by an arrow one sigma long in their direction."""
    moved = project(homography, keypoints[:, :2])
    sigma, angle = keypoints[:, 2], keypoints[:, 3]
    tips = keypoints[:, :2] + np.stack([sigma * np.cos(angle), sigma * np.sin(angle)], axis=1)
    arrow = project(homography, tips) - moved
    length = np.maximum(np.hypot(arrow[:, 0], arrow[:, 1]), 1e-6)
    return np.column_stack([moved, length, np.arctan2(arrow[:, 1], arrow[:, 0])])


def project(homography: Floats, points: NDArray[np.float32] | Floats) -> Floats:
    """points (N, 2) through `homography`; far away where they fall behind the camera."""
    mapped = points.astype(np.float64) @ homography[:, :2].T + homography[:, 2]
    depth = mapped[:, 2:]
    return np.where(depth > 1e-9, mapped[:, :2] / np.where(depth > 1e-9, depth, 1.0), 1e9)


def corners(homography: Floats, size: Size) -> Floats:
    """(4, 2) query pixels of the reference's corners TL, TR, BL, BR."""
    width, height = size
    return project(homography, np.array([[0, 0], [width, 0], [0, height], [width, height]], np.float64))


def area(quad: Floats) -> float:
    """Square pixels of a quadrilateral TL, TR, BL, BR (shoelace by its diagonals); negative when mirrored."""
    across, down = quad[3] - quad[0], quad[2] - quad[1]
    return float(across[0] * down[1] - across[1] * down[0]) / 2


def is_plausible(homography: Floats, reference: Size, query: Size) -> bool:
    """A flat thing seen by a camera: convex, not mirrored, 0.5 % to 20 times the frame, not too tilted.

    Contract image-search 3.3, stage 4.
    """
    depth = _depths(homography, reference)
    if depth.min() <= 1e-9 or (depth.max() / depth.min()) ** 3 > MAX_DEPTH:
        return False
    ring = outline(homography, reference)
    edges = np.roll(ring, -1, axis=0) - ring
    following = np.roll(edges, -1, axis=0)
    # All four turns in the same, unmirrored direction: convex and det > 0.
    if (edges[:, 0] * following[:, 1] - edges[:, 1] * following[:, 0]).min() <= 0:
        return False
    share = area(corners(homography, reference)) / (query.width * query.height)
    if not MIN_AREA <= share <= MAX_AREA:
        return False
    return _stretch(homography, reference) >= 1 / MAX_STRETCH


def flatness(homography: Floats, reference: Size) -> float:
    """1 for a picture seen from the front, towards 0 with tilt: its narrowing times its foreshortening."""
    depth = _depths(homography, reference)
    return _stretch(homography, reference) * float(max(depth.min(), 0.0) / max(depth.max(), 1e-9))


def inside(points: NDArray[np.float32], ring: Floats) -> NDArray[np.bool_]:
    """Which points (N, 2) a convex outline (4, 2), drawn clockwise, contains."""
    edges = np.roll(ring, -1, axis=0) - ring
    away = points[:, None, :] - ring[None, :, :]
    return np.asarray((edges[:, 0] * away[..., 1] - edges[:, 1] * away[..., 0] >= 0).all(axis=1))


def overlap(one: Floats, other: Floats) -> float:
    """Intersection over union 0..1 of two outlines (4, 2), to about one percent.

    Painted, not clipped: polygons that nearly coincide are what `cv2.intersectConvexConvex` gets wrong.
    """
    both = np.concatenate([one, other])
    low = both.min(axis=0)
    scale = PAINT_SIDE / max(float((both.max(axis=0) - low).max()), 1e-9)
    masks = []
    for ring in (one, other):
        mask = np.zeros((PAINT_SIDE + 1, PAINT_SIDE + 1), np.uint8)
        cv2.fillConvexPoly(mask, np.rint((ring - low) * scale * 16).astype(np.int32), 1, shift=4)
        masks.append(mask.astype(bool))
    return float((masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum())


def coverage(points: NDArray[np.float32], size: Size) -> float:
    """Share of a picture of `size` inside the convex hull of points (N, 2)."""
    if len(points) < 3:
        return 0.0
    return float(cv2.contourArea(cv2.convexHull(points.astype(np.float32)))) / (size.width * size.height)


def spread(points: NDArray[np.float32], size: Size) -> float:
    """Standard deviation of points (N, 2) in their narrow direction, as a share of the picture's diagonal."""
    if len(points) < 3:
        return 0.0
    narrow = float(np.linalg.eigvalsh(np.cov(points.T.astype(np.float64)))[0])
    return float(np.sqrt(max(narrow, 0.0)) / np.hypot(*size))


def pull_back(
    homography: Floats, thumb: NDArray[np.uint8], reference: Size, query: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """The query as the thumb (h, w) would see it, and which of its pixels the frame covers."""
    height, width = thumb.shape
    enlarge = np.diag([reference.width / width, reference.height / height, 1.0])
    onto = homography @ enlarge
    # Shrunk first when the object is larger than the thumb: warping alone would alias.
    quad = corners(homography, reference)
    shrink = np.sqrt(abs(area(quad)) / (width * height))
    if shrink > 1.5:
        scale = 1.5 / shrink
        query = cv2.resize(query, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(
            np.uint8, copy=False
        )
        onto = np.diag([scale, scale, 1.0]) @ onto
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    pulled = cv2.warpPerspective(query, onto, (width, height), flags=flags)
    inside = np.full(query.shape, 255, np.uint8)
    mask = cv2.warpPerspective(inside, onto, (width, height), flags=flags) > 250
    return pulled.astype(np.uint8, copy=False), mask


def correlation(first: NDArray[np.uint8], second: NDArray[np.uint8], mask: NDArray[np.bool_]) -> float:
    """Normalised cross-correlation -1..1 in the mask; 0 without contrast or under a tenth of the picture."""
    if mask.sum() < 0.1 * mask.size:
        return 0.0
    a = first[mask].astype(np.float32)
    b = second[mask].astype(np.float32)
    a -= a.mean()
    b -= b.mean()
    norm = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / norm if norm > len(a) else 0.0


def agreement(first: NDArray[np.uint8], second: NDArray[np.uint8], mask: NDArray[np.bool_]) -> float:
    """Share 0..1 of the blocks of a picture, of those with contrast in the mask, that look alike each.

    Light, shadow and what hides a part change some blocks only; a word that two pictures share is one block.
    """
    one, other = (cv2.GaussianBlur(picture, (0, 0), 1.0).astype(np.float32) for picture in (first, second))
    weight = mask.astype(np.float32)

    def mean(values: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(_blocks(values * weight) / np.maximum(covered, 1e-3), np.float32)

    covered = _blocks(weight)
    mean_one, mean_other = mean(one), mean(other)
    spread_one = np.sqrt(np.maximum(mean(one * one) - mean_one**2, 0))
    spread_other = np.sqrt(np.maximum(mean(other * other) - mean_other**2, 0))
    shared = mean(one * other) - mean_one * mean_other
    textured = (covered > 0.5) & (spread_one > MIN_BLOCK_STD)
    alike = shared > MIN_BLOCK_CORRELATION * spread_one * np.maximum(spread_other, MIN_OTHER_STD)
    return float((textured & alike).sum() / max(int(textured.sum()), MIN_BLOCKS))


def bbox(homography: Floats, reference: Size, query: Size) -> list[list[float]]:
    """Corners TL, TR, BL, BR of the reference as fractions of the query's width and height."""
    quad = corners(homography, reference) / np.array([query.width, query.height])
    return [[float(x), float(y)] for x, y in quad]


def outline(homography: Floats, size: Size) -> Floats:
    """(4, 2) query pixels of the reference's corners in the order one would draw them."""
    return corners(homography, size)[[0, 1, 3, 2]]


def _agrees(moved: Floats, seen: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether keypoints point the same way and have about the same size, row by row."""
    turn = np.abs((moved[:, 3] - seen[:, 3] + np.pi) % (2 * np.pi) - np.pi)
    growth = np.abs(np.log(moved[:, 2] / seen[:, 2]))
    return np.asarray((turn < MAX_TURN_RAD) & (growth < MAX_LOG_SCALE))


def _depths(homography: Floats, size: Size) -> Floats:
    """(4,) how far away each corner is, in no particular unit."""
    width, height = size
    ends = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]], np.float64)
    return np.asarray(ends @ homography[2], np.float64)


def _stretch(homography: Floats, reference: Size) -> float:
    """Smallest over largest magnification of the reference as a whole, 0..1."""
    ring = outline(homography, reference)
    edges = np.roll(ring, -1, axis=0) - ring
    across = (edges[0] - edges[2]) / (2 * reference.width)
    down = (edges[1] - edges[3]) / (2 * reference.height)
    large, small = np.linalg.svd(np.stack([across, down]), compute_uv=False)
    return float(small / max(large, 1e-12))


def _blocks(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Means over blocks of about 12 pixels."""
    height, width = values.shape
    size = (max(1, round(width / BLOCK_PX)), max(1, round(height / BLOCK_PX)))
    return cv2.resize(values, size, interpolation=cv2.INTER_AREA).astype(np.float32, copy=False)
