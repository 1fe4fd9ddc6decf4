"""The straightforward way with OpenCV alone: SIFT, knnMatch, ratio test, findHomography per candidate."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

FEATURES = 500
RATIO = 0.8
MIN_INLIERS = 12


class Script:
    """References are described once; a query is compared with each candidate of its shortlist."""

    def __init__(self, references: Sequence[NDArray[np.uint8]]) -> None:
        sift = cv2.SIFT_create(FEATURES)
        self._references = [sift.detectAndCompute(reference, None) for reference in references]

    def run(self, picture: NDArray[np.uint8], numbers: Sequence[int], matcher: str) -> list[tuple[int, int]]:
        """(number, inliers) of the candidates with at least 12 inliers, most first."""
        points, codes = cv2.SIFT_create(FEATURES).detectAndCompute(picture, None)
        if matcher == "FLANN":
            finder = cv2.FlannBasedMatcher({"algorithm": 1, "trees": 5}, {"checks": 50})
        else:
            finder = cv2.BFMatcher(cv2.NORM_L2)
        found = []
        for number in numbers:
            known_points, known_codes = self._references[number % len(self._references)]
            pairs = finder.knnMatch(codes, known_codes, k=2)
            good = [first for first, second in pairs if first.distance < RATIO * second.distance]
            if len(good) < 4:
                continue
            start = np.array([known_points[match.trainIdx].pt for match in good], np.float32)
            end = np.array([points[match.queryIdx].pt for match in good], np.float32)
            _, mask = cv2.findHomography(start, end, cv2.RANSAC, 4.0)
            if mask is not None and mask.sum() >= MIN_INLIERS:
                found.append((number, int(mask.sum())))
        return sorted(found, key=lambda one: -one[1])
