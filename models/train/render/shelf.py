"""Shelves of a shop: rows of facings, piles, gaps, rails with price tags, seen from the aisle."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np

from models.train.render import paint, price_tag, texture
from models.train.render.design import FLAVOURS, Design, design
from models.train.render.pack import body
from models.train.render.scene import Outline, Pixels, Sketch, clipped, rectangle, shifted

TAG_VARIANTS = 8
GAP_SHARE = 0.3  # a free stretch narrower than this share of the row height is only spacing
PRODUCT, TAG, EDGE, GAP = "product", "price_tag", "shelf_edge", "gap"


class Row(NamedTuple):
    """One shelf board: where its front edge lies and how much room is above it, in pixels."""

    floor: int
    room: int
    rail: int


def shelf(rng: np.random.Generator, width: int, height: int, fill_share: float | None = None) -> Sketch:
    """A shelf (height, width, 3) uint8 seen straight on, with outlines of products, tags, edges and gaps.

    fill_share is the share of places that hold a product; by default most shelves are full, a few are empty.
    """
    if rng.random() < 0.6:
        return _rack(rng, width, height, fill_share)
    # The rack ends inside the frame: a wall or another aisle is seen beside or above it.
    left, right = (int(width * rng.uniform(0.02, 0.2) * (rng.random() < 0.5)) for _ in range(2))
    top = int(height * rng.uniform(0.03, 0.3) * (rng.random() < 0.5))
    around = texture.room if rng.random() < 0.5 else texture.plain
    pixels = around(rng, width, height)
    rack = _rack(rng, width - left - right, height - top, fill_share)
    pixels[top:, left : width - right] = rack.pixels
    post = max(1, width // 100)
    for x in (left, width - right - post):
        paint.fill(pixels, x, top, post, height, paint.room_colour(rng))
    return Sketch(pixels, shifted(rack.outlines, left, top))


def _rack(rng: np.random.Generator, width: int, height: int, fill_share: float | None) -> Sketch:
    """All rows of a rack that fills the frame; outlines that reach beyond it are clipped to it."""
    pixels = _wall(rng, width, height)
    outlines: list[Outline] = []
    fullness = float(
        rng.choice([1.0, rng.uniform(0.75, 1.0), rng.uniform(0.2, 0.8), 0.0], p=[0.35, 0.4, 0.18, 0.07])
    )
    if fill_share is not None:
        fullness = fill_share
    tag_style = int(rng.integers(1 << 30))
    board = paint.hsv(rng.choice([0.1, 0.6]), rng.uniform(0, 0.12), rng.uniform(0.5, 0.98))
    if rng.random() < 0.2:
        board = paint.hsv(rng.uniform(0.05, 0.1), rng.uniform(0.3, 0.6), rng.uniform(0.3, 0.8))
    from_above = float(rng.uniform(0, 0.1) * (rng.random() < 0.5))
    for row in _rows(rng, height):
        _deep(pixels, rng, row, board)
        _facings(pixels, rng, outlines, row, fullness, from_above)
        _rail(pixels, rng, outlines, row, board, tag_style)
    return Sketch(pixels, [kept for outline in outlines if (kept := clipped(outline, width, height))])


def _rows(rng: np.random.Generator, height: int) -> list[Row]:
    """Boards from top to bottom; the first and last may be cut by the frame."""
    room = int(
        height
        * rng.choice(
            [rng.uniform(0.14, 0.25), rng.uniform(0.25, 0.5), rng.uniform(0.5, 0.9)], p=[0.45, 0.4, 0.15]
        )
    )
    rail = max(4, int(room * rng.uniform(0.07, 0.2)))
    floor = int(room * rng.uniform(0.5, 1.1))
    rows = []
    while floor - room < height:
        rows.append(Row(floor, room, rail))
        floor += room + rail if rng.random() < 0.7 else int(room * rng.uniform(0.85, 1.2)) + rail
    return rows


def _wall(rng: np.random.Generator, width: int, height: int) -> Pixels:
    """The back wall: plain, holed, dark or wooden."""
    kind = rng.random()
    if kind < 0.15:
        return texture.wood(rng, width, height)
    value = rng.uniform(0.05, 0.35) if kind < 0.55 else rng.uniform(0.4, 0.95)
    colour = paint.hsv(rng.choice([0.08, 0.6]), rng.uniform(0, 0.15), value)
    pixels = texture.tinted(texture.clouds(rng, width, height, 1), colour, 0.06)
    if rng.random() < 0.35:
        step = int(rng.integers(8, 22))
        y, x = np.ogrid[:height, :width]
        pixels[((x % step) < step // 3) & ((y % step) < step // 3)] //= 2
    return pixels


def _deep(pixels: Pixels, rng: np.random.Generator, row: Row, board: paint.Colour) -> None:
    """The space above a board: darker to the top, with the board's upper side and what stands behind."""
    height, width = pixels.shape[:2]
    top, floor = max(0, row.floor - row.room), min(height, row.floor)
    if top >= floor:
        return
    share = np.linspace(rng.uniform(0.3, 0.7), 1.0, floor - top, dtype=np.float32)
    paint.shade(pixels[top:floor], np.repeat(share[:, None], width, axis=1))
    depth = int(row.room * rng.uniform(0.02, 0.16))
    y0 = max(0, row.floor - depth)
    if y0 < floor:
        colour = np.asarray(board, np.float32) * np.linspace(0.35, 0.8, floor - y0)[:, None, None]
        pixels[y0:floor] = colour.astype(np.uint8)


