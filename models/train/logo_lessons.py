"""Drawn marks and logos told apart one by one: what the encoder of logos is taught."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from models.train import augment, data, evaluate, warp
from models.train.augment import Pool
from models.train.backbone import DIMENSION
from models.train.trainer import Embed

MARKS, LOGOS = 6000, 800
SIDE = 128
PER_BATCH = 64  # designs, each in two views
CROPS_PER_BATCH = 16
# The share of designs whose first view is as a collection keeps them: straight, on white.
PLAIN = 0.6
# Over that share of the clock the views grow from straight ones to as bad as they get; hard from the start,
# nothing is learnt.
EASY = 0.4
TEMPERATURE = 0.1
REMEMBERED = 1280
HELD_OUT = 200


class LogoLessons:
    """Designs in two views each, crops of photos that are none, and the latest vectors of both.

    Colours of a design change from view to view, so that its shape alone tells it.
    """

    def __init__(self, folder: Path, device: torch.device, *, marks: int = MARKS, logos: int = LOGOS) -> None:
        photos = data.grocery(folder)
        drawn = [data.drawn("mark", range(marks), SIDE), data.drawn("logo", range(logos), SIDE)]
        self.own = nn.Module()
        self._device = device
        self._designs = Pool(torch.from_numpy(np.concatenate(drawn)).to(device), (96, SIDE))
        # Half of the photos stand behind designs, the others are cut into what is no design.
        self._behind = Pool(torch.from_numpy(photos.pixels[::2].copy()).to(device), (112,))
        self._cut = Pool(torch.from_numpy(photos.pixels[1::2].copy()).to(device), (160,))
        self._vectors = torch.zeros(0, DIMENSION, device=device)
        self._rows = torch.zeros(0, dtype=torch.long, device=device)
        self._ahead = self._rows
        self._held_out = _held_out(photos.pixels, np.random.default_rng(3))

    def batch(self, generator: Generator, count: int) -> Tensor:
        """Rows of designs, gone through in a new random order pass by pass."""
        if len(self._ahead) < count:
            self._ahead = torch.randperm(len(self._designs), generator=generator, device=self._device)
        taken, self._ahead = self._ahead[:count], self._ahead[count:]
        return taken

    def loss(self, embed: Embed, side: int, progress: float, generator: Generator) -> Tensor:
        """How well each view knows the other of its design among those of others, crops and the remembered."""
        rows = self.batch(generator, PER_BATCH)
        count, hardness = len(rows), min(1.0, progress / EASY)
        with torch.no_grad():
            views = [
                augment.design_views(
                    self._designs, rows, self._behind, side, generator, plain=plain, hardness=hardness
                )
                for plain in (PLAIN, 0.0)
            ]
            views.append(augment.crops(self._cut, CROPS_PER_BATCH, side, generator))
        unit = embed(torch.cat(views))
        kept, seen, crops = unit[:count], unit[count : 2 * count], unit[2 * count :]
        remembered = (seen @ self._vectors.T).masked_fill(self._rows == rows[:, None], -1.0)
        own = torch.arange(count, device=self._device)
        found = torch.cat([seen @ torch.cat([kept, crops]).T, remembered], dim=1)
        back = kept @ torch.cat([seen, crops]).T
        self._remember(torch.cat([kept, crops]).detach(), rows)
        return (
            functional.cross_entropy(found / TEMPERATURE, own)
            + functional.cross_entropy(back / TEMPERATURE, own)
        ) / 2

    def _remember(self, vectors: Tensor, rows: Tensor) -> None:
        padded = functional.pad(rows, (0, len(vectors) - len(rows)), value=-1)
        self._vectors = torch.cat([vectors, self._vectors])[:REMEMBERED]
        self._rows = torch.cat([padded, self._rows])[:REMEMBERED]

    def score(self, embed: evaluate.Embed) -> float:
        """The share of drawn marks of no lesson that are found from a bad photo of them."""
        kept, seen = self._held_out
        return float((evaluate.nearest(embed(seen), embed(kept)) == np.arange(len(kept))).mean())


def _held_out(clutter: data.Pixels, rng: np.random.Generator) -> tuple[data.Pixels, data.Pixels]:
    """Marks of no lesson on white, and each in a bad photo, both (HELD_OUT, 224, 224, 3)."""
    first = evaluate.UNSEEN * 2
    drawn = data.drawn("mark", range(first, first + HELD_OUT), data.SIDE)
    seen = [warp.logo_query(design, clutter[rng.integers(len(clutter))], rng) for design in drawn]
    return warp.on_white(drawn), np.stack(seen)
