"""Our own drawing of the five-letter nutrition grade, one letter enlarged."""

from __future__ import annotations

import cv2
import numpy as np

from models.train.render import font, paint
from models.train.render.scene import Pixels

GRADES = "abcde"
COLOURS: tuple[paint.Colour, ...] = (
    (3, 129, 65),
    (133, 187, 47),
    (254, 203, 2),
    (238, 129, 0),
    (230, 62, 17),
)
# The plate is drawn at this width, then shrunk: the small letters need the finer raster.
DRAWN_WIDTH = 320
HEADINGS = ("NUTRI-SCORE", "NUTRI-SCORE", "NUTRI-SCORE", "NUTRI SCORE", "NUTRISCORE")
RIBBONS = ("NOUVEAU CALCUL", "NEUE BERECHNUNG", "NIEUWE BEREKENING", "NEW CALCULATION", "2023")


def label(rng: np.random.Generator, grade: str, width: int) -> Pixels:
    """The label for a grade ("a".."e"): RGBA (H, width, 4) uint8, filled to its border.

    With and without the plate, the heading or the newer ribbon, in colour or in greys.
    """
    chosen = GRADES.index(grade)
    scale = DRAWN_WIDTH / 100
    plate = rng.random() < 0.82
    heading = rng.random() < 0.9
    ribbon = rng.random() < 0.18
    top = 19 if heading else 9
    bar = rng.uniform(24, 29)
    total = top + bar + (18 if ribbon else 9)
    canvas = np.zeros((int(total * scale), DRAWN_WIDTH, 4), np.uint8)
    if plate:
        canvas[..., :3] = (255, 255, 255)
        canvas[..., 3] = paint.rounded_mask(DRAWN_WIDTH, canvas.shape[0], rng.uniform(3, 8) * scale)
        if rng.random() < 0.35:
            inner = cv2.erode(canvas[..., 3], np.ones((3, 3), np.uint8), iterations=2, borderValue=(0,))
            paint.blend(canvas, cv2.subtract(canvas[..., 3], inner), 0, 0, (150, 150, 150))
    colours = _colours(rng)
    _bar(canvas, rng, colours, chosen, top * scale, bar * scale, scale)
    face = str(rng.choice(font.faces_for("latin")[1:]))
    if heading:
        ink = (95, 95, 98) if plate else (70, 70, 72)
        text = font.trimmed(
            font.fitted(str(rng.choice(HEADINGS)), face, int(rng.uniform(60, 90) * scale), int(13 * scale))
        )
        _mark(canvas, text, int(rng.uniform(5, 9) * scale), int(4 * scale), ink)
    if ribbon:
        text = font.trimmed(font.fitted(str(rng.choice(RIBBONS)), face, int(86 * scale), int(8 * scale)))
        y = canvas.shape[0] - text.shape[0] - int(3.5 * scale)
        _mark(canvas, text, int((100 * scale - text.shape[1]) / 2), y, (70, 70, 72))
    return _sized(canvas, width)


def _colours(rng: np.random.Generator) -> list[paint.Colour]:
    """The five colours as printed: never twice quite the same, sometimes in one ink."""
    if rng.random() < 0.08:
        tint = np.array(paint.hsv(rng.uniform(0, 1), rng.uniform(0, 0.5), 1.0), np.float32)
        return [_colour(tint * paint.luminance(colour) * rng.uniform(0.8, 1.2)) for colour in COLOURS]
    cast = rng.uniform(0.85, 1.08, 3)
    return [_colour((np.array(colour) + rng.normal(0, 6, 3)) * cast) for colour in COLOURS]


def _colour(value: np.ndarray) -> paint.Colour:
    red, green, blue = (int(part) for part in np.clip(value, 0, 255))
    return red, green, blue


def _mark(canvas: Pixels, mask: Pixels, x: int, y: int, ink: paint.Colour) -> None:
    """Print on the canvas, also where there is no plate."""
    paint.blend(canvas, mask, x, y, ink)
    part = canvas[y : y + mask.shape[0], x : x + mask.shape[1], 3]
    np.maximum(part, mask[: part.shape[0], : part.shape[1]], out=part)


