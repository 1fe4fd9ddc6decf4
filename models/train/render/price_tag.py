"""Price tags of shelves and markets: printed paper and electronic ink."""

from __future__ import annotations

import numpy as np

from models.train.render import barcode, font, paint, words
from models.train.render.scene import Pixels

GROUNDS: tuple[paint.Colour, ...] = (
    (252, 252, 250),
    (255, 255, 255),
    (250, 246, 230),
    (255, 226, 40),
    (255, 240, 120),
    (240, 60, 40),
    (252, 150, 30),
    (190, 230, 190),
    (60, 110, 190),
    (25, 25, 28),
)
GROUND_SHARES = (0.3, 0.2, 0.12, 0.13, 0.08, 0.05, 0.03, 0.03, 0.02, 0.04)
CURRENCIES = ("€", "€", "€", "$", "£", "EUR", "zł", "kr", "CHF", "Ft", "лв", "₽", "¥", "")


def tag(rng: np.random.Generator, width: int, height: int) -> Pixels:
    """A price tag (height, width, 3) uint8, border to border."""
    return _electronic(rng, width, height) if rng.random() < 0.35 else _paper(rng, width, height)


def price(rng: np.random.Generator) -> tuple[str, str]:
    """The whole and the fractional part of a price."""
    whole = int(rng.choice([rng.integers(0, 4), rng.integers(1, 12), rng.integers(5, 100)]))
    return str(whole), f"{rng.choice([99, 95, 49, 90, 29, 50, int(rng.integers(0, 100))]):02d}"


