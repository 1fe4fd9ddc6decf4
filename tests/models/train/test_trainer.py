from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra `train`")

from torch import nn  # noqa: E402

from models.train import evaluate  # noqa: E402
from models.train.trainer import Embed, Recipe, Trainer  # noqa: E402

RECIPE = Recipe(minutes=1, sides=((0.0, 64), (0.5, 96)), test_side=96, drop=0.0, averaging=0.9)
CPU = torch.device("cpu")


class Warmth:
    """Teaches red from blue."""

    def __init__(self) -> None:
        torch.manual_seed(3)
        self.own: nn.Module = nn.Linear(512, 2)

    def loss(self, embed: Embed, side: int, progress: float, generator: torch.Generator) -> torch.Tensor:
        is_red = torch.arange(12) % 2
        views = 0.3 * torch.randn(12, 3, side, side, generator=generator)
        views[:, 0] += is_red[:, None, None]
        views[:, 2] -= is_red[:, None, None]
        return nn.functional.cross_entropy(self.own(embed(views)), is_red)

    def score(self, embed: evaluate.Embed) -> float:
        return 1.0


def trainer() -> Trainer:
    return Trainer(RECIPE, Warmth(), CPU, bf16=False)


def test_the_loss_falls_and_the_checkpoint_goes_on_where_it_was(tmp_path: Path) -> None:
    first = trainer()
    losses = [first.learn() for _ in range(12)]
    assert np.mean(losses[-3:]) < 0.8 * np.mean(losses[:3])
    first.seconds = 7.0
    first.save(tmp_path / "encoder.pt")
    other = trainer()
    other.resume(tmp_path / "encoder.pt")
    assert (other.step, other.seconds) == (12, 7.0)
    assert other.learn() == pytest.approx(first.learn(), rel=1e-3)


def test_another_training_s_network_is_taken_over_without_its_clock(tmp_path: Path) -> None:
    first = trainer()
    first.learn()
    first.save(tmp_path / "encoder.pt")
    other = trainer()
    other.begin_as(tmp_path / "encoder.pt")
    torch.testing.assert_close(other.body.linear.weight, first.average.linear.weight)
    assert other.step == 0


def test_equal_seeds_learn_the_same() -> None:
    assert trainer().learn() == pytest.approx(trainer().learn(), rel=1e-3)


def test_the_average_lies_between_the_start_and_the_weights() -> None:
    learner = trainer()
    start = learner.body.linear.weight.detach().clone()
    for _ in range(5):
        learner.learn()
    mine, body = learner.average.linear.weight, learner.body.linear.weight.detach()
    assert 0 < (mine - start).norm() < (body - start).norm()


def test_sides_grow_with_the_clock() -> None:
    learner = trainer()
    assert learner.side == 64
    learner.seconds = 31.0
    assert learner.side == 96
    learner.seconds = 90.0
    assert learner.progress == 1
