from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kernels import features, matching
from kernels.features import Features

TOLERANCE_PX = 3.0


def drawing(seed: int, height: int = 480, width: int = 420) -> NDArray[np.uint8]:
    """A picture of shapes and words on a mottled ground, like a printed pack."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(60, 200, (height // 20, width // 20)).astype(np.float32)
    pixels = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 255).astype(np.uint8)
    for _ in range(60):
        x, y = (int(v) for v in rng.uniform(0, (width, height)))
        shade = int(rng.integers(0, 256))
        if rng.random() < 0.4:
            cv2.circle(pixels, (x, y), int(rng.integers(3, 25)), shade, -1, cv2.LINE_AA)
        elif rng.random() < 0.5:
            corners = (rng.uniform(-30, 30, (4, 2)) + np.array([x, y])).astype(np.int32)
            cv2.fillPoly(pixels, [corners], shade, cv2.LINE_AA)
        else:
            word = "".join(chr(int(letter)) for letter in rng.integers(65, 91, 6))
            cv2.putText(
                pixels, word, (x, y), cv2.FONT_HERSHEY_DUPLEX, rng.uniform(0.4, 1.2), shade, 1, cv2.LINE_AA
            )
    return pixels


def photo(pixels: NDArray[np.uint8], seed: int) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """The picture turned and tilted in a noisy photo of 480 x 480, and the homography that did it."""
    rng = np.random.default_rng((seed, 1))
    height, width = pixels.shape
    turn = rng.uniform(0, 2 * np.pi)
    corners = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]) * rng.uniform(0.85, 1.15, (4, 2))
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    target = (corners @ rotation * rng.uniform(230, 300) + 240).astype(np.float32)
    source = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)
    homography = cv2.getPerspectiveTransform(source, target)
    seen = cv2.warpPerspective(cv2.GaussianBlur(pixels, (0, 0), 0.8), homography, (480, 480), borderValue=120)
    return (seen + rng.normal(0, 4, seen.shape)).clip(0, 255).astype(np.uint8), homography


def right_matches(query: Features, reference: Features, homography: NDArray[np.float64]) -> int:
    pairs = matching.ratio_matches(query.descriptors, reference.descriptors)
    places = reference.keypoints[None, pairs[:, 1], :2].astype(np.float64)
    expected = cv2.perspectiveTransform(places, homography)[0]
    distance = np.linalg.norm(expected - query.keypoints[pairs[:, 0], :2], axis=1)
    return int((distance < TOLERANCE_PX).sum())


def opencv(gray: NDArray[np.uint8], limit: int) -> Features:
    found, codes = cv2.SIFT_create(nfeatures=limit, contrastThreshold=0.02).detectAndCompute(gray, None)
    rows = np.array([(*p.pt, p.size / 2, np.deg2rad(p.angle)) for p in found], dtype=np.float32)
    shares = codes / codes.sum(axis=1, keepdims=True)
    return Features(rows, np.minimum(np.sqrt(shares) * 512 + 0.5, 255).astype(np.uint8))


def test_as_many_points_are_found_again_as_by_opencv_with_twice_the_samples() -> None:
    ours, theirs = [], []
    for seed in range(6):
        reference = drawing(seed)
        query, homography = photo(reference, seed)
        ours.append(right_matches(features.extract(query), features.extract(reference), homography))
        theirs.append(right_matches(opencv(query, 600), opencv(reference, 600), homography))
    assert min(ours) >= 100
    assert sum(ours) >= 0.95 * sum(theirs)


def test_a_small_photo_of_the_picture_still_matches() -> None:
    reference = drawing(7)
    query, homography = photo(reference, 7)
    small = cv2.resize(query, (240, 240), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    # Halving by area puts the centre of pixel (0, 0) between four old ones.
    halving = np.array([[0.5, 0, -0.25], [0, 0.5, -0.25], [0, 0, 1]])
    assert right_matches(features.extract(small), features.extract(reference), halving @ homography) >= 30


@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    seed=st.integers(0, 5),
    limit=st.integers(0, 40),
)
@settings(deadline=None)
def test_any_shape_gives_whole_finite_features(height: int, width: int, seed: int, limit: int) -> None:
    gray = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
    found = features.extract(gray, limit)
    assert found.keypoints.shape == (len(found.descriptors), 4)
    assert found.descriptors.shape[1] == 128
    assert len(found.keypoints) <= limit
    assert found.keypoints.dtype == np.float32 and found.descriptors.dtype == np.uint8
    assert np.isfinite(found.keypoints).all()
    x, y, sigma, angle = found.keypoints.T
    assert ((x >= 0) & (x < width) & (y >= 0) & (y < height)).all()
    assert ((sigma > 0) & (angle >= 0) & (angle < np.float32(2 * np.pi))).all()


def test_a_plain_picture_has_none_whatever_its_size() -> None:
    for size in ((1, 1), (12, 12), (1, 900), (480, 640), (20, 3000)):
        for level in (0, 130, 255):
            assert len(features.extract(np.full(size, level, dtype=np.uint8)).keypoints) == 0


def test_strides_and_read_only_pixels_do_not_matter() -> None:
    wide = drawing(1)
    view = wide[::-1, ::2]
    view.flags.writeable = False
    seen, expected = features.extract(view), features.extract(view.copy())
    np.testing.assert_array_equal(seen.keypoints, expected.keypoints)
    np.testing.assert_array_equal(seen.descriptors, expected.descriptors)


def test_a_checkerboard_of_ties_is_handled() -> None:
    board = (np.indices((128, 500)).sum(axis=0) // 8 % 2 * 255).astype(np.uint8)
    found = features.extract(board, 300)
    assert np.isfinite(found.keypoints).all()
    assert len(found.keypoints) <= 300


def test_threads_get_what_a_lone_caller_gets() -> None:
    pictures = [drawing(seed, 300, 300) for seed in range(4)]
    alone = [features.extract(picture) for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(features.extract, pictures * 3))
    for number, found in enumerate(together):
        np.testing.assert_array_equal(found.keypoints, alone[number % 4].keypoints)
        np.testing.assert_array_equal(found.descriptors, alone[number % 4].descriptors)


def test_warming_up_runs_the_whole_path() -> None:
    features.warm_up()
    matching.warm_up()
