import numpy as np
import pytest

from server.search import features, quality
from server.search.selftest import self_test
from tests.server.search.scenery import described, gray_print


def test_a_rich_print_rates_high_without_reasons() -> None:
    rated = quality.rate(described(1).gray, described(1).features)
    assert rated.status == "OK"
    assert rated.value > 0.7
    assert rated.reasons == ()


def test_a_lone_mark_is_unusable() -> None:
    picture = np.full((300, 400), 240, np.uint8)
    picture[140:150, 190:200] = 20
    picture[140:146, 210:216] = 90
    few = described(1).features
    few = few._replace(keypoints=few.keypoints[:19], descriptors=few.descriptors[:19])
    rated = quality.rate(picture, few)
    assert rated.status == "ER"
    assert rated.reasons[0] == "few_features"


def test_a_picture_in_one_corner_is_called_uneven() -> None:
    picture = np.full((810, 1080), 200, np.uint8)
    picture[:270, :360] = gray_print(1)
    corner = features.describe(picture)
    assert "uneven" in quality.rate(corner.gray, corner.features).reasons


def test_faint_print_is_called_low_in_contrast() -> None:
    faint = (100 + gray_print(1) * 0.15).astype(np.uint8)
    assert "low_contrast" in quality.rate(faint, described(1).features).reasons


def test_wallpaper_is_called_repetitive() -> None:
    wallpaper = features.describe(np.tile(gray_print(1)[:90, :90], (5, 6)))
    assert quality.repetition(wallpaper.features) > 0.8
    assert "repetitive" in quality.rate(wallpaper.gray, wallpaper.features).reasons
    assert quality.repetition(described(1).features) < 0.1


def test_evenness_runs_from_one_cell_to_all() -> None:
    middles = (np.arange(64) % 8 * 10 + 5, np.arange(64) // 8 * 10 + 5)
    everywhere = np.column_stack([*middles, *middles]).astype(np.float32)
    assert quality.evenness(everywhere, 80, 80) == pytest.approx(1)
    assert quality.evenness(everywhere[:1], 80, 80) == 0
    assert quality.evenness(everywhere[:0], 80, 80) == 0


def test_rating_stays_between_nought_and_one() -> None:
    empty = described(1).features._replace(
        keypoints=np.empty((0, 4), np.float32), descriptors=np.empty((0, 128), np.uint8)
    )
    assert quality.rate(np.zeros((10, 10), np.uint8), empty).value == pytest.approx(0.15)


def test_self_test_finds_a_rich_print_every_time_and_a_poor_one_not() -> None:
    assert self_test(described(1)) >= 5 / 6
    poor = described(1)
    few = poor.features._replace(
        keypoints=poor.features.keypoints[:7], descriptors=poor.features.descriptors[:7]
    )
    assert self_test(poor._replace(features=few)) == 0
