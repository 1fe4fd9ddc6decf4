"""What is shown in a scene of each task, and where it lies."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from models.train.render import back, backdrop, camera, nutriscore, paint, price_tag, scene, shelf
from models.train.render.design import Design, design
from models.train.render.front import LOGO_LABEL, front
from models.train.render.hand import Hand
from models.train.render.pack import body
from models.train.render.scene import Outline, Pixels, Sketch, rectangle

EMPTY_SHARE = 0.1
TAG_LABEL = "price-tag"
Photos = Sequence[Pixels] | None


def _product(rng: np.random.Generator) -> Design:
    return design(int(rng.integers(1 << 30)))


def _angle(rng: np.random.Generator) -> float:
    """How far a pack is turned in the picture (radians): mostly upright, at times on its side or head."""
    quarter = int(rng.choice([0, 1, 2, 3], p=[0.8, 0.08, 0.04, 0.08]))
    return float(rng.normal(0, 0.1) + quarter * np.pi / 2)


def _bent(rng: np.random.Generator, sketch: Sketch) -> Sketch:
    """A print on something that is not flat, in about half of the cases."""
    kind = rng.random()
    if kind < 0.22:
        return camera.roll(sketch, float(rng.uniform(0.4, 1.25)), float(rng.normal(0, 0.05)))
    if kind < 0.5:
        return camera.crumple(sketch, rng, float(rng.uniform(1.0, 0.02 * max(sketch.pixels.shape[:2]) + 1.5)))
    return sketch


def _place(
    canvas: Pixels,
    rng: np.random.Generator,
    outlines: list[Outline],
    sketch: Sketch,
    x: float,
    y: float,
    angle: float,
    held: float = 0.0,
) -> list[Outline]:
    """Lay a print or pack on the canvas around x, y, held by a hand with probability `held`.

    Returns those outlines, of the earlier ones and its own, that are to be seen then.
    """
    sketch = _bent(rng, sketch)
    height, width = sketch.pixels.shape[:2]
    where = camera.corners(rng, x, y, width, height, angle, float(rng.uniform(0, 1)))
    holder = Hand(rng, where) if rng.random() < held else None
    if holder:
        outlines = scene.unmasked(outlines, holder.behind(canvas))
    shadow = float(rng.uniform(0, 0.6))
    outlines = scene.uncovered(outlines, where) + camera.lay(canvas, sketch, where, shadow)
    return scene.unmasked(outlines, holder.before(canvas)) if holder else outlines


def _anywhere(rng: np.random.Generator, frame: int, extent: float) -> float:
    """A centre for something of an extent in a frame: inside it where it fits, covering it where not."""
    slack = abs(frame - extent) / 2
    return float(frame / 2 + np.clip(rng.normal(0, 0.45), -1.0, 1.0) * (slack + 0.03 * frame))


def _pack_scene(
    rng: np.random.Generator,
    width: int,
    height: int,
    photos: Photos,
    printed: Callable[[Design, int, int], Sketch],
    distances: tuple[float, float, float] = (0.14, 0.54, 0.32),
) -> Sketch:
    """One to three packs before a ground, each printed by the caller, at times held by a hand.

    distances are the shares of packs seen from afar, in full, and so near that they reach over the frame.
    """
    canvas = backdrop.backdrop(rng, width, height, photos)
    outlines = backdrop.clutter(canvas, rng, int(rng.integers(1, 4))) if rng.random() < 0.3 else []
    count = int(rng.choice([1, 2, 3], p=[0.84, 0.11, 0.05]))
    for place in range(count):
        product = _product(rng)
        share = float(
            rng.choice([rng.uniform(0.4, 0.75), rng.uniform(0.75, 1.02), rng.uniform(1.0, 1.8)], p=distances)
        )
        share = share / (1 + 0.5 * (count - 1))
        aspect = product.aspect * rng.uniform(0.8, 1.2)
        tall = min(height * share, width * share * aspect, 1.6 * max(width, height))
        wide = tall / aspect
        sketch = printed(product, max(24, int(wide)), max(24, int(tall)))
        angle = _angle(rng)
        across, down = (wide, tall) if abs(np.cos(angle)) > 0.7 else (tall, wide)
        x = _anywhere(rng, width, across) if count == 1 else width * (place + 0.5) / count
        held = 0.3 if place == count - 1 else 0.0
        outlines = _place(canvas, rng, outlines, sketch, x, _anywhere(rng, height, down), angle, held)
    return Sketch(canvas, outlines)


def _any_side(rng: np.random.Generator, product: Design, width: int, height: int) -> Sketch:
    """A front, a whole pack with its form, or a back without a table."""
    kind = rng.random()
    if kind < 0.45:
        return front(product, width, height)
    if kind < 0.8:
        return body(rng, product, width, height)
    return back.back(rng, product, width, height, None)


def logo_scene(rng: np.random.Generator, width: int, height: int, photos: Photos) -> Sketch:
    if rng.random() < EMPTY_SHARE:
        return _without(rng, width, height, photos)
    return _pack_scene(
        rng,
        width,
        height,
        photos,
        lambda product, w, h: with_grade(rng, _any_side(rng, product, w, h), LOGO_LABEL, 0.2),
    )


def _without(rng: np.random.Generator, width: int, height: int, photos: Photos) -> Sketch:
    """Nothing to be found: a ground alone, blank film or paper, loose text, codes and coloured fields."""
    canvas = backdrop.backdrop(rng, width, height, photos)
    if rng.random() < 0.7:
        sheet = np.empty(
            (int(height * rng.uniform(0.3, 0.9)), int(width * rng.uniform(0.3, 0.9)), 3), np.uint8
        )
        sheet[:] = paint.hsv(rng.uniform(0, 1), rng.uniform(0, 0.5), rng.uniform(0.3, 1))
        line_px = int(np.clip(width * rng.uniform(0.015, 0.05), 6, 30))
        ink = paint.ink_on([int(part) for part in sheet[0, 0]])
        block = back.list_block if rng.random() < 0.3 else back.text_block
        block(
            sheet, rng, 6, 6, sheet.shape[1] - 12, int(sheet.shape[0] * rng.uniform(0.3, 0.95)), line_px, ink
        )
        if rng.random() < 0.5:
            row = nutriscore.colour_row(rng, max(16, int(sheet.shape[1] * rng.uniform(0.15, 0.6))))
            paint.paste(
                sheet,
                row,
                int(sheet.shape[1] * rng.uniform(0.02, 0.4)),
                int(sheet.shape[0] * rng.uniform(0.5, 0.9)),
            )
        _place(
            canvas,
            rng,
            [],
            Sketch(sheet, []),
            _anywhere(rng, width, sheet.shape[1]),
            _anywhere(rng, height, sheet.shape[0]),
            _angle(rng),
        )
    return Sketch(canvas, [])


def with_grade(
    rng: np.random.Generator, sketch: Sketch, label: str | None, chance: float, largest: float = 0.35
) -> Sketch:
    """A print with a grade label in its lower part; label None names it by its grade."""
    if rng.random() >= chance:
        return sketch
    height, width = sketch.pixels.shape[:2]
    grade = str(rng.choice(list(nutriscore.GRADES)))
    mark_width = int(width * np.exp(rng.uniform(np.log(0.13), np.log(largest))))
    mark_width = max(22, min(mark_width, width - 4))
    mark = nutriscore.label(rng, grade, mark_width)
    low = rng.random() < 0.75
    x = int(rng.uniform(0.02, 0.98) * max(1, width - mark_width))
    y = int((rng.uniform(0.75, 0.97) if low else rng.uniform(0.05, 0.95)) * max(1, height - mark.shape[0]))
    pixels = sketch.pixels.copy()
    paint.paste(pixels, mark, x, y, opacity=float(rng.uniform(0.93, 1.0)))
    name = label or f"nutriscore-{grade}"
    kept = [outline for outline in sketch.outlines if not _covers((x, y, mark_width, mark.shape[0]), outline)]
    return Sketch(pixels, [*kept, rectangle(name, x, y, mark.shape[1], mark.shape[0])])


def _covers(mark: tuple[int, int, int, int], outline: Outline) -> bool:
    """Whether a mark hides most of an object."""
    x, y, width, height = mark
    low, high = outline.points.min(axis=0), outline.points.max(axis=0)
    across = min(high[0], x + width) - max(low[0], x)
    down = min(high[1], y + height) - max(low[1], y)
    area = float((high[0] - low[0]) * (high[1] - low[1]))
    return bool(across > 0 and down > 0 and across * down > 0.4 * area)


def nutriscore_scene(rng: np.random.Generator, width: int, height: int, photos: Photos) -> Sketch:
    if rng.random() < EMPTY_SHARE / 2:
        return _without(rng, width, height, photos)
    chance = 0.0 if rng.random() < EMPTY_SHARE / 2 else 0.97

    def printed(product: Design, wide: int, tall: int) -> Sketch:
        sketch = _any_side(rng, product, wide, tall)
        if rng.random() < 0.15:
            row = nutriscore.colour_row(rng, max(16, int(wide * rng.uniform(0.12, 0.4))))
            paint.paste(
                sketch.pixels, row, int(rng.uniform(0, 0.6) * wide), int(rng.uniform(0.3, 0.9) * tall)
            )
        return with_grade(rng, sketch, None, chance, 0.75 if rng.random() < 0.15 else 0.4)

    return _pack_scene(rng, width, height, photos, printed)


def nutrition_table_scene(rng: np.random.Generator, width: int, height: int, photos: Photos) -> Sketch:
    if rng.random() < EMPTY_SHARE / 2:
        return _without(rng, width, height, photos)
    share = None if rng.random() < EMPTY_SHARE / 2 else float(rng.uniform(0.3, 0.97))

    def printed(product: Design, wide: int, tall: int) -> Sketch:
        if rng.random() < 0.05:
            return front(product, wide, tall)
        if wide < 150 and share is not None:
            return back.back(rng, product, wide, tall, min(0.97, share * 2))
        return back.back(rng, product, wide, tall, share)

    return _pack_scene(rng, width, height, photos, printed, distances=(0.1, 0.35, 0.55))


def price_tag_scene(rng: np.random.Generator, width: int, height: int, photos: Photos) -> Sketch:
    kind = rng.random()
    if kind < EMPTY_SHARE:
        return (
            _without(rng, width, height, photos)
            if rng.random() < 0.6
            else _pack_scene(rng, width, height, photos, lambda product, w, h: _any_side(rng, product, w, h))
        )
    if kind < 0.5:
        sketch = shelf_scene(rng, width, height, photos)
        return Sketch(
            sketch.pixels,
            [Outline(TAG_LABEL, points) for label, points in sketch.outlines if label == shelf.TAG],
        )
    return _tags_near(rng, width, height, photos)


def _tags_near(rng: np.random.Generator, width: int, height: int, photos: Photos) -> Sketch:
    """Tags from close by: on a rail with packs above it, or stuck on anything."""
    canvas = backdrop.backdrop(rng, width, height, photos)
    outlines: list[Outline] = []
    count = int(rng.choice([1, 2, 3, 5]))
    tall = int(height * rng.uniform(0.12, 0.5) / (1 + 0.25 * count))
    on_rail = rng.random() < 0.65
    y = height * rng.uniform(0.3, 0.8)
    if on_rail:
        backdrop.clutter(canvas, rng, int(rng.integers(0, 4)))
        rail = int(tall * rng.uniform(0.9, 1.8))
        colour = paint.hsv(rng.uniform(0, 1), rng.uniform(0, 0.25), rng.uniform(0.1, 0.95))
        strip = paint.gradient(width, max(2, rail), colour, tuple(part * 2 // 3 for part in colour), 1.57)
        paint.paste(canvas, strip, 0, int(y - rail / 2))
    x = width * rng.uniform(-0.05, 0.5) if count > 1 else _anywhere(rng, width, tall * 1.7)
    angle = float(rng.normal(0, 0.06))
    for _ in range(count):
        wide = int(tall * rng.uniform(1.1, 2.3))
        tag = price_tag.tag(rng, max(24, wide), max(16, tall))
        sketch = Sketch(tag, [rectangle(TAG_LABEL, 0, 0, tag.shape[1], tag.shape[0], 2)])
        height_here = y if on_rail else height * rng.uniform(0.1, 0.9)
        where = camera.corners(
            rng,
            float(x),
            float(height_here),
            tag.shape[1],
            tag.shape[0],
            angle + (0 if on_rail else float(rng.normal(0, 0.1))),
            0.5,
        )
        outlines += camera.lay(canvas, sketch, where, shadow=float(rng.uniform(0, 0.5)))
        x += wide * rng.uniform(1.05, 2.2)
    return Sketch(canvas, outlines)


def shelf_scene(rng: np.random.Generator, width: int, height: int, photos: Photos) -> Sketch:
    sketch = shelf.shelf(rng, int(width * 1.1), int(height * 1.1))
    homography = camera.view(rng, sketch.pixels.shape[1], sketch.pixels.shape[0], float(rng.uniform(0, 1)))
    inward = np.array([[1, 0, -0.05 * width], [0, 1, -0.05 * height], [0, 0, 1]], np.float64)
    return camera.warp(
        sketch, camera.filled(inward @ homography, sketch.pixels, width, height), width, height
    )
