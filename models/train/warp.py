"""Queries for the measurements: a design as a bad photo of it shows it. Shares no code with the training's views."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from models.train.data import SIDE, Pixels, fit

Colour = NDArray[np.float32]

MIN_CONTRAST = 70.0  # of 255, between an ink and what is behind it


def cut_out(pixels: Pixels) -> Pixels:
    """A one-colour drawing on white, (H, W, 3), as ink and opacity, (H, W, 4)."""
    away = 255 - pixels.astype(np.float32)
    strongest = away.reshape(-1, 3)[away.sum(axis=2).argmax()]
    opacity = np.clip(away @ strongest / max(1.0, float(strongest @ strongest)), 0, 1)
    rgba = np.empty((*pixels.shape[:2], 4), np.uint8)
    rgba[..., :3] = 255 - strongest
    rgba[..., 3] = opacity * 255
    return rgba


def on_white(rgba: Pixels) -> Pixels:
    """Ink and opacity, (..., 4), printed on white, (..., 3)."""
    opacity = rgba[..., 3:].astype(np.float32) / 255
    return (rgba[..., :3] * opacity + 255 * (1 - opacity)).astype(np.uint8)


def logo_query(rgba: Pixels, clutter: Pixels, rng: np.random.Generator) -> Pixels:
    """A logo in other colours, on a plate or straight on the clutter, turned, tilted, blurred: (224, 224, 3)."""
    scene = _behind(clutter, rng)
    shape = rgba.astype(np.float32)
    if rng.random() < 0.6:
        # A plate of one colour under the logo, a little larger than it.
        margin = int(rng.uniform(0.03, 0.2) * max(shape.shape))
        shape = np.pad(shape, ((margin, margin), (margin, margin), (0, 0)))
        plate = _colour(rng)
        ink = _ink_for(plate, rng)
        share = shape[..., 3:] / 255
        shape[..., :3] = ink * share + plate * (1 - share)
        shape[..., 3] = 255
    else:
        shape[..., :3] = _ink_for(scene.mean(axis=(0, 1)), rng)
    return _damaged(_placed(shape, scene, rng, smallest=0.55), rng)


def pack_query(rgba: Pixels, clutter: Pixels, rng: np.random.Generator) -> Pixels:
    """A pack, (H, W, 4), as photographed in front of clutter: (224, 224, 3)."""
    photo = _placed(rgba.astype(np.float32), _behind(clutter, rng), rng, smallest=0.6)
    grey = photo.mean(axis=2, keepdims=True)
    saturated = grey + (photo - grey) * rng.uniform(0.6, 1.3)
    return _damaged(saturated * rng.uniform(0.85, 1.15, 3), rng)


def _behind(clutter: Pixels, rng: np.random.Generator) -> NDArray[np.float32]:
    """A piece of a photo, (224, 224, 3)."""
    height, width = clutter.shape[:2]
    length = int(min(height, width) * rng.uniform(0.2, 0.9))
    top, left = int(rng.integers(0, height - length + 1)), int(rng.integers(0, width - length + 1))
    return fit(np.ascontiguousarray(clutter[top : top + length, left : left + length])).astype(np.float32)


def _colour(rng: np.random.Generator) -> Colour:
    return rng.uniform(0, 255, 3).astype(np.float32)


def _ink_for(behind: Colour, rng: np.random.Generator) -> Colour:
    """A random colour that stands out from what is behind it."""
    luma = np.array([0.299, 0.587, 0.114])
    for _ in range(50):
        ink = _colour(rng)
        if abs(float((ink - behind) @ luma)) >= MIN_CONTRAST:
            return ink
    return np.full(3, 0.0 if float(behind @ luma) > 127 else 255.0, np.float32)


def _placed(
    shape: NDArray[np.float32], scene: NDArray[np.float32], rng: np.random.Generator, *, smallest: float
) -> NDArray[np.float32]:
    """The shape, (H, W, 4), over the scene: corners turned by up to 25 degrees and pulled by up to 15 %."""
    height, width = shape.shape[:2]
    scale = rng.uniform(smallest, 0.95)
    stretch = np.exp(rng.uniform(-0.2, 0.2))
    half = np.array([stretch, 1 / stretch]) * scale * SIDE / 2
    half = half / max(1.0, float(half.max()) / (SIDE / 2))
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
    corners = corners + rng.uniform(-0.15, 0.15, (4, 2)) * 2 * half
    angle = np.deg2rad(rng.uniform(-25, 25))
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    room = np.maximum(0, SIDE / 2 - half)
    corners = corners @ turn + SIDE / 2 + rng.uniform(-1, 1, 2) * room
    before = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    matrix = cv2.getPerspectiveTransform(before, corners.astype(np.float32))
    # Shrunk first where the view is much smaller, or thin lines would break.
    if width > 1.5 * 2 * half[0]:
        shape = np.asarray(cv2.GaussianBlur(shape, (0, 0), width / (4 * half[0])), np.float32)
    opacity = shape[..., 3:] / 255
    layers = np.dstack([shape[..., :3] * opacity, opacity])
    view = cv2.warpPerspective(layers, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR)
    placed: NDArray[np.float32] = view[..., :3] + scene * (1 - view[..., 3:])
    return placed


def _damaged(photo: NDArray[np.float32], rng: np.random.Generator) -> Pixels:
    """Light that falls off, another exposure, blur, noise and JPEG."""
    across, down = np.meshgrid(np.linspace(-1, 1, SIDE), np.linspace(-1, 1, SIDE))
    light = 1 + rng.uniform(-0.25, 0.25) * across + rng.uniform(-0.25, 0.25) * down
    lit = photo * light[..., None] * rng.uniform(0.7, 1.25) + rng.uniform(-20, 20)
    sigma = rng.uniform(0, 2.2)
    soft = np.asarray(cv2.GaussianBlur(lit, (0, 0), sigma) if sigma > 0.3 else lit)
    noise = rng.normal(0, rng.uniform(0, 9), soft.shape)
    levels = np.clip(soft + noise, 0, 255).astype(np.uint8)
    quality = int(rng.integers(35, 91))
    _, jpeg = cv2.imencode(".jpg", levels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.ascontiguousarray(np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), np.uint8)[..., ::-1])
