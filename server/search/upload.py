"""A reference picture from its bytes: checked, described, rated, shrunk to thumbnails, in a worker thread."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from kernels import decode
from server.search import features, quality
from server.search.links import THUMB_SIDES
from server.search.listing import invalid
from server.settings import Limits

if TYPE_CHECKING:
    from server.deadline import Deadline
    from server.metrics import Metrics
    from server.pool import WorkPool

MIN_SIDE = 120
MAX_ASPECT = 10
THUMB_QUALITY = 85


class Upload(NamedTuple):
    """What is stored of a reference picture.

    described is None when the picture is unusable (status "ER"); value 0..1 is its quality; thumbs are JPEGs
    that fit in 60 and in 120 pixels.
    """

    data: bytes
    content_type: str
    described: features.Described | None
    status: str
    value: float
    reasons: list[str]
    thumbs: tuple[bytes, bytes]


class Examiner:
    """Examines uploads in the worker threads."""

    def __init__(self, pool: WorkPool, limits: Limits, metrics: Metrics) -> None:
        self._pool = pool
        self._metrics = metrics
        self._limits = decode.ImageLimits(
            max_bytes=limits.reference_bytes,
            max_pixels=limits.reference_pixels,
            min_side=MIN_SIDE,
            allow_transparency=False,
        )

    async def examine(self, data: bytes, deadline: Deadline) -> Upload:
        """See `examine`; `Overloaded` when too many pictures wait."""
        try:
            with self._metrics.stage("examine"):
                return await self._pool.run(examine, data, self._limits, deadline=deadline)
        except decode.ImageRejected as refused:
            self._metrics.rejected(refused.reason)
            raise


def examine(data: bytes, limits: decode.ImageLimits) -> Upload:
    """Everything about a reference picture that its row and a search need (contract image-search 1.7, 3.5).

    Errors: `ImageRejected` for what the gate refuses, VALIDATION_ERROR on `file` when long/short is over 10.
    A plain picture is no error: it is stored with status "ER" and never matches.
    """
    gray = decode.gray(data, limits, long_side=features.LONG_SIDE)
    opened = decode.read(data, limits)
    header = opened[0]
    long, short = max(header.width, header.height), min(header.width, header.height)
    if long > MAX_ASPECT * short:
        raise invalid({"file": [f"The long side may be at most {MAX_ASPECT} times the short side."]})
    pixels = decode.rgb(data, limits, cover=ceil(max(THUMB_SIDES) * short / long), opened=opened)
    small, large = (thumbnail(pixels, side) for side in THUMB_SIDES)
    content_type = f"image/{header.format}"
    try:
        described = features.describe(gray)
    except features.NoDetails:
        return Upload(data, content_type, None, "ER", 0.0, ["no_details"], (small, large))
    rated = quality.rate(described.gray, described.features)
    usable = described if rated.status == "OK" else None
    reasons: list[str] = list(rated.reasons)
    return Upload(data, content_type, usable, rated.status, rated.value, reasons, (small, large))


def thumbnail(pixels: NDArray[np.uint8], side: int) -> bytes:
    """pixels (H, W, 3) RGB as a JPEG that fits in `side` x `side`, aspect kept, never enlarged."""
    height, width = pixels.shape[:2]
    scale = min(1.0, side / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    shrunk = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA) if scale < 1 else pixels
    jpeg: bytes = simplejpeg.encode_jpeg(
        np.ascontiguousarray(shrunk, dtype=np.uint8), quality=THUMB_QUALITY, colorspace="RGB"
    )
    return jpeg
