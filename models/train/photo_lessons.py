"""Groceries by class: what the encoder of photos is taught."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn import functional

from models.train import augment, data, evaluate
from models.train.augment import Pool
from models.train.backbone import DIMENSION
from models.train.metric_loss import CosineClasses, coarse_loss, contrastive_loss
from models.train.trainer import Embed

PER_BATCH = 48
SCALE = 16.0
MARGIN = 0.1
COARSE_WEIGHT = 0.5
CONTRAST_WEIGHT = 0.3
TEMPERATURE = 0.1
# The share of batches that are mixed, and when mixing ends, so that the last pictures seen are whole ones.
MIXED = 0.25
UNMIXED_FROM = 0.9


class PhotoLessons:
    """Training photos and references by class, and the val photos that tell how far the learning is."""

    def __init__(
        self, folder: Path, device: torch.device, *, every_out: int = 0, mixed: float = MIXED
    ) -> None:
        """every_out: keeps every so-manieth class from training; 0 keeps none."""
        photos, self._val = data.grocery(folder), data.grocery(folder, ("val",))
        self._device, self._mixed = device, mixed
        self.coarse_of_fine = torch.zeros(int(photos.fine.max()) + 1, dtype=torch.long, device=device)
        self.coarse_of_fine[torch.from_numpy(photos.fine)] = torch.from_numpy(photos.coarse).to(device)
        if every_out:
            photos = photos.where(~data.left_out(photos.fine, every_out))
        self.photos = Pool(torch.from_numpy(photos.pixels).to(device), (112, 160, data.SIDE))
        self.fine = torch.from_numpy(photos.fine).to(device)
        self.own = CosineClasses(len(self.coarse_of_fine), DIMENSION, SCALE).to(device)
        # The few references show each product at its best, so they come twice.
        rows = np.concatenate([np.arange(len(photos.fine)), np.flatnonzero(photos.is_reference)])
        self._rows = torch.from_numpy(rows).to(device)
        self._ahead = self._rows[:0]

    def batch(self, generator: Generator, count: int) -> Tensor:
        """Rows of photos, gone through in a new random order pass by pass."""
        if len(self._ahead) < count:
            order = torch.randperm(len(self._rows), generator=generator, device=self._device)
            self._ahead = self._rows[order]
        taken, self._ahead = self._ahead[:count], self._ahead[count:]
        return taken

    def loss(self, embed: Embed, side: int, progress: float, generator: Generator) -> Tensor:
        """By fine class with a margin, by coarse class, and by contrast of the photos with each other."""
        rows = self.batch(generator, PER_BATCH)
        fine, other, share = self.fine[rows], torch.arange(len(rows), device=self._device), 1.0
        with torch.no_grad():
            views = augment.photo_views(self.photos, rows, side, generator)
            dice = float(torch.rand(1, generator=generator, device=self._device))
            if dice < self._mixed and progress < UNMIXED_FROM:
                views, other, share = augment.cut_and_mix(views, generator)
        unit = embed(views)
        loss = unit.new_zeros(())
        for target, weight in ((fine, share), (fine[other], 1 - share)):
            if weight:
                logits = self.own(unit, target, MARGIN)
                loss = loss + weight * functional.cross_entropy(logits, target, label_smoothing=0.1)
                coarse = self.coarse_of_fine[target]
                loss = loss + weight * COARSE_WEIGHT * coarse_loss(logits, self.coarse_of_fine, coarse)
        if share == 1.0:
            # A mixed photo is of two classes and so no partner of either.
            loss = loss + CONTRAST_WEIGHT * contrastive_loss(unit, fine, TEMPERATURE)
        return loss

    def score(self, embed: evaluate.Embed) -> float:
        """The share of val photos whose fine class the learnt directions name."""
        vectors = torch.from_numpy(embed(self._val.pixels)).to(self._device)
        with torch.inference_mode():
            named = self.own(vectors).argmax(dim=1).cpu().numpy()
        return float((named == self._val.fine).mean())
