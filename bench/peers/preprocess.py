"""JPEG to the network's input, as a careful user of common libraries writes it; every peer uses this file.

Several ways, so that the peers get the fastest: `bench.whole_job` prints how far each is from Pillow's
full decode with antialiased resize, in grey levels. All take bytes and return (1, 3, 224, 224) float32.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

SIDE = 224
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)
SCALE = (1 / (255 * STD)).reshape(3, 1, 1)
BIAS = (-MEAN / STD).reshape(3, 1, 1)


def pillow_full(data: bytes) -> NDArray[np.float32]:
    """The yardstick: full decode, antialiased bilinear resize."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    return _normalised(np.asarray(_resized(image)))


def pillow(data: bytes) -> NDArray[np.float32]:
    """Pillow with `draft`: the JPEG is decoded at the smallest scale that still covers the target."""
    image = Image.open(io.BytesIO(data))
    image.draft("RGB", (SIDE, SIDE))
    return _normalised(np.asarray(_resized(image.convert("RGB"))))


def opencv(data: bytes) -> NDArray[np.float32]:
    """OpenCV: decoded at half size when that covers the target, then an area resize."""
    flag = cv2.IMREAD_REDUCED_COLOR_2 if _half_covers(data) else cv2.IMREAD_COLOR
    pixels = cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), flag), cv2.COLOR_BGR2RGB)
    return _normalised(cv2.resize(_square(pixels), (SIDE, SIDE), interpolation=cv2.INTER_AREA))


def turbojpeg(data: bytes) -> NDArray[np.float32]:
    """libjpeg-turbo at half size when that covers the target, then OpenCV's area resize."""
    return _normalised(cv2.resize(_half(data), (SIDE, SIDE), interpolation=cv2.INTER_AREA))


def turbojpeg_bilinear(data: bytes) -> NDArray[np.float32]:
    """The same with OpenCV's bilinear, which is not antialiased: faster and rougher than what we do."""
    return _normalised(cv2.resize(_half(data), (SIDE, SIDE), interpolation=cv2.INTER_LINEAR))


def _half(data: bytes) -> NDArray[np.uint8]:
    """The middle square, decoded at half size when that covers the target."""
    height, width = simplejpeg.decode_jpeg_header(data)[:2]
    least = ((height + 1) // 2, (width + 1) // 2) if min(height, width) >= 2 * SIDE else (0, 0)
    return _square(simplejpeg.decode_jpeg(data, "RGB", min_height=least[0], min_width=least[1]))


def _half_covers(data: bytes) -> bool:
    height, width = simplejpeg.decode_jpeg_header(data)[:2]
    return bool(min(height, width) >= 2 * SIDE)


def _resized(image: Image.Image) -> Image.Image:
    side = min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    box = (left, top, left + side, top + side)
    return image.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=box)


def _square(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[top : top + side, left : left + side]


def _normalised(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    # Contiguous first, then in place: the fastest of six ways to write this with numpy and OpenCV.
    planes = np.ascontiguousarray(pixels.transpose(2, 0, 1)).astype(np.float32)
    planes *= SCALE
    planes += BIAS
    return planes[None]


WAYS: dict[str, Callable[[bytes], NDArray[np.float32]]] = {
    "pillow, full decode": pillow_full,
    "pillow, draft": pillow,
    "opencv": opencv,
    "turbojpeg": turbojpeg,
    "turbojpeg, bilinear": turbojpeg_bilinear,
}


def chosen() -> Callable[[bytes], NDArray[np.float32]]:
    """The way named by PEER_WAY, single-threaded inside: the peer's own workers are the parallelism."""
    cv2.setNumThreads(1)
    return WAYS[os.environ["PEER_WAY"]]
