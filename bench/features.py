"""Times our local features against OpenCV's SIFT and compares what they recognise:  python -m bench.features

Recall: a reference is pasted into another photo (`bench.scenes`), both are described, matched by the ratio
test and verified by a robust homography against that one reference; a hit has at least 12 inliers, as in the
contract (3.4).
"""

from __future__ import annotations

import time
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from bench import scenes
from kernels import features, matching
from kernels.features import Features

LIMIT = 500
FULL_LIMIT = 1000
LEAST_INLIERS = 12
LEAST_FEATURES = 150
CONDITIONS = (
    "upright, half of the frame",
    "any rotation",
    "15 % of the frame",
    "6 % of the frame",
    "tilt (0.83, far 0.72)",
    "strong tilt (0.73, far 0.55)",
    "60 % occluded",
    "blur 3 px",
    "mixed",
)

Extractor = Callable[[NDArray[np.uint8]], Features]


def opencv(gray: NDArray[np.uint8]) -> Features:
    """OpenCV's SIFT in the form of ours, the settings of the contract's table."""
    found, codes = cv2.SIFT_create(nfeatures=LIMIT, contrastThreshold=0.02).detectAndCompute(gray, None)
    if codes is None:
        return Features(np.empty((0, 4), np.float32), np.empty((0, 128), np.uint8))
    rows = np.array([(*point.pt, point.size / 2, np.deg2rad(point.angle)) for point in found], np.float32)
    shares = codes / np.maximum(codes.sum(axis=1, keepdims=True), 1e-6)
    return Features(rows, np.minimum(np.sqrt(shares) * 512 + 0.5, 255).astype(np.uint8))


def ours(gray: NDArray[np.uint8]) -> Features:
    return features.extract(gray, LIMIT)


def ours_in_full(gray: NDArray[np.uint8]) -> Features:
    return features.extract(gray, FULL_LIMIT)


def inliers(query: Features, reference: Features) -> tuple[int, int]:
    """Inliers of the homography over all ratio matches, and over those that agree with one another."""
    pairs = matching.ratio_matches(query.descriptors, reference.descriptors)
    agreed = matching.consistent(query.keypoints, reference.keypoints, pairs)
    return _verified(query, reference, pairs), _verified(query, reference, agreed)


def recall(count: int = 40, seed: int = 11, short_side: int = 480) -> str:
    """Hits in percent and median inliers, row by row: OpenCV, ours, ours with more features in the query."""
    chosen = _textured(count, seed)
    grounds = scenes.grounds(len(chosen), seed)
    sides: tuple[tuple[Extractor, Extractor], ...] = ((opencv, opencv), (ours, ours), (ours_in_full, ours))
    known = [[extract(_gray(reference.pixels)) for reference in chosen] for _, extract in sides]
    lines = [
        f"| {short_side} px, n = {len(chosen)} | OpenCV SIFT, {LIMIT} | ours, {LIMIT} | agreeing only "
        f"| ours, {FULL_LIMIT} in the query | agreeing only |",
        "|---|---|---|---|---|---|",
    ]
    for condition in (row for row in scenes.CONDITIONS if row.name in CONDITIONS):
        found = np.zeros((len(sides), len(chosen), 2))
        for number, reference in enumerate(chosen):
            rng = np.random.default_rng((seed, number))
            query = _gray(scenes.scene(reference.pixels, grounds[number], condition, rng, short_side).pixels)
            for side, (extract, _) in enumerate(sides):
                found[side, number] = inliers(extract(query), known[side][number])
        hits = 100 * (found >= LEAST_INLIERS).mean(axis=1)
        middle = np.median(found, axis=1)
        cells = ((0, 0), (1, 0), (1, 1), (2, 0), (2, 1))
        row = " | ".join(f"{hits[cell]:.0f} ({middle[cell]:.0f} inliers)" for cell in cells)
        lines.append(f"| {condition.name} | {row} |")
    return "\n".join(lines)


def times(repeats: int = 15) -> str:
    """Median and best milliseconds of one 640x480 picture, over four different pictures, interleaved."""
    pictures = [_gray(pixels) for pixels in scenes.grounds(4)]
    threads = cv2.getNumThreads()
    rows: dict[str, list[float]] = {}
    features.warm_up()
    matching.warm_up()
    try:
        for turn in range(repeats + 1):
            for picture in pictures:
                for name, extract, width in (
                    ("ours, 1 thread", ours, 1),
                    (f"ours, {FULL_LIMIT} features, 1 thread", ours_in_full, 1),
                    ("OpenCV SIFT, 1 thread", opencv, 1),
                    ("OpenCV SIFT, 2 threads", opencv, 2),
                ):
                    cv2.setNumThreads(width)
                    spent = _milliseconds(lambda extract=extract, picture=picture: extract(picture))
                    if turn:
                        rows.setdefault(name, []).append(spent)
    finally:
        cv2.setNumThreads(threads)
    query, reference = ours(pictures[0]), ours(pictures[1])
    size = f"{len(query.descriptors)} x {len(reference.descriptors)}"
    for _ in range(repeats * 8):
        rows.setdefault(f"ratio matches, {size}", []).append(
            _milliseconds(lambda: matching.ratio_matches(query.descriptors, reference.descriptors))
        )
    lines = ["| 640 x 480, 500 features | median ms | best ms |", "|---|---|---|"]
    lines += [f"| {name} | {np.median(spent):.2f} | {min(spent):.2f} |" for name, spent in rows.items()]
    return "\n".join(lines)


def run() -> str:
    return f"### Local features\n\n{times()}\n\n{recall()}\n\n{recall(short_side=240)}"


def _verified(query: Features, reference: Features, pairs: NDArray[np.int32]) -> int:
    if len(pairs) < 4:
        return 0
    cv2.setRNGSeed(1)
    _, mask = cv2.findHomography(
        reference.keypoints[pairs[:, 1], :2],
        query.keypoints[pairs[:, 0], :2],
        cv2.USAC_MAGSAC,
        4.0,
        maxIters=2000,
        confidence=0.999,
    )
    return 0 if mask is None else int(mask.sum())


def _textured(count: int, seed: int) -> list[scenes.Reference]:
    """References with enough to see, as in the contract's table, in an order fixed by the seed."""
    pool = scenes.references()
    chosen: list[scenes.Reference] = []
    for number in np.random.default_rng(seed).permutation(len(pool)):
        if len(chosen) < count and len(opencv(_gray(pool[number].pixels)).keypoints) >= LEAST_FEATURES:
            chosen.append(pool[number])
    return chosen


def _gray(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)


def _milliseconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1e3


if __name__ == "__main__":
    print(run())
