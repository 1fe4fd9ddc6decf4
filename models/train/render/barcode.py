"""Linear and square codes, as they stand on packs and tags."""

from __future__ import annotations

import cv2
import numpy as np

from models.train.render import font, paint
from models.train.render.scene import Pixels

LEFT_ODD = (
    "0001101",
    "0011001",
    "0010011",
    "0111101",
    "0100011",
    "0110001",
    "0101111",
    "0111011",
    "0110111",
    "0001011",
)
PARITY = ("OOOOOO", "OOEOEE", "OOEEOE", "OOEEEO", "OEOOEE", "OEEOOE", "OEEEOO", "OEOEOE", "OEOEEO", "OEEOEO")


def linear(rng: np.random.Generator, width: int, height: int, ink: paint.Colour = (15, 15, 18)) -> Pixels:
    """A 13-digit code with its quiet zone and usually its digits: (height, width, 3) on white."""
    digits = [int(digit) for digit in rng.integers(0, 10, 12)]
    digits.append(-(sum(digits[0::2]) + 3 * sum(digits[1::2])) % 10)
    bars = "101"
    for digit, parity in zip(digits[1:7], PARITY[digits[0]], strict=True):
        right = LEFT_ODD[digit].translate(str.maketrans("01", "10"))
        bars += LEFT_ODD[digit] if parity == "O" else right[::-1]
    bars += (
        "01010"
        + "".join(LEFT_ODD[digit].translate(str.maketrans("01", "10")) for digit in digits[7:])
        + "101"
    )
    modules = np.array([0] * 7 + [int(bar) for bar in bars] + [0] * 7, np.float32)
    row = cv2.resize(
        modules[None], (width, 1), interpolation=cv2.INTER_AREA if width < modules.size else cv2.INTER_LINEAR
    )
    pixels = np.full((height, width, 3), 255, np.uint8)
    foot = int(height * 0.18) if height > 24 and rng.random() < 0.85 else 0
    top = int(height * 0.05)
    mask = np.repeat((row * 255).astype(np.uint8), max(1, height - foot - 2 * top), axis=0)
    paint.blend(pixels, mask, 0, top, ink)
    if foot:
        text = font.fitted(
            "".join(map(str, digits)),
            str(rng.choice(font.BUILT_IN[:1] + font.faces_for("latin"))),
            int(width * 0.88),
            foot,
        )
        paint.blend(pixels, text, int((width - text.shape[1]) / 2), height - text.shape[0], ink)
    return pixels


def square(rng: np.random.Generator, side: int) -> Pixels:
    """A square code of dark and light cells with three corner marks: (side, side, 3)."""
    cells = int(rng.integers(21, 30))
    grid = (rng.random((cells, cells)) < 0.5).astype(np.uint8)
    for y, x in ((0, 0), (0, cells - 7), (cells - 7, 0)):
        grid[y : y + 7, x : x + 7] = 1
        grid[y + 1 : y + 6, x + 1 : x + 6] = 0
        grid[y + 2 : y + 5, x + 2 : x + 5] = 1
    quiet = np.pad(255 - grid * 235, 2, constant_values=255)
    large = cv2.resize(
        quiet, (side, side), interpolation=cv2.INTER_NEAREST if side > cells * 3 else cv2.INTER_AREA
    )
    return np.repeat(large[..., None], 3, axis=2).astype(np.uint8)
