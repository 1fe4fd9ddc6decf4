import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kernels import scale_space


def noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)


@settings(deadline=None)
@given(height=st.integers(1, 40), width=st.integers(1, 40), sigma=st.floats(0.2, 5.0), seed=st.integers(0, 9))
def test_blur_agrees_with_its_twin(height: int, width: int, sigma: float, seed: int) -> None:
    pixels = noise(height, width, seed).astype(np.float32)
    expected = scale_space.blur_reference(pixels, sigma)
    np.testing.assert_allclose(scale_space.blur(pixels, sigma), expected, atol=1e-3)


def test_the_mirrored_kernel_sums_to_one() -> None:
    for sigma in (0.3, 0.66, 1.09, 3.5):
        half = scale_space.half_kernel(sigma).astype(np.float64)
        assert half[0] + 2 * half[1:].sum() == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("size", [(450, 420), (90, 130)])
def test_every_layer_has_the_blur_it_claims(size: tuple[int, int]) -> None:
    # A dot becomes a Gaussian, whose variance along a line through it can be read off.
    gray = np.zeros(size, dtype=np.uint8)
    y, x = size[0] // 16 * 8, size[1] // 16 * 8
    gray[y, x] = 255
    for octave in scale_space.octaves(gray)[:2]:
        for index, layer in enumerate(octave.layers):
            row = layer[round(y / octave.step_px)].astype(np.float64)
            offset = np.arange(len(row)) * octave.step_px - x
            spread = math.sqrt((row * offset**2).sum() / row.sum())
            claimed = octave.first_sigma * 2 ** (index / scale_space.INTERVALS) * octave.step_px
            # The dot itself lacks the half pixel of camera blur that every picture is taken to have.
            expected = math.sqrt(claimed**2 - scale_space.CAMERA_SIGMA_PX**2)
            assert spread == pytest.approx(expected, rel=0.09)


def test_strides_do_not_matter() -> None:
    gray = noise(90, 120)[::-1, ::2]
    for seen, expected in zip(scale_space.octaves(gray), scale_space.octaves(gray.copy()), strict=True):
        np.testing.assert_array_equal(seen.layers, expected.layers)


def test_octaves_halve_until_the_smallest_side() -> None:
    steps = [octave.step_px for octave in scale_space.octaves(noise(480, 640))]
    assert steps == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]
    assert scale_space.octaves(noise(480, 640))[-1].layers.shape[1:] == (15, 20)


def test_a_small_picture_is_enlarged_and_a_tiny_one_has_no_octave() -> None:
    assert scale_space.octaves(noise(240, 320))[0].step_px == 0.5
    assert not scale_space.octaves(noise(5, 300))
    assert not scale_space.octaves(np.zeros((0, 3), dtype=np.uint8))


def test_enlarging_keeps_pixels_and_puts_means_between() -> None:
    pixels = noise(7, 9).astype(np.float32)
    large = scale_space.enlarge(pixels)
    assert large.shape == (13, 17)
    np.testing.assert_array_equal(large[::2, ::2], pixels)
    np.testing.assert_allclose(
        large[1::2, 1::2], (pixels[1:, 1:] + pixels[1:, :-1] + pixels[:-1, 1:] + pixels[:-1, :-1]) / 4
    )
