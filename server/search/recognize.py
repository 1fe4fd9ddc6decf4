"""Which known pictures are in this one: shortlist, verification, scores, one result per item or per copy.

Pure: nothing is read or written but the replica in memory; any number of threads may search at once.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from server.search import appearance, geometry
from server.search.features import Described
from server.search.geometry import Size
from server.search.replica import Replica
from server.search.verify import Found, verify

DEFAULT_LIMIT = 20


class Tuning(msgspec.Struct, frozen=True, kw_only=True):
    """What trades time for recall: which images are verified.

    crowd: of so many best voted images nine in ten are taken to have their votes by chance. outstanding: an
    image is worth verifying with so many times the votes of the weakest of those nine (measured at 260 to
    4,000 images: ten unrelated images have more, the hardest real ones have 15 times as much). least, most:
    how many are verified in any case, and at most.
    """

    crowd: int = 400
    outstanding: float = 5.0
    least: int = 4
    most: int = 40


class RecognizeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """limit 1..100 results; min_score 0..100; multi: one result per copy; allow: only these items."""

    limit: int = DEFAULT_LIMIT
    min_score: int = 0
    multi: bool = False
    allow: Collection[str] | None = None


class Match(NamedTuple):
    """One known picture in the query.

    homography (3, 3) reference to query pixels; bbox: its corners TL, TR, BL, BR in fractions of the query.
    """

    item_id: str
    image_id: str
    score: int
    inliers: int
    inlier_ratio: float
    coverage: float
    homography: NDArray[np.float64]
    bbox: list[list[float]]


class Recognition(NamedTuple):
    """The matches, best first, and the milliseconds of the stages feat, ann, gv."""

    matches: list[Match]
    stage_ms: dict[str, float]


class Recognizer:
    """Searches replicas with one tuning."""

    def __init__(self, tuning: Tuning | None = None) -> None:
        self._tuning = tuning or Tuning()

    def run(self, replica: Replica, query: Described, options: RecognizeOptions) -> Recognition:
        """Every accepted item (contract image-search 3.1); an unknown picture gives none."""
        started = time.perf_counter()
        numbers, votes = replica.vote(query.features.descriptors, self._tuning.crowd, options.allow)
        entries = replica.entries(numbers[: self._promising(votes, options.limit)])
        listed = time.perf_counter()
        found = [one for one in (verify(query, entry) for entry in entries) if one is not None]
        best = appearance.unexplained(query, _best_per_item(found))
        if options.multi:
            best = [copy for one in best for copy in _copies(query, one, found, options.limit)]
        best = [
            one
            for one in appearance.ordered(query, sorted(best, key=_rank))
            if one.score >= options.min_score
        ]
        verified = time.perf_counter()
        stage_ms = {
            "feat": query.elapsed_ms,
            "ann": (listed - started) * 1e3,
            "gv": (verified - listed) * 1e3,
        }
        return Recognition([_match(one, query) for one in best[: options.limit]], stage_ms)

    def _promising(self, votes: NDArray[np.float32], limit: int) -> int:
        """How many of the best voted images are worth verifying; past `limit` where as many stand out."""
        tuning = self._tuning
        if not len(votes):
            return 0
        standing_out = int((votes >= tuning.outstanding * np.quantile(votes, 0.1)).sum())
        # Twice the limit: several images of one item must not crowd other items out.
        return min(max(standing_out, tuning.least), max(tuning.most, 2 * limit))


def _rank(one: Found) -> tuple[int, int, int, str]:
    """Best score, then more inliers, then the older picture."""
    return -one.score, -one.evidence.inliers, one.entry.order, one.entry.image_id


def _best_per_item(found: Sequence[Found]) -> list[Found]:
    best: dict[str, Found] = {}
    for one in sorted(found, key=_rank):
        best.setdefault(one.entry.item_id, one)
    return list(best.values())


def _copies(query: Described, first: Found, found: Sequence[Found], most: int) -> list[Found]:
    """Every copy of one item: what lies inside a copy is taken away, and the rest is searched again."""
    entries = [one.entry for one in found if one.entry.item_id == first.entry.item_id]
    free = np.ones(len(query.features.keypoints), bool)
    copies = [first]
    while len(copies) < most:
        ring = geometry.outline(copies[-1].homography, copies[-1].entry.size)
        free &= ~geometry.inside(query.features.keypoints[:, :2], ring)
        rows = np.flatnonzero(free)
        again = (verify(query, entry, rows) for entry in entries)
        candidates = sorted((one for one in again if one is not None), key=_rank)
        if not candidates:
            break
        copies.append(candidates[0])
    return copies


def _match(one: Found, query: Described) -> Match:
    height, width = query.gray.shape
    return Match(
        item_id=one.entry.item_id,
        image_id=one.entry.image_id,
        score=one.score,
        inliers=one.evidence.inliers,
        inlier_ratio=one.evidence.inlier_ratio,
        coverage=one.evidence.coverage,
        homography=one.homography,
        bbox=geometry.bbox(one.homography, one.entry.size, Size(width, height)),
    )
