"""The encoder's network: a slim plain residual CNN with a shrink in front and a unit vector at the end.

Dense 3x3 convolutions throughout: a CPU runs and trains them at twenty times the rate of depthwise ones.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

DIMENSION = 512
STEM_CHANNELS = 32
STAGE_CHANNELS = (32, 64, 128, 256)
BLOCKS_PER_STAGE = 2


class Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut; the shortcut is a 1x1 convolution where the shape changes.

    While training, the residual branch of a picture is left out with probability `drop` (stochastic depth).
    """

    def __init__(self, channels_in: int, channels: int, stride: int, drop: float = 0.0) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )
        self.drop = drop

    def forward(self, x: Tensor) -> Tensor:
        branch = functional.relu(self.norm1(self.conv1(x)))
        branch = self.norm2(self.conv2(branch))
        if self.training and self.drop > 0:
            kept = torch.rand(len(x), 1, 1, 1, device=x.device) >= self.drop
            branch = branch * (kept / (1 - self.drop)).to(branch.dtype)
        return functional.relu(branch + self.shortcut(x))


class Slim(nn.Module):
    """(N, 3, S, S) normalised RGB, any S from 64, to (N, 512) vectors that are not yet of unit length."""

    def __init__(self, drop: float = 0.0, stage_channels: Sequence[int] = STAGE_CHANNELS) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, STEM_CHANNELS, 3, 2, 1, bias=False),
            nn.BatchNorm2d(STEM_CHANNELS),
            nn.ReLU(),
            nn.Conv2d(STEM_CHANNELS, STEM_CHANNELS, 3, 2, 1, bias=False),
            nn.BatchNorm2d(STEM_CHANNELS),
            nn.ReLU(),
        )
        blocks: list[nn.Module] = []
        channels_in = STEM_CHANNELS
        count = len(stage_channels) * BLOCKS_PER_STAGE
        for stage, channels in enumerate(stage_channels):
            for number in range(BLOCKS_PER_STAGE):
                stride = 2 if stage > 0 and number == 0 else 1
                # Deeper blocks are left out more often, as their loss hurts less.
                blocks.append(Block(channels_in, channels, stride, drop * len(blocks) / (count - 1)))
                channels_in = channels
        self.blocks = nn.Sequential(*blocks)
        self.linear = nn.Linear(channels_in, DIMENSION, bias=False)
        self.norm = nn.BatchNorm1d(DIMENSION)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        x = functional.adaptive_avg_pool2d(self.blocks(self.stem(x)), 1).flatten(1)
        # The head stays in float32 under autocast: 512 numbers cost nothing and cosines need the digits.
        with torch.autocast(x.device.type, enabled=False):
            vectors: Tensor = self.norm(self.linear(x.float()))
        return vectors


class Shipped(nn.Module):
    """What is exported: (N, 3, 224, 224) normalised RGB, shrunk to `side` inside, to (N, 512) unit vectors."""

    def __init__(self, body: Slim, side: int) -> None:
        super().__init__()
        self.body = body
        self.side = side

    def forward(self, pixels: Tensor) -> Tensor:
        shrunk = functional.interpolate(
            pixels, size=(self.side, self.side), mode="bilinear", align_corners=False
        )
        vectors = self.body(shrunk)
        return vectors / vectors.norm(dim=1, keepdim=True).clamp_min(1e-12)


def folded(body: Slim) -> Slim:
    """A copy for inference with every batch normalisation folded into the convolution or linear before it."""
    body = copy.deepcopy(body).float().eval()
    _fold_pairs(body.stem)
    for block in body.blocks:
        assert isinstance(block, Block)
        block.conv1 = fuse_conv_bn_eval(block.conv1, block.norm1)
        block.conv2 = fuse_conv_bn_eval(block.conv2, block.norm2)
        block.norm1 = block.norm2 = nn.Identity()
        if isinstance(block.shortcut, nn.Sequential):
            _fold_pairs(block.shortcut)
    scale = body.norm.weight / torch.sqrt(body.norm.running_var + body.norm.eps)
    linear = nn.Linear(body.linear.in_features, DIMENSION)
    linear.weight = nn.Parameter((body.linear.weight * scale[:, None]).detach())
    linear.bias = nn.Parameter((body.norm.bias - body.norm.running_mean * scale).detach())
    body.linear, body.norm = linear, nn.Identity()
    return body


def _fold_pairs(layers: nn.Sequential) -> None:
    for index in range(len(layers) - 1):
        if isinstance(layers[index], nn.Conv2d) and isinstance(layers[index + 1], nn.BatchNorm2d):
            layers[index] = fuse_conv_bn_eval(layers[index], layers[index + 1])
            layers[index + 1] = nn.Identity()
