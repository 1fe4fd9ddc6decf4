from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra `train`")

from models.train import data, logo_lessons  # noqa: E402
from models.train.logo_lessons import LogoLessons  # noqa: E402

MARKS = 10


@pytest.fixture
def lessons(monkeypatch: pytest.MonkeyPatch) -> LogoLessons:
    pixels = np.random.default_rng(1).integers(0, 256, (6, data.SIDE, data.SIDE, 3)).astype(np.uint8)
    photos = data.Photos(pixels, np.arange(6), np.arange(6), np.zeros(6, bool))
    monkeypatch.setattr(data, "grocery", lambda folder, kinds=(): photos)
    monkeypatch.setattr(logo_lessons, "HELD_OUT", 12)
    monkeypatch.setattr(logo_lessons, "PER_BATCH", 5)
    monkeypatch.setattr(logo_lessons, "CROPS_PER_BATCH", 3)
    return LogoLessons(Path(), torch.device("cpu"), marks=MARKS, logos=0)


def test_every_design_comes_once_in_a_pass(lessons: LogoLessons) -> None:
    generator = torch.Generator().manual_seed(1)
    rows = torch.cat([lessons.batch(generator, 5) for _ in range(2)])
    assert sorted(rows.tolist()) == list(range(MARKS))


def test_views_that_know_each_other_lose_less_than_those_that_do_not(lessons: LogoLessons) -> None:
    shapes: list[tuple[int, ...]] = []

    def loss(shift: int) -> float:
        def embed(views: torch.Tensor) -> torch.Tensor:
            shapes.append(tuple(views.shape))
            first = torch.eye(5, 512)
            crops = torch.eye(512)[200:203]
            return torch.cat([first, first.roll(shift, 0), crops])

        return float(lessons.loss(embed, 64, 1.0, torch.Generator().manual_seed(2)))

    assert loss(0) < 0.01
    lessons._vectors = lessons._vectors[:0]
    lessons._rows = lessons._rows[:0]
    assert loss(1) > 5
    assert shapes == [(13, 3, 64, 64)] * 2


def test_a_remembered_view_of_the_same_design_is_no_rival(lessons: LogoLessons) -> None:
    def embed(views: torch.Tensor) -> torch.Tensor:
        return torch.cat([torch.eye(5, 512), torch.eye(5, 512), torch.eye(512)[200:203]])

    def loss() -> float:
        lessons._ahead = torch.arange(5)
        return float(lessons.loss(embed, 64, 1.0, torch.Generator().manual_seed(2)))

    loss()
    assert loss() < 0.01
    # Were they those of other designs, each query would have two equal answers.
    lessons._rows = lessons._rows + MARKS
    assert loss() > 0.2


def test_the_score_compares_marks_of_no_lesson_with_bad_photos_of_them(lessons: LogoLessons) -> None:
    unit = np.eye(12, 512, dtype=np.float32)
    assert lessons.score(lambda pixels: unit) == 1
    answers = iter([unit, np.roll(unit, 1, axis=0)])
    assert lessons.score(lambda pixels: next(answers)) == 0