def _facings(
    pixels: Pixels,
    rng: np.random.Generator,
    outlines: list[Outline],
    row: Row,
    fullness: float,
    from_above: float,
) -> None:
    """Groups of the same product side by side, with neighbours of the same brand more often than not."""
    width = pixels.shape[1]
    x = float(-rng.uniform(0, 0.15) * row.room)
    identity = int(rng.integers(1 << 28)) * FLAVOURS
    usual = rng.uniform(0.5, 0.93)
    first = len(outlines)
    while x < width:
        if rng.random() < 0.55:
            identity = identity // FLAVOURS * FLAVOURS + int(rng.integers(FLAVOURS))
        else:
            identity = int(rng.integers(1 << 28)) * FLAVOURS
        product = design(identity)
        tall = int(row.room * np.clip(usual * rng.uniform(0.75, 1.15), 0.3, 0.97))
        wide = int(np.clip(tall / product.aspect, row.room * 0.18, row.room * 1.3))
        tall = min(tall, int(wide * product.aspect * 1.1))
        if tall < 8 or wide < 5:
            break
        x = _group(pixels, rng, outlines, row, product, x, wide, tall, fullness, from_above)
        x += rng.uniform(0, 0.08) * row.room
    outlines += _gaps(outlines[first:], row, width, usual)


def _group(
    pixels: Pixels,
    rng: np.random.Generator,
    outlines: list[Outline],
    row: Row,
    product: Design,
    x: float,
    wide: int,
    tall: int,
    fullness: float,
    from_above: float,
) -> float:
    """1 to 8 facings of one product, some of them sold out. Returns where the group ends."""
    width = pixels.shape[1]
    drawn = _with_top(body(rng, product, wide, tall).pixels, product, from_above)
    spread = wide * float(rng.choice([0.0, 0.02, 0.06, 0.25, 0.8], p=[0.28, 0.33, 0.23, 0.1, 0.06]))
    lift = int(rng.uniform(0, 0.05) * row.room)
    levels = _levels(rng, product, row, tall)
    for _ in range(int(min(8, rng.geometric(0.3) + 1))):
        if x >= width:
            break
        if rng.random() < fullness:
            _behind(pixels, rng, drawn, int(x), row.floor - lift)
            for level in range(levels):
                _stand(pixels, rng, outlines, drawn, int(x), row.floor - lift - level * tall)
        x += wide + spread
    return x


def _gaps(products: list[Outline], row: Row, width: int, usual: float) -> list[Outline]:
    """The free stretches of a row in which another product could stand."""
    spans = sorted((float(points[:, 0].min()), float(points[:, 0].max())) for _, points in products)
    tall = int(row.room * usual * 0.9)
    gaps, reached = [], 0.0
    for start, end in (*spans, (float(width), float(width))):
        if start - reached >= GAP_SHARE * row.room:
            gaps.append(rectangle(GAP, reached, row.floor - tall, start - reached, tall))
        reached = max(reached, end)
    return gaps


def _with_top(front: Pixels, product: Design, from_above: float) -> Pixels:
    """A box seen from a little above shows its top: a strip that narrows to the back."""
    wide = front.shape[1]
    strip = int(wide * from_above)
    if strip < 2 or product.form not in ("box", "tray"):
        return front
    ends = np.array([(0.04, 0.0), (0.96, 0.0), (1.0, 1.0), (0.0, 1.0)]) * (wide, strip)
    top = np.empty((strip, wide, 4), np.uint8)
    top[..., :3] = np.clip(np.asarray(product.ground, np.float32) * 1.12 + 12, 0, 255)
    top[..., 3] = paint.polygon_mask(ends, wide, strip)
    return np.concatenate([top, front])


