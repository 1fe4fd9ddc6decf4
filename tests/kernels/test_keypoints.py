import numpy as np
import pytest
from numpy.typing import NDArray

from kernels import keypoints, scale_space
from kernels.keypoints import Points


def blob(x: float, y: float, sigma: float, size: tuple[int, int] = (480, 420)) -> NDArray[np.uint8]:
    rows, columns = np.mgrid[: size[0], : size[1]]
    squared = (columns - x) ** 2 + (rows - y) ** 2
    return (40 + 180 * np.exp(-squared / (2 * sigma**2))).round().astype(np.uint8)


def noise(seed: int, size: tuple[int, int] = (200, 410)) -> NDArray[np.uint8]:
    pixels = np.random.default_rng(seed).integers(0, 256, size).astype(np.float32)
    return scale_space.blur(pixels, 1.0).clip(0, 255).astype(np.uint8)


def points(x: list[float], y: list[float], response: list[float], sigma: float = 2.0) -> Points:
    column = np.zeros(len(x), dtype=np.float32)
    return Points(
        column.astype(np.int32),
        column + 1,
        np.array(x, dtype=np.float32),
        np.array(y, dtype=np.float32),
        column + np.float32(sigma),
        np.array(response, dtype=np.float32),
    )


@pytest.mark.parametrize("sigma", [2.5, 4.0, 7.0, 11.0])
@pytest.mark.parametrize("size", [(480, 420), (390, 350)])
def test_a_blob_is_found_at_its_centre_and_size(sigma: float, size: tuple[int, int]) -> None:
    space = scale_space.octaves(blob(200.3, 150.7, sigma, size))
    found = keypoints.detect(space)
    strongest = int((found.response * found.sigma).argmax())
    step = space[found.octave[strongest]].step_px
    assert found.x[strongest] * step == pytest.approx(200.3, abs=0.15)
    assert found.y[strongest] * step == pytest.approx(150.7, abs=0.15)
    assert found.sigma[strongest] * step == pytest.approx(sigma, rel=0.2)


def test_every_point_lies_beside_a_sample_that_beats_its_26_neighbours() -> None:
    layers = scale_space.octaves(noise(1))[0].layers
    planes = np.diff(layers.astype(np.float64), axis=0)
    inner = planes[1:-1, 1:-1, 1:-1]
    shifted = np.stack(
        [
            planes[p : p + inner.shape[0], j : j + inner.shape[1], i : i + inner.shape[2]]
            for p in range(3)
            for j in range(3)
            for i in range(3)
            if (p, j, i) != (1, 1, 1)
        ]
    )
    extrema = np.argwhere((inner > shifted.max(axis=0)) | (inner < shifted.min(axis=0))) + 1
    found = keypoints.detect(scale_space.octaves(noise(1)))
    first = found.octave == 0
    places = np.stack([found.layer, found.y, found.x], axis=1)[first]
    assert 200 < len(places) <= len(extrema)
    distance = np.abs(places[:, None, :] - extrema[None, :, :]).max(axis=2).min(axis=1)
    # Half a sample, unless the fit walked on to the next one.
    assert (distance <= 0.51).mean() > 0.9
    assert distance.max() < 2.6


def test_a_straight_edge_and_a_plain_picture_have_no_points() -> None:
    edge = np.zeros((450, 450), dtype=np.uint8)
    edge[:, 200:] = 255
    assert len(keypoints.detect(scale_space.octaves(edge)).x) == 0
    assert len(keypoints.detect(scale_space.octaves(np.full((450, 450), 77, dtype=np.uint8))).x) == 0
    assert len(keypoints.detect([]).x) == 0


def test_points_that_are_equal_on_a_plateau_count_once() -> None:
    flat = np.full((450, 450), 100, dtype=np.uint8)
    flat[200:202, 200:202] = 220
    found = keypoints.detect(scale_space.octaves(flat))
    places = {
        (round(float(x)), round(float(y)), int(o))
        for x, y, o in zip(found.x, found.y, found.octave, strict=True)
    }
    assert len(places) == len(found.x)


def test_the_strongest_come_first_and_no_more_than_the_limit() -> None:
    space = scale_space.octaves(noise(2))
    found = keypoints.detect(space)
    chosen = keypoints.strongest(found, space, 50)
    step = np.array([octave.step_px for octave in space])[chosen.octave]
    strength = chosen.response * chosen.sigma * step
    assert len(chosen.x) == 50 < len(found.x)
    assert (np.diff(strength) <= 0).all()
    assert len(keypoints.strongest(found, space, len(found.x) + 5).x) == len(found.x)


def test_a_busy_corner_does_not_crowd_out_a_weak_object() -> None:
    space = scale_space.octaves(np.zeros((480, 480), dtype=np.uint8))
    busy = [float(n % 20) for n in range(400)]
    weak = [300.0 + 45.0 * n for n in range(4)]
    every = points(busy + weak, busy + weak, [50.0] * 400 + [3.0] * 4)
    chosen = keypoints.strongest(every, space, 100)
    assert len(chosen.x) == 100
    assert (chosen.response == 3.0).sum() == 4
