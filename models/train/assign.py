"""Which cells answer for which object, and what their answers cost.

Task-aligned assignment (TOOD, Feng et al. 2021): the cells inside an object that score it and place it best answer
for it, and the better their boxes already are, the higher the score that is asked of them. Scores are trained with
the quality focal loss (Li et al. 2020), boxes with the complete IoU (Zheng et al. 2020).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from models.train.yolo import Raw, corners

CELLS_PER_OBJECT = 10
SCORE_POWER, OVERLAP_POWER = 0.5, 6.0
FOCUS = 2.0
BOX_WEIGHT = 2.0
_TINY = 1e-9


class Wanted(NamedTuple):
    """What each of A cells should say of one picture.

    owner: (A,) int64, the object a cell answers for, -1: none. quality: (A,), 0..1, the score it should give
    to that object's class; 0 where there is none.
    """

    owner: Tensor
    quality: Tensor


class Loss(NamedTuple):
    """Both terms of one batch, scalars; `total` is what is minimised."""

    score: Tensor
    box: Tensor

    @property
    def total(self) -> Tensor:
        return self.score + BOX_WEIGHT * self.box


@torch.no_grad()
def assign(scores: Tensor, boxes: Tensor, centres: Tensor, truth: Tensor, labels: Tensor) -> Wanted:
    """The cells that answer for the objects of one picture.

    scores (A, C) 0..1 and boxes (A, 4) are what the cells say now, centres (A, 2) where they are; truth (M, 4)
    corner boxes and labels (M,) int64 of the objects. A cell answers for one object at most, one whose box
    its centre lies in; an object that holds no centre gets none.
    """
    count = len(centres)
    owner = torch.full((count,), -1, dtype=torch.int64)
    quality = torch.zeros(count)
    if len(truth) == 0:
        return Wanted(owner, quality)
    is_inside = (
        torch.cat([centres[None] - truth[:, None, :2], truth[:, None, 2:] - centres[None]], 2).amin(2) > 0
    )
    overlap = iou(truth[:, None], boxes[None]) * is_inside
    alignment = scores[:, labels].T.clamp(min=0) ** SCORE_POWER * overlap**OVERLAP_POWER
    # The sixth power of a poor overlap is no number to rank by: the overlap itself decides among those.
    rank = torch.where(is_inside, alignment + overlap * _TINY + _TINY * _TINY, -1.0)
    best, chosen = rank.topk(min(CELLS_PER_OBJECT, count), dim=1)
    is_candidate = torch.zeros_like(is_inside).scatter_(1, chosen, best > 0)
    claim, claimant = torch.where(is_candidate, overlap, -1.0).max(dim=0)
    is_taken = claim >= 0
    owner[is_taken] = claimant[is_taken]
    is_owned = functional.one_hot(owner.clamp(min=0), len(truth)).T.bool() & is_taken
    alignment, overlap = alignment * is_owned, overlap * is_owned
    scale = overlap.amax(1) / alignment.amax(1).clamp(min=1e-30)
    quality = (alignment * scale[:, None]).amax(0).clamp(max=1.0)
    return Wanted(owner, quality)


def loss(
    raw: Raw, centres: Tensor, truth: list[Tensor], labels: list[Tensor], is_class_known: Tensor
) -> Loss:
    """The loss of a batch of B pictures.

    truth: per picture (M, 4) corner boxes, labels: per picture (M,) int64. is_class_known: (B, C) bool, the
    classes whose objects are all marked in a picture; scores of other classes cost nothing there.
    """
    boxes = corners(centres, raw.sides)
    scores = raw.logits.detach().sigmoid()
    aim = torch.zeros_like(raw.logits)
    said, meant, weights = [], [], []
    for picture, (objects, kinds) in enumerate(zip(truth, labels, strict=True)):
        wanted = assign(scores[picture], boxes[picture].detach(), centres, objects, kinds)
        cell = (wanted.owner >= 0).nonzero()[:, 0]
        owner = wanted.owner[cell]
        aim[picture, cell, kinds[owner]] = wanted.quality[cell]
        said.append(boxes[picture, cell])
        meant.append(objects[owner])
        weights.append(wanted.quality[cell])
    weight = torch.cat(weights)
    total = weight.sum().clamp(min=1.0)
    distance = (aim - raw.logits.sigmoid()).abs() ** FOCUS
    surprise = functional.binary_cross_entropy_with_logits(raw.logits, aim, reduction="none") * distance
    box = ((1 - complete_iou(torch.cat(said), torch.cat(meant))) * weight).sum()
    return Loss((surprise * is_class_known[:, None]).sum() / total, box / total)


def iou(first: Tensor, second: Tensor) -> Tensor:
    """Intersection over union of corner boxes (..., 4), shapes that broadcast; 0 where they share nothing."""
    shared, union = _shared(first, second)
    return shared / union.clamp(min=_TINY)


def complete_iou(first: Tensor, second: Tensor) -> Tensor:
    """CIoU (N,) of corner boxes (N, 4): the overlap, less the distance of centres and difference of shapes."""
    shared, union = _shared(first, second)
    overlap = shared / union.clamp(min=_TINY)
    hull = torch.maximum(first[..., 2:], second[..., 2:]) - torch.minimum(first[..., :2], second[..., :2])
    apart = (first[..., :2] + first[..., 2:] - second[..., :2] - second[..., 2:]) * 0.5
    distance = (apart**2).sum(-1) / (hull**2).sum(-1).clamp(min=_TINY)
    shape = (_angle(first) - _angle(second)) ** 2 * (4 / math.pi**2)
    with torch.no_grad():
        weight = shape / (1 - overlap + shape).clamp(min=_TINY)
    return overlap - distance - weight * shape


def _shared(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Areas of the intersection and of the union."""
    sides = torch.minimum(first[..., 2:], second[..., 2:]) - torch.maximum(first[..., :2], second[..., :2])
    shared = sides.clamp(min=0).prod(-1)
    return shared, _area(first) + _area(second) - shared


def _area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1)


def _angle(boxes: Tensor) -> Tensor:
    width, height = (boxes[..., 2:] - boxes[..., :2]).clamp(min=1e-3).unbind(-1)
    return torch.atan(width / height)
