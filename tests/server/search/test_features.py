import numpy as np
import pytest

from server.search import features
from tests.server.search.scenery import gray_print


def test_long_side_is_at_most_640_and_small_pictures_are_not_enlarged() -> None:
    large = np.tile(gray_print(1), (4, 4))
    assert features.describe(large).gray.shape == (480, 640)
    assert features.describe(gray_print(1)).gray.shape == (270, 360)


def test_thumb_fits_in_128_and_keeps_the_aspect() -> None:
    assert features.describe(gray_print(1)).thumb.shape == (96, 128)


def test_features_stay_under_the_limit_inside_the_picture() -> None:
    found = features.describe(gray_print(1), limit=50).features
    assert found.keypoints.shape == (50, 4)
    assert found.descriptors.shape == (50, 128)
    assert (found.keypoints[:, :2] >= 0).all()
    assert (found.keypoints[:, :2] < (360, 270)).all()


def test_a_busy_half_leaves_features_to_a_faint_one() -> None:
    both = np.hstack([gray_print(1), (90 + gray_print(2) * 0.3).astype(np.uint8)])
    across = features.describe(both, limit=600).features.keypoints[:, 0]
    assert (across > 370).sum() >= 80


@pytest.mark.parametrize("noise", [0.0, 3.0])
@pytest.mark.parametrize("level", [5, 230])
def test_plain_pictures_have_no_details(level: int, noise: float) -> None:
    rng = np.random.default_rng(0)
    lens = (level + rng.normal(0, noise, (300, 400))).clip(0, 255).astype(np.uint8)
    with pytest.raises(features.NoDetails):
        features.describe(lens)


def test_a_faint_picture_is_described_like_its_full_contrast_self() -> None:
    faint = (118 + gray_print(1) * 0.08).astype(np.uint8)
    assert faint.std() < features.FLAT_STD
    assert len(features.describe(faint).features.keypoints) >= 100


def test_input_is_not_changed_and_any_strides_are_taken() -> None:
    picture = np.repeat(gray_print(1), 2, axis=1)[:, ::2]
    before = picture.copy()
    strided = features.describe(picture).features
    np.testing.assert_array_equal(picture, before)
    np.testing.assert_array_equal(strided.descriptors, features.describe(before).features.descriptors)
