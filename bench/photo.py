"""Draws a picture with the statistics of a photo, so that benchmarks need no sample files.

The spectrum falls with the frequency as that of natural scenes does, and the three channels mostly go
together; on it lie packs with sharp edges and a little sensor noise. What matters here is the JPEG: about as
many coded coefficients per byte as a phone's.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def photo(width: int, height: int, seed: int = 1) -> NDArray[np.uint8]:
    """(height, width, 3) uint8 RGB."""
    random = np.random.default_rng(seed)
    pixels = np.full((height, width, 3), 128.0, dtype=np.float32)
    for octave in range(7):
        columns = 4 << octave
        rows = max(2, columns * height // width)
        amplitude = 60 / 1.6**octave
        for share in (0.7 * np.ones(3), *(0.3 * np.eye(3))):  # what all channels share, then each its own
            grid = Image.fromarray(random.normal(0, amplitude, (rows, columns)).astype(np.float32))
            layer = np.asarray(grid.resize((width, height), Image.Resampling.BICUBIC))
            pixels += layer[..., None] * share.astype(np.float32)
    for _ in range(40):
        x, y = random.integers(0, width), random.integers(0, height)
        across, down = random.integers(8, width // 6), random.integers(8, height // 6)
        pixels[y : y + down, x : x + across] *= 0.5
        pixels[y : y + down, x : x + across] += random.uniform(0, 128, 3).astype(np.float32)
    pixels += random.normal(0, 2, (height, width, 1)).astype(np.float32)
    return np.clip(pixels, 0, 255).astype(np.uint8)


def jpeg(pixels: NDArray[np.uint8], wanted_bytes: int) -> bytes:
    """The picture as JPEG (4:2:0) of the quality whose file comes nearest to the wanted size."""
    image = Image.fromarray(pixels)

    def written(quality: int) -> bytes:
        buffer = io.BytesIO()
        image.save(buffer, "jpeg", quality=quality)
        return buffer.getvalue()

    low, high = 1, 95
    while low < high:
        middle = (low + high) // 2
        if len(written(middle)) < wanted_bytes:
            low = middle + 1
        else:
            high = middle
    return min((written(max(low - 1, 1)), written(low)), key=lambda data: abs(len(data) - wanted_bytes))
