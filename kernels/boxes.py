"""Boxes (x_min, y_min, x_max, y_max): overlap, suppression, and the raw output of YOLO-type detectors.

Each kernel has a numpy twin named `..._reference`. A box with a side that is not a finite number, or a
score that is NaN, is dropped, never compared.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from kernels.placement import Placement

Boxes = NDArray[np.float32]
Scores = NDArray[np.float32]
Indices = NDArray[np.int64]


def iou(first: Boxes, second: Boxes) -> NDArray[np.float32]:
    """Intersection over union (N, M) of boxes (N, 4) and (M, 4); 0 where one has no area or is not finite."""
    overlaps: NDArray[np.float32] = _iou(_boxes(first), _boxes(second))
    return overlaps


def iou_reference(first: Boxes, second: Boxes) -> NDArray[np.float32]:
    """The numpy twin of `iou`."""
    a, b = _boxes(first)[:, None], _boxes(second)[None]
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
        shared = np.maximum(sides, 0).prod(axis=-1)
        area_a = np.maximum(a[..., 2:] - a[..., :2], 0).prod(axis=-1)
        area_b = np.maximum(b[..., 2:] - b[..., :2], 0).prod(axis=-1)
        overlaps = shared / (area_a + area_b - shared)
    finite = np.isfinite(a).all(axis=-1) & np.isfinite(b).all(axis=-1) & (shared > 0)
    return np.where(finite, overlaps, 0).astype(np.float32)


def nms(boxes: Boxes, scores: Scores, iou_threshold: float, eta: float = 1.0) -> Indices:
    """Indices (K,) of the boxes to keep, best first; kept boxes overlap by at most the threshold.

    boxes (N, 4), scores (N,); equal scores keep their order. eta < 1 makes the suppression adaptive: after
    each kept box the threshold is multiplied by it while it is above 0.5 (as in OpenCV's NMSBoxes).
    """
    kept: Indices = _nms(_boxes(boxes), _fixed(scores), float(iou_threshold), float(eta))
    return kept


def nms_reference(boxes: Boxes, scores: Scores, iou_threshold: float, eta: float = 1.0) -> Indices:
    """The numpy twin of `nms`."""
    boxes, scores = _boxes(boxes), np.asarray(scores, dtype=np.float32)
    good = np.flatnonzero(np.isfinite(boxes).all(axis=1) & ~np.isnan(scores))
    kept: list[int] = []
    threshold = np.float32(iou_threshold)
    for index in good[np.argsort(-scores[good], kind="stable")]:
        if kept and iou_reference(boxes[index : index + 1], boxes[kept]).max() > threshold:
            continue
        kept.append(int(index))
        if eta < 1.0 and threshold > 0.5:
            threshold = np.float32(threshold * eta)
    return np.array(kept, dtype=np.int64)


def unletterbox(boxes: Boxes, placement: Placement, width: int, height: int) -> Boxes:
    """Boxes (N, 4) in slot pixels to pixels of the placed picture, clipped to its width and height."""
    scale = np.array([placement.scale_x, placement.scale_y] * 2)
    offset = np.array([placement.offset_x, placement.offset_y] * 2)
    moved = (np.asarray(boxes, dtype=np.float64).reshape(-1, 4) - offset) / scale
    clipped: NDArray[np.float64] = np.clip(moved, 0.0, np.array([width, height, width, height]))
    return clipped.astype(np.float32)


def yolo_decode(output: NDArray[np.float32], score_threshold: float) -> tuple[Boxes, Scores, Indices]:
    """Boxes (K, 4) in slot pixels, scores (K,), labels (K,): those whose best class reaches the threshold.

    output: (4 + C, N): centre x, centre y, width, height, then C class scores (contract robotoff 5).
    Candidates keep their order; of equal classes the first wins.
    """
    if output.ndim != 2 or output.shape[0] < 5:
        raise ValueError(f"expected (4 + C, N), not {output.shape}")
    boxes, scores, labels = _yolo_decode(_fixed(output), float(score_threshold))
    return boxes, scores, labels


def yolo_decode_reference(
    output: NDArray[np.float32], score_threshold: float
) -> tuple[Boxes, Scores, Indices]:
    """The numpy twin of `yolo_decode`."""
    output = np.asarray(output, dtype=np.float32)
    scores = np.where(np.isnan(output[4:]), -np.inf, output[4:])
    labels = scores.argmax(axis=0)
    best = scores.max(axis=0)
    x, y, width, height = output[:4]
    half = np.float32(0.5)
    with np.errstate(invalid="ignore", over="ignore"):
        corners = np.stack([x - width * half, y - height * half, x + width * half, y + height * half], axis=1)
    kept = np.flatnonzero((best >= np.float32(score_threshold)) & np.isfinite(corners).all(axis=1))
    return corners[kept], best[kept], labels[kept].astype(np.int64)


def warm_up() -> None:
    """Compile the kernels of this module for the arrays the server uses."""
    boxes = np.array([[0, 0, 2, 2]], dtype=np.float32)
    iou(boxes, boxes)
    nms(boxes, np.ones(1, dtype=np.float32), 0.5)
    yolo_decode(np.ones((5, 1), dtype=np.float32), 0.5)


def _fixed(array: NDArray[np.float32]) -> NDArray[np.float32]:
    """The array as one numba type, whatever it was: contiguous, float32, read-only."""
    view = np.ascontiguousarray(array, dtype=np.float32).view()
    view.flags.writeable = False
    return view


def _boxes(boxes: Boxes) -> Boxes:
    return _fixed(boxes).reshape(-1, 4)


@njit(nogil=True, cache=True)
def _overlap(a: Boxes, b: Boxes) -> Any:
    """IoU of two boxes (4,); 0 unless they share an area (a NaN anywhere shares none)."""
    nothing = np.float32(0.0)
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if not (width > 0 and height > 0):
        return nothing
    shared = width * height
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return shared / union


@njit(nogil=True, cache=True)
def _is_finite(box: Boxes) -> bool:
    is_point: bool = np.isfinite(box[0]) and np.isfinite(box[1])
    is_corner: bool = np.isfinite(box[2]) and np.isfinite(box[3])
    return is_point and is_corner


@njit(nogil=True, cache=True)
def _iou(first: Boxes, second: Boxes) -> NDArray[np.float32]:
    overlaps = np.zeros((first.shape[0], second.shape[0]), dtype=np.float32)
    for i in range(first.shape[0]):
        if _is_finite(first[i]):
            for j in range(second.shape[0]):
                if _is_finite(second[j]):
                    overlaps[i, j] = _overlap(first[i], second[j])
    return overlaps


@njit(nogil=True, cache=True)
def _nms(boxes: Boxes, scores: Scores, iou_threshold: float, eta: float) -> Indices:
    order = np.argsort(-scores, kind="mergesort")
    kept = np.empty(order.shape[0], dtype=np.int64)
    count = 0
    threshold = np.float32(iou_threshold)
    for index in order:
        if np.isnan(scores[index]) or not _is_finite(boxes[index]):
            continue
        is_free = True
        for other in kept[:count]:
            if _overlap(boxes[index], boxes[other]) > threshold:
                is_free = False
                break
        if is_free:
            kept[count] = index
            count += 1
            if eta < 1.0 and threshold > 0.5:
                threshold = np.float32(threshold * eta)
    return kept[:count].copy()


@njit(nogil=True, cache=True)
def _yolo_decode(output: NDArray[np.float32], score_threshold: float) -> tuple[Boxes, Scores, Indices]:
    count = output.shape[1]
    best = np.full(count, -np.inf, dtype=np.float32)
    label = np.zeros(count, dtype=np.int64)
    for row in range(4, output.shape[0]):  # class by class: rows are contiguous
        for column in range(count):
            if output[row, column] > best[column]:
                best[column] = output[row, column]
                label[column] = row - 4
    boxes = np.empty((count, 4), dtype=np.float32)
    half, threshold = np.float32(0.5), np.float32(score_threshold)
    kept = 0
    for column in range(count):
        if not best[column] >= threshold:
            continue
        half_width, half_height = output[2, column] * half, output[3, column] * half
        box = boxes[kept]
        box[0], box[1] = output[0, column] - half_width, output[1, column] - half_height
        box[2], box[3] = output[0, column] + half_width, output[1, column] + half_height
        if _is_finite(box):
            best[kept], label[kept] = best[column], label[column]
            kept += 1
    return boxes[:kept].copy(), best[:kept].copy(), label[:kept].copy()
