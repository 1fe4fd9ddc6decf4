"""Pillow's many pixel modes brought to two: RGB and L, 8 bits a channel, with alpha apart."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_OPAQUE = 255


def flatten(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """The picture in mode RGB or L, laid on white, and its alpha in mode L, None when every pixel is opaque.

    Decodes the picture if that has not happened yet; raises whatever Pillow raises.
    """
    image.load()
    if image.mode.startswith(("I", "F")):
        return _deep(image)
    if not image.has_transparency_data:
        return image if image.mode in ("L", "RGB") else image.convert(
            "L" if image.mode == "1" else "RGB"
        ), None
    rgba = image.convert("RGBA")
    return _on_white(rgba.convert("RGB"), rgba.getchannel("A"))


def _on_white(colour: Image.Image, alpha: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    if alpha.getextrema()[0] == _OPAQUE:
        return colour, None
    flat = Image.new(colour.mode, colour.size, "white")
    flat.paste(colour, mask=alpha)
    return flat, alpha


def _deep(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Grey of more than 8 bits.

    16 bits span 0..65535, 32 bits the least of 255, 65535 and 2^31-1 that holds them, floats 0..1 or 0..255.
    """
    values = np.asarray(image)
    flat = Image.fromarray(_to_bytes(values))
    clear = image.info.get("transparency")
    if clear is None:
        return flat, None
    return _on_white(flat, Image.fromarray(np.where(values == clear, np.uint8(0), np.uint8(_OPAQUE))))


def _to_bytes(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    levels = np.nan_to_num(values.astype(np.float32), posinf=np.inf, neginf=0.0)
    highest = levels.max()
    if values.dtype.kind == "f":
        full = 1.0 if highest <= 1.0 else 255.0
    elif values.dtype.itemsize == 2:
        full = 65535.0
    else:
        full = next((full for full in (255.0, 65535.0) if highest <= full), float(2**31 - 1))
    shares: NDArray[np.float32] = np.clip(levels / np.float32(full), 0.0, 1.0)
    rounded: NDArray[np.float32] = np.rint(shares * np.float32(255.0))
    return rounded.astype(np.uint8)
