from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra `train`")

from models.train import data, encoder, evaluate  # noqa: E402
from models.train.trainer import QUICK, QUICK_BAR, Lessons, Trainer  # noqa: E402

NEEDS_PHOTOS = pytest.mark.skipif(
    not (data.DATA / "grocery" / "labels.csv").exists(),
    reason="the shared photos are not beside the checkout",
)


def photos(count: int = 60) -> data.Photos:
    """Pictures of two colours each; the colours are the class."""
    rng = np.random.default_rng(1)
    fine = np.arange(count) % 4
    colours = rng.integers(0, 256, (4, 2, 3))
    pixels = np.empty((count, data.SIDE, data.SIDE, 3), np.uint8)
    for picture, number in zip(pixels, fine, strict=True):
        picture[:112], picture[112:] = colours[number]
    return data.Photos(pixels, fine, fine // 2, np.arange(count) < 4)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Trainer:
    monkeypatch.setattr(data, "grocery", lambda folder, kinds=(): photos())
    recipe = QUICK._replace(designs=data.Counts(mark=8, logo=0, pack=0, crop=8), photos_per_batch=16)
    return Trainer(recipe, Lessons(recipe, Path(), torch.device("cpu")), torch.device("cpu"), bf16=False)


def test_every_photo_comes_once_and_every_reference_twice_in_a_pass(small: Trainer) -> None:
    seen = torch.cat([small.lessons.batch(small.recipe, small.generator)[0] for _ in range(4)])
    counts = torch.bincount(seen, minlength=60)
    assert len(seen) == 64
    assert counts.tolist() == [2] * 4 + [1] * 56


def test_the_loss_falls_and_the_checkpoint_goes_on_where_it_was(small: Trainer, tmp_path: Path) -> None:
    losses = [sum(small.learn()) for _ in range(12)]
    assert np.mean(losses[-3:]) < np.mean(losses[:3])
    small.seconds = 7.0
    small.save(tmp_path / "encoder.pt")
    other = Trainer(small.recipe, small.lessons, small.device, bf16=False)
    other.resume(tmp_path / "encoder.pt")
    assert (other.step, other.seconds) == (12, 7.0)
    for mine, theirs in zip(small.average.parameters(), other.average.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_equal_seeds_learn_the_same(small: Trainer) -> None:
    again = Trainer(small.recipe, Lessons(small.recipe, Path(), small.device), small.device, bf16=False)
    assert small.learn() == pytest.approx(again.learn(), rel=1e-3)


def test_left_out_classes_are_in_no_lesson(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "grocery", lambda folder, kinds=(): photos())
    recipe = QUICK._replace(designs=data.Counts(mark=2, logo=0, pack=0, crop=8), every_out=4)
    lessons = Lessons(recipe, Path(), torch.device("cpu"))
    assert set(lessons.fine.tolist()) == {0, 1, 2}
    assert set(lessons.kin.tolist()) <= {-1, 0, 1, 2}


@NEEDS_PHOTOS
@pytest.mark.timeout(400)
def test_the_recipe_learns_groceries_in_a_minute(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "encoder.onnx"
    argv = ["--quick", "--out", str(out), "--checkpoint", str(tmp_path / "encoder.pt")]
    assert encoder.run(argv) == 0
    val, gallery = data.grocery(data.DATA, ("val",)), data.grocery(data.DATA)
    embed = evaluate.onnx_embedder(out)
    found = evaluate.nearest(embed(val.pixels), embed(gallery.pixels))
    assert (gallery.fine[found] == val.fine).mean() >= QUICK_BAR - 0.03
    assert "MB" in capsys.readouterr().out
