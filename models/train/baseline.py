"""The bar that a trained encoder has to pass: a colour histogram beside local features, nothing trained on labels.

HSV histogram (square root) and RootSIFT-VLAD (64 words, 512 principal axes), each of unit length, joined.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from models.train.data import Pixels

Floats = NDArray[np.float32]

WORDS = 64
AXES = 512
HSV_BINS = (16, 6, 6)


class HandMade:
    """Learns words and axes from pictures without their labels; `vectors` then describes any picture."""

    def __init__(self, pixels: Pixels, rng: np.random.Generator) -> None:
        """pixels: (N, S, S, 3) RGB, more than AXES of them for that many axes."""
        features = [_root_sift(picture) for picture in pixels]
        sample = np.concatenate([part[rng.permutation(len(part))[:40]] for part in features])
        cv2.setRNGSeed(int(rng.integers(1 << 30)))
        stop = (cv2.TERM_CRITERIA_MAX_ITER, 25, 0.0)
        _, _, words = cv2.kmeans(sample, WORDS, np.empty(0, np.int32), stop, 1, cv2.KMEANS_PP_CENTERS)
        self._words = np.asarray(words, np.float32)
        described = self._vlad(features)
        self._mean = described.mean(axis=0)
        _, _, axes = np.linalg.svd(described - self._mean, full_matrices=False)
        self._axes = axes[:AXES].T.astype(np.float32)

    def vectors(self, pixels: Pixels) -> Floats:
        """(N, S, S, 3) RGB to (N, 576 + axes) unit vectors."""
        local = _unit((self._vlad([_root_sift(picture) for picture in pixels]) - self._mean) @ self._axes)
        return _unit(np.concatenate([hsv_histograms(pixels), local], axis=1))

    def _vlad(self, features: Sequence[Floats]) -> Floats:
        described = np.zeros((len(features), WORDS, 128), np.float32)
        for target, part in zip(described, features, strict=True):
            nearest = (part @ self._words.T - (self._words**2).sum(axis=1) / 2).argmax(axis=1)
            np.add.at(target, nearest, part - self._words[nearest])
            # Per word first, so that a repeated texture does not outweigh everything else.
            target /= np.maximum(np.linalg.norm(target, axis=1, keepdims=True), 1e-6)
        return _unit(described.reshape(len(features), -1))


def hsv_histograms(pixels: Pixels) -> Floats:
    """(N, S, S, 3) RGB to (N, 576) unit vectors: square roots of the share of each bin."""
    hue, saturation, value = HSV_BINS
    rows = []
    for picture in pixels:
        hsv = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV)
        counts = cv2.calcHist([hsv], [0, 1, 2], None, [hue, saturation, value], [0, 180, 0, 256, 0, 256])
        rows.append(np.sqrt(np.asarray(counts, np.float32).ravel()))
    return _unit(np.stack(rows))


def _root_sift(picture: Pixels) -> Floats:
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    _, found = cv2.SIFT.create(contrastThreshold=0.02).detectAndCompute(grey, np.empty(0, np.uint8))
    if found is None:
        return np.zeros((0, 128), np.float32)
    shares = np.asarray(found, np.float32)
    return np.sqrt(shares / np.maximum(shares.sum(axis=1, keepdims=True), 1e-6))


def _unit(rows: Floats) -> Floats:
    unit: Floats = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return unit
