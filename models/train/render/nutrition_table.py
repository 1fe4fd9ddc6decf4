"""Nutrition tables as printed: ruled or plain, tall or wide, dark on light or the other way round."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from models.train.render import font, nutrients, paint
from models.train.render.scene import Pixels


class Look(NamedTuple):
    """How a table is set: colours, face, line height in pixels, and which lines are ruled."""

    ground: paint.Colour
    ink: paint.Colour
    head_ground: paint.Colour
    head_ink: paint.Colour
    face: str
    line_px: int
    rules: str  # "none", "rows", "grid", "thick"
    striped: bool
    framed: bool
    dotted: bool


def _look(rng: np.random.Generator, script: str, line_px: int) -> Look:
    kind = rng.random()
    if kind < 0.62:
        ground = paint.hsv(rng.uniform(0, 1), rng.uniform(0, 0.12), rng.uniform(0.9, 1.0))
        ink = (
            (20, 18, 18)
            if rng.random() < 0.6
            else paint.hsv(rng.uniform(0, 1), rng.uniform(0.4, 1), rng.uniform(0.1, 0.5))
        )
    elif kind < 0.85:
        ground = paint.hsv(rng.uniform(0, 1), rng.uniform(0.2, 0.9), rng.uniform(0.15, 0.95))
        ink = paint.ink_on(ground)
    else:
        ground, ink = paint.hsv(rng.uniform(0, 1), rng.uniform(0, 1), rng.uniform(0.02, 0.3)), (250, 250, 246)
    inverse = rng.random() < 0.35
    return Look(
        ground,
        ink,
        ink if inverse else ground,
        ground if inverse else ink,
        str(rng.choice(font.faces_for(script))),
        line_px,
        str(rng.choice(["none", "rows", "grid", "thick"], p=[0.2, 0.35, 0.37, 0.08])),
        bool(rng.random() < 0.2),
        bool(rng.random() < 0.65),
        bool(rng.random() < 0.12),
    )


def table(rng: np.random.Generator, width: int, height: int, ground: paint.Colour | None = None) -> Pixels:
    """A nutrition table within about width x height, (H, W, 3) uint8, border to border.

    ground is the colour of the pack, on which the table may be printed without a plate of its own.
    """
    if rng.random() < 0.13:
        return _facts(rng, width, height)
    if rng.random() < 0.12:
        return _across(rng, width, height)
    columns = int(rng.choice([1, 2, 3], p=[0.35, 0.38, 0.27]))
    text = nutrients.table(rng, columns)
    lines = len(text.rows) + 2
    line_px = int(max(6, min(height / lines, width / (14 + 5 * columns) * 1.9)))
    look = _look(rng, text.script, line_px)
    if ground is not None and rng.random() < 0.35:
        ink = paint.ink_on(ground)
        look = look._replace(ground=ground, ink=ink, head_ground=ground, head_ink=ink)
    return _grid(rng, text, look, width, height)


def _grid(
    rng: np.random.Generator, text: nutrients.Table, look: Look, max_width: int, max_height: int
) -> Pixels:
    """The usual form: names left, one column per reference amount."""
    size = max(4, int(look.line_px * rng.uniform(0.72, 0.92)))
    inset = int(look.line_px * 0.35)
    mark = str(rng.choice(["", "- ", "  "]))
    names = [_cell((mark if row.is_part else "") + row.name, look.face, size) for row in text.rows]
    figures = [[_cell(figure, look.face, size, to_right=True) for figure in row.figures] for row in text.rows]
    heads = [_cell(head, look.face, size) for head in text.heads]
    title = _cell(text.title, look.face, int(size * rng.uniform(1.0, 1.25)))
    widths = [
        max(cell.shape[1] for cell in column) + 2 * inset for column in zip(heads, *figures, strict=True)
    ]
    name_width = max(name.shape[1] for name in names) + 2 * inset + look.line_px // 2
    natural = name_width + sum(widths)
    spare = rng.uniform(0, 0.25) * look.line_px * 6
    width = int(max(natural, title.shape[1] + 2 * inset if rng.random() < 0.7 else 0) + spare)
    joint_head = rng.random() < 0.4
    head_height = (1 if joint_head else 2) * look.line_px
    leading = max(look.line_px, size)
    heights = [
        max(cell.shape[0] for cell in (name, *cells)) - size + leading
        for name, cells in zip(names, figures, strict=True)
    ]
    tops = np.cumsum([head_height, *heights])
    pixels = np.empty((int(tops[-1]), width, 3), np.uint8)
    pixels[:] = look.ground
    pixels[:head_height] = look.head_ground
    lift = (look.line_px - size) // 4
    if not joint_head or title.shape[1] < name_width * 1.1:
        paint.blend(pixels, title, inset, lift, look.head_ink)
    edges = np.cumsum([width - sum(widths), *widths])
    centred = rng.random() < 0.4
    for column, head in enumerate(heads):
        x = edges[column] + (widths[column] - head.shape[1]) // 2
        paint.blend(pixels, head, int(x), head_height - look.line_px + lift, look.head_ink)
    for place, (name, cells) in enumerate(zip(names, figures, strict=True)):
        y = int(tops[place])
        if look.striped and place % 2 == 0:
            band = np.full((heights[place], width), 255, np.uint8)
            paint.blend(pixels, band, 0, y, look.ink, 0.12)
        indent = look.line_px // 2 if text.rows[place].is_part else 0
        paint.blend(pixels, name, inset + indent, y + lift, look.ink)
        for column, cell in enumerate(cells):
            room = widths[column] - cell.shape[1]
            x = edges[column] + (room // 2 if centred else room - inset)
            # Beside a name of two lines, the figure stands at its last one.
            paint.blend(
                pixels, cell, int(x), int(tops[place + 1]) - leading - cell.shape[0] + size + lift, look.ink
            )
        if look.dotted:
            dots = np.arange(inset + indent + name.shape[1] + 3, int(edges[0]), max(3, size // 4))
            pixels[min(y + size - 1, pixels.shape[0] - 1), dots[dots < width]] = look.ink
    _rule(pixels, look, tops[:-1], edges)
    return _pressed(pixels, max_width, max_height)


def _rule(pixels: Pixels, look: Look, tops: np.ndarray, edges: np.ndarray) -> None:
    """The lines between rows (at tops) and columns (at edges) and around the table."""
    height, width = pixels.shape[:2]
    line = max(1, look.line_px // 14)
    if look.rules != "none":
        for place, y in enumerate(tops):
            thick = line * 3 if look.rules == "thick" and place == 0 else line
            paint.fill(pixels, 0, int(y), width, thick, look.ink)
    if look.rules == "grid":
        for x in edges[:-1]:
            paint.fill(pixels, int(x), int(tops[0]) - look.line_px, line, height, look.ink)
    if look.framed:
        paint.frame(pixels, 0, 0, width, height, look.ink, line + (line if look.rules == "thick" else 0))


def _cell(text: str, face: str, size: int, to_right: bool = False) -> Pixels:
    """The text of a cell, of one line or more, as one mask."""
    masks = [_line(part, face, size)[: size + size // 3] for part in text.split("\n")]
    if len(masks) == 1:
        return masks[0]
    width = max(mask.shape[1] for mask in masks)
    stacked = np.zeros((size * (len(masks) - 1) + masks[-1].shape[0], width), np.uint8)
    for row, mask in enumerate(masks):
        x = width - mask.shape[1] if to_right else 0
        region = stacked[row * size : row * size + mask.shape[0], x : x + mask.shape[1]]
        np.maximum(region, mask, out=region)
    return stacked


def _line(text: str, face: str, size: int) -> Pixels:
    return font.line(text, face, size) if text else np.zeros((size, 1), np.uint8)


def _pressed(pixels: Pixels, max_width: int, max_height: int) -> Pixels:
    """Pressed narrower, as designers do, where it would be too wide; shrunk where that is not enough."""
    height, width = pixels.shape[:2]
    wanted_width = width * min(1.0, max(0.72, max_width / width))
    scale = min(1.0, max_width / wanted_width, max_height / height)
    size = max(8, int(wanted_width * scale)), max(8, int(height * scale))
    return pixels if size == (width, height) else cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def _facts(rng: np.random.Generator, width: int, height: int) -> Pixels:
    """The North American panel: heavy rules, large calories, shares on the right."""
    text = nutrients.facts(rng)
    line_px = int(max(6, min(height / (len(text.rows) + 7.5), width / 13)))
    width = int(line_px * rng.uniform(9.5, 13))
    height = int(line_px * (len(text.rows) + 7.6))
    light = rng.random() < 0.85
    ink = (15, 15, 15) if rng.random() < 0.6 else paint.hsv(rng.uniform(0, 1), 0.8, 0.4)
    ground: paint.Colour = (252, 252, 250)
    if not light:
        ground, ink = ink, ground
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[:] = ground
    bold = str(rng.choice(font.faces_for("latin")))
    inset, y = max(2, line_px // 3), line_px * 0.2
    title = font.fitted(text.title, bold, width - 2 * inset, int(line_px * 2.2))
    paint.blend(pixels, title, inset, int(y), ink)
    y += line_px * 2
    for words in (
        f"about {int(rng.integers(2, 30))} servings per container",
        f"Serving size   1 cup ({int(rng.integers(15, 240))}g)",
    ):
        paint.blend(pixels, font.fitted(words, bold, width - 2 * inset, line_px), inset, int(y), ink)
        y += line_px
    paint.fill(pixels, inset, y, width - 2 * inset, line_px * 0.35, ink)
    paint.blend(
        pixels,
        font.fitted("Calories", bold, width // 2, int(line_px * 1.9)),
        inset,
        int(y + line_px * 0.35),
        ink,
    )
    number = font.fitted(str(int(rng.integers(5, 600))), bold, width // 3, int(line_px * 2.2))
    paint.blend(pixels, number, width - inset - number.shape[1], int(y + line_px * 0.2), ink)
    y += line_px * 2.3
    paint.fill(pixels, inset, y, width - 2 * inset, line_px * 0.2, ink)
    y += line_px * 0.25
    head = font.line(text.heads[0], bold, int(line_px * 0.7))
    paint.blend(pixels, head, width - inset - head.shape[1], int(y), ink)
    y += line_px * 0.95
    for row in text.rows:
        paint.fill(pixels, inset, y, width - 2 * inset, max(1, line_px // 16), ink)
        name = _line(row.name.strip(), bold, int(line_px * 0.82))
        paint.blend(pixels, name, inset + (line_px // 2 if row.is_part else 0), int(y), ink)
        share = _line(row.figures[0], bold, int(line_px * 0.82))
        paint.blend(pixels, share, width - inset - share.shape[1], int(y), ink)
        y += line_px
    paint.frame(pixels, 0, 0, width, height, ink, max(1, line_px // 8))
    return pixels


def _across(rng: np.random.Generator, width: int, height: int) -> Pixels:
    """A low, wide table: the nutrients side by side, their figures beneath."""
    text = nutrients.table(rng, int(rng.integers(1, 3)))
    lines = len(text.heads) + 2
    line_px = int(max(6, min(height / lines, width / (len(text.rows) * 5.5))))
    look = _look(rng, text.script, line_px)
    size, inset = int(line_px * 0.85), line_px // 3
    cells = [
        [_line(row.name[:16], look.face, size)] + [_line(figure, look.face, size) for figure in row.figures]
        for row in text.rows
    ]
    widths = [max(cell.shape[1] for cell in column) + 2 * inset for column in cells]
    pixels = np.empty((line_px * lines, sum(widths), 3), np.uint8)
    pixels[:] = look.ground
    pixels[: line_px * 2] = look.head_ground
    paint.blend(pixels, _line(text.title, look.face, size), inset, 0, look.head_ink)
    edges = np.cumsum([0, *widths])
    for place, column in enumerate(cells):
        for row, cell in enumerate(column):
            x = int(edges[place]) + (widths[place] - cell.shape[1]) // 2
            paint.blend(pixels, cell, x, (row + 1) * line_px, look.head_ink if row == 0 else look.ink)
    _rule(pixels, look, np.arange(2, lines) * line_px, edges)
    return _pressed(pixels, width, height)
