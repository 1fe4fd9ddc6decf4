"""The printed front of a pack: ground, picture, logo, words, seals, laid out by its design."""

from __future__ import annotations

import cv2
import numpy as np

from models.train.render import font, food, paint, texture
from models.train.render.design import Design, picture
from models.train.render.logo import logo
from models.train.render.scene import Outline, Pixels, Sketch, ellipse, rectangle

LOGO_LABEL = "object"


def front(design: Design, width: int, height: int) -> Sketch:
    """The front (height, width, 3) uint8, with an outline for each logo and seal on it."""
    pixels = _ground(design, width, height)
    outlines: list[Outline] = []
    wide = width > 1.35 * height
    # On a wide front the words stand left and the picture right; on a tall one they are stacked.
    text_width = int(width * (0.58 if wide else 0.9))
    text_left = int(width * 0.04)
    _picture(pixels, design, wide)
    _logo(pixels, outlines, design, text_left, text_width, wide)
    _words(pixels, design, text_left, text_width, wide)
    _seals(pixels, outlines, design)
    return Sketch(pixels, outlines)


def _ground(design: Design, width: int, height: int) -> Pixels:
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[:] = design.ground
    kind, cut = design.ground_kind, int(height * design.split)
    if kind == "gradient":
        return paint.gradient(width, height, design.ground, design.second, 1.2 + design.split)
    if kind == "split":
        pixels[cut:] = design.second
    elif kind == "bands":
        for place in range(3):
            paint.fill(
                pixels,
                0,
                height * (0.05 + 0.31 * place),
                width,
                height * 0.05 * (1 + design.shape),
                design.second,
            )
    elif kind == "photo":
        # The food fills the front; the words stand on a plate, a slanted banner or straight on the photo.
        pixels[:] = cv2.resize(picture(design.identity), (width, height), interpolation=cv2.INTER_LINEAR)
        low, high = (0.02, 0.55) if design.shape < 0.4 else (0.25, 0.62)
        if design.shape < 0.4:
            paint.fill(pixels, 0, height * low, width, height * (high - low), design.ground)
        elif design.shape < 0.8:
            corners = np.array([(0, low), (1, low - 0.06), (1, high), (0, high + 0.05)]) * (width, height)
            paint.blend(pixels, paint.polygon_mask(corners, width, height), 0, 0, design.ground, 0.92)
    elif kind == "diagonal":
        corners = np.array([(0, design.split), (1, design.split * 0.5), (1, 1), (0, 1)]) * (width, height)
        paint.blend(pixels, paint.polygon_mask(corners, width, height), 0, 0, design.second)
    elif kind == "curve":
        mask = np.zeros((height, width), np.uint8)
        axes = (int(width * (0.6 + design.shape * 0.5)), int(height * 0.5))
        cv2.ellipse(
            mask, (width // 2, int(height * (0.5 + design.split))), axes, 0, 0, 360, (255,), -1, cv2.LINE_AA
        )
        paint.blend(pixels, mask, 0, 0, design.second)
    elif kind == "pattern":
        _pattern(pixels, design)
    return pixels


def _pattern(pixels: Pixels, design: Design) -> None:
    """Stripes, dots, checks or clouds in the second colour."""
    height, width = pixels.shape[:2]
    step = max(6, int(min(width, height) * (0.05 + 0.1 * design.shape)))
    y, x = np.ogrid[:height, :width]
    kind = design.identity // 4 % 4
    if kind == 0:
        mask = ((x + y) // step % 2 * 255).astype(np.uint8)
    elif kind == 1:
        mask = (((x % step - step / 2) ** 2 + (y % step - step / 2) ** 2 < (step * 0.3) ** 2) * 255).astype(
            np.uint8
        )
    elif kind == 2:
        mask = ((x // step + y // step) % 2 * 255).astype(np.uint8)
    else:
        rng = np.random.default_rng(design.identity // 4)
        mask = np.clip(texture.clouds(rng, width, height, 2) * 120, 0, 255).astype(np.uint8)
    paint.blend(pixels, mask, 0, 0, design.second, 0.35)


def _picture(pixels: Pixels, design: Design, wide: bool) -> None:
    height, width = pixels.shape[:2]
    if design.picture_kind == "none" or design.ground_kind == "photo":
        return
    if wide:
        box_width, box_height = int(width * 0.42), int(height * (0.55 + 0.4 * design.picture_share))
        x, y = width - box_width, height - box_height
    else:
        box_width = int(width * design.picture_share)
        box_height = int(min(height * 0.45, box_width * 1.1))
        x, y = (width - box_width) // 2, int(height * design.picture_y)
    if min(box_width, box_height) < 8:
        return
    photo = cv2.resize(picture(design.identity), (box_width, box_height), interpolation=cv2.INTER_LINEAR)
    if design.picture_kind == "window":
        mask = paint.rounded_mask(box_width, box_height, min(box_width, box_height) * design.shape / 2)
    elif design.picture_kind == "disc":
        mask = np.zeros((box_height, box_width), np.uint8)
        cv2.ellipse(
            mask,
            (box_width // 2, box_height // 2),
            (box_width // 2 - 1, box_height // 2 - 1),
            0,
            0,
            360,
            (255,),
            -1,
            cv2.LINE_AA,
        )
    elif design.picture_kind == "one":
        return _single(pixels, design, x, y, box_width, box_height)
    else:
        # A heap rises out of the lower edge with an uneven rim.
        rng = np.random.default_rng(design.identity)
        knots = np.abs(rng.normal(0, 0.12, 9)) * box_height
        rim = np.interp(np.linspace(0, 8, box_width), np.arange(9), knots)
        rows = np.arange(box_height)[:, None]
        mask = (np.clip(rows - rim[None, :] + 1, 0, 1) * 255).astype(np.uint8)
        box_height = min(box_height, height - y)
    paint.paste(pixels, np.dstack([photo, mask]), x, y)


def _single(pixels: Pixels, design: Design, x: int, y: int, width: int, height: int) -> None:
    """A few large pieces of food, cut free, with a shadow."""
    rng = np.random.default_rng((design.identity, 3))
    side = int(min(width, height) * (0.6 + 0.35 * design.shape))
    if side < 8:
        return
    kind, first, second = int(rng.integers(food.KINDS)), food.colour(rng), food.colour(rng)
    aspect = float(rng.uniform(0.5, 1.0))
    for _ in range(int(rng.integers(1, 5))):
        cutout = food.piece(rng, kind, side, first, second, aspect)
        px = x + int(rng.uniform(0, 1) * max(1, width - side))
        py = y + int(rng.uniform(0, 1) * max(1, height - side))
        mask = np.ascontiguousarray(cutout[..., 3])
        paint.soft_shadow(pixels, mask, px, py + side // 12, side / 12, 0.35)
        paint.paste(pixels, cutout, px, py)


def _logo(pixels: Pixels, outlines: list[Outline], design: Design, left: int, room: int, wide: bool) -> None:
    height = pixels.shape[0]
    mark = logo(design.logo)
    scale = min(room * design.logo_share / mark.shape[1], height * (0.34 if wide else 0.2) / mark.shape[0])
    size = max(2, round(mark.shape[1] * scale)), max(2, round(mark.shape[0] * scale))
    mark = cv2.resize(mark, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    x = left + (room - size[0]) // 2 if design.centred else left
    y = int(height * (0.08 if wide else design.logo_y))
    paint.paste(pixels, _readable(mark, pixels, x, y), x, y)
    outlines.append(rectangle(LOGO_LABEL, x, y, *size))


def _readable(mark: Pixels, pixels: Pixels, x: int, y: int) -> Pixels:
    """The mark, in black or white instead of its own colour where that would vanish on the ground."""
    height, width = pixels.shape[:2]
    under = pixels[min(y, height - 1) : y + mark.shape[0], min(max(x, 0), width - 1) : x + mark.shape[1]]
    ground = under.reshape(-1, 3).mean(axis=0)
    solid = mark[mark[..., 3] > 128][:, :3].astype(np.float32)
    if solid.size == 0 or float(np.abs(solid - ground).sum(axis=1).mean()) > 130:
        return mark
    ink = paint.ink_on([int(part) for part in ground])
    if float(solid.std(axis=0).max()) < 25:
        mark = mark.copy()
        mark[..., :3] = ink
    else:
        paint.rounded(pixels, x - 2, y - 2, mark.shape[1] + 4, mark.shape[0] + 4, 4, ink)
    return mark


def _words(pixels: Pixels, design: Design, left: int, room: int, wide: bool) -> None:
    height, width = pixels.shape[:2]
    y = int(height * (0.46 if wide else design.title_y))
    parts = design.title.split() if len(design.title) > 11 and not wide else [design.title]
    if len(parts) > 3:
        parts = [" ".join(parts[:2]), " ".join(parts[2:])]
    line_height = int(height * (0.2 if wide else 0.115))
    masks = [
        font.trimmed(font.fitted(part, design.title_face, int(room * 0.96), line_height)) for part in parts
    ]
    total = sum(mask.shape[0] for mask in masks) + len(masks) * max(1, line_height // 8)
    ink = design.title_ink
    under = (
        [int(part) for part in pixels[y : y + 2 + total, left : left + room].reshape(-1, 3).mean(axis=0)]
        if y < height
        else [0, 0, 0]
    )
    if design.title_plate:
        paint.rounded(
            pixels,
            left,
            y - line_height // 8,
            room,
            total + line_height // 4,
            line_height * 0.3 * design.shape,
            design.accent,
        )
        ink = paint.ink_on(design.accent)
    elif sum(abs(a - b) for a, b in zip(ink, under, strict=True)) < 160:
        ink = paint.ink_on(under)
    for mask in masks:
        x = left + (room - mask.shape[1]) // 2 if design.centred else left
        if not design.title_plate and design.shape > 0.7:
            paint.blend(
                pixels, mask, x + max(1, line_height // 20), y + max(1, line_height // 20), (0, 0, 0), 0.5
            )
        paint.blend(pixels, mask, x, y, ink)
        y += mask.shape[0] + max(1, line_height // 8)
    small = max(4, int(height * (0.07 if wide else 0.04)))
    ink = paint.ink_on(under) if design.title_plate else ink
    for text in (design.subtitle, design.claim)[: 1 + int(design.shape > 0.4)]:
        mask = font.fitted(text, design.body_face, room, small)
        paint.blend(pixels, mask, left + (room - mask.shape[1]) // 2 if design.centred else left, y, ink)
        y += int(small * 1.15)
    amount = font.fitted(design.amount, design.body_face, int(width * 0.3), small)
    x, low = int(width * 0.96) - amount.shape[1], int(height * 0.97) - amount.shape[0]
    ground = pixels[low : low + amount.shape[0], x : x + amount.shape[1]].reshape(-1, 3)
    paint.blend(
        pixels,
        amount,
        x,
        low,
        paint.ink_on([int(part) for part in ground.mean(axis=0)]) if ground.size else ink,
    )


def _seals(pixels: Pixels, outlines: list[Outline], design: Design) -> None:
    """Seals along the lower edge or in the upper right corner."""
    height, width = pixels.shape[:2]
    side = int(min(width, height) * (0.13 + 0.1 * design.shape))
    if side < 8:
        return
    for place, identity in enumerate(design.seals):
        mark = logo(identity, side)
        if place == 3:
            x, y = width - mark.shape[1] - side // 5, side // 5
        else:
            x, y = int(width * 0.04 + place * side * 1.25), height - int(side * 1.15)
        if x + mark.shape[1] > width * (0.7 if place < 3 else 1.0):
            continue
        paint.paste(pixels, _readable(mark, pixels, x, y), x, y)
        round_mark = float(mark[: side // 8, : side // 8, 3].mean()) < 60
        outline = (ellipse if round_mark else rectangle)(LOGO_LABEL, x, y, mark.shape[1], mark.shape[0])
        outlines.append(outline)
