"""Is this reference in that picture? Matches, a homography and the evidence (contract image-search 3.3)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels import matching
from server.search import geometry, scoring
from server.search.features import Described
from server.search.geometry import Floats, Size
from server.search.replica import Entry
from server.search.scoring import Evidence

RATIO = 0.8
# With fewer matches that one similarity explains no homography is tried: unrelated pictures reach 3 or 4.
MIN_AGREEING = 5
# Second look, where the homography says a feature must be: nearer, so the descriptors may differ more.
REACH_PX = 5.0
MAX_SQUARED_DISTANCE = 100_000.0


class Found(NamedTuple):
    """An accepted reference: homography (3, 3) to query pixels, inlier pairs (N, 2) of (query, reference)."""

    entry: Entry
    homography: Floats
    pairs: NDArray[np.int64]
    evidence: Evidence
    score: int


def verify(query: Described, entry: Entry, rows: NDArray[np.int64] | None = None) -> Found | None:
    """The reference as it lies in the query, by the features `rows` (default all); None when rejected."""
    points, codes = query.features
    if rows is not None:
        points, codes = points[rows], codes[rows]
    matches = matching.ratio_matches(codes, entry.descriptors, RATIO)
    if len(matches) < MIN_AGREEING:
        return None
    agreeing = matching.consistent(points, entry.keypoints, matches)
    if len(agreeing) < MIN_AGREEING:
        return None
    frame = Size(query.gray.shape[1], query.gray.shape[0])
    homography = geometry.homography_of(entry.keypoints[agreeing[:, 1]], points[agreeing[:, 0]])
    if homography is None or not geometry.is_plausible(homography, entry.size, frame):
        return None
    first = geometry.inliers(homography, entry.keypoints[matches[:, 1]], points[matches[:, 0]])
    if len(first) < MIN_AGREEING:
        return None
    homography, pairs = _second_look(points, codes, entry, homography)
    if len(pairs) < scoring.MIN_INLIERS or not geometry.is_plausible(homography, entry.size, frame):
        return None
    pulled, inside = geometry.pull_back(homography, entry.thumb, entry.size, query.gray)
    places = entry.keypoints[pairs[:, 1], :2]
    evidence = Evidence(
        inliers=len(pairs),
        matches=len(matches) + len(pairs) - len(first),
        coverage=geometry.coverage(places, entry.size),
        spread=geometry.spread(places, entry.size),
        area=geometry.area(geometry.corners(homography, entry.size)) / (frame.width * frame.height),
        overlap=geometry.overlap(
            geometry.outline(homography, entry.size), geometry.outline(np.eye(3), frame)
        ),
        flatness=geometry.flatness(homography, entry.size),
        correlation=geometry.correlation(entry.thumb, pulled, inside),
        agreement=geometry.agreement(entry.thumb, pulled, inside),
    )
    if not scoring.is_accepted(evidence):
        return None
    if rows is not None:
        pairs[:, 0] = rows[pairs[:, 0]]
    return Found(entry, homography, pairs, evidence, scoring.score(evidence))


def _second_look(
    points: NDArray[np.float32], codes: NDArray[np.uint8], entry: Entry, homography: Floats
) -> tuple[Floats, NDArray[np.int64]]:
    """A finer homography and its one-to-one inliers, from features that lie where the first one puts them.

    The ratio test drops what has a twin elsewhere; place, size and direction tell the twins apart.
    """
    pairs = geometry.neighbours(homography, entry.keypoints, points, REACH_PX)
    apart = codes[pairs[:, 0]].astype(np.float32) - entry.descriptors[pairs[:, 1]]
    distance = np.square(apart).sum(axis=1)
    nearest_first = np.argsort(distance, kind="stable")
    pairs = pairs[nearest_first[distance[nearest_first] < MAX_SQUARED_DISTANCE]]
    for side in (0, 1):
        _, first = np.unique(pairs[:, side], return_index=True)
        pairs = pairs[np.sort(first)]
    finer = geometry.homography_of(entry.keypoints[pairs[:, 1]], points[pairs[:, 0]])
    if finer is not None:
        homography = finer
    kept = geometry.inliers(homography, entry.keypoints[pairs[:, 1]], points[pairs[:, 0]])
    return homography, pairs[kept]
