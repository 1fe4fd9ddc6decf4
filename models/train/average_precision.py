"""How good a detector is on pictures whose objects are known: average precision and recall, in numpy.

Boxes are corners (x_min, y_min, x_max, y_max) in any one unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Found(NamedTuple):
    """What a detector says of one picture: boxes (K, 4), scores (K,), labels (K,), in any order."""

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int64]


class Truth(NamedTuple):
    """What is in one picture: boxes (M, 4), labels (M,)."""

    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]


def average_precision(
    found: Sequence[Found], truth: Sequence[Truth], label: int, least_iou: float = 0.5
) -> float:
    """Area under the precision-recall curve of one class over all pictures; NaN when there is none of it.

    Precision is made falling from the right first, as in Pascal VOC since 2010. Best scores are matched first,
    each to the free object of its picture that it overlaps most; an object counts once.
    """
    hits, scores, count = _matches(found, truth, label, least_iou)
    if count == 0:
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    right = np.cumsum(hits[order])
    precision = right / np.arange(1, len(right) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float((envelope * hits[order]).sum() / count)


def mean_average_precision(
    found: Sequence[Found], truth: Sequence[Truth], classes: int, least_iou: float = 0.5
) -> float:
    """The mean over the classes that occur in the truth; NaN when none does."""
    each = [average_precision(found, truth, label, least_iou) for label in range(classes)]
    known = [value for value in each if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def precision_and_recall(
    found: Sequence[Found], truth: Sequence[Truth], label: int, least_score: float, least_iou: float = 0.5
) -> tuple[float, float]:
    """Of one class, with only the boxes that score at least `least_score`; NaN where nothing is counted."""
    hits, scores, count = _matches(found, truth, label, least_iou)
    kept = scores >= least_score
    right = float(hits[kept].sum())
    return right / kept.sum() if kept.any() else float("nan"), right / count if count else float("nan")


def iou(first: NDArray[np.float32], second: NDArray[np.float32]) -> Floats:
    """Intersection over union (N, M) of boxes (N, 4) and (M, 4); 0 where they share nothing."""
    a = first.astype(np.float64).reshape(-1, 1, 4)
    b = second.astype(np.float64).reshape(1, -1, 4)
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    shared = np.maximum(sides, 0).prod(-1)
    union = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - shared
    overlaps: Floats = np.where(shared > 0, shared / np.where(shared > 0, union, 1), 0)
    return overlaps


def suppress(found: Found, most_iou: float, most: int = 1000) -> Found:
    """The boxes that overlap no better one, of whatever class, by more than `most_iou`; best first.

    Only the `most` best are looked at: an undecided detector names thousands.
    """
    order = np.argsort(-found.scores, kind="stable")[:most]
    boxes = found.boxes[order]
    is_kept = np.ones(len(order), dtype=bool)
    for index in range(len(order)):
        if is_kept[index]:
            is_kept[index + 1 :] &= iou(boxes[index : index + 1], boxes[index + 1 :])[0] <= most_iou
    kept = order[is_kept]
    return Found(found.boxes[kept], found.scores[kept], found.labels[kept])


def _matches(
    found: Sequence[Found], truth: Sequence[Truth], label: int, least_iou: float
) -> tuple[Floats, Floats, int]:
    """Whether each found box of the class hits an object (0 or 1), its score, and how many objects there are."""
    hits: list[float] = []
    scores: list[float] = []
    count = 0
    for seen, true in zip(found, truth, strict=True):
        objects = true.boxes[true.labels == label]
        count += len(objects)
        kept = np.flatnonzero(seen.labels == label)
        kept = kept[np.argsort(-seen.scores[kept], kind="stable")]
        overlaps = iou(seen.boxes[kept], objects)
        for row in overlaps:
            best = int(row.argmax()) if row.size else -1
            is_hit = best >= 0 and row[best] >= least_iou
            if is_hit:
                overlaps[:, best] = -1.0
            hits.append(float(is_hit))
        scores.extend(seen.scores[kept].tolist())
    return np.array(hits), np.array(scores), count
