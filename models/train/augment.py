"""Random views of pictures, a whole batch at a time on the training device.

All coordinates are those of `grid_sample`: -1..1 across the picture. A view is one resampling through a
homography, one linear map of colours, and damage (blur, light, noise, a hole) after it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Generator, Tensor
from torch.nn import functional

from models.train.data import MEAN, STD

_LUMA = (0.299, 0.587, 0.114)


class Warp(NamedTuple):
    """How far views stray; every pair is a range that is drawn from evenly."""

    zoom: tuple[float, float]  # side of the view over the side of the picture
    aspect: float  # greatest log of width over height
    angle: float  # standard deviation, radians
    perspective: float  # greatest change of depth across half the view
    shift: float  # share of the free room that the centre may use


PHOTO = Warp(zoom=(0.5, 1.0), aspect=0.29, angle=0.2, perspective=0.12, shift=1.0)
DESIGN = Warp(zoom=(0.95, 2.0), aspect=0.35, angle=0.25, perspective=0.25, shift=0.9)
CROP = Warp(zoom=(0.15, 0.65), aspect=0.3, angle=0.1, perspective=0.0, shift=1.0)
BACKGROUND = Warp(zoom=(0.15, 0.8), aspect=0.3, angle=0.3, perspective=0.0, shift=1.0)


class Pool:
    """Pictures in memory, (N, C, S, S) uint8, at the given sides; `rows` gives floats in 0..1."""

    def __init__(self, pixels: Tensor, sides: Sequence[int]) -> None:
        """pixels: (N, S, S, C) uint8; each of the sides is at most S."""
        self._levels = {side: _shrunk(pixels, side) for side in sorted(sides)}

    def __len__(self) -> int:
        return len(next(iter(self._levels.values())))

    def rows(self, index: Tensor, side: int) -> Tensor:
        """(B, C, L, L) in 0..1, of the smallest level that a view of that side still loses little from."""
        # A view shows a part of the picture, so a level of its own side would be blurred.
        fine_enough = [level for level in self._levels if level >= 1.8 * side]
        level = min(fine_enough, default=max(self._levels))
        return self._levels[level][index].float().div_(255)


def photo_views(pool: Pool, index: Tensor, side: int, generator: Generator) -> Tensor:
    """(B, 3, side, side) normalised views of photos: the object stays itself, the camera does not."""
    maps = _homographies(len(index), PHOTO, generator, flip=True)
    pixels = _sample(pool.rows(index, side), maps, side, "reflection")
    matrix, bias = _camera_colours(len(index), generator)
    pixels = _recoloured(pixels, matrix, bias)
    return _damaged(pixels, generator, blurred=0.15, holes=0.2)


def crops(photos: Pool, count: int, side: int, generator: Generator) -> Tensor:
    """(count, 3, side, side) normalised pieces of random photos."""
    rows = torch.randint(len(photos), (count,), generator=generator, device=generator.device)
    maps = _homographies(count, CROP, generator, flip=True)
    return _sample(photos.rows(rows, side), maps, side, "reflection").sub_(MEAN).div_(STD)


def design_views(
    pool: Pool,
    index: Tensor,
    photos: Pool,
    side: int,
    generator: Generator,
    *,
    plain: float,
    hardness: float = 1.0,
) -> Tensor:
    """(B, 3, side, side) normalised views of designs in any colours, before clutter or a plain colour.

    A share `plain` is shown as it is, straight, on white. hardness: 0..1, how far the others are warped.
    """
    count, device = len(index), index.device
    is_plain = _chance(count, plain, generator, device)
    maps = _homographies(count, _milder(DESIGN, hardness), generator, flip=False)
    maps = torch.where(is_plain[:, None, None], torch.eye(3, device=device), maps)
    behind = _backgrounds(is_plain, photos, side, generator)
    # Some marks stand on a plate of one colour, and what is behind is seen around the plate only.
    has_plate = ~is_plain & _chance(count, 0.4, generator, device)
    plate = _uniform(count, 0, 1, generator, device, 3)
    ground = torch.where(has_plate[:, None], plate, behind.mean((2, 3)))

    design = pool.rows(index, side)
    matrix, bias = _contrasted(design, ground, *_design_colours(count, generator))
    matrix = torch.where(is_plain[:, None, None], torch.eye(3, device=device), matrix)
    bias = torch.where(is_plain[:, None], torch.zeros(3, device=device), bias)
    opacity = design[:, 3:]
    ink = _recoloured(design[:, :3], matrix, bias).mul_(opacity)
    ink.addcmul_(plate[:, :, None, None] * has_plate[:, None, None, None], 1 - opacity)
    # Colours are multiplied by opacity before they are resampled, or hidden ones would show at the edges.
    shown = torch.cat([ink, torch.maximum(opacity, has_plate[:, None, None, None].float())], dim=1)
    shown = _sample(shown, maps, side, "zeros")
    pixels = shown[:, :3].addcmul(1 - shown[:, 3:], behind)

    light_matrix, light_bias = _camera_colours(count, generator)
    pixels = _recoloured(pixels * _light(count, side, generator, device), light_matrix, light_bias)
    return _damaged(pixels, generator, blurred=0.35, holes=0.25)


def cut_and_mix(views: Tensor, generator: Generator) -> tuple[Tensor, Tensor, float]:
    """CutMix: the views with a rectangle of another, whose other it is (B,), and the share that is left."""
    side, device = views.shape[-1], views.device
    order = torch.randperm(len(views), generator=generator, device=device)
    low, high, first, second = torch.rand(4, generator=generator, device=device).tolist()
    length = side * math.sqrt(0.1 + 0.4 * low)
    stretch = math.exp(0.6 * (high - 0.5))
    width, height = (min(side, max(1, round(length * by))) for by in (stretch, 1 / stretch))
    left, top = round(first * (side - width)), round(second * (side - height))
    mixed = views.clone()
    mixed[:, :, top : top + height, left : left + width] = views[order][
        :, :, top : top + height, left : left + width
    ]
    return mixed, order, 1 - width * height / side**2


def _shrunk(pixels: Tensor, side: int) -> Tensor:
    """(N, C, side, side) uint8, by area; a few pictures at a time, for floats of all would not fit."""
    if pixels.shape[1] == side:
        return pixels.permute(0, 3, 1, 2).contiguous()
    parts = []
    for part in pixels.split(64):
        floats = part.permute(0, 3, 1, 2).float()
        small = functional.interpolate(
            floats, (side, side), mode="bilinear", align_corners=False, antialias=True
        )
        parts.append(small.round_().clamp_(0, 255).to(torch.uint8))
    return torch.cat(parts)


def _uniform(
    count: int, low: float, high: float, generator: Generator, device: torch.device, *shape: int
) -> Tensor:
    return torch.rand(count, *shape, generator=generator, device=device) * (high - low) + low


def _chance(count: int, share: float, generator: Generator, device: torch.device) -> Tensor:
    return torch.rand(count, generator=generator, device=device) < share


def _milder(warp: Warp, hardness: float) -> Warp:
    """The warp with that share of its strength; at 0 the picture is seen straight and nearly whole."""
    low, high = (1 + hardness * (limit - 1) for limit in warp.zoom)
    return Warp(
        (low, high), hardness * warp.aspect, hardness * warp.angle, hardness * warp.perspective, warp.shift
    )


def _homographies(count: int, warp: Warp, generator: Generator, *, flip: bool) -> Tensor:
    """(count, 3, 3) from coordinates of the view to those of the picture."""
    device = generator.device

    def draw(low: float, high: float) -> Tensor:
        return _uniform(count, low, high, generator, device)

    zoom = torch.exp(draw(*(math.log(value) for value in warp.zoom)))
    half_aspect = torch.exp(draw(-warp.aspect, warp.aspect) / 2)
    across, down = zoom * half_aspect, zoom / half_aspect
    angle = torch.randn(count, generator=generator, device=device) * warp.angle
    mirror = torch.where(draw(0, 1) < 0.5, -1.0, 1.0) if flip else torch.ones(count, device=device)
    maps = torch.zeros(count, 3, 3, device=device)
    maps[:, 0, 0] = across * torch.cos(angle) * mirror
    maps[:, 0, 1] = -down * torch.sin(angle)
    maps[:, 1, 0] = across * torch.sin(angle) * mirror
    maps[:, 1, 1] = down * torch.cos(angle)
    maps[:, 0, 2] = draw(-1, 1) * (1 - across).abs() * warp.shift
    maps[:, 1, 2] = draw(-1, 1) * (1 - down).abs() * warp.shift
    maps[:, 2, 0] = draw(-warp.perspective, warp.perspective)
    maps[:, 2, 1] = draw(-warp.perspective, warp.perspective)
    maps[:, 2, 2] = 1
    return maps


def _sample(pixels: Tensor, maps: Tensor, side: int, padding: str) -> Tensor:
    axis = (torch.arange(side, device=pixels.device) + 0.5) * (2 / side) - 1
    down, across = torch.meshgrid(axis, axis, indexing="ij")
    points = torch.stack([across, down, torch.ones_like(down)], dim=-1).view(1, -1, 3)
    moved = points @ maps.transpose(1, 2)
    grid = (moved[..., :2] / moved[..., 2:]).view(len(maps), side, side, 2)
    return functional.grid_sample(pixels, grid, "bilinear", padding, align_corners=False)


def _recoloured(pixels: Tensor, matrix: Tensor, bias: Tensor) -> Tensor:
    flat = torch.baddbmm(bias[:, :, None], matrix, pixels.flatten(2))
    return flat.view_as(pixels).clamp_(0, 1)


def _camera_colours(count: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """Brightness, contrast, saturation and white balance of another camera: (count, 3, 3), (count, 3)."""
    device = generator.device
    luma = torch.tensor(_LUMA, device=device).expand(3, 3)
    eye = torch.eye(3, device=device)
    saturation = _uniform(count, 0.7, 1.3, generator, device, 1, 1)
    is_grey = _chance(count, 0.05, generator, device)[:, None, None]
    saturation = torch.where(is_grey, 0.0, saturation)
    contrast = _uniform(count, 0.75, 1.25, generator, device, 1, 1)
    gain = _uniform(count, 0.75, 1.25, generator, device, 1, 1)
    # Little: colour tells many groceries apart.
    balance = 1 + 0.05 * torch.randn(count, 3, 1, generator=generator, device=device)
    matrix = contrast * gain * balance * (saturation * eye + (1 - saturation) * luma)
    return matrix, (0.5 * (1 - contrast)).view(count, 1).expand(count, 3)


def _design_colours(count: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """Other inks, any hue, some negatives: (count, 3, 3), (count, 3)."""
    device = generator.device
    hue = _hue(_uniform(count, -math.pi, math.pi, generator, device))
    sign = torch.where(_chance(count, 0.4, generator, device), -1.0, 1.0)[:, None, None]
    matrix = hue * sign * _uniform(count, 0.5, 1.0, generator, device, 1, 1)
    # Grey stays at its level before it is lifted or lowered, also when inverted.
    return matrix, 0.5 - 0.5 * matrix.sum(dim=2) + _uniform(count, -0.25, 0.25, generator, device, 3)


def _hue(angle: Tensor) -> Tensor:
    """(N, 3, 3) turns about the grey axis by (N,) radians."""
    cosine, sine = torch.cos(angle)[:, None, None], torch.sin(angle)[:, None, None]
    cross = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]], device=angle.device)
    return cosine * torch.eye(3, device=angle.device) + (1 - cosine) / 3 + sine * cross / math.sqrt(3)


def _backgrounds(is_plain: Tensor, photos: Pool, side: int, generator: Generator) -> Tensor:
    """(B, 3, side, side): white for the plain, else one colour or a piece of a photo."""
    count, device = len(is_plain), is_plain.device
    colour = _uniform(count, 0, 1, generator, device, 3, 1, 1)
    white = is_plain | _chance(count, 0.1, generator, device)
    colour = torch.where(white[:, None, None, None], torch.ones_like(colour), colour)
    has_photo = ~white & _chance(count, 0.65, generator, device)
    behind = colour.expand(count, 3, side, side).contiguous()
    chosen = has_photo.nonzero().flatten()
    rows = torch.randint(len(photos), (len(chosen),), generator=generator, device=device)
    # The coarsest level will do: clutter is seldom sharp.
    pieces = photos.rows(rows, 1)
    behind[chosen] = _sample(
        pieces, _homographies(len(chosen), BACKGROUND, generator, flip=True), side, "reflection"
    )
    return behind


def _contrasted(design: Tensor, ground: Tensor, matrix: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Inverts inks that would vanish before the colour behind them; ground: (B, 3)."""
    opacity = design[:, 3:]
    share = opacity.mean((2, 3)).clamp_min(1e-3)
    ink = torch.bmm(matrix, ((design[:, :3] * opacity).mean((2, 3)) / share)[:, :, None])[:, :, 0] + bias
    luma = torch.tensor(_LUMA, device=design.device)
    flip = (((ink.clamp(0, 1) - ground) @ luma).abs() < 0.22)[:, None]
    return matrix * torch.where(flip, -1.0, 1.0)[:, :, None], torch.where(flip, 1 - bias, bias)


