"""One-colour marks, each drawn from its number: letters, free shapes with symmetry, and plates they are cut from.

The shapes of signs and app icons, where only the outline tells one from another.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.train.data import Pixels
from models.train.render import font

SIDE = 160
SALT = 0x3A2B
LATIN = "ABCDEFGHJKLMNOPQRSTUVWXYZabcdefghkmnpqrstuvwxyz0123456789&@#%"
# A block of Han characters whose shapes are as many and as different as those of trademarks.
HAN = (0x4E00, 0x9000)
SYMBOLS = ((0x2190, 0x21FF), (0x2300, 0x23CF), (0x25A0, 0x25FF), (0x2600, 0x26FF), (0x2701, 0x27BF))

Mask = NDArray[np.uint8]


def mark(identity: int) -> Pixels:
    """The mark with this number: (160, 160, 4) RGB and opacity, one random dark or bright colour."""
    rng = np.random.default_rng((SALT, identity))
    mask = _shape(rng) if rng.random() < 0.5 else _letters(rng)
    other = rng.random()
    if other < 0.3:
        mask = _cut_from_plate(rng, mask)
    elif other < 0.45:
        mask = _beside(rng, mask, _letters(rng))
    elif other < 0.55:
        mask = _crossed([mask, _primitive(rng)])
    elif other < 0.62:
        mask = np.asarray(cv2.morphologyEx(mask, cv2.MORPH_GRADIENT, np.ones((9, 9), np.uint8)), np.uint8)
    rgba = np.empty((SIDE, SIDE, 4), np.uint8)
    rgba[..., :3] = rng.integers(0, 230, 3)
    rgba[..., 3] = mask
    return rgba


def _letters(rng: np.random.Generator) -> Mask:
    """One to three characters of any script, squeezed, slanted, set close together."""
    faces = font.faces_for("latin")
    face = str(faces[rng.integers(len(faces))])
    kind = rng.random()
    if kind < 0.25:
        face, text = "cv:uni:400", chr(int(rng.integers(*HAN)))
    elif kind < 0.4:
        text = chr(int(rng.integers(*SYMBOLS[rng.integers(len(SYMBOLS))])))
    else:
        letters = rng.choice(list(LATIN), int(rng.integers(1, 4)))
        text = "".join(letters)
    drawn = font.trimmed(font.line(text, face, 110))
    if kind < 0.4 and np.array_equal(drawn, font.trimmed(font.line("\U000fffff", face, 110))):
        return _letters(rng)  # the face has no such character
    slant = rng.uniform(-0.25, 0.25) if rng.random() < 0.3 else 0.0
    height, width = drawn.shape
    matrix = np.array([[1, slant, max(0.0, -slant) * height], [0, 1, 0]])
    drawn = np.asarray(cv2.warpAffine(drawn, matrix, (int(width + abs(slant) * height), height)), np.uint8)
    return _centred(drawn, rng.uniform(0.6, 0.98), rng.uniform(0.7, 1.4))


def _shape(rng: np.random.Generator) -> Mask:
    """Two to five primitives joined, subtracted or crossed; half of them with a symmetry."""
    mask = _primitive(rng)
    for _ in range(int(rng.integers(1, 5))):
        other, how = _primitive(rng), rng.random()
        if how < 0.4:
            mask = np.maximum(mask, other)
        elif how < 0.75:
            mask = np.minimum(mask, 255 - other)
        else:
            mask = _crossed([mask, other])
    symmetry = rng.random()
    if symmetry < 0.25:
        mask = np.maximum(mask, mask[:, ::-1])
    elif symmetry < 0.55:
        folds = int(rng.integers(2, 7))
        copies = [_turned(mask, 360 * fold / folds) for fold in range(folds)]
        mask = np.maximum.reduce(copies) if rng.random() < 0.6 else _crossed(copies)
    if not 0.04 < mask.mean() / 255 < 0.8:
        return _shape(rng)
    return _centred(font.trimmed(mask), rng.uniform(0.75, 1.0), 1.0)


def _primitive(rng: np.random.Generator) -> Mask:
    """A disc, ring, arc, bar, polygon, star or rounded blob somewhere on the canvas."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    centre = tuple(int(value) for value in rng.uniform(0.25, 0.75, 2) * SIDE)
    axes = tuple(int(value) for value in rng.uniform(0.12, 0.5, 2) * SIDE)
    line_px = int(rng.choice([-1, -1, int(rng.integers(6, 26))]))
    kind = int(rng.integers(6))
    turn = float(rng.choice([0, 45, 90, rng.uniform(0, 360)]))
    if kind == 0:
        cv2.circle(mask, centre, axes[0], 255, line_px, cv2.LINE_AA)
    elif kind == 1:
        cv2.ellipse(mask, centre, axes, turn, 0, rng.choice([90, 180, 270, 360]), 255, line_px, cv2.LINE_AA)
    elif kind == 2:
        box = cv2.boxPoints((centre, (axes[0] * 2, axes[1] * float(rng.choice([0.4, 1, 2]))), turn))
        cv2.fillPoly(mask, [box.astype(np.int32)], 255, cv2.LINE_AA)
    else:
        count = int(rng.integers(3, 9))
        angle = np.arange(count) * 2 * np.pi / count + np.deg2rad(turn)
        radius = np.full(count, float(axes[0]))
        if kind == 4:
            angle = np.arange(2 * count) * np.pi / count + np.deg2rad(turn)
            radius = np.where(np.arange(2 * count) % 2, rng.uniform(0.3, 0.8), 1.0) * axes[0]
        elif kind == 5:
            radius = rng.uniform(0.3, 1, count) * max(axes)
        points = np.stack([np.cos(angle), np.sin(angle)], 1) * radius[:, None] + centre
        cv2.fillPoly(mask, [points.astype(np.int32)], 255, cv2.LINE_AA)
        if kind == 5:
            soft = cv2.GaussianBlur(mask, (0, 0), float(rng.uniform(3, 10)))
            mask = np.clip((soft.astype(np.float32) - 117) * 12, 0, 255).astype(np.uint8)
    return mask


