from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.train import evaluate
from models.train.baseline import HandMade, hsv_histograms


def unit(rows: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def test_the_nearest_row_is_the_one_of_the_smallest_distance() -> None:
    rng = np.random.default_rng(1)
    queries, gallery = (unit(rng.normal(size=(count, 16))) for count in (7, 50))
    distances = np.linalg.norm(queries[:, None] - gallery[None], axis=2)
    np.testing.assert_array_equal(evaluate.nearest(queries, gallery), distances.argmin(axis=1))


def test_the_interval_of_a_rate_is_that_of_the_binomial() -> None:
    right = np.arange(400) % 4 != 0
    found = evaluate.rate(right, np.random.default_rng(1))
    assert found.value == 0.75
    spread = 1.96 * np.sqrt(0.75 * 0.25 / 400)
    np.testing.assert_allclose((found.low, found.high), (0.75 - spread, 0.75 + spread), atol=0.01)
    assert str(found).startswith("0.750 (0.7")


def test_normalised_pixels_are_what_the_manifest_says() -> None:
    pixels = np.zeros((1, 2, 2, 3), np.uint8)
    pixels[0, 0, 1] = (255, 0, 128)
    found = evaluate.normalised(pixels)
    np.testing.assert_allclose(found[0, :, 0, 1], (2, -2, (128 / 255 - 0.5) / 0.25), atol=1e-6)
    assert found.shape == (1, 3, 2, 2) and found.dtype == np.float32


def patterns(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Twelve chequered pictures, full of corners."""
    rough = rng.integers(0, 256, (12, 16, 16, 3), dtype=np.uint8)
    return rough.repeat(8, axis=1).repeat(8, axis=2)


def test_hand_made_vectors_find_the_same_pattern_again() -> None:
    rng = np.random.default_rng(2)
    pictures = patterns(rng)
    darker = (pictures * 0.8).astype(np.uint8)
    hand_made = HandMade(pictures, rng)
    vectors = hand_made.vectors(pictures)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    assert (evaluate.nearest(hand_made.vectors(darker), vectors) == np.arange(12)).mean() > 0.8


def test_a_picture_without_a_corner_is_described_by_its_colours() -> None:
    rng = np.random.default_rng(2)
    plain = np.full((2, 32, 32, 3), 90, np.uint8)
    assert hsv_histograms(plain).shape == (2, 576)
    assert np.isfinite(HandMade(patterns(rng), rng).vectors(plain)).all()
