"""One network in training: its weights, their running average, the optimiser, the clock."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from models.train import evaluate
from models.train.backbone import Slim

Embed = Callable[[Tensor], Tensor]


class Recipe(NamedTuple):
    """How long and at which rates a network learns; the second of two equal runs differs by rounding alone."""

    minutes: float  # of the processor (of the wall where a GPU works)
    # From that share of the clock on, views have that side.
    sides: tuple[tuple[float, int], ...]
    test_side: int
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    drop: float = 0.05
    averaging: float = 0.99
    seed: int = 1


class Lessons(Protocol):
    """What a network is taught: pictures and what is asked about them."""

    own: nn.Module  # what is learnt beside the network and is not shipped

    def loss(self, embed: Embed, side: int, progress: float, generator: Generator) -> Tensor:
        """The loss of the next batch; `embed` makes unit vectors (B, 512) of views (B, 3, side, side)."""
        ...

    def score(self, embed: evaluate.Embed) -> float:
        """The share of held-out pictures that is told right, 0..1; `embed` is that of the average."""
        ...


class Trainer:
    """A network in training."""

    def __init__(self, recipe: Recipe, lessons: Lessons, device: torch.device, *, bf16: bool) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.lessons, self.device, self.bf16 = recipe, lessons, device, bf16
        self.generator = torch.Generator(device).manual_seed(recipe.seed)
        self.body = Slim(recipe.drop).to(device, memory_format=torch.channels_last)
        self.average = Slim().to(device).requires_grad_(False)
        self.average.load_state_dict(self.body.state_dict())
        weights = [value for value in self.body.parameters() if value.ndim > 1]
        others = [value for value in self.body.parameters() if value.ndim == 1]
        self.optimiser = torch.optim.AdamW(
            [
                {"params": weights, "weight_decay": recipe.weight_decay},
                {"params": [*others, *lessons.own.parameters()], "weight_decay": 0.0},
            ],
            lr=recipe.learning_rate,
            fused=True,
        )
        self.step, self.seconds = 0, 0.0

    @property
    def progress(self) -> float:
        """The share of the clock that is spent, 0..1."""
        return min(1.0, self.seconds / (60 * self.recipe.minutes))

    @property
    def side(self) -> int:
        """The side of the views at this time."""
        return [side for start, side in self.recipe.sides if start <= self.progress][-1]

    def learn(self) -> float:
        """Learns from one batch; its loss."""
        rate = self.recipe.learning_rate * (0.001 + 0.999 * 0.5 * (1 + math.cos(math.pi * self.progress)))
        for group in self.optimiser.param_groups:
            group["lr"] = rate * min(1.0, (self.step + 1) / 50)
        self.body.train()
        loss = self.lessons.loss(self._embed, self.side, self.progress, self.generator)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.body.parameters(), 5.0)
        self.optimiser.step()
        self.step += 1
        self._follow()
        return float(loss.detach())

    def _embed(self, views: Tensor) -> Tensor:
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16):
            vectors = self.body(views.contiguous(memory_format=torch.channels_last))
        return functional.normalize(vectors.float(), dim=1)

    @torch.no_grad()
    def _follow(self) -> None:
        """The average follows the weights, faster at first."""
        pace = 1 - min(self.recipe.averaging, (1 + self.step) / (10 + self.step))
        mine, other = self.average.state_dict(), self.body.state_dict()
        floats = [name for name in mine if mine[name].is_floating_point()]
        torch._foreach_lerp_([mine[name] for name in floats], [other[name] for name in floats], pace)

    def save(self, path: Path) -> None:
        """Everything that `resume` needs; a crash in between leaves the older file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        state = {
            "body": self.body.state_dict(),
            "average": self.average.state_dict(),
            "own": self.lessons.own.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "random": self.generator.get_state(),
            "step": self.step,
            "seconds": self.seconds,
            "recipe": repr(self.recipe),
        }
        torch.save(state, path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)

    def begin_as(self, path: Path) -> None:
        """Takes over the averaged network of another training, and nothing else of it."""
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.body.load_state_dict(state["average"])
        self.average.load_state_dict(state["average"])

    def resume(self, path: Path) -> None:
        """Goes on where the checkpoint was; the order within the pass begins anew."""
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.body.load_state_dict(state["body"])
        self.average.load_state_dict(state["average"])
        self.lessons.own.load_state_dict(state["own"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.generator.set_state(state["random"].cpu())
        self.step, self.seconds = int(state["step"]), float(state["seconds"])
