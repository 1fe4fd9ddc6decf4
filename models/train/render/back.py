"""The back of a pack: tables, small print, codes and seals, of which only the table is a nutrition table."""

from __future__ import annotations

import numpy as np

from models.train.render import barcode, font, nutriscore, nutrition_table, paint, words
from models.train.render.design import Design
from models.train.render.front import LOGO_LABEL
from models.train.render.logo import any_seal, logo
from models.train.render.scene import Outline, Pixels, Sketch, rectangle

TABLE_LABEL = "nutrition-table"
PRINT_SIZES_PX = (6, 7, 8, 9, 11, 13, 16, 20)


def text_block(
    pixels: Pixels,
    rng: np.random.Generator,
    x: int,
    y: int,
    width: int,
    height: int,
    line_px: int,
    ink: paint.Colour,
) -> None:
    """Small print that fills x, y, width, height: ragged lines, some words bold."""
    writing = words.script(rng)
    faces = font.body_faces_for(writing)
    face, bold = str(rng.choice(faces)), str(rng.choice(faces))
    space = max(1, line_px // 3)
    row, across = y, 0
    count = max(3, int(width * height / (line_px * line_px * 3.2)))
    for word in words.small_print(rng, writing, min(count, 420)):
        mask = font.line(word, bold if word.endswith(":") or rng.random() < 0.05 else face, line_px)
        if across + mask.shape[1] > width:
            row, across = row + int(line_px * 1.2), 0
            if row + line_px > y + height:
                return
        paint.blend(pixels, mask, x + across, row, ink)
        across += mask.shape[1] + space


def list_block(
    pixels: Pixels,
    rng: np.random.Generator,
    x: int,
    y: int,
    width: int,
    height: int,
    line_px: int,
    ink: paint.Colour,
) -> None:
    """A ruled list that is no nutrition table: sizes, dosage, addresses, cooking times."""
    face = str(rng.choice(font.body_faces_for("latin")))
    step = int(line_px * 1.3)
    ruled = rng.random() < 0.6
    for row in range(y, y + height - step, step):
        words_left = " ".join(words.small_print(rng, "latin", 2))
        left = font.fitted(words_left, face, int(width * 0.62), line_px)
        right_text = str(
            rng.choice(
                [
                    "3-5 min",
                    "180 °C",
                    "2 cups",
                    "36 - 38",
                    "1 x 20",
                    "+32 2 55 87",
                    "EN 71",
                    "S / M",
                    "800 W",
                    "12/2025",
                ]
            )
        )
        right = font.fitted(right_text, face, int(width * 0.34), line_px)
        paint.blend(pixels, left, x, row, ink)
        paint.blend(pixels, right, x + width - right.shape[1], row, ink)
        if ruled:
            paint.fill(pixels, x, row + step - 2, width, 1, ink)
    if rng.random() < 0.4:
        paint.frame(pixels, x - 2, y - 2, width + 4, height, ink)


def _print_size(wanted_px: float) -> int:
    """The nearest of the sizes that small print comes in (few, so that the cache of words is hit)."""
    return min(PRINT_SIZES_PX, key=lambda size: abs(size - wanted_px))


def back(
    rng: np.random.Generator, product: Design, width: int, height: int, table_share: float | None
) -> Sketch:
    """The back (height, width, 3) uint8; table_share is the table's share of the width, None for no table."""
    pixels = np.empty((height, width, 3), np.uint8)
    ground = (
        product.ground
        if rng.random() < 0.5
        else paint.hsv(paint.print_hue(rng), rng.uniform(0, 0.2), rng.uniform(0.8, 1))
    )
    pixels[:] = ground
    if rng.random() < 0.35:
        paint.fill(pixels, 0, 0, width, height * rng.uniform(0.08, 0.3), product.second)
    ink = paint.ink_on(ground)
    pad = max(2, int(width * 0.03))
    line_px = _print_size(width * rng.uniform(0.018, 0.036))
    outlines: list[Outline] = []
    free_top = pad
    if table_share is not None:
        x, y, drawn = _table(
            rng,
            width,
            height,
            table_share,
            (int(pixels[-1, -1, 0]), int(pixels[-1, -1, 1]), int(pixels[-1, -1, 2])),
        )
        paint.paste(pixels, drawn, x, y)
        outlines.append(rectangle(TABLE_LABEL, x, y, drawn.shape[1], drawn.shape[0]))
        areas = [
            (pad, free_top, width - 2 * pad, y - free_top - pad),
            (pad, y + drawn.shape[0] + pad, width - 2 * pad, height - y - drawn.shape[0] - 2 * pad),
            (pad, y, x - 2 * pad, drawn.shape[0]),
            (x + drawn.shape[1] + pad, y, width - x - drawn.shape[1] - 2 * pad, drawn.shape[0]),
        ]
    else:
        half = height // 2
        areas = [(pad, pad, width - 2 * pad, half - pad), (pad, half + pad, width - 2 * pad, half - 2 * pad)]
    for area in areas:
        _fill_area(pixels, rng, outlines, area, line_px, ink)
    return Sketch(pixels, outlines)


def _table(
    rng: np.random.Generator, width: int, height: int, share: float, ground: paint.Colour
) -> tuple[int, int, Pixels]:
    """A table and where it goes."""
    drawn = nutrition_table.table(
        rng, max(40, int(width * share)), int(height * rng.uniform(0.35, 0.95)), ground
    )
    room_x, room_y = max(1, width - drawn.shape[1]), max(1, height - drawn.shape[0])
    return int(rng.uniform(0.02, 0.98) * room_x), int(rng.uniform(0.02, 0.98) * room_y), drawn


def _fill_area(
    pixels: Pixels,
    rng: np.random.Generator,
    outlines: list[Outline],
    area: tuple[int, int, int, int],
    line_px: int,
    ink: paint.Colour,
) -> None:
    """Fill a free area with text, and what fits of code, seals, lists and coloured fields."""
    x, y, width, height = area
    if width < 24 or height < 12:
        return
    side = int(min(width, height, 0.3 * pixels.shape[1]) * rng.uniform(0.4, 0.95))
    kind = rng.random()
    if kind < 0.3 and side > 24:
        code = (
            barcode.square(rng, side) if rng.random() < 0.15 else barcode.linear(rng, int(side * 1.5), side)
        )
        if code.shape[1] < width:
            paint.paste(pixels, code, x + width - code.shape[1], y + height - code.shape[0])
            width -= code.shape[1] + 6
    elif kind < 0.55 and side > 18:
        side = min(side, 110)
        for _ in range(int(rng.integers(1, 4))):
            if width < side * 2:
                break
            mark = logo(any_seal(rng), side)
            plate = mark.shape[1] + 4, mark.shape[0] + 4
            at_x, at_y = x + width - mark.shape[1], y + (height - mark.shape[0]) // 2
            if rng.random() < 0.4:
                paint.rounded(pixels, at_x - 2, at_y - 2, *plate, 4, (250, 250, 250))
            paint.paste(pixels, mark, at_x, at_y)
            outlines.append(rectangle(LOGO_LABEL, at_x, at_y, mark.shape[1], mark.shape[0]))
            width -= mark.shape[1] + 8
    elif kind < 0.63 and width > 60:
        row = nutriscore.colour_row(rng, min(width // 2, 160))
        paint.paste(pixels, row, x + width - row.shape[1], y)
        width -= row.shape[1] + 6
    if width < line_px * 9:
        return
    if rng.random() < 0.1 and height > line_px * 6:
        list_block(pixels, rng, x, y, width, height, line_px, ink)
    elif rng.random() < 0.92:
        text_block(pixels, rng, x, y, width, height, line_px, ink)