def _price(
    pixels: Pixels, rng: np.random.Generator, x: int, y: int, width: int, height: int, ink: paint.Colour
) -> None:
    """A large price inside x, y, width, height: small cents raised, or all of one size."""
    face = str(rng.choice(font.faces_for("latin")))
    whole, cents = price(rng)
    currency = str(rng.choice(CURRENCIES))
    if rng.random() < 0.5:
        left = font.trimmed(font.fitted(whole, face, int(width * 0.55), int(height * 1.25)))
        right = font.trimmed(font.fitted(cents, face, int(width * 0.35), int(height * 0.7)))
        start = x + max(0, (width - left.shape[1] - right.shape[1]) // 2)
        paint.blend(pixels, left, start, y + max(0, (height - left.shape[0]) // 2), ink)
        top = y + max(0, (height - left.shape[0]) // 2)
        paint.blend(pixels, right, start + left.shape[1] + max(1, width // 30), top, ink)
        if currency:
            sign = font.trimmed(font.fitted(currency, face, int(width * 0.2), int(height * 0.4)))
            paint.blend(
                pixels,
                sign,
                start + left.shape[1] + max(1, width // 30),
                top + left.shape[0] - sign.shape[0],
                ink,
            )
    else:
        text = f"{whole}{rng.choice([',', '.'])}{cents}" + (f" {currency}" if rng.random() < 0.7 else "")
        line = font.trimmed(font.fitted(text, face, width, int(height * 1.2)))
        paint.blend(
            pixels,
            line,
            x + max(0, (width - line.shape[1]) // 2),
            y + max(0, (height - line.shape[0]) // 2),
            ink,
        )


def _name(
    pixels: Pixels, rng: np.random.Generator, x: int, y: int, width: int, height: int, ink: paint.Colour
) -> None:
    """One or two lines with what the tag is for."""
    writing = words.script(rng)
    face = str(rng.choice(font.faces_for(writing)))
    text = words.product(rng, writing)
    text = text.upper() if rng.random() < 0.5 else text
    lines = [text, f"{words.brand(rng)} {words.amount(rng)}"][: int(rng.integers(1, 3))]
    step = height // len(lines)
    for row, line in enumerate(lines):
        mask = font.fitted(line, face if row == 0 else font.BUILT_IN[0], width, step)
        paint.blend(pixels, mask, x, y + row * step, ink)


def _small(
    pixels: Pixels, rng: np.random.Generator, x: int, y: int, width: int, height: int, ink: paint.Colour
) -> None:
    """A unit price, an article number or a date."""
    whole, cents = price(rng)
    text = str(
        rng.choice(
            [
                f"{whole},{cents} €/kg",
                f"1 kg = {whole},{cents}",
                str(int(rng.integers(10**6, 10**8))),
                f"{whole}.{cents} / L",
                "01/12/2025 A3",
            ]
        )
    )
    paint.blend(pixels, font.fitted(text, font.BUILT_IN[0], width, height), x, y, ink)


def _paper(rng: np.random.Generator, width: int, height: int) -> Pixels:
    ground = GROUNDS[int(rng.choice(len(GROUNDS), p=GROUND_SHARES))]
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[:] = ground
    ink = paint.ink_on(ground)
    price_ink = paint.hsv(0.99, 0.95, 0.8) if paint.luminance(ground) > 0.75 and rng.random() < 0.25 else ink
    if rng.random() < 0.3:
        band = int(height * rng.uniform(0.15, 0.32))
        colour = paint.hsv(rng.uniform(0, 1), rng.uniform(0.5, 1), rng.uniform(0.3, 0.95))
        at_top = rng.random() < 0.7
        paint.fill(pixels, 0, 0 if at_top else height - band, width, band, colour)
        text = font.fitted(
            str(
                rng.choice(["PROMO", "Aktion", "-30%", "Prix bas", "OFFER", "BIO", "SALE", words.brand(rng)])
            ),
            font.BUILT_IN[1],
            int(width * 0.8),
            band,
        )
        paint.blend(pixels, text, int(width * 0.06), 0 if at_top else height - band, paint.ink_on(colour))
        pad_top, pad_bottom = (band, 0) if at_top else (0, band)
    else:
        pad_top, pad_bottom = 0, 0
    _arrange(pixels, rng, (0, pad_top, width, height - pad_top - pad_bottom), ink, price_ink)
    if rng.random() < 0.35:
        paint.frame(pixels, 0, 0, width, height, ink, max(1, height // 50))
    return pixels


def _arrange(
    pixels: Pixels,
    rng: np.random.Generator,
    area: tuple[int, int, int, int],
    ink: paint.Colour,
    price_ink: paint.Colour,
) -> None:
    """Name, price, unit price and code in one of three arrangements."""
    x, y, width, height = area
    pad = max(1, height // 14)
    x, y, width, height = x + pad, y + pad, width - 2 * pad, height - 2 * pad
    if width < 8 or height < 8:
        return
    style = rng.random()
    if style < 0.45:
        _name(pixels, rng, x, y, width, int(height * 0.34), ink)
        _price(
            pixels,
            rng,
            x + int(width * 0.38),
            y + int(height * 0.38),
            int(width * 0.62),
            int(height * 0.6),
            price_ink,
        )
        _small(pixels, rng, x, y + int(height * 0.42), int(width * 0.34), int(height * 0.16), ink)
        if rng.random() < 0.7:
            _code(pixels, rng, x, y + int(height * 0.64), int(width * 0.34), int(height * 0.34))
    elif style < 0.75:
        _price(pixels, rng, x, y, width, int(height * 0.6), price_ink)
        _name(pixels, rng, x, y + int(height * 0.64), int(width * 0.66), int(height * 0.34), ink)
        if rng.random() < 0.6:
            _code(
                pixels,
                rng,
                x + int(width * 0.7),
                y + int(height * 0.64),
                int(width * 0.3),
                int(height * 0.34),
            )
    else:
        _name(pixels, rng, x, y, int(width * 0.5), int(height * 0.5), ink)
        _price(pixels, rng, x + int(width * 0.52), y, int(width * 0.48), int(height * 0.8), price_ink)
        _small(pixels, rng, x, y + int(height * 0.78), int(width * 0.6), int(height * 0.18), ink)


def _code(pixels: Pixels, rng: np.random.Generator, x: int, y: int, width: int, height: int) -> None:
    if width >= 16 and height >= 8:
        code = (
            barcode.square(rng, min(width, height))
            if rng.random() < 0.15
            else barcode.linear(rng, width, height)
        )
        paint.paste(pixels, code, x, y)


def _electronic(rng: np.random.Generator, width: int, height: int) -> Pixels:
    """A plastic case around a grey electronic-ink panel."""
    case = (235, 236, 236) if rng.random() < 0.7 else (60, 62, 66)
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[:] = case
    rim_x, rim_y = int(width * rng.uniform(0.02, 0.1)), int(height * rng.uniform(0.04, 0.14))
    panel = paint.hsv(rng.uniform(0.15, 0.4), rng.uniform(0, 0.08), rng.uniform(0.68, 0.92))
    paint.fill(pixels, rim_x, rim_y, width - 2 * rim_x, height - 2 * rim_y, panel)
    ink = (40, 42, 44)
    price_ink = (180, 30, 30) if rng.random() < 0.15 else ink
    _arrange(pixels, rng, (rim_x, rim_y, width - 2 * rim_x, height - 2 * rim_y), ink, price_ink)
    if rng.random() < 0.4:
        _code(pixels, rng, 0, rim_y, max(4, rim_x), height - 2 * rim_y)
    return pixels
