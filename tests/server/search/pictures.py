"""Small generated pictures with plenty of corners, and photos of them."""

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


def print_of(seed: int, width: int = 360, height: int = 270) -> Pixels:
    """(H, W, 3) uint8: overlapping shapes and letters, different for every seed."""
    random = np.random.default_rng(seed)
    pixels = np.full((height, width, 3), random.integers(90, 200, 3), np.uint8)
    for _ in range(90):
        corner = random.integers(0, (width, height))
        size = random.integers(8, 60, 2)
        colour = tuple(int(level) for level in random.integers(0, 256, 3))
        far = corner + size
        if random.random() < 0.5:
            cv2.rectangle(pixels, corner.tolist(), far.tolist(), colour, -1)
        else:
            cv2.ellipse(
                pixels, corner.tolist(), (size // 2).tolist(), random.integers(180), 0, 360, colour, -1
            )
    for _ in range(25):
        text = "".join(random.choice(list("ABCDEFGHKLMNPRSTUVXYZ23456789"), 5))
        place = random.integers(0, (width - 40, height)).tolist()
        colour = tuple(int(level) for level in random.integers(0, 256, 3))
        cv2.putText(pixels, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.3 + random.random() * 0.7, colour, 2)
    return pixels


def photo_of(pixels: Pixels, *, share: float = 0.7, seed: int = 0) -> Pixels:
    """The print lying slightly turned on a noisy table, filling about `share` of the frame's width."""
    height, width = pixels.shape[:2]
    random = np.random.default_rng(seed)
    table = random.integers(115, 140, (height, width, 3)).astype(np.uint8)
    table = cv2.GaussianBlur(table, (0, 0), 3)
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), 8, share)
    mask = cv2.warpAffine(np.full((height, width), 255, np.uint8), matrix, (width, height))
    laid = cv2.warpAffine(pixels, matrix, (width, height), flags=cv2.INTER_AREA)
    return np.where(mask[:, :, None] > 127, laid, table)


def plain(width: int = 360, height: int = 270) -> Pixels:
    """A white table."""
    return np.full((height, width, 3), 230, np.uint8)


def jpeg(pixels: Pixels, quality: int = 90) -> bytes:
    return _encoded(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])


def png(pixels: Pixels) -> bytes:
    return _encoded(".png", pixels, [])


def transparent_png(width: int = 200, height: int = 200) -> bytes:
    """One pixel of it can be seen through."""
    pixels = np.dstack([print_of(1, width, height), np.full((height, width), 255, np.uint8)])
    pixels[0, 0, 3] = 254
    return _encoded(".png", pixels, [])


def _encoded(kind: str, pixels: Pixels, options: list[int]) -> bytes:
    done, data = cv2.imencode(kind, pixels, options)
    assert done
    return data.tobytes()
