"""Where the camera stands: homographies and bent surfaces, applied to pixels and outlines alike."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from models.train.render import paint, texture
from models.train.render.scene import Outline, Pixels, Points, Sketch

Homography = npt.NDArray[Any]  # (3, 3) float64
# Coordinates name pixel edges (0 is the left edge of the first pixel), OpenCV's name pixel centres.
TO_EDGES: Homography = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]], np.float64)
STEP, MOST_STEPS = 1.04, 24  # how a view is enlarged until it fills the frame
TO_CENTRES: Homography = np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]], np.float64)


def moved(points: Points, homography: Homography) -> Points:
    """Points (K, 2) seen through a homography."""
    whole = np.concatenate([points.astype(np.float64), np.ones((len(points), 1))], 1) @ homography.T
    return np.asarray(whole[:, :2] / whole[:, 2:], np.float32)


def warp(sketch: Sketch, homography: Homography, width: int, height: int) -> Sketch:
    """The whole picture seen through a homography in a frame of width x height."""
    pixels = cv2.warpPerspective(
        sketch.pixels,
        TO_CENTRES @ homography @ TO_EDGES,
        (width, height),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    return Sketch(pixels, [Outline(label, moved(points, homography)) for label, points in sketch.outlines])


def onto(corners: npt.NDArray[np.float32], width: int, height: int) -> Homography:
    """The homography that lays a width x height picture on four corners (4, 2), clockwise from the top left."""
    flat = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    return np.asarray(cv2.getPerspectiveTransform(flat, corners.astype(np.float32)), np.float64)


def corners(
    rng: np.random.Generator, x: float, y: float, width: float, height: float, angle: float, strength: float
) -> npt.NDArray[np.float32]:
    """The corners (4, 2) of a width x height sheet centred at x, y, turned by angle (radians) and tilted in depth.

    strength 0 sees it straight on, 1 is a steep view.
    """
    sheet = np.array([(-width, -height), (width, -height), (width, height), (-width, height)], np.float64) / 2
    sheet = np.concatenate([sheet, np.zeros((4, 1))], 1)
    lean, turn = rng.normal(0, 0.38 * strength, 2)
    around_x = np.array([[1, 0, 0], [0, np.cos(lean), -np.sin(lean)], [0, np.sin(lean), np.cos(lean)]])
    around_y = np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]])
    turned = sheet @ (around_x @ around_y).T
    distance = max(width, height) * rng.uniform(1.6, 4.0)
    flat = turned[:, :2] * (distance / (distance + turned[:, 2:]))
    cosine, sine = np.cos(angle), np.sin(angle)
    flat = flat @ np.array([[cosine, sine], [-sine, cosine]])
    return np.asarray(flat + np.array([x, y]), np.float32)


def lay(canvas: Pixels, sketch: Sketch, where: npt.NDArray[np.float32], shadow: float = 0.0) -> list[Outline]:
    """Lay a cut-out (RGB or RGBA) on a canvas so that its corners come to `where`; its outlines there."""
    height, width = sketch.pixels.shape[:2]
    homography = onto(where, width, height)
    outlines = [Outline(label, moved(points, homography)) for label, points in sketch.outlines]
    canvas_height, canvas_width = canvas.shape[:2]
    x0, y0 = np.maximum(np.floor(where.min(axis=0)).astype(int) - 1, 0)
    x1, y1 = np.minimum(np.ceil(where.max(axis=0)).astype(int) + 2, (canvas_width, canvas_height))
    if x0 >= x1 or y0 >= y1:
        return outlines
    source = sketch.pixels
    if source.shape[2] == 3:
        source = np.dstack([source, np.full((height, width), 255, np.uint8)])
    region = np.array([[1, 0, -x0], [0, 1, -y0], [0, 0, 1]], np.float64) @ homography
    size = (int(x1 - x0), int(y1 - y0))
    placed = cv2.warpPerspective(source, TO_CENTRES @ region @ TO_EDGES, size, flags=cv2.INTER_LINEAR)
    if shadow > 0:
        reach = max(3.0, 0.025 * max(size))
        offset = int(reach * 0.6)
        paint.soft_shadow(
            canvas, np.ascontiguousarray(placed[..., 3]), int(x0) + offset, int(y0) + offset, reach, shadow
        )
    # Outside the print the warp mixed in black: the colour there must not darken the border.
    paint.paste(canvas, placed, int(x0), int(y0))
    return outlines


def roll(sketch: Sketch, reach: float, arc: float) -> Sketch:
    """A flat print rolled on a cylinder seen from the front; reach is half the visible angle (radians, < 1.5).

    arc bends its rows up or down by that share of the width, as when the camera looks from above or below.
    """
    height, width = sketch.pixels.shape[:2]
    lift = abs(arc) * width
    out_height = int(height + np.ceil(lift))
    x = (np.arange(width, dtype=np.float32) + 0.5) / width * 2 - 1
    angle = np.arcsin(np.clip(x * np.sin(reach), -1, 1))
    shift = _arc(angle, reach, arc, width)
    columns = np.repeat(((angle / reach + 1) / 2 * width - 0.5)[None].astype(np.float32), out_height, axis=0)
    rows = np.arange(out_height, dtype=np.float32)[:, None] - shift[None].astype(np.float32)
    source = sketch.pixels
    if source.shape[2] == 3:
        source = np.dstack([source, np.full((height, width), 255, np.uint8)])
    pixels = cv2.remap(source, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    light = 1.0 - 0.45 * np.abs(x * np.sin(reach)) ** 3 + 0.12 * np.exp(-(((x + 0.3) / 0.2) ** 2))
    paint.shade(pixels, np.broadcast_to(light[None].astype(np.float32), pixels.shape[:2]))
    outlines = []
    for label, points in sketch.outlines:
        turned = (points[:, 0] / width * 2 - 1) * reach
        across = (np.sin(turned) / np.sin(reach) + 1) / 2 * width
        outlines.append(
            Outline(
                label,
                np.stack([across, points[:, 1] + _arc(turned, reach, arc, width)], 1).astype(np.float32),
            )
        )
    return Sketch(pixels, outlines)


def _arc(angle: npt.NDArray[np.float32], reach: float, arc: float, width: int) -> npt.NDArray[np.float32]:
    """How far down a column of a rolled print moves, never negative."""
    depth = (np.cos(angle) - np.cos(reach)) / max(1e-6, 1 - np.cos(reach))
    return np.asarray((depth if arc > 0 else 1 - depth) * abs(arc) * width, np.float32)


def crumple(sketch: Sketch, rng: np.random.Generator, depth_px: float) -> Sketch:
    """Film or paper that is not flat: smooth shifts of up to about depth_px, with light on the slopes."""
    height, width = sketch.pixels.shape[:2]
    shift = np.stack([_slow(rng, width, height), _slow(rng, width, height)], 2) * np.float32(depth_px / 2)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    pixels = cv2.remap(
        sketch.pixels, x + shift[..., 0], y + shift[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    small = cv2.resize(shift, (48, 48), interpolation=cv2.INTER_AREA)
    slope = cv2.Sobel(small[..., 0], cv2.CV_32F, 1, 0) + cv2.Sobel(small[..., 1], cv2.CV_32F, 0, 1)
    slope = cv2.resize(
        np.asarray(slope) / (slope.std() + 1e-6), (width, height), interpolation=cv2.INTER_CUBIC
    )
    paint.shade(pixels, 1.0 + np.clip(np.asarray(slope) * rng.uniform(0.02, 0.14), -0.35, 0.35))
    outlines = []
    for label, points in sketch.outlines:
        place = np.clip(points.astype(int), 0, (width - 1, height - 1))
        outlines.append(Outline(label, points - shift[place[:, 1], place[:, 0]]))
    return Sketch(pixels, outlines)


def _slow(rng: np.random.Generator, width: int, height: int) -> npt.NDArray[np.float32]:
    """A smooth field (height, width), mean about 0, at most 2."""
    waves = cv2.GaussianBlur(texture.clouds(rng, 48, 48, 2), (0, 0), 2.5)
    return np.clip(np.asarray(cv2.resize(waves, (width, height), interpolation=cv2.INTER_CUBIC)), -2, 2)


def filled(homography: Homography, pixels: Pixels, width: int, height: int) -> Homography:
    """The homography, enlarged around the middle of the frame until the picture covers all of it.

    Otherwise mirrored objects without an outline would stand at the border.
    """
    frame = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
    limit = np.array([pixels.shape[1], pixels.shape[0]], np.float32) + 1
    for _ in range(MOST_STEPS):
        source = moved(frame, np.linalg.inv(homography))
        if source.min() >= -1 and (source <= limit).all():
            break
        homography = (
            np.array([[STEP, 0, (1 - STEP) * width / 2], [0, STEP, (1 - STEP) * height / 2], [0, 0, 1]])
            @ homography
        )
    return homography


def view(rng: np.random.Generator, width: int, height: int, strength: float) -> Homography:
    """A random view of a whole scene: a little turned, tilted and moved; strength about 0..1."""
    grow = 1 + 0.12 * strength
    angle = float(rng.normal(0, 0.035 * strength))
    where = corners(rng, width / 2, height / 2, width * grow, height * grow, angle, 0.35 * strength)
    return onto(where, width, height)
