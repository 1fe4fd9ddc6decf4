"""One network in training: what it is taught, in which batches, with which losses, by which clock."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.train import augment, data
from models.train.augment import Pool
from models.train.backbone import DIMENSION, Slim
from models.train.metric_loss import Bank, CosineClasses, coarse_loss, contrastive_loss


class Recipe(NamedTuple):
    """What a training is made of; the second of two equal runs differs by rounding alone."""

    minutes: float
    # From that share of the clock on, views have that side.
    sides: tuple[tuple[float, int], ...] = ((0.0, 80), (0.3, 96), (0.6, 112), (0.85, 128))
    test_side: int = 160
    photos_per_batch: int = 48
    designs_per_batch: int = 4  # each in two views
    designs: data.Counts = data.Counts(mark=2500, logo=1000, pack=500, crop=800)
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    drop: float = 0.05
    mixed: float = 0.15
    unmixed_end: float = 0.9
    margin: float = 0.1
    design_weight: float = 0.2
    contrast_weight: float = 0.3
    averaging: float = 0.99
    every_out: int = 0  # keeps every so-manieth class from training; 0 keeps none
    seed: int = 1


QUICK = Recipe(
    minutes=0.75,
    sides=((0.0, 64), (0.5, 80)),
    test_side=112,
    designs_per_batch=6,
    designs=data.Counts(mark=150, logo=0, pack=0, crop=150),
    mixed=0.0,
    drop=0.0,
    averaging=0.98,
)
# The share of val photos that a --quick training must classify; an even guess is right in one of 81.
QUICK_BAR = 0.15


class Lessons:
    """The pictures of a training on their device, and where in them the next batch is."""

    def __init__(self, recipe: Recipe, folder: Path, device: torch.device) -> None:
        photos = data.grocery(folder)
        self.coarse_of_fine = torch.zeros(int(photos.fine.max()) + 1, dtype=torch.long, device=device)
        self.coarse_of_fine[torch.from_numpy(photos.fine)] = torch.from_numpy(photos.coarse).to(device)
        if recipe.every_out:
            photos = photos.where(~data.left_out(photos.fine, recipe.every_out))
        designs = data.designs(photos, recipe.designs, side=144, rng=np.random.default_rng(recipe.seed))
        self.photos = Pool(torch.from_numpy(photos.pixels).to(device), (64, 112, 160, data.SIDE))
        self.designs = Pool(torch.from_numpy(designs.pixels).to(device), (96, 144))
        self.fine = torch.from_numpy(photos.fine).to(device)
        self.is_flat = torch.from_numpy(designs.is_flat).to(device)
        self.kin = torch.from_numpy(designs.kin).to(device)
        # The few references show each product at its best, so they come twice.
        rows = np.concatenate([np.arange(len(photos.fine)), np.flatnonzero(photos.is_reference)])
        self._rows = torch.from_numpy(rows).to(device)
        self._ahead = [self._rows[:0], torch.arange(0, device=device)]

    def batch(self, recipe: Recipe, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Rows of photos and of designs, each gone through in a new random order pass by pass."""
        wholes = (self._rows, torch.arange(len(self.designs), device=self._rows.device))
        taken = []
        for lane, count in enumerate((recipe.photos_per_batch, recipe.designs_per_batch)):
            if len(self._ahead[lane]) < count:
                whole = wholes[lane]
                order = torch.randperm(len(whole), generator=generator, device=whole.device)
                self._ahead[lane] = whole[order]
            taken.append(self._ahead[lane][:count])
            self._ahead[lane] = self._ahead[lane][count:]
        return taken[0], taken[1]


