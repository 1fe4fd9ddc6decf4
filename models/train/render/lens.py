"""What light, lens, sensor and file do to a picture; nothing here moves a box."""

from __future__ import annotations

import cv2
import numpy as np

from models.train.render import texture
from models.train.render.scene import Pixels


def photograph(pixels: Pixels, rng: np.random.Generator, softness: float = 1.0) -> Pixels:
    """The picture as a phone would have stored it: uneven light, tint, blur, noise, JPEG.

    softness scales how often it is blurred: small things were seen by more pixels than are left here.
    """
    pixels = _light(pixels, rng)
    if rng.random() < 0.5 * softness:
        pixels = _blur(pixels, rng)
    pixels = _tone(pixels, rng)
    if rng.random() < 0.75:
        pixels = _noise(pixels, rng)
    if rng.random() < 0.12 * softness:
        pixels = _small(pixels, rng)
    return _file(pixels, rng) if rng.random() < 0.85 else pixels


def _light(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Shadows, a falloff to the corners and glare, as one gain computed at a small size."""
    height, width = pixels.shape[:2]
    side = 48
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j].astype(np.float32)
    gain = np.ones((side, side), np.float32)
    direction = rng.uniform(0, 2 * np.pi)
    gain += np.float32(rng.uniform(0, 0.3)) * (
        x * np.float32(np.cos(direction)) + y * np.float32(np.sin(direction))
    )
    gain *= 1 - np.float32(rng.uniform(0, 0.3) * (rng.random() < 0.5)) * (x**2 + y**2) / 2
    if rng.random() < 0.35:
        # A cast shadow: a half plane or a blob with a soft edge.
        offset, angle = rng.uniform(-0.6, 0.6), rng.uniform(0, 2 * np.pi)
        distance = (
            x * np.float32(np.cos(angle))
            + y * np.float32(np.sin(angle))
            + np.float32(rng.normal(0, 0.15)) * x * y
            - np.float32(offset)
        )
        gain *= 1 - np.float32(rng.uniform(0.15, 0.5)) / (
            1 + np.exp(-distance * np.float32(rng.uniform(4, 40)))
        )
    gain *= 1 + 0.05 * texture.clouds(rng, side, side, 1)
    large = cv2.resize(np.clip(gain, 0.15, 1.8), (width, height), interpolation=cv2.INTER_LINEAR)
    lit = cv2.multiply(pixels, cv2.merge([large, large, large]), dtype=cv2.CV_8U)
    if rng.random() < 0.22:
        lit = _glare(lit, rng)
    return lit


def _glare(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """A few bright reflections with soft rims."""
    height, width = pixels.shape[:2]
    small = np.zeros((96, 96), np.float32)
    for _ in range(int(rng.integers(1, 4))):
        centre = (int(rng.uniform(0, 96)), int(rng.uniform(0, 96)))
        axes = (int(rng.uniform(2, 22)), int(rng.uniform(1, 7)))
        cv2.ellipse(
            small, centre, axes, float(rng.uniform(0, 180)), 0, 360, (float(rng.uniform(60, 255)),), -1
        )
    soft = cv2.GaussianBlur(small, (0, 0), float(rng.uniform(1.0, 5.0)))
    large = cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.uint8)
    return cv2.add(pixels, cv2.merge([large, large, large]))


def _blur(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Out of focus, or moved while the shutter was open."""
    if rng.random() < 0.65:
        return cv2.GaussianBlur(pixels, (0, 0), float(rng.uniform(0.4, 0.9 + rng.exponential(0.4))))
    length = int(rng.integers(3, 8))
    angle = rng.uniform(0, np.pi)
    kernel = np.zeros((length, length), np.float32)
    middle = (length - 1) / 2
    for step in np.linspace(-middle, middle, length * 2):
        kernel[round(middle + step * np.sin(angle)), round(middle + step * np.cos(angle))] = 1
    return cv2.filter2D(pixels, -1, kernel / kernel.sum())


def _tone(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """White balance, exposure, gamma, contrast and saturation."""
    steps = np.arange(256, dtype=np.float32) / 255
    warmth, tint = rng.normal(0, 0.06), rng.normal(0, 0.025)
    # Cameras expose for a middle grey, so that neither a black nor a white pack fills the range.
    mean = max(0.04, float(pixels[::16, ::16].mean()) / 255)
    exposure = float((rng.uniform(0.38, 0.62) / mean) ** rng.uniform(0.35, 0.8))
    gamma = float(np.exp(rng.normal(0, 0.12)))
    contrast, lift = rng.uniform(0.75, 1.12), rng.uniform(0, 0.06) * (rng.random() < 0.4)
    table = np.empty((1, 256, 3), np.uint8)
    for channel, gain in enumerate((1 + warmth, 1 + tint, 1 - warmth)):
        curve = np.clip(steps * np.float32(gain * exposure), 0, 1) ** gamma
        table[0, :, channel] = np.clip(((curve - 0.5) * contrast + 0.5 + lift) * 255, 0, 255)
    toned = cv2.LUT(pixels, table)
    if rng.random() < 0.5:
        amount = float(rng.uniform(0.55, 1.1))
        grey = cv2.cvtColor(cv2.cvtColor(toned, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        toned = cv2.addWeighted(toned, amount, grey, 1 - amount, 0)
    return np.asarray(toned, np.uint8)


def _noise(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    height, width = pixels.shape[:2]
    grain = texture.grain(rng, width, height)
    strength = float(min(9.0, rng.exponential(2.5)) / 32)
    if rng.random() < 0.4:
        grain = cv2.blur(grain.astype(np.int16), (3, 3)).astype(np.int8)
        strength *= 2
    brighter = cv2.convertScaleAbs(np.maximum(grain, 0), alpha=strength)
    darker = cv2.convertScaleAbs(np.minimum(grain, 0), alpha=strength)
    return cv2.subtract(cv2.add(pixels, brighter), darker)


def _small(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """A picture that was stored small and enlarged again."""
    height, width = pixels.shape[:2]
    scale = rng.uniform(0.35, 0.8)
    shrunk = cv2.resize(pixels, (int(width * scale), int(height * scale)), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(shrunk, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def _file(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    quality = int(rng.integers(35, 96))
    _, data = cv2.imencode(
        ".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    return cv2.cvtColor(np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8), cv2.COLOR_BGR2RGB)
