"""From evidence to a decision and to a score 40..100 (contract image-search 3.2, and 3.3 stage 5)."""

from __future__ import annotations

import math
from typing import NamedTuple

# Raise it with any change of the numbers below: stored scores of two versions do not compare.
SCORE_VERSION = 1
MIN_SCORE = 40

MIN_INLIERS = 8
SURE_INLIERS = 12
MIN_RATIO = 0.25
# Between the two numbers of inliers the picture itself has to speak too.
MIN_CORRELATION = 0.45
MIN_COVERAGE = 0.15
# Inliers on a line, or in one spot, carry any homography: their narrow side as a share of the diagonal.
MIN_SPREAD = 0.02

BIAS = -1.45
WEIGHTS = (0.92, 0.42, 0.42, 0.5, 0.42, 0.63, 4.0)


class Evidence(NamedTuple):
    """What speaks for one reference in one query.

    inliers of matches; coverage: share of the reference inside the inliers' hull; spread: their standard
    deviation in the narrow direction, by the diagonal; area: share of the frame, may exceed 1; overlap:
    intersection over union of object and frame; flatness: 1 seen from the front, towards 0 with tilt;
    correlation -1..1 of the pixels.
    """

    inliers: int
    matches: int
    coverage: float
    spread: float
    area: float
    overlap: float
    flatness: float
    correlation: float
    agreement: float

    @property
    def inlier_ratio(self) -> float:
        return self.inliers / max(self.matches, 1)


def is_accepted(evidence: Evidence) -> bool:
    """Whether the reference is taken to be in the query."""
    if evidence.inliers < MIN_INLIERS or evidence.inlier_ratio < MIN_RATIO or evidence.spread < MIN_SPREAD:
        return False
    if evidence.inliers >= SURE_INLIERS:
        return True
    return evidence.correlation >= MIN_CORRELATION and evidence.coverage >= MIN_COVERAGE


def score(evidence: Evidence) -> int:
    """40..100, never lower with more of any evidence; 100 for the picture itself.

    A logistic over seven terms in 0..1. The last, a frame filled by the picture, lifts copies over photos.
    """
    terms = (
        _share(math.log(max(evidence.inliers, 1) / 8), math.log(200 / 8)),
        _share(evidence.inlier_ratio, 1.0),
        _share(evidence.coverage, 0.7),
        _share(math.log(max(evidence.area, 1e-6) / 0.005), math.log(0.5 / 0.005)),
        _share(evidence.flatness, 1.0),
        _share(evidence.correlation, 1.0),
        _share(evidence.overlap - 0.6, 0.35) * _share(evidence.correlation, 1.0),
    )
    logit = BIAS + sum(weight * term for weight, term in zip(WEIGHTS, terms, strict=True))
    return max(MIN_SCORE, min(100, round(100 / (1 + math.exp(-logit)))))


def _share(value: float, full: float) -> float:
    return min(1.0, max(0.0, value / full))
