"""Several references on the same place: which look right where they differ, which only share a part."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from server.search import geometry
from server.search.features import Described
from server.search.scoring import MIN_SCORE
from server.search.verify import Found

SAME_PLACE_IOU = 0.5
# In standard deviations of the picture: smaller differences are printing, light and sampling.
MIN_DIFFERENCE = 0.7
# The better one must be this much nearer where they differ; a small gap says nothing.
MARGIN = 0.8
MIN_PIXELS = 12
# A better reference explains another: most of its inliers lie there, and it has more and looks more alike.
EXPLAINED_SHARE = 0.8
MORE_INLIERS = 1.5
MORE_ALIKE = 0.25


def unexplained(query: Described, found: Sequence[Found]) -> list[Found]:
    """`found`, best first, without those that only share a part of their print with a better one there.

    Brands repeat lettering, seals and small print on every pack: these match in earnest, while the rest of
    the pack does not. A true near-duplicate looks nearly as alike as the better one and stays.
    """
    kept: list[Found] = []
    for one in found:
        if not any(_explains(query, better, one) for better in kept):
            kept.append(one)
    return kept


def _explains(query: Described, better: Found, one: Found) -> bool:
    if better.evidence.inliers < MORE_INLIERS * one.evidence.inliers:
        return False
    if better.evidence.correlation < one.evidence.correlation + MORE_ALIKE:
        return False
    places = query.features.keypoints[one.pairs[:, 0], :2]
    ring = geometry.outline(better.homography, better.entry.size)
    return bool(geometry.inside(places, ring).mean() >= EXPLAINED_SHARE)


def ordered(query: Described, found: Sequence[Found]) -> list[Found]:
    """`found`, best first, with each near-duplicate that looks wrong put behind and below the right one.

    Contract image-search 3.1, rule 6: both stay; inliers order them, unless the differing area objects.
    """
    result = list(found)
    for first in range(len(result)):
        for second in range(first + 1, len(result)):
            leader, rival = result[first], result[second]
            if _overlap(leader, rival) > SAME_PLACE_IOU and _looks_better(query, rival, leader):
                lowered = min(leader.score, max(MIN_SCORE, rival.score - 1))
                result[first], result[second] = rival, leader._replace(score=lowered)
    return sorted(result, key=lambda one: -one.score)


def _overlap(one: Found, other: Found) -> float:
    return geometry.overlap(*(geometry.outline(found.homography, found.entry.size) for found in (one, other)))


def _looks_better(query: Described, rival: Found, leader: Found) -> bool:
    """Whether the query is nearer to `rival` than to `leader` on the pixels where these two differ."""
    entry, other = leader.entry, rival.entry
    height, width = entry.thumb.shape
    seen, inside = geometry.pull_back(leader.homography, entry.thumb, entry.size, query.gray)
    enlarge = np.diag([entry.size.width / width, entry.size.height / height, 1.0])
    shrink = np.diag([other.thumb.shape[1] / other.size.width, other.thumb.shape[0] / other.size.height, 1.0])
    onto = shrink @ np.linalg.inv(rival.homography) @ leader.homography @ enlarge
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = cv2.warpPerspective(other.thumb, onto, (width, height), flags=flags)
    covered = cv2.warpPerspective(
        np.full(other.thumb.shape, 255, np.uint8), onto, (width, height), flags=flags
    )
    shared = inside & (covered > 250)
    if shared.sum() < 0.1 * shared.size:
        return False
    views = [_standard(view, shared) for view in (entry.thumb, moved.astype(np.uint8, copy=False), seen)]
    differing = shared & (np.abs(views[0] - views[1]) > MIN_DIFFERENCE)
    if differing.sum() < MIN_PIXELS:
        return False
    to_leader, to_rival = (float(np.abs(view - views[2])[differing].mean()) for view in views[:2])
    return to_rival < MARGIN * to_leader


def _standard(view: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The view, slightly blurred, in standard deviations from its mean inside the mask."""
    smooth = cv2.GaussianBlur(view, (0, 0), 1.0).astype(np.float32)
    inside = smooth[mask]
    result: NDArray[np.float32] = (smooth - inside.mean()) / max(float(inside.std()), 1.0)
    return result