def _bar(
    canvas: Pixels,
    rng: np.random.Generator,
    colours: list[paint.Colour],
    chosen: int,
    top: float,
    height: float,
    scale: float,
) -> None:
    """Five coloured fields with their letters; the chosen one is larger and lies on top."""
    left, field = 5 * scale, 18 * scale
    face = str(rng.choice(font.faces_for("latin")[1:]))
    round_px = rng.uniform(2, 7) * scale
    whole = paint.rounded_mask(int(field * 5), int(height), round_px)
    bar = np.zeros((*whole.shape, 3), np.uint8)
    for place, colour in enumerate(colours):
        bar[:, int(place * field) : int((place + 1) * field)] = colour
    x, y = int(left), int(top)
    region = canvas[y : y + whole.shape[0], x : x + whole.shape[1]]
    region[whole > 127, :3] = bar[whole > 127]
    region[..., 3] = np.maximum(region[..., 3], whole)
    faded = rng.uniform(0.35, 0.95)
    for place in range(5):
        if place == chosen:
            continue
        text = font.trimmed(font.fitted("ABCDE"[place], face, int(field * 0.8), int(height * 0.8)))
        middle = int(left + (place + 0.5) * field - text.shape[1] / 2)
        paint.blend(canvas, text, middle, int(top + (height - text.shape[0]) / 2), (255, 255, 255), faded)
    grow = rng.uniform(5, 8) * scale
    width, tall = field + grow * rng.uniform(0.8, 1.4), height + 2 * grow
    x0, y0 = left + (chosen + 0.5) * field - width / 2, max(1.0, top - grow)
    x0, tall = min(max(1.0, x0), canvas.shape[1] - width - 1), min(tall, canvas.shape[0] - y0 - 1)
    rim = rng.uniform(1.2, 2.6) * scale
    for inset, colour in ((0.0, (255, 255, 255)), (rim, colours[chosen])):
        mask = paint.rounded_mask(int(width - 2 * inset), int(tall - 2 * inset), round_px * 1.4)
        _mark(canvas, mask, int(x0 + inset), int(y0 + inset), colour)
    text = font.trimmed(font.fitted("ABCDE"[chosen], face, int(width * 0.8), int(tall * 0.78)))
    paint.blend(
        canvas,
        text,
        int(x0 + (width - text.shape[1]) / 2),
        int(y0 + (tall - text.shape[0]) / 2),
        (255, 255, 255),
    )


def _sized(canvas: Pixels, width: int) -> Pixels:
    rows, columns = (
        np.flatnonzero(canvas[..., 3].max(axis=1) > 40),
        np.flatnonzero(canvas[..., 3].max(axis=0) > 40),
    )
    canvas = canvas[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height = max(4, round(canvas.shape[0] * width / canvas.shape[1]))
    return cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)


def colour_row(rng: np.random.Generator, width: int) -> Pixels:
    """A row of coloured fields that is no grade: a traffic light, a scale, a flag, a palette. RGBA."""
    count = int(rng.integers(3, 8))
    height = max(6, int(width / count * rng.uniform(0.5, 1.3)))
    canvas = np.zeros((height, width, 4), np.uint8)
    field, gap = width / count, float(rng.choice([0, 0, 0.08, 0.2]))
    own = rng.random() < 0.5
    ink = (255, 255, 255) if rng.random() < 0.6 else (20, 20, 20)
    face = str(rng.choice(font.faces_for("latin")))
    for place in range(count):
        colour = (
            COLOURS[int(rng.integers(5))]
            if own
            else paint.hsv(rng.uniform(0, 1), rng.uniform(0, 1), rng.uniform(0.3, 1))
        )
        side = max(2, int(field * (1 - gap)))
        mask = paint.rounded_mask(side, height, height * rng.choice([0, 0.2, 0.5]))
        _mark(canvas, mask, int(place * field), 0, colour)
        if rng.random() < 0.6:
            word = str(
                rng.choice(
                    [
                        "Fat",
                        "Salt",
                        "Energy",
                        "12%",
                        "0,8g",
                        "S",
                        "M",
                        "L",
                        "X",
                        "1",
                        "2",
                        "3",
                        "4%",
                        "kcal",
                        "B",
                    ]
                )
            )
            text = font.fitted(word, face, int(side * 0.9), int(height * 0.7))
            paint.blend(
                canvas,
                text,
                int(place * field + (side - text.shape[1]) / 2),
                int((height - text.shape[0]) / 2),
                ink,
            )
    return canvas