def _levels(rng: np.random.Generator, product: Design, row: Row, tall: int) -> int:
    if product.form not in ("box", "can", "tray", "jar") or rng.random() < 0.5:
        return 1
    return max(1, min(4, int(row.room * 0.95 // tall)))


def _behind(pixels: Pixels, rng: np.random.Generator, unit: Pixels, x: int, floor: int) -> None:
    """The next unit in the row, a little higher and darker, seen over the first one."""
    if rng.random() < 0.5:
        return
    drawn = unit.copy()
    drawn[..., :3] = cv2.convertScaleAbs(np.ascontiguousarray(drawn[..., :3]), alpha=rng.uniform(0.4, 0.85))
    tall = unit.shape[0]
    paint.paste(
        pixels,
        drawn,
        x + int(rng.normal(0, unit.shape[1] * 0.05)),
        floor - tall - max(1, int(tall * rng.uniform(0.01, 0.06))),
    )


def _stand(
    pixels: Pixels, rng: np.random.Generator, outlines: list[Outline], unit: Pixels, x: int, floor: int
) -> None:
    """One facing: brought forward or back, turned or leaning a little, with its shadow on the neighbour."""
    tall, wide = unit.shape[:2]
    scale = float(np.clip(rng.normal(1.0, 0.012), 0.95, 1.05))
    drawn = cv2.resize(
        unit, (max(4, int(wide * scale)), max(4, int(tall * scale))), interpolation=cv2.INTER_LINEAR
    )
    if rng.random() < 0.15:
        turn = rng.uniform(0.75, 0.95)
        side = max(1, int(wide * (1 - turn) * 0.6))
        front = cv2.resize(drawn, (max(4, int(wide * turn)), drawn.shape[0]), interpolation=cv2.INTER_AREA)
        edge = cv2.resize(np.ascontiguousarray(front[:, -3:]), (side, drawn.shape[0]))
        edge[..., :3] = edge[..., :3] // 2
        drawn = np.concatenate([front, edge], axis=1)
    drawn = drawn.copy()
    gain = rng.uniform(0.85, 1.08)
    drawn[..., :3] = cv2.convertScaleAbs(np.ascontiguousarray(drawn[..., :3]), alpha=gain)
    y = floor - drawn.shape[0]
    edge_px = max(1, wide // 25)
    paint.soft_shadow(pixels, np.ascontiguousarray(drawn[..., 3]), x + edge_px, y, max(2.0, wide * 0.05), 0.5)
    paint.paste(pixels, drawn, x, y)
    outlines.append(rectangle(PRODUCT, x, y, drawn.shape[1], drawn.shape[0], 1))


@lru_cache(maxsize=4 * TAG_VARIANTS)
def _tag(style: int, variant: int, width: int, height: int) -> Pixels:
    """One of the few tags of a scene (drawing hundreds would cost more than the rest of the shelf)."""
    return price_tag.tag(np.random.default_rng((style, variant)), width, height)


def _rail(
    pixels: Pixels,
    rng: np.random.Generator,
    outlines: list[Outline],
    row: Row,
    board: paint.Colour,
    tag_style: int,
) -> None:
    """The front edge of a board with its price rail and tags."""
    height, width = pixels.shape[:2]
    y0, y1 = row.floor, row.floor + row.rail
    if y0 >= height or y1 <= 0:
        return
    share = np.linspace(1.08, 0.8, row.rail)[:, None, None]
    strip = np.clip(np.asarray(board, np.float32) * share, 0, 255).astype(np.uint8)
    pixels[max(0, y0) : min(height, y1)] = strip[max(0, -y0) : row.rail - max(0, y1 - height)]
    dark = min(height, y1 + max(2, row.rail // 2))
    if max(0, y1) < dark:
        pixels[max(0, y1) : dark] = pixels[max(0, y1) : dark] // 2
    outlines.append(rectangle(EDGE, 0, y0, width, row.rail, 8))
    style = np.random.default_rng(tag_style)
    if style.random() < 0.12:
        return
    tall = int(row.rail * style.uniform(0.65, 1.25))
    wide = int(tall * style.uniform(1.2, 2.4))
    if tall < 6:
        return
    x = rng.uniform(0, 2) * wide
    every = style.uniform(1.1, 5.0)
    while x < width:
        large = rng.random() < 0.05
        size = (int(wide * 1.8), int(tall * 1.8)) if large else (wide, tall)
        tag = _tag(tag_style, int(rng.integers(TAG_VARIANTS)), *size)
        y = y0 + (row.rail - tall) // 2
        paint.paste(pixels, tag, int(x), y)
        outlines.append(rectangle(TAG, int(x), y, tag.shape[1], tag.shape[0]))
        x += size[0] + rng.uniform(0.05, 1.6) * every * wide