def _light(count: int, side: int, generator: Generator, device: torch.device) -> Tensor:
    """(count, 1, side, side) gains that fall off towards one side."""
    axis = torch.linspace(-1, 1, side, device=device)
    slope = 0.2 * torch.randn(count, 2, 1, generator=generator, device=device)
    return (1 + (slope[:, 0] * axis)[:, None, None, :] + (slope[:, 1] * axis)[:, None, :, None]).clamp_min_(
        0.3
    )


def _damaged(pixels: Tensor, generator: Generator, *, blurred: float, holes: float) -> Tensor:
    """Blur of a share of the views, noise, a hole in a share of them; then normalised."""
    count, _, side, _ = pixels.shape
    device = pixels.device
    chosen = _chance(count, blurred, generator, device).nonzero().flatten()
    for factor, part in zip((2, 3, 4), chosen.tensor_split(3), strict=True):
        small = functional.avg_pool2d(pixels[part], factor, ceil_mode=True)
        pixels[part] = functional.interpolate(small, (side, side), mode="bilinear", align_corners=False)
    strength = (0.03 * torch.rand(count, 1, 1, 1, generator=generator, device=device)) / STD
    pixels = pixels.sub_(MEAN).div_(STD)
    # One field of noise for the batch, rolled by a random step, looks new to every picture and costs one draw.
    field = torch.randn(3, side, side, generator=generator, device=device)
    shift = int(torch.randint(side, (1,), generator=generator, device=device))
    pixels = pixels.addcmul_(strength, field.roll(shift, -1))

    size = (
        _uniform(count, 0.1, 0.45, generator, device, 2) * _chance(count, holes, generator, device)[:, None]
    )
    start = torch.rand(count, 2, generator=generator, device=device) * (1 - size)
    axis = torch.arange(side, device=device) / side
    inside = (axis >= start[:, :, None]) & (axis < (start + size)[:, :, None])
    hole = inside[:, 0, None, None, :] & inside[:, 1, None, :, None]
    fill = (_uniform(count, 0, 1, generator, device, 3, 1, 1) - MEAN) / STD
    return torch.where(hole, fill, pixels)