class Trainer:
    """A network in training: its weights, their running average, the optimiser, the clock."""

    def __init__(self, recipe: Recipe, lessons: Lessons, device: torch.device, *, bf16: bool) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.lessons, self.device, self.bf16 = recipe, lessons, device, bf16
        self.generator = torch.Generator(device).manual_seed(recipe.seed)
        self.body = Slim(recipe.drop).to(device, memory_format=torch.channels_last)
        self.average = Slim().to(device).requires_grad_(False)
        self.average.load_state_dict(self.body.state_dict())
        self.classes = CosineClasses(len(lessons.coarse_of_fine), DIMENSION, 16.0).to(device)
        self.bank = Bank(lessons.kin, DIMENSION)
        weights = [value for value in self.body.parameters() if value.ndim > 1]
        others = [value for value in self.body.parameters() if value.ndim == 1]
        self.optimiser = torch.optim.AdamW(
            [
                {"params": weights, "weight_decay": recipe.weight_decay},
                {"params": [*others, *self.classes.parameters()], "weight_decay": 0.0},
            ],
            lr=recipe.learning_rate,
            fused=True,
        )
        self.step, self.seconds = 0, 0.0

    @property
    def progress(self) -> float:
        """The share of the clock that is spent, 0..1."""
        return min(1.0, self.seconds / (60 * self.recipe.minutes))

    def learn(self) -> tuple[float, float, float]:
        """One batch; its losses by class of photos, by design, and by contrast of all."""
        recipe, lessons, progress = self.recipe, self.lessons, self.progress
        side = [side for start, side in recipe.sides if start <= progress][-1]
        rate = recipe.learning_rate * (0.001 + 0.999 * 0.5 * (1 + math.cos(math.pi * progress)))
        for group in self.optimiser.param_groups:
            group["lr"] = rate * min(1.0, (self.step + 1) / 100)
        rows, design_rows = lessons.batch(recipe, self.generator)
        design_rows = design_rows.repeat(2)
        with torch.no_grad():
            views = augment.photo_views(lessons.photos, rows, side, self.generator)
            drawn = augment.design_views(
                lessons.designs,
                design_rows,
                lessons.is_flat[design_rows],
                lessons.photos,
                side,
                self.generator,
            )
            other, share = torch.arange(len(rows), device=self.device), 1.0
            dice = float(torch.rand(1, generator=self.generator, device=self.device))
            if dice < recipe.mixed and progress < recipe.unmixed_end:
                views, other, share = augment.cut_and_mix(views, self.generator)
        self.body.train()
        batch = torch.cat([views, drawn]).contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16):
            vectors = self.body(batch)
        unit = functional.normalize(vectors.float(), dim=1)
        losses = self._losses(unit, lessons.fine[rows], other, share, design_rows)
        self.optimiser.zero_grad(set_to_none=True)
        # Telling thousands of designs apart is the harder lesson: at full weight from the start it drowns the photos.
        weight = recipe.design_weight * progress
        (losses[0] + weight * losses[1] + recipe.contrast_weight * losses[2]).backward()
        nn.utils.clip_grad_norm_(self.body.parameters(), 5.0)
        self.optimiser.step()
        # Only now: the gradient needed the bank as it was.
        self.bank.keep(*unit[len(rows) :].chunk(2), design_rows[: len(design_rows) // 2])
        self.step += 1
        self._follow()
        photo, design, contrast = (float(loss.detach()) for loss in losses)
        return photo, design, contrast

    def _losses(
        self, unit: Tensor, fine: Tensor, other: Tensor, share: float, design_rows: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        recipe, lessons = self.recipe, self.lessons
        photos, designs = unit[: len(fine)], unit[len(fine) :]
        loss = unit.new_zeros(())
        for target, weight in ((fine, share), (fine[other], 1 - share)):
            if weight:
                logits = self.classes(photos, target, recipe.margin)
                loss = loss + weight * functional.cross_entropy(logits, target, label_smoothing=0.1)
                coarse = lessons.coarse_of_fine[target]
                loss = loss + weight * 0.5 * coarse_loss(logits, lessons.coarse_of_fine, coarse)
        first, second = designs.chunk(2)
        by_design = self.bank.loss(first, second, design_rows[: len(first)], 0.07)
        # A mixed photo is of two classes and so no partner of either.
        label = torch.cat([fine, design_rows + len(lessons.coarse_of_fine)])
        first = 0 if share == 1.0 else len(fine)
        return loss, by_design, contrastive_loss(unit[first:], label[first:], 0.1)

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
            "classes": self.classes.state_dict(),
            "bank": self.bank.vectors,
            "optimiser": self.optimiser.state_dict(),
            "random": self.generator.get_state(),
            "step": self.step,
            "seconds": self.seconds,
            "recipe": repr(self.recipe),
        }
        torch.save(state, path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)

    def resume(self, path: Path) -> None:
        """Goes on where the checkpoint was; the order within the pass begins anew."""
        state = torch.load(path, map_location=self.device, weights_only=True)
        for part in ("body", "average", "classes", "optimiser"):
            getattr(self, part).load_state_dict(state[part])
        self.bank.vectors.copy_(state["bank"])
        self.generator.set_state(state["random"].cpu())
        self.step, self.seconds = int(state["step"]), float(state["seconds"])
