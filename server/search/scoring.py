"""From evidence to a decision and to a score 40..100 (contract image-search 3.2, and 3.3 stage 5)."""

from __future__ import annotations

import math
from typing import NamedTuple

# Raise it with any change of the numbers below: stored scores of two versions do not compare.
SCORE_VERSION = 1
MIN_SCORE = 40

MIN_INLIERS = 8
MIN_RATIO = 0.25
# Inliers on a line, or in one spot, carry any homography: their narrow side as a share of the diagonal.
MIN_SPREAD = 0.02
# Log-odds of a real match against structured chance (a word, a bar code that two prints share). Fitted to
# 334 real matches of the hardest scenes and 316 false ones of posters and pages of text (bench/scenes.py):
# the weakest real one has 0.1. Other posters with a large word in common reached 0.6, so the bar is above.
ODDS_BIAS = -6.5
ODDS_WEIGHTS = (1.6, 2.7, 2.9, 2.0, 2.3)
MIN_LOG_ODDS = 1.0

BIAS = -1.65
WEIGHTS = (0.92, 0.42, 0.42, 0.5, 0.42, 0.63, 4.0)


class Evidence(NamedTuple):
    """What speaks for one reference in one query.

    inliers of matches; coverage: share of the reference inside the inliers' hull; spread: their standard
    deviation in the narrow direction, by the diagonal; area: share of the frame, may exceed 1; overlap:
    intersection over union of object and frame; flatness: 1 seen from the front, towards 0 with tilt;
    correlation -1..1 of the pixels as a whole; agreement: share of the blocks of the reference that look
    alike by themselves.
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
    return (
        evidence.inliers >= MIN_INLIERS
        and evidence.inlier_ratio >= MIN_RATIO
        and evidence.spread >= MIN_SPREAD
        and log_odds(evidence) >= MIN_LOG_ODDS
    )


def log_odds(evidence: Evidence) -> float:
    """Natural log-odds that the match is real; grows with every term of the evidence it uses."""
    terms = (
        math.log(max(evidence.inliers, 1) / 8),
        math.log(max(evidence.coverage, 1e-3) / 0.1),
        evidence.agreement,
        evidence.inlier_ratio,
        evidence.flatness,
    )
    return ODDS_BIAS + sum(weight * term for weight, term in zip(ODDS_WEIGHTS, terms, strict=True))


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
