import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kernels import descriptors, scale_space


def texture(height: int = 60, width: int = 70, seed: int = 0) -> NDArray[np.float32]:
    pixels = np.random.default_rng(seed).uniform(0, 255, (height, width)).astype(np.float32)
    return scale_space.blur(pixels, 1.6)


def one(value: float) -> NDArray[np.float32]:
    return np.array([value], dtype=np.float32)


def described(
    layer: NDArray[np.float32], sigma: float, x: float, y: float, angle: float
) -> NDArray[np.uint8]:
    return descriptors.describe(layer[None], one(sigma), one(0), one(x), one(y), one(angle))[0]


def oriented(layer: NDArray[np.float32], sigma: float, x: float, y: float) -> NDArray[np.float32]:
    angles, counts = descriptors.orient(layer[None], one(sigma), one(0), one(x), one(y))
    return angles[0, : counts[0]]


def ramp(angle: float, size: int = 50) -> NDArray[np.float32]:
    rows, columns = np.mgrid[:size, :size]
    return (3 * (columns * math.cos(angle) + rows * math.sin(angle))).astype(np.float32)


@settings(deadline=None)
@given(
    seed=st.integers(0, 20),
    sigma=st.floats(0.8, 4.0),
    x=st.floats(-2.0, 72.0),
    y=st.floats(-2.0, 62.0),
    angle=st.floats(0.0, 6.28),
)
def test_bytes_agree_with_the_twin(seed: int, sigma: float, x: float, y: float, angle: float) -> None:
    layer = texture(seed=seed)
    expected = descriptors.describe_reference(layer, *(float(np.float32(v)) for v in (sigma, x, y, angle)))
    seen = described(layer, sigma, x, y, angle)
    # A root is steep near zero: a small share of rounding error there is a few counts.
    assert np.abs(seen.astype(int) - expected).max() <= 4


@settings(deadline=None)
@given(angle=st.floats(0.0, 2 * math.pi - 1e-3))
def test_a_ramp_points_uphill(angle: float) -> None:
    found = oriented(ramp(angle), 2.0, 25.0, 25.0)
    assert len(found) == 1
    assert abs((found[0] - angle + math.pi) % (2 * math.pi) - math.pi) < math.radians(1.0)
    assert 0 <= found[0] < np.float32(2 * math.pi)


def test_a_quarter_turn_of_the_picture_turns_the_angle_and_keeps_the_bytes() -> None:
    layer = texture(64, 64, seed=3)
    angle = float(oriented(layer, 2.0, 30.0, 33.0)[0])
    # Counter-clockwise on the screen: (x, y) goes to (y, 63 - x), and angles, clockwise, lose a quarter.
    turned = np.ascontiguousarray(np.rot90(layer))
    expected = (angle - math.pi / 2) % (2 * math.pi)
    angles = oriented(turned, 2.0, 33.0, 33.0)
    assert np.abs((angles - expected + math.pi) % (2 * math.pi) - math.pi).min() < math.radians(1.0)
    before = described(layer, 2.0, 30.0, 33.0, angle)
    after = described(turned, 2.0, 33.0, 33.0, angle - math.pi / 2)
    assert np.abs(before.astype(int) - after).max() <= 4


def test_light_and_contrast_leave_the_bytes_alone() -> None:
    layer = texture(seed=4)
    before = described(layer, 2.0, 30.0, 30.0, 1.0)
    after = described(0.5 * layer + 40, 2.0, 30.0, 30.0, 1.0)
    assert np.abs(before.astype(int) - after).max() <= 1


def test_bytes_are_the_roots_of_shares_that_add_up_to_one() -> None:
    codes = described(texture(seed=5), 2.0, 30.0, 30.0, 0.3).astype(np.float64)
    assert np.square(codes / 512).sum() == pytest.approx(1.0, abs=0.03)


def test_a_flat_place_has_no_direction_and_no_bytes() -> None:
    flat = np.full((40, 40), 90, dtype=np.float32)
    assert len(oriented(flat, 2.0, 20.0, 20.0)) == 0
    assert not described(flat, 2.0, 20.0, 20.0, 0.0).any()
    assert not descriptors.describe_reference(flat, 2.0, 20.0, 20.0, 0.0).any()


def test_two_equal_directions_are_both_told() -> None:
    rows, columns = np.mgrid[:50, :50]
    # Two slopes of one steepness that meet on the diagonal through the point.
    roof = np.maximum(rows, columns).astype(np.float32) * 4
    found = np.sort(oriented(roof, 2.0, 25.0, 25.0))
    np.testing.assert_allclose(found, [0, math.pi / 2], atol=0.15)
