"""Pictures made for the tests, and the bytes of odd ones that no library would write."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kernels.decode import ImageLimits

LIMITS = ImageLimits(max_bytes=10_000_000, max_pixels=40_000_000)


def mosaic(width: int, height: int, seed: int = 0) -> NDArray[np.uint8]:
    """(height, width, 3) of random coloured squares, 16 pixels a side: compression spares them."""
    cells = np.random.default_rng(seed).integers(
        0, 256, (-(-height // 16), -(-width // 16), 3), dtype=np.uint8
    )
    return np.ascontiguousarray(cells.repeat(16, axis=0).repeat(16, axis=1)[:height, :width])


def waves(width: int, height: int) -> NDArray[np.uint8]:
    """(height, width, 3), smooth: what every antialiased resize agrees on."""
    x, y = np.arange(width) / width, np.arange(height)[:, None] / height
    planes = [np.sin(7 * x + 5 * y), np.cos(11 * x - 3 * y), np.sin(4 * x) * np.cos(9 * y)]
    return np.rint(127.5 + 120 * np.stack(planes, axis=2)).astype(np.uint8)


def encoded(pixels: NDArray[Any] | Image.Image, format: str, **options: Any) -> bytes:
    """The picture as Pillow writes it."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def oriented(pixels: NDArray[np.uint8], format: str, orientation: int, **options: Any) -> bytes:
    """The picture with an EXIF orientation written beside it; the pixels are not turned."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(pixels, format, exif=exif, **options)


def png(width: int, height: int, rows: bytes = b"", *, depth: int = 8, colour: int = 2) -> bytes:
    """A PNG that declares any size, whatever its rows hold."""
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    packed = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def tiff(tags: dict[int, int]) -> bytes:
    """A TIFF of nothing but these tags, for grey pixels of 8 bits, not compressed."""
    entries = {258: 8, 259: 1, 262: 1, 277: 1, **tags}
    packed = [struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(entries.items())]
    return b"II*\0" + struct.pack("<IH", 8, len(packed)) + b"".join(packed) + bytes(4)


def gif(screen: tuple[int, int], frame: tuple[int, int], frames: int = 1) -> bytes:
    """A GIF that declares any screen and frame size, with the pixels of a single one."""
    image = b"," + struct.pack("<HHHHB", 0, 0, *frame, 0) + b"\x02\x02\x44\x01\x00"
    palette = b"\0\0\0\xff\xff\xff"
    return b"GIF89a" + struct.pack("<HHBBB", *screen, 0x80, 0, 0) + palette + image * frames + b";"


def flat_jpeg(width: int, height: int, sampling: tuple[int, int, int], level: int = 128) -> bytes:
    """A JPEG of one colour with any sampling factors, such as 0x41 for four times as many columns of luma.

    The code words: 0 for no difference (DC) and for end of block (AC), 10 for the one other difference.
    """
    blocks = [(factor >> 4) * (factor & 15) for factor in sampling]
    across = -(-width // (8 * max(factor >> 4 for factor in sampling)))
    down = -(-height // (8 * max(factor & 15 for factor in sampling)))
    # One DC step of 8 quantised by 1 is one grey level.
    step = (level - 128) * 8
    size = abs(step).bit_length()
    first = "10" + format(step if step > 0 else step + (1 << size) - 1, f"0{size}b") if step else "0"
    bits = (first + "0") + "00" * (blocks[0] - 1) + "00" * sum(blocks[1:])
    bits += "00" * sum(blocks) * (across * down - 1)
    bits += "1" * (-len(bits) % 8)
    scan = bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)).replace(b"\xff", b"\xff\0")

    def segment(marker: int, body: bytes) -> bytes:
        return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body

    components = b"".join(bytes([number + 1, factor, 0]) for number, factor in enumerate(sampling))
    dc = b"\x00" + bytes([1, 1, *[0] * 14]) + bytes([0, size or 1])
    ac = b"\x10" + bytes([1, *[0] * 15]) + b"\0"
    return b"".join(
        [
            b"\xff\xd8",
            segment(0xDB, b"\0" + b"\1" * 64),
            segment(0xC0, struct.pack(">BHHB", 8, height, width, 3) + components),
            segment(0xC4, dc + ac),
            segment(0xDA, b"\3" + b"\1\0\2\0\3\0" + b"\0\x3f\0"),
            scan,
            b"\xff\xd9",
        ]
    )
