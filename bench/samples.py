"""Draws the sample pictures of the demo: ten product packs, and three phone photos that show some of them.

    python -m bench.samples          writes server/samples/

Everything is drawn here, from a seed, so the pictures carry no one's rights and can be redrawn byte for byte.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

FOLDER = Path(__file__).parent.parent / "server" / "samples"
PACK_SIZE = (420, 560)
PHOTO_SIZE = (480, 640)
PACKS = (
    ("harbour-coffee", "HARBOUR", "Roast Coffee", (46, 26, 20), (201, 138, 62)),
    ("morning-oats", "MORNING", "Rolled Oats", (238, 214, 160), (120, 66, 20)),
    ("alpine-milk", "ALPINE", "Whole Milk", (226, 240, 250), (22, 84, 160)),
    ("sunrise-juice", "SUNRISE", "Orange Juice", (250, 150, 20), (255, 244, 200)),
    ("garden-tea", "GARDEN", "Green Tea", (28, 92, 58), (222, 232, 170)),
    ("midnight-cocoa", "MIDNIGHT", "Dark Chocolate", (30, 20, 44), (210, 80, 110)),
    ("ocean-crackers", "OCEAN", "Salt Crackers", (16, 110, 140), (250, 246, 228)),
    ("meadow-honey", "MEADOW", "Wild Honey", (246, 196, 60), (90, 48, 10)),
    ("red-barn-pasta", "RED BARN", "Durum Pasta", (170, 30, 34), (250, 232, 190)),
    ("north-soap", "NORTH", "Pine Soap", (210, 222, 204), (36, 70, 60)),
)
# Each photo: (file, the packs in it with their four corners TL TR BR BL in pixels of the photo).
PHOTOS = (
    ("photo-coffee", (("harbour-coffee", ((95, 120), (365, 88), (392, 520), (120, 540))),)),
    (
        "photo-two",
        (
            ("garden-tea", ((30, 180), (215, 150), (228, 420), (48, 440))),
            ("red-barn-pasta", ((262, 140), (440, 172), (424, 436), (250, 410))),
        ),
    ),
    ("photo-nothing", ()),
)

Colour = tuple[int, int, int]


def pack(name: str, brand: str, product: str, paper: Colour, ink: Colour) -> Image.Image:
    """One pack front of `PACK_SIZE`: gradient paper, a motif of shapes, brand and small print."""
    rng = np.random.default_rng(list(name.encode()))
    width, height = PACK_SIZE
    shade = np.linspace(1.08, 0.78, height)[:, None, None] * np.asarray(paper, np.float32)
    picture = Image.fromarray(np.broadcast_to(shade, (height, width, 3)).clip(0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(picture, "RGBA")
    for _ in range(46):
        _shape(draw, rng, ink)
    draw.rectangle((0, 60, width, 148), fill=(*ink, 235))
    draw.text((width / 2, 104), brand, font=ImageFont.load_default(58), fill=paper, anchor="mm")
    draw.rounded_rectangle((50, 400, width - 50, 452), 14, fill=(*paper, 240), outline=ink, width=3)
    draw.text((width / 2, 426), product, font=ImageFont.load_default(30), fill=ink, anchor="mm")
    words = [
        "natural",
        "fresh",
        "batch",
        "net",
        "weight",
        "made",
        "with",
        "care",
        "keep",
        "cool",
        "dry",
        "best",
    ]
    for line in range(4):
        text = " ".join(rng.choice(words, 7)) + f" {rng.integers(100, 999)} g"
        draw.text((24, 470 + 15 * line), text, font=ImageFont.load_default(12), fill=(*ink, 255))
    _barcode(draw, rng)
    return picture


def _shape(draw: ImageDraw.ImageDraw, rng: np.random.Generator, ink: Colour) -> None:
    x, y = rng.uniform(0, PACK_SIZE[0]), rng.uniform(160, 395)
    radius = rng.uniform(6, 42)
    colour = (*(int(channel) for channel in (np.asarray(ink) * rng.uniform(0.4, 1.4)).clip(0, 255)), 170)
    kind = rng.integers(3)
    if kind == 0:
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    elif kind == 1:
        draw.regular_polygon(
            (x, y, radius), int(rng.integers(3, 7)), rotation=int(rng.integers(90)), fill=colour
        )
    else:
        draw.line(
            (x, y, *rng.uniform((0, 160), (PACK_SIZE[0], 395))), fill=colour, width=int(rng.integers(2, 7))
        )


def _barcode(draw: ImageDraw.ImageDraw, rng: np.random.Generator) -> None:
    draw.rectangle((300, 462, 408, 548), fill=(255, 255, 255, 255))
    x = 306
    while x < 400:
        bar = int(rng.integers(1, 5))
        draw.rectangle((x, 468, x + bar - 1, 542), fill=(0, 0, 0, 255))
        x += bar + int(rng.integers(1, 5))


def table(seed: int) -> NDArray[np.uint8]:
    """A wooden table of `PHOTO_SIZE` as (H, W, 3) uint8: streaks, knots and a light from one side."""
    rng = np.random.default_rng(seed)
    width, height = PHOTO_SIZE
    grain = cv2.GaussianBlur(rng.normal(0, 1, (height, width)).astype(np.float32), (0, 0), 24, sigmaY=1.2)
    grain = grain / grain.std() * 14
    light = np.linspace(0.8, 1.15, width, dtype=np.float32)[None, :, None]
    wood = (np.asarray((150, 112, 78), np.float32) + grain[:, :, None]) * light
    return wood.clip(0, 255).astype(np.uint8)


def photo(seed: int, shown: tuple[tuple[str, tuple[tuple[int, int], ...]], ...]) -> Image.Image:
    """A photo of `PHOTO_SIZE`: packs warped onto the table, soft shadow, slight blur, sensor noise."""
    rng = np.random.default_rng(seed)
    scene = table(seed).astype(np.float32)
    fronts = {name: pack(name, *rest) for name, *rest in PACKS}
    for name, corners in shown:
        front = np.asarray(fronts[name], np.float32)
        height, width = front.shape[:2]
        source = np.float32([[0, 0], [width, 0], [width, height], [0, height]])
        matrix = cv2.getPerspectiveTransform(source, np.float32(corners))
        mask = cv2.warpPerspective(np.ones((height, width), np.float32), matrix, PHOTO_SIZE)
        shadow = cv2.GaussianBlur(np.roll(mask, (14, 10), (0, 1)), (0, 0), 9)
        scene *= 1 - 0.45 * shadow[:, :, None]
        warped = cv2.warpPerspective(front, matrix, PHOTO_SIZE, flags=cv2.INTER_AREA)
        scene = scene * (1 - mask[:, :, None]) + warped * mask[:, :, None]
    scene += rng.normal(0, 4, scene.shape)
    return Image.fromarray(scene.clip(0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.6))


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, *rest in PACKS:
        pack(name, *rest).save(FOLDER / f"{name}.jpg", quality=82)
    for seed, (name, shown) in enumerate(PHOTOS):
        photo(seed, shown).save(FOLDER / f"{name}.jpg", quality=80)


if __name__ == "__main__":
    main()