def _cut_from_plate(rng: np.random.Generator, mask: Mask) -> Mask:
    plate = np.zeros((SIDE, SIDE), np.uint8)
    kind = int(rng.integers(4))
    if kind == 0:
        cv2.circle(plate, (SIDE // 2, SIDE // 2), SIDE // 2 - 2, 255, -1, cv2.LINE_AA)
    else:
        margin = int(rng.integers(0, SIDE // 4)) if kind == 1 else 0
        radius = int(rng.uniform(0.02, 0.4) * SIDE)
        inner = np.zeros_like(plate)
        inner[margin + radius : SIDE - margin - radius, radius : SIDE - radius] = 255
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
        plate = np.asarray(cv2.dilate(inner, disc), np.uint8)
    small = _centred(font.trimmed(mask), rng.uniform(0.5, 0.75), 1.0)
    return np.minimum(plate, 255 - small)


def _beside(rng: np.random.Generator, first: Mask, second: Mask) -> Mask:
    """Two marks in a row or one above the other."""
    parts = [font.trimmed(part) for part in (first, second)]
    if rng.random() < 0.5:
        height = max(part.shape[0] for part in parts)
        padded = [np.pad(part, ((0, height - part.shape[0]), (0, 12))) for part in parts]
        joined = np.concatenate(padded, axis=1)
    else:
        width = max(part.shape[1] for part in parts)
        padded = [np.pad(part, ((0, 12), (0, width - part.shape[1]))) for part in parts]
        joined = np.concatenate(padded, axis=0)
    return _centred(joined, 0.98, 1.0)


def _centred(mask: Mask, size: float, aspect: float) -> Mask:
    """The mask in the middle of the canvas, its longer side that share of it."""
    height, width = float(mask.shape[0]), mask.shape[1] * aspect
    scale = size * SIDE / max(height, width)
    shape = max(1, min(SIDE, round(width * scale))), max(1, min(SIDE, round(height * scale)))
    small = np.asarray(cv2.resize(np.ascontiguousarray(mask), shape, interpolation=cv2.INTER_AREA), np.uint8)
    canvas = np.zeros((SIDE, SIDE), np.uint8)
    top, left = (SIDE - shape[1]) // 2, (SIDE - shape[0]) // 2
    canvas[top : top + shape[1], left : left + shape[0]] = small
    return canvas


def _turned(mask: Mask, degrees: float) -> Mask:
    matrix = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), degrees, 1.0)
    return np.asarray(cv2.warpAffine(mask, matrix, (SIDE, SIDE)), np.uint8)


def _crossed(copies: list[Mask]) -> Mask:
    """Inside where an odd number of the masks is, their soft edges kept."""
    crossed = copies[0]
    for copy in copies[1:]:
        crossed = np.asarray(cv2.absdiff(crossed, copy), np.uint8)
    return crossed
