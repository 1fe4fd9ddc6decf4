"""The detector: a plain residual trunk, a feature pyramid and a light decoupled head per level.

Dense 3x3 convolutions and ReLU throughout: they are what a CPU runs and quantises best. A picture (3, S, S) has
one candidate per cell of the three levels, (S/8)^2 + (S/16)^2 + (S/32)^2 in all, level by level, row by row.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import deepcopy
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

STRIDES = (8, 16, 32)
TRUNK = (32, 64, 128, 160)
"""Channels at strides 4, 8, 16 and 32."""
BLOCKS = (1, 2, 2, 1)
"""Residual blocks at strides 4, 8, 16 and 32."""
PYRAMID = (64, 96, 96)
"""Channels of the three levels of the pyramid and of their heads."""
FIRST_SCORE = 0.01
"""What an untrained network says of every class: nearly all cells are background."""


class Raw(NamedTuple):
    """What the heads say, before any decoding; A candidates.

    logits: (B, A, C), a class score is their sigmoid. sides: (B, A, 4), left, top, right and bottom distance
    from the cell's centre in pixels, not negative.
    """

    logits: Tensor
    sides: Tensor


class Detector(nn.Module):
    """Pictures (B, 3, S, S) in 0..1, S a multiple of 32, to `Raw`."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.classes = classes
        # One wide stride to a quarter: at half size a CPU spends more on moving pixels than on looking at them.
        self.stages = nn.ModuleList()
        before = 3
        for width, blocks in zip(TRUNK, BLOCKS, strict=True):
            first = _convolution(before, width, stride=2) if self.stages else _stem(width)
            self.stages.append(nn.Sequential(first, *(_Residual(width) for _ in range(blocks))))
            before = width
        self.context = _Context(before)
        self.pyramid = _Pyramid(TRUNK[1:])
        self.heads = nn.ModuleList(_Head(width, classes) for width in PYRAMID)

    def forward(self, images: Tensor) -> Raw:
        levels = []
        features = images
        for stage in self.stages:
            features = stage(features)
            levels.append(features)
        levels[-1] = self.context(levels[-1])
        answers = [head(level) for head, level in zip(self.heads, self.pyramid(levels[1:]), strict=True)]
        logits = [_by_cell(scores).float() for scores, _ in answers]
        # Distances count in strides, so that every level learns numbers of the same size.
        sides = [
            functional.softplus(_by_cell(sides).float()) * stride
            for (_, sides), stride in zip(answers, STRIDES, strict=True)
        ]
        return Raw(torch.cat(logits, dim=1), torch.cat(sides, dim=1))

    def keep_classes(self, kept: Sequence[int]) -> Detector:
        """A detector of only these classes, in this order, that scores them as this one does."""
        smaller = Detector(len(kept))
        state = self.state_dict()
        for name in smaller.state_dict():
            if ".score." in name:
                state[name] = state[name][list(kept)]
        smaller.load_state_dict(state)
        return smaller


class YoloOutput(nn.Module):
    """A detector with its decoding in the graph: (B, 3, S, S) to (B, 4 + C, A).

    Rows: centre x, centre y, width, height in pixels of the picture, then the class scores 0..1.
    """

    def __init__(self, detector: Detector, side: int) -> None:
        super().__init__()
        self.detector = detector
        self.register_buffer("centres", cells(side)[0])

    def forward(self, images: Tensor) -> Tensor:
        logits, sides = self.detector(images)
        before, after = sides[..., :2], sides[..., 2:]
        middles = self.centres + (after - before) * 0.5
        return torch.cat([middles, before + after, logits.sigmoid()], dim=2).transpose(1, 2)


def folded(detector: Detector) -> Detector:
    """A copy for inference, with every batch normalisation folded into the convolution before it."""
    detector = deepcopy(detector).eval()
    for layers in detector.modules():
        if isinstance(layers, nn.Sequential) and len(layers) > 1 and isinstance(layers[1], nn.BatchNorm2d):
            layers[0] = fuse_conv_bn_eval(layers[0], layers[1])
            layers[1] = nn.Identity()
    return detector


def cells(side: int) -> tuple[Tensor, Tensor]:
    """Centres (A, 2), x and y in pixels, and strides (A,) of the candidates of a picture of `side` pixels."""
    if side % STRIDES[-1]:
        raise ValueError(f"side must be a multiple of {STRIDES[-1]}, not {side}")
    centres, strides = [], []
    for stride in STRIDES:
        ticks = (torch.arange(side // stride) + 0.5) * stride
        y, x = torch.meshgrid(ticks, ticks, indexing="ij")
        centres.append(torch.stack([x, y], dim=-1).reshape(-1, 2))
        strides.append(torch.full((len(centres[-1]),), float(stride)))
    return torch.cat(centres), torch.cat(strides)


def corners(centres: Tensor, sides: Tensor) -> Tensor:
    """Boxes (..., A, 4), x_min, y_min, x_max, y_max, of cell centres (A, 2) and distances (..., A, 4)."""
    return torch.cat([centres - sides[..., :2], centres + sides[..., 2:]], dim=-1)


def _convolution(before: int, after: int, *, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
    )


def _stem(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, width, 6, stride=4, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
    )


def _by_cell(maps: Tensor) -> Tensor:
    """(B, K, H, W) to (B, H * W, K)."""
    return maps.flatten(2).transpose(1, 2)


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _convolution(width, width)
        self.second = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, features: Tensor) -> Tensor:
        return functional.relu(features + self.second(self.first(features)))


class _Context(nn.Module):
    """Lets the coarsest cells see far: the maximum over windows of 5, 9 and 13 cells."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.narrow = _convolution(width, width // 2, kernel=1)
        self.pool = nn.MaxPool2d(5, stride=1, padding=2)
        self.widen = _convolution(4 * (width // 2), width, kernel=1)

    def forward(self, features: Tensor) -> Tensor:
        seen = [self.narrow(features)]
        for _ in range(3):
            seen.append(self.pool(seen[-1]))
        return self.widen(torch.cat(seen, dim=1))


class _Pyramid(nn.Module):
    """Top down: each level adds what the coarser one saw."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.sideways = nn.ModuleList(
            _convolution(before, after, kernel=1) for before, after in zip(widths, PYRAMID, strict=True)
        )
        self.down = nn.ModuleList(_convolution(coarse, fine, kernel=1) for fine, coarse in pairwise(PYRAMID))
        self.smooth = nn.ModuleList(_convolution(width, width) for width in PYRAMID[:-1])

    def forward(self, levels: Sequence[Tensor]) -> list[Tensor]:
        seen = [self.sideways[-1](levels[-1])]
        for level in reversed(range(len(levels) - 1)):
            above = functional.interpolate(self.down[level](seen[0]), scale_factor=2.0, mode="nearest")
            seen.insert(0, self.smooth[level](self.sideways[level](levels[level]) + above))
        return seen


class _Head(nn.Module):
    """One level's class logits (B, C, H, W) and raw distances (B, 4, H, W)."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.look = _convolution(width, width)
        self.score = nn.Conv2d(width, classes, 1)
        self.measure = _convolution(width, width)
        self.distance = nn.Conv2d(width, 4, 1)
        nn.init.normal_(self.score.weight, std=0.01)
        nn.init.constant_(self.score.bias, math.log(FIRST_SCORE / (1 - FIRST_SCORE)))
        nn.init.normal_(self.distance.weight, std=0.01)
        nn.init.constant_(self.distance.bias, 2.0)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        return self.score(self.look(features)), self.distance(self.measure(features))
