"""Bytes to pixels: the only parser of untrusted bytes.

JPEG goes through libjpeg-turbo, which can decode at a fraction of the size for less work. Only 1, 1/2 and
1/4 are used: other fractions have no fast transform and can cost more than the full size. No region is
decoded alone: the binding has no call for it, and the entropy code, most of the work, has no way in; the
resize kernel takes crops in the pass it makes anyway. Everything else goes through Pillow.

Both libraries release the GIL while they decode. Whatever fails in them is ImageRejected("not_loaded").
"""

from io import BytesIO
from typing import Literal

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin
from PIL.ImageFile import ImageFile

from kernels import declared
from kernels.header import ImageHeader, ImageLimits, ImageRejected, Reason, header, not_loaded, read
from kernels.modes import flatten

__all__ = [
    "ImageHeader",
    "ImageLimits",
    "ImageRejected",
    "Reason",
    "gray",
    "header",
    "read",
    "rgb",
    "rgb_and_alpha",
]

Pixels = NDArray[np.uint8]
Colour = Literal["RGB", "GRAY"]
Opened = tuple[ImageHeader, ImageFile | None]

_TOLERATED = (
    "subsampling",
    "extraneous bytes",
    "Invalid SOS",
    "Inconsistent progression",
    "Adobe color",
    "JFIF",
)
"""Complaints of libjpeg-turbo about files that hold every pixel, or have a rare chroma layout."""

_SMALLEST_SCALED_SIDE = 16
"""Below two blocks a scaled decode saves nothing, and sizes round to something else than the scale."""

_INVERSE = {6: 8, 8: 6}
"""The EXIF orientations that do not undo themselves."""


def rgb(
    data: bytes,
    limits: ImageLimits,
    *,
    cover: int | None = None,
    upright: bool = True,
    opened: Opened | None = None,
) -> Pixels:
    """Pixels (H, W, 3) uint8 RGB, upright; the first frame; what is transparent lies on white.

    cover: shortest side still needed, pixels: a JPEG comes at 1/2 or 1/4 of its size if that covers it.
    upright=False leaves the EXIF orientation unapplied. A turned picture is a strided view, not a copy.
    opened: what `read` gave for these bytes and limits, so that the header is not read twice; used up by this.
    Raises ImageRejected in the order of contract image-search 2.1: bytes, pixels, decoding, alpha, side.
    """
    return rgb_and_alpha(data, limits, cover=cover, upright=upright, opened=opened)[0]


def rgb_and_alpha(
    data: bytes,
    limits: ImageLimits,
    *,
    cover: int | None = None,
    upright: bool = True,
    opened: Opened | None = None,
) -> tuple[Pixels, Pixels | None]:
    """As `rgb`, and alpha (H, W) uint8, or None when every pixel is opaque."""
    found, image = opened or read(data, limits)
    alpha: Pixels | None = None
    if image is None:
        scale = _scale(cover, min(found.width, found.height))
        pixels, orientation = _jpeg(data, found, "RGB", scale), found.orientation
    else:
        picture, veil = _decoded(image, limits)
        pixels = np.asarray(picture.convert("RGB"))
        alpha = None if veil is None else np.asarray(veil)
        orientation = found.orientation
        if found.format == "tiff":  # Pillow has turned it already
            orientation = 1 if upright else _INVERSE.get(orientation, orientation)
            upright = True
    _check_side(found, limits)
    if upright:
        pixels = _turned(pixels, orientation)
        alpha = None if alpha is None else _turned(alpha, orientation)
    return pixels, alpha


def gray(data: bytes, limits: ImageLimits, *, long_side: int | None = None) -> Pixels:
    """Luma (H, W) uint8, upright, contiguous, shrunk by area until its longer side is at most `long_side`.

    Raises ImageRejected as `rgb` does.
    """
    found, image = read(data, limits)
    longest = max(found.width, found.height)
    orientation = found.orientation
    if image is None:
        pixels = _jpeg(data, found, "GRAY", _scale(long_side, longest))[:, :, 0]
    else:
        pixels = np.asarray(_decoded(image, limits)[0].convert("L"))
        if found.format == "tiff":
            orientation = 1
    _check_side(found, limits)
    if long_side is not None and longest > long_side:
        height, width = (found.height, found.width) if orientation < 5 else (found.width, found.height)
        ratio = long_side / longest
        size = max(1, round(width * ratio)), max(1, round(height * ratio))
        if size != pixels.shape[::-1]:
            pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    return np.ascontiguousarray(_turned(pixels, orientation))


def _scale(needed: int | None, side: int) -> int:
    """The largest of 4, 2, 1 that divides `side` and leaves `needed` pixels."""
    if needed is None or side < _SMALLEST_SCALED_SIDE:
        return 1
    return next((scale for scale in (4, 2) if -(-side // scale) >= needed), 1)


def _check_side(found: ImageHeader, limits: ImageLimits) -> None:
    if min(found.width, found.height) < limits.min_side:
        raise ImageRejected(
            "too_small",
            f"The image has {found.width} x {found.height} pixels; each side needs {limits.min_side}.",
            limits.min_side,
        )


def _decoded(image: ImageFile, limits: ImageLimits) -> tuple[Image.Image, Image.Image | None]:
    """The first frame in mode RGB or L, and its alpha if any pixel is not opaque."""
    try:
        picture, alpha = flatten(image)
    except Exception as error:
        raise not_loaded(f"The {image.format} image is truncated or damaged.") from error
    if alpha is not None and not limits.allow_transparency:
        raise ImageRejected("transparent", "The image has transparency.")
    return picture, alpha


def _turned(pixels: Pixels, orientation: int) -> Pixels:
    """A view with the EXIF orientation applied to the first two axes."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def _jpeg(data: bytes, found: ImageHeader, colour: Colour, scale: int) -> Pixels:
    """Pixels (H, W, 3 or 1) as stored, not turned, at 1/scale of the size."""
    width, height = (found.width, found.height) if found.orientation < 5 else (found.height, found.width)
    shape = -(-height // scale), -(-width // scale), 3 if colour == "RGB" else 1
    try:
        pixels: Pixels = simplejpeg.decode_jpeg(
            data,
            colorspace=colour,
            min_height=shape[0] if scale > 1 else 0,
            min_width=shape[1] if scale > 1 else 0,
            # Our own: a frame that proves larger than the gate was told is an error, not an allocation.
            buffer=np.empty(shape, dtype=np.uint8),
        )
    except Exception as error:
        # Entropy-coded bytes never contain the end mark.
        if data.find(b"\xff\xd9", declared.jpeg(data).scan_at) < 0:
            raise not_loaded("The JPEG image is truncated.") from error
        if not any(words in str(error) for words in _TOLERATED):
            raise not_loaded("The JPEG image could not be decoded.") from error
        pixels = _unusual_jpeg(data, (width, height), colour, scale)
    if pixels.shape != shape:
        raise not_loaded("The JPEG image has another size than it declares.")
    return pixels


def _unusual_jpeg(data: bytes, size: tuple[int, int], colour: Colour, scale: int) -> Pixels:
    """As `_jpeg`, by Pillow, whose binding of the same library is slower and more forgiving."""
    try:
        image: Image.Image = JpegImagePlugin.JpegImageFile(BytesIO(data))
        if image.size != size:
            raise not_loaded("The JPEG image has another size than it declares.")
        image = image.convert("RGB" if colour == "RGB" else "L").reduce(scale)
        return np.asarray(image).reshape(image.height, image.width, -1)
    except Exception as error:
        raise not_loaded("The JPEG image could not be decoded.") from error
