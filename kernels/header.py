"""The gate: what a picture's bytes declare, checked against the limits before a pixel is decoded.

Only the formats named here are ever parsed. Their Pillow classes are called directly: `Image.open` would
try every plugin that is installed, and would warn about large pictures instead of leaving the limit to the
caller.
"""

from io import BytesIO
from typing import Literal, NamedTuple

from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)
from PIL.ImageFile import ImageFile

from kernels import declared
from kernels.exif import orientation

Reason = Literal[
    "empty", "too_many_bytes", "too_many_pixels", "too_small", "bad_aspect", "not_loaded", "transparent"
]

_PLUGINS: dict[str, type[ImageFile]] = {
    "png": PngImagePlugin.PngImageFile,
    "gif": GifImagePlugin.GifImageFile,
    "webp": WebPImagePlugin.WebPImageFile,
    "bmp": BmpImagePlugin.BmpImageFile,
    "tiff": TiffImagePlugin.TiffImageFile,
    "avif": AvifImagePlugin.AvifImageFile,
}
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"})
_MOST_SCANS = 100
"""A progressive JPEG has about ten; each scan costs a pass over the whole picture, whatever its bytes."""
_LONGEST_SIDE = 65_535
"""Of a JPEG or GIF by their nature; other formats could declare one row of millions of pixels."""
_ORIENTATION, _TILE_WIDTH, _TILE_HEIGHT = 274, 322, 323


class ImageRejected(ValueError):
    """A picture not accepted: `reason` for programs, the text for people, `limit` the bound broken."""

    def __init__(self, reason: Reason, message: str, limit: int | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.limit = limit


class ImageLimits(NamedTuple):
    """What the caller accepts: bytes of the file, declared pixels, pixels of the shorter upright side."""

    max_bytes: int
    max_pixels: int
    min_side: int = 1
    allow_transparency: bool = True


class ImageHeader(NamedTuple):
    """What a picture declares.

    format: lower case. width, height: pixels, upright. orientation: EXIF, 1..8. has_alpha: pixels may be
    transparent. frames: pictures in the file; for GIF and TIFF the count stops at 2.
    """

    format: str
    width: int
    height: int
    orientation: int
    has_alpha: bool
    frames: int


def header(data: bytes, limits: ImageLimits) -> ImageHeader:
    """What the picture declares; no pixel is decoded.

    Raises ImageRejected: empty, too_many_bytes, too_many_pixels, or not_loaded for what we cannot read.
    The shorter side and transparency are judged after decoding (order of contract image-search 2.1).
    """
    return read(data, limits)[0]


def read(data: bytes, limits: ImageLimits) -> tuple[ImageHeader, ImageFile | None]:
    """As `header`, and Pillow's picture, opened but not decoded; None for JPEG, which needs no Pillow."""
    if not data:
        raise ImageRejected("empty", "The image is empty.")
    if len(data) > limits.max_bytes:
        raise ImageRejected(
            "too_many_bytes",
            f"The image has {len(data)} bytes; the limit is {limits.max_bytes}.",
            limits.max_bytes,
        )
    format = _format(data)
    try:
        if format == "jpeg":
            found = _jpeg(data)
            _check_pixels(found.width, found.height, limits)
            return found, None
        frames = _check_before_opening(data, format, limits)
        image = _PLUGINS[format](BytesIO(data))
        found = _opened(image, format, frames)
        if isinstance(image, TiffImagePlugin.TiffImageFile):
            # A tile is decoded whole, however small the part of it that is shown.
            _check_pixels(image.tag_v2.get(_TILE_WIDTH, 1), image.tag_v2.get(_TILE_HEIGHT, 1), limits)
    except ImageRejected:
        raise
    except Exception as error:
        raise not_loaded(f"The {format.upper()} image is truncated or has a broken header.") from error
    _check_pixels(found.width, found.height, limits)
    return found, image


def not_loaded(message: str) -> ImageRejected:
    """The rejection of bytes that are no whole picture."""
    return ImageRejected("not_loaded", message)


def _check_pixels(width: int, height: int, limits: ImageLimits) -> None:
    if width < 1 or height < 1:
        raise not_loaded("The image declares no pixels.")
    if max(width, height) > _LONGEST_SIDE:
        raise ImageRejected(
            "too_many_pixels",
            f"The image has {width} x {height} pixels; the limit is {_LONGEST_SIDE} a side.",
            _LONGEST_SIDE,
        )
    if width * height > limits.max_pixels:
        raise ImageRejected(
            "too_many_pixels",
            f"The image has {width} x {height} pixels; the limit is {limits.max_pixels} pixels.",
            limits.max_pixels,
        )


def _format(data: bytes) -> str:
    """The format by its magic bytes: names and content types lie."""
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "webp"
    if data.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "tiff"
    if data.startswith(b"BM"):
        return "bmp"
    if data[4:8] == b"ftyp":
        end = min(int.from_bytes(data[:4], "big"), 64)
        brands = {data[at : at + 4] for at in (8, *range(16, end, 4))}
        if brands & {b"avif", b"avis"}:
            return "avif"
        if brands & _HEIF_BRANDS:
            raise not_loaded("HEIC images are not supported: send JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF.")
    raise not_loaded("The bytes are not an image in a known format.")


def _check_before_opening(data: bytes, format: str, limits: ImageLimits) -> int:
    """Checks the size where opening alone costs in proportion to it; returns the frames, 0 if not known."""
    if format == "png":
        _check_pixels(*declared.png_size(data), limits)
    elif format == "webp":
        _check_pixels(*declared.webp_size(data), limits)
    elif format == "gif":
        screen = declared.gif(data)
        _check_pixels(screen.width, screen.height, limits)
        return screen.frames
    elif format == "tiff":
        declared.check_tiff(data)
    return 0


def _jpeg(data: bytes) -> ImageHeader:
    frame = declared.jpeg(data)
    if frame.has_many_scans:
        # Marks behind the end are somebody else's; a file without an end is searched whole.
        end = data.find(b"\xff\xd9", frame.scan_at) % (len(data) + 1)
        if data.count(b"\xff\xda", frame.scan_at, end) > _MOST_SCANS:
            raise ImageRejected("not_loaded", f"The JPEG image has over {_MOST_SCANS} scans.", _MOST_SCANS)
    upright = (frame.width, frame.height) if frame.orientation < 5 else (frame.height, frame.width)
    return ImageHeader("jpeg", *upright, frame.orientation, False, 1)


def _opened(image: ImageFile, format: str, frames: int) -> ImageHeader:
    width, height = image.size
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        turned = image.tag_v2.get(_ORIENTATION, 1)
        turned = turned if turned in range(1, 9) else 1
        frames = 2 if image.is_animated else 1
    else:
        turned = orientation(image.info.get("exif", b"").removeprefix(b"Exif\0\0"))
        if turned >= 5:  # of a TIFF alone Pillow gives the upright size
            width, height = height, width
    return ImageHeader(
        format, width, height, turned, image.has_transparency_data, frames or getattr(image, "n_frames", 1)
    )
