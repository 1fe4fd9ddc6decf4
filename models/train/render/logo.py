"""Logos: brand marks, seals and badges, each drawn from its identity number."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from models.train.render import font, paint, words
from models.train.render.scene import Pixels
from models.train.render.symbol import symbol

SALT = 0x10C0
STOCK = 600
SIDE = 150  # logos are drawn on a canvas about this long, then fitted to where they go


def logo(identity: int, side: int = SIDE) -> Pixels:
    """The logo with this identity: RGBA (H, W, 4) uint8 with its longest side at `side`, cut to its border."""
    drawn = _drawn(int(identity))
    scale = side / max(drawn.shape[:2])
    size = max(1, round(drawn.shape[1] * scale)), max(1, round(drawn.shape[0] * scale))
    return cv2.resize(drawn, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)


def any_seal(rng: np.random.Generator) -> int:
    """The identity of a logo as they recur on packs: most often one of a limited stock, which stays cached."""
    return int(rng.integers(STOCK)) if rng.random() < 0.8 else int(rng.integers(1 << 30))


@lru_cache(maxsize=STOCK + 64)
def _drawn(identity: int) -> Pixels:
    rng = np.random.default_rng((SALT, identity))
    kind = rng.choice(
        ["wordmark", "plate", "symbol", "stacked", "seal", "badge"], p=[0.2, 0.2, 0.14, 0.14, 0.2, 0.12]
    )
    hue = paint.print_hue(rng)
    colour = paint.ink(hue, rng.uniform(0.5, 1) if rng.random() < 0.85 else 0, rng.uniform(0.15, 0.9))
    accent = paint.ink(
        hue if rng.random() < 0.3 else paint.print_hue(rng), rng.uniform(0.4, 1), rng.uniform(0.5, 1)
    )
    if kind == "seal":
        canvas = _seal(rng, colour, accent)
    elif kind == "symbol":
        canvas = symbol(rng, 130, 130, colour, accent)
    elif kind == "badge":
        canvas = _badge(rng, colour, accent)
    else:
        canvas = _mark(rng, str(kind), colour, accent)
    return cut(canvas)


def cut(canvas: Pixels) -> Pixels:
    """An RGBA picture without its empty border."""
    rows, columns = (
        np.flatnonzero(canvas[..., 3].max(axis=1) > 40),
        np.flatnonzero(canvas[..., 3].max(axis=0) > 40),
    )
    if rows.size == 0:
        return canvas
    return np.ascontiguousarray(canvas[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])


def stamp(canvas: Pixels, mask: Pixels, x: int, y: int, colour: paint.Colour) -> None:
    """Lay a colour on an RGBA canvas where a mask covers it, also making it opaque there."""
    height, width = canvas.shape[:2]
    top, left = max(0, -y), max(0, -x)
    bottom, right = min(mask.shape[0], height - y), min(mask.shape[1], width - x)
    if top >= bottom or left >= right:
        return
    part = mask[top:bottom, left:right]
    region = canvas[y + top : y + bottom, x + left : x + right]
    # Where the canvas was clear, the colour under a smooth border must not show: it is replaced at once.
    region[(region[..., 3] == 0) & (part > 0), :3] = colour
    paint.blend(region, part, 0, 0, colour)
    np.maximum(region[..., 3], part, out=region[..., 3])


def _text(rng: np.random.Generator, text: str, height: int) -> Pixels:
    face = str(rng.choice(font.faces_for("latin")))
    mask = font.trimmed(font.line(text, face, height))
    stretch = float(rng.choice([1.0, 1.0, 0.75, 1.3]))
    if stretch != 1.0:
        mask = cv2.resize(
            mask, (max(1, int(mask.shape[1] * stretch)), mask.shape[0]), interpolation=cv2.INTER_AREA
        )
    if rng.random() < 0.25:
        lean = rng.uniform(-0.2, 0.25)
        width = mask.shape[1] + int(abs(lean) * mask.shape[0])
        matrix = np.array([[1, -lean, max(0.0, lean) * mask.shape[0]], [0, 1, 0]])
        mask = cv2.warpAffine(mask, matrix, (width, mask.shape[0]))
    return mask


def _plate_mask(rng: np.random.Generator, width: int, height: int) -> Pixels:
    """The coverage of a plate behind a name: ellipse, pill, box, shield, ribbon or diamond."""
    mask = np.zeros((height, width), np.uint8)
    shape = rng.choice(["ellipse", "pill", "box", "shield", "ribbon", "hexagon"])
    if shape == "ellipse":
        cv2.ellipse(
            mask,
            (width // 2, height // 2),
            (width // 2 - 1, height // 2 - 1),
            0,
            0,
            360,
            (255,),
            -1,
            cv2.LINE_AA,
        )
        return mask
    if shape in ("pill", "box"):
        return paint.rounded_mask(
            width, height, height / 2 if shape == "pill" else height * rng.uniform(0, 0.25)
        )
    outline = {
        "shield": [(0, 0), (1, 0), (1, 0.65), (0.5, 1), (0, 0.65)],
        "ribbon": [(0, 0), (1, 0), (0.93, 0.5), (1, 1), (0, 1), (0.07, 0.5)],
        "hexagon": [(0.1, 0), (0.9, 0), (1, 0.5), (0.9, 1), (0.1, 1), (0, 0.5)],
    }[str(shape)]
    return paint.polygon_mask(
        np.array(outline) * (width - 1) + (0, 0)
        if width == height
        else np.array(outline) * (width - 1, height - 1),
        width,
        height,
    )


def _mark(rng: np.random.Generator, kind: str, colour: paint.Colour, accent: paint.Colour) -> Pixels:
    """A name alone, on a plate, or with a symbol above or beside it."""
    name = _text(rng, words.brand(rng), int(rng.integers(34, 52)))
    line = _text(rng, words.claim(rng), 18) if rng.random() < 0.35 else None
    figure = symbol(rng, 80, 80, colour, accent) if kind == "stacked" or rng.random() < 0.2 else None
    beside = figure is not None and rng.random() < 0.4
    width = max(name.shape[1], 0 if line is None else line.shape[1], 80) + (90 if beside else 0)
    height = (
        name.shape[0]
        + (0 if line is None else line.shape[0] + 6)
        + (86 if figure is not None and not beside else 0)
    )
    height = max(height, 84 if beside else 0)
    pad_x, pad_y = (int(width * 0.12) + 8, int(height * 0.25) + 8) if kind == "plate" else (4, 4)
    canvas = np.zeros((height + 2 * pad_y, width + 2 * pad_x, 4), np.uint8)
    ink = colour
    if kind == "plate":
        mask = _plate_mask(rng, canvas.shape[1], canvas.shape[0])
        stamp(canvas, mask, 0, 0, accent if rng.random() < 0.3 else paint.ink_on(colour))
        rim = int(rng.choice([0, 3, 5, 8]))
        inner = cv2.erode(mask, np.ones((3, 3), np.uint8), iterations=rim) if rim else mask
        stamp(canvas, inner, 0, 0, colour)
        ink = paint.ink_on(colour) if rng.random() < 0.8 else accent
    x, y = pad_x, pad_y
    if figure is not None:
        sx = pad_x if beside else pad_x + (width - figure.shape[1]) // 2
        paint_over(canvas, figure, sx, pad_y)
        x, y = (pad_x + 90, pad_y) if beside else (pad_x, pad_y + 86)
    room = width - (90 if beside else 0)
    if rng.random() < 0.2:
        stamp(canvas, name, x + (room - name.shape[1]) // 2 + 3, y + 3, paint.ink_on(ink))
    stamp(canvas, name, x + (room - name.shape[1]) // 2, y, ink)
    if line is not None:
        stamp(
            canvas,
            line,
            x + (room - line.shape[1]) // 2,
            y + name.shape[0] + 6,
            accent if kind != "plate" else ink,
        )
    return canvas


def paint_over(canvas: Pixels, cutout: Pixels, x: int, y: int) -> None:
    """Lay an RGBA cut-out on an RGBA canvas, which becomes opaque under it."""
    part, region = cutout, canvas[y : y + cutout.shape[0], x : x + cutout.shape[1]]
    part = part[: region.shape[0], : region.shape[1]]
    cover = part[..., 3:].astype(np.float32) / 255
    region[..., :3] = part[..., :3] * cover + region[..., :3] * (1 - cover)
    region[..., 3] = np.maximum(region[..., 3], part[..., 3])


def _seal(rng: np.random.Generator, colour: paint.Colour, accent: paint.Colour) -> Pixels:
    """A round certificate: rings, words along the rim, a symbol or words in the middle."""
    side, middle = SIDE, SIDE // 2
    canvas = np.zeros((side, side, 4), np.uint8)
    mask = np.zeros((side, side), np.uint8)
    teeth = int(rng.choice([0, 0, 12, 20, 32]))
    if teeth:
        angle = np.linspace(0, 2 * np.pi, teeth * 2, endpoint=False)
        radius = np.where(np.arange(teeth * 2) % 2, middle * 0.88, middle - 2)
        mask = paint.polygon_mask(
            np.stack([np.cos(angle), np.sin(angle)], 1) * radius[:, None] + middle, side, side
        )
    else:
        cv2.circle(mask, (middle, middle), middle - 2, (255,), -1, cv2.LINE_AA)
    ground = colour if rng.random() < 0.6 else (250, 250, 246)
    ink = paint.ink_on(ground) if ground == colour else colour
    stamp(canvas, mask, 0, 0, ground)
    ring = np.zeros((side, side), np.uint8)
    for radius_px in (middle - 8, int(middle * 0.62))[: int(rng.integers(0, 3))]:
        cv2.circle(ring, (middle, middle), radius_px, (255,), int(rng.integers(2, 6)), cv2.LINE_AA)
    stamp(canvas, ring, 0, 0, ink)
    text = " ".join(str(word) for word in rng.choice(words.SEAL_WORDS, 3))
    _around(canvas, rng, text, middle * 0.77, ink)
    if rng.random() < 0.6:
        inner_side = int(side * 0.44)
        paint_over(
            canvas,
            symbol(rng, inner_side, inner_side, ink, accent),
            middle - inner_side // 2,
            middle - inner_side // 2,
        )
    else:
        for row, word in enumerate(rng.choice(words.SEAL_WORDS, 2)):
            inner = font.fitted(
                str(word), str(rng.choice(font.faces_for("latin"))), int(side * 0.52), int(side * 0.21)
            )
            stamp(canvas, inner, middle - inner.shape[1] // 2, middle + int(side * 0.22) * (row - 1), ink)
    return canvas


def _around(canvas: Pixels, rng: np.random.Generator, text: str, radius: float, ink: paint.Colour) -> None:
    """Letters along a circle around the middle of a square canvas."""
    face, middle = str(rng.choice(font.faces_for("latin"))), canvas.shape[0] / 2
    step = float(min(2 * np.pi / (len(text) + 2), 0.26))
    size = max(6, int(canvas.shape[0] * 0.135))
    for place, letter in enumerate(text):
        if letter == " ":
            continue
        mask = font.line(letter, face, size)
        angle = -np.pi / 2 + (place - (len(text) - 1) / 2) * step
        matrix = cv2.getRotationMatrix2D(
            (mask.shape[1] / 2, mask.shape[0] / 2), -float(np.degrees(angle)) - 90, 1.0
        )
        matrix[:, 2] += 20 - mask.shape[1] / 2, 20 - mask.shape[0] / 2
        turned = cv2.warpAffine(mask, matrix, (40, 40))
        stamp(
            canvas,
            turned,
            int(middle + np.cos(angle) * radius - 20),
            int(middle + np.sin(angle) * radius - 20),
            ink,
        )


def _badge(rng: np.random.Generator, colour: paint.Colour, accent: paint.Colour) -> Pixels:
    """An icon in a disc or box, often with a caption beneath or beside it."""
    canvas = np.zeros((SIDE, SIDE, 4), np.uint8)
    plate = int(SIDE * 0.66)
    left = (SIDE - plate) // 2
    stamp(canvas, _plate_mask(rng, plate, plate), left, 2, colour)
    ink = paint.ink_on(colour)
    if rng.random() < 0.5:
        inner = int(plate * 0.62)
        paint_over(
            canvas, symbol(rng, inner, inner, ink, accent), (SIDE - inner) // 2, 2 + (plate - inner) // 2
        )
    else:
        for row, word in enumerate(rng.choice(words.SEAL_WORDS, 2)):
            text = font.fitted(
                str(word), str(rng.choice(font.faces_for("latin"))), int(plate * 0.76), int(plate * 0.3)
            )
            stamp(canvas, text, (SIDE - text.shape[1]) // 2, int(plate * (0.2 + 0.32 * row)), ink)
    if rng.random() < 0.5:
        text = font.fitted(words.claim(rng), str(rng.choice(font.faces_for("latin"))), SIDE - 6, SIDE // 5)
        stamp(canvas, text, (SIDE - text.shape[1]) // 2, plate + 8, colour)
    return canvas
