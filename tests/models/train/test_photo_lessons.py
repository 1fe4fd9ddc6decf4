from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra `train`")

from models.train import data  # noqa: E402
from models.train.photo_lessons import PhotoLessons  # noqa: E402

CPU = torch.device("cpu")


def photos(count: int = 60) -> data.Photos:
    """Pictures of two colours each; the colours are the class."""
    rng = np.random.default_rng(1)
    fine = np.arange(count) % 4
    colours = rng.integers(0, 256, (4, 2, 3))
    pixels = np.empty((count, data.SIDE, data.SIDE, 3), np.uint8)
    for picture, number in zip(pixels, fine, strict=True):
        picture[:112], picture[112:] = colours[number]
    return data.Photos(pixels, fine, fine // 2, np.arange(count) < 4)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "grocery", lambda folder, kinds=(): photos())


def test_every_photo_comes_once_and_every_reference_twice_in_a_pass() -> None:
    lessons, generator = PhotoLessons(Path(), CPU), torch.Generator().manual_seed(1)
    counts = torch.bincount(torch.cat([lessons.batch(generator, 16) for _ in range(4)]), minlength=60)
    assert counts.tolist() == [2] * 4 + [1] * 56


def test_left_out_classes_are_in_no_lesson() -> None:
    assert set(PhotoLessons(Path(), CPU, every_out=4).fine.tolist()) == {0, 1, 2}


@pytest.mark.parametrize("mixed", [0.0, 1.0])
def test_right_vectors_lose_less_than_wrong_ones(mixed: float) -> None:
    lessons = PhotoLessons(Path(), CPU, mixed=mixed)
    directions = torch.eye(4, 512)
    with torch.no_grad():
        lessons.own.directions.copy_(directions)

    def loss(shift: int) -> float:
        # The same generator gives the same batch.
        rows = PhotoLessons(Path(), CPU).batch(torch.Generator().manual_seed(2), 48)
        unit = directions[(lessons.fine[rows] + shift) % 4]
        lessons._ahead = lessons._rows[:0]
        with torch.no_grad():
            return float(lessons.loss(lambda views: unit, 64, 0.5, torch.Generator().manual_seed(2)))

    assert loss(0) < loss(1) - 1


def test_the_score_is_the_share_of_val_that_is_named_right() -> None:
    lessons = PhotoLessons(Path(), CPU)
    with torch.no_grad():
        lessons.own.directions.copy_(torch.eye(4, 512))
    fine = photos().fine
    vectors = np.eye(4, 512, dtype=np.float32)[np.where(np.arange(60) < 15, (fine + 1) % 4, fine)]
    assert lessons.score(lambda pixels: vectors) == pytest.approx(0.75)
